// What static rules say of one packet, written to be read: for `namewall test`, for the audit, and for judging open connections again. Slow
// beside the kernel, which has the same rules as sets; never on the way of a packet.
import { addressInterval, behindNat64, coverEverything, isWithin, parseRange, union, type Interval } from './cidr.ts';
import type { CompiledPolicy, Destination, PortProtocol, StaticRule, Tier, Traffic } from './compiled.ts';
import { takesPort } from './ports.ts';

/** The beginning of a connection, or a packet of a protocol that has none. */
export interface StaticPacket {
  /** The destination, 16 bytes (base/ip.ts). */
  readonly address: Uint8Array;
  /** A number for what has neither ports nor types here. */
  readonly protocol: PortProtocol | 'icmp' | 'icmpv6' | number;
  /** Destination port; the type of an ICMP message; 0 for what has neither. */
  readonly port: number;
  /** The address is one of this node itself. */
  readonly isHost: boolean;
}

/** Whether an address is in a range that no broad rule opens, whatever the configuration. */
export type IsNeverGranted = (address: Uint8Array) => boolean;

export interface PacketVerdict {
  /** `none`: no rule mentions it, and the program's `otherwise` decides. */
  readonly verdict: 'allow' | 'deny' | 'none';
  /** Index into CompiledPolicy.rules; -1 for `none`, and for what a name granted. */
  readonly rule: number;
  /** Denials of policies that only audit, which it passed. */
  readonly told: readonly number[];
}

/** What is open of a packet beside static rules. */
export interface Granting {
  /** One of these classes, indexes into CompiledPolicy.classes, is granted and covers the packet. */
  readonly isGranted: (classes: readonly number[]) => boolean;
  readonly isNeverGranted: IsNeverGranted;
}

/** In the order of the kernel's chains (kernel/program-chains.ts). */
export function judgePacket(
  policy: CompiledPolicy,
  program: number,
  packet: StaticPacket,
  { isGranted, isNeverGranted }: Granting,
): PacketVerdict {
  const told: number[] = [];
  let passed: Tier | undefined;
  for (const segment of policy.programs[program]?.segments ?? []) {
    if (segment.tier === passed) continue;
    const denials = segment.deny.filter((each) => means(policy, each, packet));
    told.push(...denials.flatMap(({ isAudited, rule }) => (isAudited === true ? [rule] : [])));
    const denied = denials.find(({ isAudited }) => isAudited !== true);
    if (denied !== undefined) return { verdict: 'deny', rule: denied.rule, told };
    if (segment.pass.some((each) => means(policy, each, packet))) {
      passed = segment.tier;
      continue;
    }
    if (isGranted(segment.classes)) return { verdict: 'allow', rule: -1, told };
    const allowed = segment.allow.find((each) => opensTo(policy, each, packet, isNeverGranted));
    if (allowed !== undefined) return { verdict: 'allow', rule: allowed.rule, told };
  }
  return { verdict: 'none', rule: -1, told };
}

/** The verdict where no grant counts. */
export function staticVerdict(
  policy: CompiledPolicy,
  program: number,
  packet: StaticPacket,
  isNeverGranted: IsNeverGranted,
): PacketVerdict {
  return judgePacket(policy, program, packet, { isGranted: () => false, isNeverGranted });
}

/** Whether a deny or a pass rule takes the packet: one of a range is about the node's own address in it, too, and about it behind NAT64. */
export function means(policy: CompiledPolicy, { to, traffic }: StaticRule, packet: StaticPacket): boolean {
  if (!takes(traffic, packet)) return false;
  if (to === 'any') return true;
  return to === 'host' ? packet.isHost : includes(taken, policy.destinations[to], packet.address);
}

/** Whether an allow rule opens it: the node itself is opened by `host` and `any` alone, never by its address. */
export function opensTo(
  policy: CompiledPolicy,
  { to, traffic }: StaticRule,
  packet: StaticPacket,
  isNeverGranted: IsNeverGranted,
): boolean {
  if (!takes(traffic, packet)) return false;
  if (to === 'any') return !isNeverGranted(packet.address);
  if (to === 'host') return packet.isHost;
  return !packet.isHost && includes(opened, policy.destinations[to], packet.address);
}

/** Whether it is about every destination, whatever a name resolves to. `closed`: CIDRs that do not count, which no broad range opens. */
export function isEverywhere(policy: CompiledPolicy, { to }: StaticRule, closed: readonly string[]): boolean {
  if (typeof to !== 'number') return to === 'any';
  const written = policy.destinations[to]?.cidrs ?? [];
  if (!written.some((cidr) => cidr.includes('/'))) return false;
  const without = closed.flatMap((cidr) => parseRange(cidr) ?? []).flatMap((each) => [each, ...behindNat64(each)]);
  return coverEverything([...written.flatMap((cidr) => parseRange(cidr) ?? []), ...without]);
}

export function takes(traffic: Traffic, { protocol, port }: Pick<StaticPacket, 'protocol' | 'port'>): boolean {
  if (traffic === 'all') return true;
  switch (protocol) {
    case 'tcp':
    case 'udp':
    case 'sctp':
      return takesPort(traffic, protocol, port);
    case 'icmp':
      return traffic.icmp.some(({ family, type }) => family === 4 && type === port);
    case 'icmpv6':
      return traffic.icmp.some(({ family, type }) => family === 6 && type === port);
    default:
      return false;
  }
}

/** A destination never changes, so it is read once: ten thousand open connections are judged against the same few. */
type Reading = { readonly known: WeakMap<Destination, readonly Interval[]>; readonly isBehindNat64: boolean };
/** As the kernel's sets have them (kernel/static-sets.ts): what is opened is what is written, what is taken is taken behind NAT64, too. */
const opened: Reading = { known: new WeakMap(), isBehindNat64: false };
const taken: Reading = { known: new WeakMap(), isBehindNat64: true };

function includes(
  { known, isBehindNat64 }: Reading,
  destination: Destination | undefined,
  address: Uint8Array,
): boolean {
  if (destination === undefined) return false;
  const read = known.get(destination);
  const written = read === undefined ? destination.cidrs.flatMap((cidr) => parseRange(cidr) ?? []) : [];
  const intervals = read ?? union(isBehindNat64 ? written.flatMap((each) => [each, ...behindNat64(each)]) : written);
  if (read === undefined) known.set(destination, intervals);
  const wanted = addressInterval(address);
  return intervals.some((interval) => isWithin(wanted, interval));
}
