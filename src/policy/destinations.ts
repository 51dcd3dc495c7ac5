// Whom a rule names → the addresses that stand for them. What must not be opened by accident is decided here, while it is known what was
// written: a range that is not wholly inside a protected one opens only what is left without them all, whatever its exceptions.
import type { Pod } from '../pods/pod.ts';
import { behindNat64, difference, isWithin, parseRange, toCidrs, union, type Interval } from './cidr.ts';
import type { Peer, ReachRule } from './policy.ts';
import { selects } from './select.ts';
import { podsOfService, selectsNode, selectsService, type World } from './world.ts';

/** What addresses depend on beside the policies. */
export interface Surroundings extends Pick<World, 'pods' | 'knowsAllPods' | 'nodes' | 'services'> {
  readonly protectedRanges: readonly Interval[];
}

/** Throws for what is neither a CIDR nor an address. */
export function protectedIntervals(cidrs: readonly string[]): Interval[] {
  return cidrs.map(rangeOf).flatMap((range) => [range, ...behindNat64(range)]);
}

/** CIDRs and addresses of both families. Those of pods stand one by one: a pod that comes or goes is an address more or less. */
export function addressesOf({ to, verdict }: Pick<ReachRule, 'to' | 'verdict'>, surroundings: Surroundings): string[] {
  const written = to.flatMap((peer) => (peer.kind === 'cidr' ? [readCidr(peer)] : []));
  const ranges = verdict === 'allow' ? opened(written, surroundings.protectedRanges) : union(written.flatMap(rest));
  const single = to.flatMap((peer) => knownAddresses(peer, surroundings));
  return [...new Set([...ranges.flatMap(toCidrs), ...single])];
}

/** The pods that a peer means; `any` and a CIDR mean those that are there. */
export function podsOf(peer: Peer, { pods, knowsAllPods, services }: Surroundings): readonly Pod[] {
  if (!knowsAllPods) return [];
  switch (peer.kind) {
    case 'any':
      return pods;
    case 'pods':
      return pods.filter((pod) => selects(peer.selector, pod));
    case 'services': {
      const selectors = (services ?? []).flatMap((each) =>
        selectsService(peer, each) ? (podsOfService(each) ?? []) : [],
      );
      return pods.filter((pod) => selectors.some((selector) => selects(selector, pod)));
    }
    case 'cidr':
      return pods.filter(({ addresses }) => addresses.some((each) => isIn(each, peer)));
    default:
      return [];
  }
}

/** Whether some address that the peer means may not be known. */
export function mayMissOne(peer: Peer, { knowsAllPods, nodes, services }: Surroundings): boolean {
  if (peer.kind === 'pods') return !knowsAllPods;
  if (peer.kind === 'services') return services === undefined || !knowsAllPods;
  return peer.kind === 'nodes' && nodes === undefined;
}

/** Whether the node itself is meant. */
export function includesHost(peer: Peer, { nodes }: Surroundings): boolean {
  if (peer.kind === 'host') return true;
  if (peer.kind !== 'nodes' || peer.isRemote === true) return false;
  return (nodes ?? []).some((node) => node.isLocal && selectsNode(peer.requirements, node));
}

/** Whether a CIDR has the address, and does not except it. */
export function isIn(address: string, cidr: Extract<Peer, { kind: 'cidr' }>): boolean {
  const range = rangeOf(address);
  return readCidr(cidr).rest.some((each) => isWithin(range, each));
}

/** One CIDR as it was written, and what its exceptions leave of it. */
interface Written {
  readonly whole: Interval;
  readonly rest: readonly Interval[];
}

export function readCidr({ cidr, except }: Extract<Peer, { kind: 'cidr' }>): Written {
  const whole = rangeOf(cidr);
  return { whole, rest: difference([whole], except.map(rangeOf)) };
}

/**
 * The exceptions are why this cannot be left to whoever sees the CIDRs only: 0.0.0.0/0 without 169.254.169.254 has 169.254.170.0/23 among its
 * parts, which lies in a protected range without anybody having meant it. What is meant is not merged, or it would lie in none.
 */
function opened(written: readonly Written[], protectedRanges: readonly Interval[]): Interval[] {
  const isMeant = ({ whole }: Written): boolean => protectedRanges.some((range) => isWithin(whole, range));
  const broad = written.filter((each) => !isMeant(each)).flatMap(rest);
  return [...difference(broad, protectedRanges), ...written.filter(isMeant).flatMap(rest)];
}

function rest(written: Written): readonly Interval[] {
  return written.rest;
}

function knownAddresses(peer: Peer, surroundings: Surroundings): readonly string[] {
  const pods = peer.kind === 'pods' || peer.kind === 'services' ? podsOf(peer, surroundings) : [];
  return [...pods.flatMap(({ addresses }) => addresses), ...listedAddresses(peer, surroundings)];
}

/** Of nodes, and of Services that list addresses instead of pods. */
export function listedAddresses(peer: Peer, { nodes, services }: Pick<World, 'nodes' | 'services'>): readonly string[] {
  if (peer.kind === 'nodes') {
    const meant = (nodes ?? []).filter((node) => selectsNode(peer.requirements, node));
    return meant.filter(({ isLocal }) => !(isLocal && peer.isRemote === true)).flatMap(({ addresses }) => addresses);
  }
  if (peer.kind !== 'services') return [];
  const listed = (services ?? []).filter((service) => service.selector === undefined && selectsService(peer, service));
  return listed.flatMap(({ addresses }) => addresses);
}

function rangeOf(cidr: string): Interval {
  const range = parseRange(cidr);
  if (range === undefined)
    throw new Error(`Cannot read ${JSON.stringify(cidr)} as a CIDR: it was to be checked before`);
  return range;
}
