// Static rules as sets and rules: one set for all the destinations that a list of rules gives the same traffic to, so that a new connection
// costs a look-up for each distinct traffic, whatever the number of rules and addresses.
import { createHash } from 'node:crypto';
import type { Family } from '../base/ip.ts';
import type {
  Destination,
  PortProtocol,
  PortRange,
  Program,
  Segment,
  StaticRule,
  Traffic,
} from '../policy/compiled.ts';
import { intervals, plainIntervals } from './intervals.ts';
import { KernelError } from './kernel-error.ts';

const FAMILIES = [4, 6] as const;
const ID_DIGITS = 12;

/** A set of destinations. Its name stays the same while the rules do, so that a change of addresses is a difference of elements. */
export interface StaticSet {
  readonly name: string;
  readonly family: Family;
  /** False: single addresses, a hash. */
  readonly isInterval: boolean;
  readonly elements: readonly string[];
}

/** The rules of one list, in any order: none of them decides against another. */
export interface StaticRules {
  readonly sets: readonly StaticSet[];
  /** Each ends where `verdict` is put, for example `accept`. */
  readonly matches: readonly string[];
}

export interface Ranges {
  readonly destinations: readonly Destination[];
}

/** The sets of one family that these programs ask; programs with the same rules share them. */
export function programSets(
  { programs, ...ranges }: Ranges & { readonly programs: readonly Program[] },
  family: Family,
): StaticSet[] {
  const all = programs.flatMap(({ segments, former }) =>
    [...segments, ...(former?.segments ?? [])].flatMap((segment) => [
      ...Object.values(takingLists(segment)).flatMap((rules) => denyRules(rules, ranges, 'forward').sets),
      ...allowRules(segment, ranges, 'forward').sets,
    ]),
  );
  return [...new Map(all.filter((set) => set.family === family).map((set) => [set.name, set])).values()];
}

/** What is taken before anything is opened, list by list: each has sets of its own. */
export function takingLists({
  deny,
  pass,
}: Segment): Readonly<Record<'enforced' | 'audited' | 'pass', readonly StaticRule[]>> {
  const { audited = [], enforced = [] } = Object.groupBy(deny, (rule) => (rule.isAudited ? 'audited' : 'enforced'));
  return { enforced, audited, pass };
}

/** `forward`: what leaves the node. `input`: what is meant for the node itself. */
export type Hook = 'forward' | 'input';

/** Rules that deny, or pass on: all that they name, also behind NAT64. */
export function denyRules(rules: readonly StaticRule[], { destinations }: Ranges, hook: Hook): StaticRules {
  const elements: Elements = (cidrs, family) =>
    intervals(
      cidrs.map((cidr) => ({ cidr, reason: 'denied' })),
      family,
    );
  return join(groups(rules, destinations).map((group) => groupRules(group, 'deny', hook, elements)));
}

/** The allow rules of a segment: destinations as they are, what is protected and not meant was taken out of them (policy/destinations.ts). No
 * CIDR means the node itself, as in Cilium. */
export function allowRules({ allow }: Segment, { destinations }: Ranges, hook: Hook): StaticRules {
  const rules = hook === 'input' ? allow.filter(({ to }) => typeof to !== 'number') : allow;
  return join(groups(rules, destinations).map((group) => groupRules(group, 'allow', hook, plainIntervals)));
}

type Elements = (cidrs: readonly string[], family: Family) => string[];

/** Rules with the same traffic. */
interface Group {
  readonly traffic: Traffic;
  readonly isAnywhere: boolean;
  readonly isHost: boolean;
  readonly destinations: readonly Destination[];
}

function groups(rules: readonly StaticRule[], destinations: readonly Destination[]): Group[] {
  const byTraffic = Map.groupBy(rules, ({ traffic }) => JSON.stringify(traffic));
  return [...byTraffic.values()].map((same) => ({
    traffic: same[0]?.traffic ?? { ports: [], icmp: [] },
    isAnywhere: same.some(({ to }) => to === 'any'),
    isHost: same.some(({ to }) => to === 'host'),
    destinations: same.flatMap(({ to }) => (typeof to === 'number' ? [destinationOf(to, destinations)] : [])),
  }));
}

