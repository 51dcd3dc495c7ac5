// What static rules say of one packet, written to be read: for `namewall test`, for the audit, and for judging open connections again. Slow
// beside the kernel, which has the same rules as sets; never on the way of a packet.
import { addressInterval, isWithin, parseRange, union, type Interval } from './cidr.ts';
import type { CompiledPolicy, Destination, PortProtocol, Segment, StaticRule, Traffic } from './compiled.ts';
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

export interface StaticVerdict {
  readonly verdict: 'allow' | 'deny' | 'none';
  /** Index into CompiledPolicy.rules; -1 for `none`. */
  readonly rule: number;
}

/** The verdict where no grant counts. Where grants do, they stand in each segment between denyRuleOf and allowRuleOf. */
export function staticVerdict(
  policy: CompiledPolicy,
  program: number,
  packet: StaticPacket,
  isNeverGranted: IsNeverGranted,
): StaticVerdict {
  for (const segment of policy.programs[program]?.segments ?? []) {
    const denied = denyRuleOf(policy, segment, packet);
    if (denied !== undefined) return { verdict: 'deny', rule: denied.rule };
    const allowed = allowRuleOf(policy, segment, packet, isNeverGranted);
    if (allowed !== undefined) return { verdict: 'allow', rule: allowed.rule };
  }
  return { verdict: 'none', rule: -1 };
}

/** The first deny rule that takes the packet: a denial of a range is one of the node's own address in it, too. */
export function denyRuleOf(policy: CompiledPolicy, { deny }: Segment, packet: StaticPacket): StaticRule | undefined {
  return deny.find(({ to, traffic }) => {
    if (!takes(traffic, packet)) return false;
    if (to === 'any') return true;
    return to === 'host' ? packet.isHost : includes(policy.destinations[to], packet.address);
  });
}

/** The first allow rule that takes the packet: the node itself is opened by `host` and `any` alone, never by its address. */
export function allowRuleOf(
  policy: CompiledPolicy,
  { allow }: Segment,
  packet: StaticPacket,
  isNeverGranted: IsNeverGranted,
): StaticRule | undefined {
  return allow.find(({ to, traffic }) => {
    if (!takes(traffic, packet)) return false;
    if (to === 'any') return !isNeverGranted(packet.address);
    if (to === 'host') return packet.isHost;
    return !packet.isHost && includes(policy.destinations[to], packet.address);
  });
}

function takes(traffic: Traffic, { protocol, port }: StaticPacket): boolean {
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
const readDestinations = new WeakMap<Destination, readonly Interval[]>();

function includes(destination: Destination | undefined, address: Uint8Array): boolean {
  if (destination === undefined) return false;
  const known = readDestinations.get(destination);
  const intervals = known ?? union(destination.cidrs.flatMap((cidr) => parseRange(cidr) ?? []));
  if (known === undefined) readDestinations.set(destination, intervals);
  const wanted = addressInterval(address);
  return intervals.some((interval) => isWithin(wanted, interval));
}
