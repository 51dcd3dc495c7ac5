// Sets of addresses as intervals of numbers: reading CIDRs, union, difference, and the CIDRs that say the same. Pure; knows neither policies
// nor pods. An IPv4-mapped IPv6 address is IPv6 here: it is never taken for the IPv4 address inside it.
import { ADDRESS_BYTES, familyOf, formatAddress, parseAddress, type Family } from '../base/ip.ts';

/** Addresses first..last of one family, inclusive; IPv4 as 32, IPv6 as 128 bits. */
export interface Interval {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** The well-known prefix (RFC 6052 §2.1), and the first of 96 bits in the one for local use (RFC 8215), as in the kernel's sets. */
const NAT64_PREFIXES = ['64:ff9b::', '64:ff9b:1::'];

const EVERYTHING: readonly Interval[] = [
  { family: 4, first: 0n, last: (1n << 32n) - 1n },
  { family: 6, first: 0n, last: (1n << 128n) - 1n },
];

/** Reads `ADDRESS/LENGTH`, or an address alone; undefined for anything else. Bits behind the prefix are ignored. */
export function parseRange(text: string): Interval | undefined {
  const [address = '', length, more] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === undefined || more !== undefined) return undefined;
  const family = address.includes(':') ? 6 : 4;
  const width = widthOf(family);
  if (length !== undefined && !/^(?:0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
  const hostBits = width - Number(length ?? width);
  if (hostBits < 0) return undefined;
  const size = 1n << BigInt(hostBits);
  const first = (toNumber(bytes, family) / size) * size;
  return { family, first, last: first + size - 1n };
}

/** The one address in its 16 byte form, in which ::ffff:a.b.c.d is IPv4. */
export function addressInterval(address: Uint8Array): Interval {
  const family = familyOf(address);
  const value = toNumber(address, family);
  return { family, first: value, last: value };
}

/** The same IPv4 addresses as NAT64 gateways reach them; none for IPv6. */
export function behindNat64({ family, first, last }: Interval): Interval[] {
  if (family === 6) return [];
  return NAT64_PREFIXES.flatMap((text) => {
    const prefix = parseRange(text)?.first;
    return prefix === undefined ? [] : [{ family: 6, first: prefix + first, last: prefix + last }];
  });
}

export function isWithin(inner: Interval, outer: Interval): boolean {
  return inner.family === outer.family && inner.first >= outer.first && inner.last <= outer.last;
}

/** Disjoint and ascending, IPv4 first; neighbours become one. */
export function union(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.toSorted((a, b) => a.family - b.family || (a.first < b.first ? -1 : 1));
  const merged: Interval[] = [];
  for (const interval of sorted) {
    const previous = merged.at(-1);
    if (previous === undefined || previous.family !== interval.family || interval.first > previous.last + 1n) {
      merged.push(interval);
      continue;
    }
    if (interval.last > previous.last) merged[merged.length - 1] = { ...previous, last: interval.last };
  }
  return merged;
}

/** What is in `from` and not in `without`; disjoint and ascending. */
export function difference(from: readonly Interval[], without: readonly Interval[]): Interval[] {
  const holes = union(without);
  return union(from).flatMap(({ family, first, last }) => {
    const left: Interval[] = [];
    let next = first;
    for (const hole of holes) {
      if (hole.family !== family || hole.last < next || hole.first > last) continue;
      if (hole.first > next) left.push({ family, first: next, last: hole.first - 1n });
      next = hole.last + 1n;
    }
    return next > last ? left : [...left, { family, first: next, last }];
  });
}

/** Whether every address there is, of both families, is in one of them. */
export function coverEverything(intervals: readonly Interval[]): boolean {
  return difference(EVERYTHING, intervals).length === 0;
}

/** The fewest CIDRs for the interval, ascending; a single address without its length. */
export function toCidrs({ family, first, last }: Interval): string[] {
  const width = widthOf(family);
  const cidrs: string[] = [];
  for (let next = first; next <= last;) {
    let hostBits = next === 0n ? width : trailingZeros(next);
    while (next + (1n << BigInt(hostBits)) - 1n > last) hostBits--;
    cidrs.push(hostBits === 0 ? textOf(next, family) : `${textOf(next, family)}/${width - hostBits}`);
    next += 1n << BigInt(hostBits);
  }
  return cidrs;
}

function widthOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

function trailingZeros(value: bigint): number {
  return (value & -value).toString(2).length - 1;
}

function toNumber(address: Uint8Array, family: Family): bigint {
  return BigInt(`0x${Buffer.from(family === 4 ? address.subarray(12) : address).toString('hex')}`);
}

function textOf(value: bigint, family: Family): string {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  if (family === 4) bytes.fill(0xff, 10, 12);
  bytes.set(Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex'), family === 4 ? 12 : 0);
  const text = formatAddress(bytes);
  return family === 4 || text.includes(':') ? text : `::ffff:${text}`;
}