function destinationOf(index: number, destinations: readonly Destination[]): Destination {
  const found = destinations[index];
  if (found === undefined) throw new KernelError('bad-input', `Cannot find destination ${index}`);
  return found;
}

function groupRules(group: Group, verdict: 'allow' | 'deny', hook: Hook, elements: Elements): StaticRules {
  const { traffic } = group;
  const whole = trafficMatches(traffic);
  const anywhere = group.isAnywhere ? anywhereMatches(verdict).flatMap((to) => whole.map((what) => to + what)) : [];
  const toHost = group.isHost && hook === 'input' ? whole : [];
  const sets = FAMILIES.flatMap((family) => staticSet(group, verdict, family, elements));
  const toSets = sets.flatMap(({ name, family }) =>
    trafficMatches(traffic, family).map((what) => `${family === 4 ? 'ip' : 'ip6'} daddr @${name} ${what}`),
  );
  return { sets, matches: [...anywhere, ...toHost, ...toSets] };
}

/** Nobody means the metadata address by "everywhere"; a denial means all. */
function anywhereMatches(verdict: 'allow' | 'deny'): string[] {
  return verdict === 'deny' ? [''] : ['ip daddr != @never4 ', 'ip6 daddr != @never6 '];
}

function staticSet(group: Group, verdict: string, family: Family, elementsOf: Elements): StaticSet[] {
  const cidrs = group.destinations.flatMap((destination) => destination.cidrs);
  // Pods come and go one by one: their addresses are not merged, so that each is one element that comes or goes.
  const isInterval = !cidrs.every(isAddress);
  const elements = isInterval
    ? elementsOf(cidrs, family)
    : [...new Set(cidrs.flatMap((each) => elementsOf([each], family)))];
  if (elements.length === 0) return [];
  // Addresses stay out of the name, the kind of set is in it: a set cannot become another kind.
  const identity = [verdict, group.traffic, group.destinations.map(({ key }) => key).toSorted()];
  const id = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, ID_DIGITS);
  return [{ name: `${isInterval ? 'ranges' : 'hosts'}${family}_${id}`, family, isInterval, elements }];
}

function isAddress(cidr: string): boolean {
  return !cidr.includes('/') || cidr.endsWith(cidr.includes(':') ? '/128' : '/32');
}

function join(parts: readonly StaticRules[]): StaticRules {
  return { sets: parts.flatMap(({ sets }) => sets), matches: parts.flatMap(({ matches }) => matches) };
}

/** What takes the traffic: one match for each protocol; of one family only where it says so. A match of everything is empty. */
function trafficMatches(traffic: Traffic, family?: Family): string[] {
  if (traffic === 'all') return [''];
  const ofPorts = (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => portMatch(traffic.ports, protocol));
  const ofIcmp = FAMILIES.filter((each) => family === undefined || each === family).flatMap((each) => {
    const types = traffic.icmp.filter((icmp) => icmp.family === each).map(({ type }) => type);
    return types.length === 0 ? [] : [`${each === 4 ? 'icmp' : 'icmpv6'} type { ${[...new Set(types)].join(', ')} } `];
  });
  return [...ofPorts, ...ofIcmp];
}

/** `tcp dport { 80, 443-445 } ` for the ports of that protocol, if there are any. */
export function portMatch(ports: readonly PortRange[], protocol: PortProtocol): string[] {
  const ranges = ports.filter((range) => range.protocol === protocol);
  const elements = ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  const [only = ''] = elements;
  // One port is compared, several are looked up.
  if (elements.length < 2) return only === '' ? [] : [`${protocol} dport ${only} `];
  return [`${protocol} dport { ${elements.join(', ')} } `];
}
