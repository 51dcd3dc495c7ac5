// Protected ranges as elements of an interval set: merged, since nft refuses overlapping ones, and written once more behind the NAT64
// prefixes, because the kernel cannot look inside an IPv6 address as the data plane does. Of the prefix for local use that is its first
// 96 bits: which of its other forms a site uses only the data plane allows for.
import { formatAddress } from '../base/ip.ts';
import type { Family } from '../base/ip.ts';
import { behindNat64, isIPv4Cidr, parseCidr } from './protected.ts';
import type { ProtectedRange } from './protected.ts';

interface Interval {
  readonly first: bigint;
  last: bigint;
}

/** Disjoint elements of one family, ascending. Throws CidrError `bad-cidr`. */
export function intervals(ranges: readonly ProtectedRange[], family: Family): string[] {
  return merge(closedIntervals(ranges, family)).map((interval) => intervalText(interval, family));
}

/** The same of these CIDRs alone, not written once more behind NAT64. Throws CidrError `bad-cidr`. */
export function plainIntervals(cidrs: readonly string[], family: Family): string[] {
  return merge(ofFamily(cidrs, family).map(toInterval)).map((interval) => intervalText(interval, family));
}

function closedIntervals(ranges: readonly ProtectedRange[], family: Family): Interval[] {
  const cidrs = ranges.map(({ cidr }) => cidr);
  const translated = family === 6 ? cidrs.filter(isIPv4Cidr).flatMap(behindNat64) : [];
  return [...ofFamily(cidrs, family), ...translated].map(toInterval);
}

function ofFamily(cidrs: readonly string[], family: Family): string[] {
  return cidrs.filter((cidr) => isIPv4Cidr(cidr) === (family === 4));
}

function toInterval(cidr: string): Interval {
  const { first, last } = parseCidr(cidr);
  return { first: toInteger(first), last: toInteger(last) };
}

function merge(unordered: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const interval of unordered.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const previous = merged.at(-1);
    if (previous === undefined || interval.first > previous.last + 1n) merged.push({ ...interval });
    else if (interval.last > previous.last) previous.last = interval.last;
  }
  return merged;
}

/** As a prefix where it is one: that is what nft prints back. */
function intervalText({ first, last }: Interval, family: Family): string {
  const size = last - first + 1n;
  const bits = size.toString(2).length - 1;
  const text = (value: bigint) => addressText(value, family);
  if (size === 1n) return text(first);
  if (size === 1n << BigInt(bits) && first % size === 0n) return `${text(first)}/${(family === 4 ? 32 : 128) - bits}`;
  return `${text(first)}-${text(last)}`;
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function addressText(value: bigint, family: Family): string {
  const bytes = Uint8Array.from(Buffer.from(value.toString(16).padStart(32, '0'), 'hex'));
  const text = formatAddress(bytes);
  if (family === 4 || text.includes(':')) return text;
  return `::ffff:${text}`; // the mapped range is IPv6 here, whatever its bytes mean elsewhere
}
