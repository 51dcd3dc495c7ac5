// Rules that no lookup changes, of one policy's rule → what the kernel gets: static rules and the destinations that they name.
import { addressesOf, includesHost, isIn, mayMissOne, podsOf, type Surroundings } from './destinations.ts';
import type { Destination, PortRange, StaticRule, Traffic } from './compiled.ts';
import type { Pod } from '../pods/pod.ts';
import type { NamedPort, Peer, ReachRule } from './policy.ts';
import { compareText } from './ports.ts';
import type { Slots } from './slots.ts';

type NamedContainerPorts = NonNullable<Pod['ports']>;

/** Of one rule: what stays while only addresses change. */
export interface LoweredReach {
  readonly verdict: ReachRule['verdict'];
  readonly statics: readonly StaticRule[];
  /** Slots of destinations, each with whose addresses are in it. */
  readonly places: readonly {
    readonly slot: number;
    readonly of: Pick<ReachRule, 'to' | 'verdict'>;
    readonly key: string;
  }[];
  /** Further slots that it holds. */
  readonly fixed: readonly number[];
}

/** What is the same for all of a rule: `key` must be of this rule alone, and stay when its addresses change. */
export interface ReachContext {
  /** Index into CompiledPolicy.rules. */
  readonly rule: number;
  readonly key: string;
  readonly isAudited: boolean;
}

export function lowerReach(
  reach: ReachRule,
  { rule, key, isAudited }: ReachContext,
  slots: Slots<Destination>,
  surroundings: Surroundings,
): LoweredReach {
  const places: LoweredReach['places'][number][] = [];
  const fixed: number[] = [];
  const verdict = missesOne(reach, surroundings) ? 'deny' : reach.verdict;
  const make = (to: StaticRule['to'], traffic: Traffic): StaticRule =>
    isAudited && verdict === 'deny' ? { to, traffic, rule, isAudited } : { to, traffic, rule };
  const place = (of: Pick<ReachRule, 'to' | 'verdict'>, placeKey: string): number => {
    const slot = slots.take({ key: placeKey, cidrs: addressesOf(of, surroundings) });
    places.push({ slot, of, key: placeKey });
    return slot;
  };
  const { to, traffic, namedPorts = [] } = reach;
  if (missesOne(reach, surroundings)) {
    // Which of them has which named port, nobody knows either.
    const all = namedPorts.length === 0 ? traffic : 'all';
    return { verdict, statics: [make('any', all)], places, fixed };
  }
  const statics: StaticRule[] = [];
  if (!isNothing(traffic)) {
    if (to.some(({ kind }) => kind === 'any')) statics.push(make('any', traffic));
    if (to.some((peer) => includesHost(peer, surroundings))) statics.push(make('host', traffic));
    if (to.some(({ kind }) => kind !== 'any' && kind !== 'host')) statics.push(make(place(reach, key), traffic));
  }
  for (const { range, addresses } of resolved(reach, namedPorts, surroundings)) {
    // Addresses of pods, meant one by one: protected or not, as they are.
    const slot = slots.take({ key: `${key}:${range.protocol}${range.first}`, cidrs: addresses });
    fixed.push(slot);
    statics.push(make(slot, { ports: [range], icmp: [] }));
  }
  return { verdict, statics, places, fixed };
}

/** Whether what the rule stands for changes with the pods in more than addresses. */
export function hasNamedPorts({ namedPorts = [] }: ReachRule): boolean {
  return namedPorts.length > 0;
}

function isNothing(traffic: Traffic): boolean {
  return traffic !== 'all' && traffic.ports.length === 0 && traffic.icmp.length === 0;
}

/** To deny, or to leave to other tiers, whose addresses nobody knows is to deny everybody. */
function missesOne({ to, verdict, namedPorts = [] }: ReachRule, surroundings: Surroundings): boolean {
  if (verdict === 'allow') return false;
  return to.some((peer) => mayMissOne(peer, surroundings)) || (namedPorts.length > 0 && !surroundings.knowsAllPods);
}

/** The pods that a peer means, with those of their addresses that it means. */
function portsOf(
  peer: Peer,
  surroundings: Surroundings,
): { addresses: readonly string[]; ports: NamedContainerPorts }[] {
  return podsOf(peer, surroundings).map(({ addresses, ports = [] }) => ({
    addresses: peer.kind === 'cidr' ? addresses.filter((each) => isIn(each, peer)) : addresses,
    ports,
  }));
}

/** For each number that one of the names stands for, the addresses of the pods that call it so. */
function resolved(
  { to }: ReachRule,
  namedPorts: readonly NamedPort[],
  surroundings: Surroundings,
): { range: PortRange; addresses: string[] }[] {
  if (namedPorts.length === 0) return [];
  const found = new Map<string, { range: PortRange; addresses: Set<string> }>();
  for (const { addresses, ports } of to.flatMap((peer) => portsOf(peer, surroundings))) {
    for (const { name, port, protocol } of ports) {
      if (!namedPorts.some((wanted) => wanted.name === name && wanted.protocols.includes(protocol))) continue;
      const key = `${protocol}${port}`;
      const entry = found.get(key) ?? { range: { protocol, first: port, last: port }, addresses: new Set<string>() };
      for (const address of addresses) entry.addresses.add(address);
      found.set(key, entry);
    }
  }
  // In an order that is not that of pods, which is another after a restart.
  const sorted = [...found].toSorted(([a], [b]) => compareText(a, b));
  return sorted.map(([, { range, addresses }]) => ({ range, addresses: [...addresses] }));
}
