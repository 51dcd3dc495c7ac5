// What a change of policies or pods costs the main thread: 10,000 patterns over 250 pods, compiled anew, and then one change after the other.
import { Programs } from '../../src/datapath/state/programs.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { Compiler } from '../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { EMPTY_WORLD } from '../../src/policy/world.ts';
import type { World } from '../../src/policy/world.ts';
import { median } from './measure.ts';
import type { Figure, Outcome } from './report.ts';

const PODS = 250;
const POLICIES = 1_000;
const PATTERNS_OF_A_POLICY = 10;
const NAMESPACES = 25;
const ROUNDS = 41;

export function compileBench(): Outcome {
  const policies = Array.from({ length: POLICIES }, (_, i) => policyOf(i, 0));
  const world = worldOf(Array.from({ length: PODS }, (_, i) => podOf(i, `app${i}`)));
  const anew = milliseconds(ROUNDS, () => new Compiler().compile(policies, world));
  const compiled = new Compiler().compile(policies, world);
  const of = `${POLICIES * PATTERNS_OF_A_POLICY} patterns over ${PODS} pods`;
  return {
    results: [],
    figures: [
      figure(`compile ${of}`, anew),
      figure(
        `make their matchers`,
        milliseconds(ROUNDS, () => new Programs(compiled.programs)),
      ),
      ...changes(policies, world),
    ],
    refusals: [],
  };
}

/** Each is another one each time, on what was compiled before. */
function changes(policies: readonly Policy[], world: World): Figure[] {
  const labelled = (i: number): World => {
    const pods = world.pods.with(i % PODS, podOf(i % PODS, `app${(i * 7 + 1) % PODS}`));
    return { ...world, pods };
  };
  const added = (i: number): World => ({ ...world, pods: [...world.pods, podOf(PODS + i, `app${i % PODS}`)] });
  const moved = (i: number): World => ({
    ...world,
    pods: world.pods.with(i % PODS, { ...podOf(i % PODS, `app${i % PODS}`), addresses: [`10.9.${i % 256}.1`] }),
  });
  const edited = Array.from({ length: ROUNDS }, (_, i) => policies.with(i % POLICIES, policyOf(i % POLICIES, i + 1)));
  return [
    incremental('the labels of one pod', (compiler, i) => compiler.compile(policies, labelled(i))),
    incremental('one pod more', (compiler, i) => compiler.compile(policies, added(i))),
    incremental('the address of one pod', (compiler, i) => compiler.compile(policies, moved(i))),
    incremental('one policy', (compiler, i) => compiler.compile(edited[i % ROUNDS] ?? policies, world)),
  ];

  function incremental(what: string, change: (compiler: Compiler, i: number) => CompiledPolicy): Figure {
    const compiler = new Compiler();
    compiler.compile(policies, world);
    let i = 0;
    return figure(
      `a change of ${what}`,
      milliseconds(ROUNDS, () => change(compiler, i++)),
    );
  }
}

function worldOf(pods: readonly Pod[]): World {
  return { ...EMPTY_WORLD, pods, knowsAllPods: true, nodes: [], services: [], dnsServers: ['10.96.0.10'] };
}

function podOf(i: number, app: string): Pod {
  const namespace = `ns${i % NAMESPACES}`;
  const addresses = [`10.${1 + (i >> 8)}.${i & 255}.7`, `2001:db8::${(i + 1).toString(16)}`];
  return { uid: `${i}`, namespace, name: `pod${i}`, labels: { app, tier: 'web' }, addresses };
}

/** Every pod is selected by four of them. `edit`: one pattern of it is another. */
function policyOf(i: number, edit: number): Policy {
  const app = i % PODS;
  const names = Array.from({ length: PATTERNS_OF_A_POLICY }, (_, n) =>
    n % 2 === 0 ? `{matchName: api${n}-${edit}.p${i}.example.org}` : `{matchPattern: "*.zone${n}.p${i}.example.org"}`,
  );
  const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p${i}, namespace: ns${app % NAMESPACES}}
spec:
  endpointSelector: {matchLabels: {app: app${app}}}
  egress:
    - toFQDNs: [${names.join(', ')}]
      toPorts: [{ports: [{port: 443, protocol: TCP}]}]
    - toEndpoints: [{matchLabels: {app: app${(app + 1) % PODS}}}]
    - toCIDR: [192.0.2.${i % 256}/32]
`;
  const read = readPolicies(text, `p${i}.yaml`);
  if (!read.ok || read.value[0] === undefined) throw new Error(JSON.stringify(read));
  return read.value[0];
}

function milliseconds(rounds: number, run: () => unknown): number {
  run();
  return median(
    Array.from({ length: rounds }, () => {
      const start = performance.now();
      run();
      return performance.now() - start;
    }),
  );
}

function figure(what: string, value: number): Figure {
  return { bench: 'compile', what, unit: 'ms', value };
}
