// What the agent enforces at one moment: the inputs and what they compile to. Replaced as a whole by each accepted change; a change that is
// refused leaves the last one in force.
import { createHash } from 'node:crypto';
import { parseAddress } from '../base/ip.ts';
import type { Parsed } from '../base/errors.ts';
import { MAX_PODS } from '../bridge/snapshot.ts';
import type { Snapshot } from '../bridge/snapshot.ts';
import { protectedRanges } from '../kernel/protected.ts';
import type { RulesetPod } from '../kernel/ruleset.ts';
import { shieldText } from '../kernel/shield.ts';
import type { Pod } from '../pods/pod.ts';
import type { RegisteredPod, Registry } from '../pods/registry.ts';
import { updateRegistry } from '../pods/registry.ts';
import { Compiler } from '../policy/compile.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { Config } from './config.ts';
import { extraRanges } from './inputs.ts';
import type { Inputs } from './inputs.ts';

const OWNER_DIGITS = 32;

export interface State {
  /** 1 for the first, then whatever the agent counts. */
  readonly generation: number;
  readonly inputs: Inputs;
  readonly registry: Registry;
  readonly compiled: CompiledPolicy;
}

/** Compiles the inputs; pods keep the ids they have in `registry`. `compiler` remembers what it made of those before. */
export function stateOf(
  inputs: Inputs,
  registry: Registry,
  config: Pick<Config, 'protect'>,
  compiler = new Compiler(),
): Parsed<State> {
  const { pods, policies, podsAt, knowsAllPods, nodes, services, dnsServers, areDnsServersInside, dnsNamespaceLabels } =
    inputs;
  if (pods.length > MAX_PODS) {
    const message = `Remove clients: ${pods.length} are listed, at most ${MAX_PODS} are served`;
    return { ok: false, problems: [{ code: 'too-many-clients', at: podsAt, message }] };
  }
  const { registry: next } = updateRegistry(registry, pods);
  const compiled = compiler.compile(policies, {
    pods: next.pods.map(({ pod }) => pod),
    knowsAllPods,
    nodes,
    services,
    dnsServers,
    areDnsServersInside,
    ...(dnsNamespaceLabels === undefined ? {} : { dnsNamespaceLabels }),
    protectedRanges: protectedRanges(extraRanges(config, inputs)).map(({ cidr }) => cidr),
  });
  return { ok: true, value: { generation: 1, inputs, registry: next, compiled } };
}

/** The state for the data plane, pods with an address in `absent` left out; `audited` are ids of pods in audit mode. */
export function snapshotOf(
  state: State,
  absent: ReadonlySet<string> = new Set(),
  audited: ReadonlySet<number> = new Set(),
): Snapshot {
  const { compiled, registry } = state;
  const pods = registry.pods.map(({ id, pod }, i) => ({ id, pod, program: compiled.programOfPod[i] ?? -1 }));
  const present = pods.filter(({ pod }) => !pod.addresses.some((address) => absent.has(address)));
  return {
    generation: state.generation,
    pods: present.map(({ id, pod, program }) => ({
      id,
      addresses: pod.addresses.flatMap((address) => parseAddress(address) ?? []),
      program,
      ...(audited.has(id) ? { isAudited: true } : {}),
    })),
    programs: compiled.programs.map(({ id, names, unlisted, isTold, toldBy, auditedBy }) => {
      return { id, names, unlisted, isTold, toldBy, isAudited: auditedBy.length > 0 };
    }),
    classIds: compiled.classes.map(({ id }) => id),
    shield: shieldText({
      addresses: pods.flatMap(({ pod, program }) => (program >= 0 ? pod.addresses : [])),
      guardedRanges: state.inputs.guardedRanges,
    }),
  };
}

/** Pods as the ruleset wants them: with the chain that judges their packets. Those with an address in `closed` are denied everything. */
export function rulesetPods(
  state: State,
  closed: ReadonlySet<string>,
  bridges: ReadonlyMap<string, string>,
): RulesetPod[] {
  return state.registry.pods.map(({ pod }, i) => {
    const program = state.compiled.programs[state.compiled.programOfPod[i] ?? -1];
    return {
      addresses: pod.addresses,
      owner: ownerOf(pod),
      isClosed: pod.addresses.some((address) => closed.has(address)),
      ...linkOf(pod, bridges),
      ...(program === undefined ? {} : { programId: program.id }),
    };
  });
}

function linkOf({ interface: link, mac }: Pod, bridges: ReadonlyMap<string, string>): Partial<RulesetPod> {
  if (link === undefined) return {};
  const bridge = bridges.get(link);
  if (bridge === undefined) return { interface: link };
  return { interface: link, bridge, ...(mac === undefined ? {} : { mac }) };
}

/** Addresses that are another pod's in `next` than in `before`: until the old one's grants are gone they must open nothing (I4). */
export function inheritedAddresses(before: State, next: State): ReadonlySet<string> {
  const former = ownersOf(before);
  const inherited = [...ownersOf(next)].filter(([address, id]) => former.has(address) && former.get(address) !== id);
  return new Set(inherited.map(([address]) => address));
}

/** Addresses of pods that are not in `before`. */
export function newAddresses(before: State, next: State): ReadonlySet<string> {
  const known = new Set(before.registry.pods.map(({ id }) => id));
  return new Set(next.registry.pods.filter(({ id }) => !known.has(id)).flatMap(({ pod }) => pod.addresses));
}

/** Canonical address → owner, as the kernel remembers it. */
export function owners({ registry }: State): ReadonlyMap<string, string> {
  return new Map(registry.pods.flatMap(({ pod }) => pod.addresses.map((address) => [address, ownerOf(pod)])));
}

/** The pod's identity as pods/registry.ts has it. */
function ownerOf({ uid, addresses, interface: link }: Pod): string {
  const hash = createHash('sha256').update(JSON.stringify([uid, addresses.toSorted(), link]));
  return hash.digest('hex').slice(0, OWNER_DIGITS);
}

function ownersOf({ registry }: State): Map<string, number> {
  return new Map(registry.pods.flatMap(({ id, pod }) => pod.addresses.map((address) => [address, id])));
}

/** Addresses whose DNS is taken (design §3, "Which pods"). */
export function interceptedAddresses(state: State, intercept: Config['intercept']): string[] {
  // Without rules it says nothing of egress.
  const aboutEgress = state.inputs.policies.filter(({ rules }) => rules.length > 0);
  const namespaces = new Set(aboutEgress.map(({ namespace }) => namespace));
  const isEverywhere = namespaces.has(''); // a cluster-wide policy holds for every namespace
  const isIntercepted = ({ pod }: RegisteredPod, i: number): boolean => {
    const isSelected = (state.compiled.programOfPod[i] ?? -1) >= 0;
    if (intercept === 'all' || isSelected) return true;
    return intercept === 'namespaces' && (isEverywhere || namespaces.has(pod.namespace));
  };
  return state.registry.pods.filter(isIntercepted).flatMap(({ pod }) => pod.addresses);
}

/** Clients that some policy selects, without an interface of their own. */
export function unboundClients({ registry, compiled }: State): string[] {
  const isUnbound = ({ pod }: RegisteredPod, i: number): boolean =>
    pod.interface === undefined && (compiled.programOfPod[i] ?? -1) >= 0;
  return registry.pods.filter(isUnbound).map(({ pod }) => `${pod.namespace}/${pod.name}`);
}
