// Whom a rule names → the addresses that stand for them. What must not be opened by accident is decided here, while it is known what was
// written: a range that is not wholly inside a protected one opens only what is left without them all, whatever its exceptions.
import type { Pod } from '../pods/pod.ts';
import { behindNat64, difference, isWithin, parseRange, toCidrs, union, type Interval } from './cidr.ts';
import type { Peer, ReachRule } from './policy.ts';
import { selects } from './select.ts';

/** What addresses depend on beside the policies. */
export interface Surroundings {
  readonly pods: readonly Pod[];
  /** False: there may be pods that are not in `pods`. Then a selector opens nothing. */
  readonly knowsAllPods: boolean;
  readonly protectedRanges: readonly Interval[];
}

/** Throws for what is neither a CIDR nor an address. */
export function protectedIntervals(cidrs: readonly string[]): Interval[] {
  return cidrs.map(rangeOf).flatMap((range) => {
    const translated = behindNat64(range);
    return translated === undefined ? [range] : [range, translated];
  });
}

/** CIDRs and addresses of both families. Those of pods stand one by one: a pod that comes or goes is an address more or less. */
export function addressesOf({ to, verdict }: ReachRule, surroundings: Surroundings): string[] {
  const written = to.flatMap((peer) => (peer.kind === 'cidr' ? [readCidr(peer)] : []));
  const ranges = verdict === 'allow' ? opened(written, surroundings.protectedRanges) : union(written.flatMap(rest));
  const pods = to.flatMap((peer) => (peer.kind === 'pods' ? podAddresses(peer, surroundings) : []));
  return [...new Set([...ranges.flatMap(toCidrs), ...pods])];
}

/** One CIDR as it was written, and what its exceptions leave of it. */
interface Written {
  readonly whole: Interval;
  readonly rest: readonly Interval[];
}

function readCidr({ cidr, except }: Extract<Peer, { kind: 'cidr' }>): Written {
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

function podAddresses({ selector }: Extract<Peer, { kind: 'pods' }>, { pods, knowsAllPods }: Surroundings): string[] {
  if (!knowsAllPods) return [];
  return pods.filter((pod) => selects(selector, pod)).flatMap(({ addresses }) => addresses);
}

function rangeOf(cidr: string): Interval {
  const range = parseRange(cidr);
  if (range === undefined)
    throw new Error(`Cannot read ${JSON.stringify(cidr)} as a CIDR: it was to be checked before`);
  return range;
}
