import { expect, test } from 'vitest';
import { Changeover } from '../../../src/agent/changeover.ts';
import type { RulesContext } from '../../../src/agent/rules.ts';
import { stateOf } from '../../../src/agent/state.ts';
import type { State } from '../../../src/agent/state.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { updateRegistry, EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { recordedLog } from './recorded-log.ts';
import { inputs } from './inputs.ts';

const CONFIG = { protect: { ranges: [], cidrs: [] } };
const CONTEXT = { config: { ...CONFIG, internalZones: [] }, bridges: new Map(), gateways: [], podLinks: [] };
const POD = { uid: 'u', namespace: 'shop', name: 'cart', labels: {}, addresses: ['192.0.2.1'] };
const { registry: REGISTRY } = updateRegistry(EMPTY_REGISTRY, [POD]);

/** One pod that may reach these names. */
function allowing(...names: string[]): State {
  const rules = names.map((name) => `{ matchName: ${name} }`).join(', ');
  const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: p, namespace: shop }
spec: { endpointSelector: {}, egress: [{ toFQDNs: [${rules}] }] }
`;
  const policies = readPolicies(text, 'p.yaml');
  const state = stateOf(inputs({ pods: [POD], policies: policies.ok ? policies.value : [] }), REGISTRY, CONFIG);
  return state.ok ? state.value : expect.fail('refused');
}

const WIDE = allowing('a.example.org', 'b.example.org');
const NARROW = allowing('a.example.org');

/** A changeover of which `fails` names the step that throws, and what was done, in order. */
function changing() {
  const world = { fails: new Set<string>(), done: [] as string[], isTrusted: true, isAsApplied: true };
  const step = (name: string): void => {
    world.done.push(name);
    if (world.fails.has(name)) throw new Error(`${name} fails`);
  };
  const tell = async <T>(name: string, answer: T): Promise<T> => {
    step(name);
    return Promise.resolve(answer);
  };
  const changeover = new Changeover(
    recordedLog().log,
    {
      datapath: {
        adopt: ({ programs }) => tell(`adopt ${programs[0]?.names.length}`, true),
        prune: () => tell('prune', true),
        refill: () => tell('refill', undefined),
      },
      memory: { remember: () => undefined },
      table: {
        apply: ({ programs }) => {
          world.isTrusted = true;
          return tell(`rules ${programs[0]?.names.length}`, undefined);
        },
        removeStaleSets: () => tell('sets', undefined),
        isAsApplied: () => world.isTrusted && world.isAsApplied,
        get isTrusted() {
          return world.isTrusted;
        },
        distrust: () => void (world.isTrusted = false),
      },
      links: {
        contextOf: () => Promise.resolve(CONTEXT as unknown as RulesContext), // what rules.ts asks for, and no more
        isAsAsked: () => Promise.resolve(true),
      },
      revocation: {
        judgeAgain: async (state, isChanged) => {
          const whose = state.registry.pods.filter((pod, i) => isChanged(pod, i)).map(({ pod }) => pod.name);
          return tell(`judge ${whose.join()}`, 0);
        },
        remember: () => tell('remember', undefined),
        forget: () => undefined,
      },
      auditMode: {
        podsOf: () => new Set<number>(),
        podsBefore: () => new Set<number>(),
        put: () => tell('put', undefined),
        distrust: () => undefined,
      },
    },
    WIDE,
  );
  return { world, changeover };
}

test('what lost its reason goes before any rule is changed, and then open connections are judged', async () => {
  const { world, changeover } = changing();
  expect(await changeover.apply(NARROW)).toBe(true);
  expect(world.done).toEqual(['put', 'adopt 1', 'prune', 'rules 1', 'judge cart', 'remember', 'sets']);
});

test('a failure before the rules have switched goes back to the state before', async () => {
  const { world, changeover } = changing();
  world.fails.add('rules 1');
  expect(await changeover.apply(NARROW)).toBe(false);
  expect(world.done.slice(-5)).toEqual(['prune', 'rules 2', 'judge ', 'remember', 'sets']);
  expect(changeover.state.compiled.programs[0]?.names).toHaveLength(2);
});

test.each(['judge cart', 'remember', 'sets'])(
  'a failure after that (%s) never brings back what policy has left behind',
  async (step) => {
    const { world, changeover } = changing();
    world.fails.add(step);
    expect(await changeover.apply(NARROW)).toBe(false);
    expect(changeover.state.compiled.programs[0]?.names).toHaveLength(1);
    expect(world.done).not.toContain('rules 2');
    world.fails.clear();
    world.done.length = 0;
    expect(await changeover.apply(NARROW)).toBe(true);
    expect(world.done).not.toContain('rules 2');
    if (step !== 'sets') expect(world.done).toContain('judge cart'); // what the first try left
  },
);

test('after a foreign delete rules come first, then grants, and everything that is open is judged', async () => {
  const { world, changeover } = changing();
  world.isAsApplied = false;
  expect(await changeover.restore()).toBe(true);
  expect(world.done).toEqual(['rules 2', 'refill', 'put', 'judge cart', 'remember']);
});

test('connections that could not be judged then are judged at the next look', async () => {
  const { world, changeover } = changing();
  world.isAsApplied = false;
  world.fails.add('judge cart');
  expect(await changeover.restore()).toBe(true);
  world.fails.clear();
  world.isAsApplied = true;
  world.done.length = 0;
  await changeover.restore();
  expect(world.done).toEqual(['judge cart', 'remember']);
  world.done.length = 0;
  await changeover.restore();
  expect(world.done).toEqual([]);
});

test('where the table is not what it should be a change begins by putting it back', async () => {
  const { world, changeover } = changing();
  changeover.distrust();
  expect(await changeover.apply(NARROW)).toBe(true);
  expect(world.done.slice(0, 2)).toEqual(['rules 2', 'refill']);
});
