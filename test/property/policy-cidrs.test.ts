// CIDR arithmetic against membership bit by bit, in corners of both families where prefixes begin and end.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../src/base/ip.ts';
import { addressInterval, isWithin, parseRange, toCidrs } from '../../src/policy/cidr.ts';
import { addressesOf, protectedIntervals } from '../../src/policy/destinations.ts';
import type { Peer } from '../../src/policy/policy.ts';

/** A base and how many low bits of it vary: small enough that random sets meet. */
const CORNERS = [
  '0.0.0.0',
  '192.0.2.0',
  '255.255.255.240',
  '::',
  '2001:db8::',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0',
];
const LOW_BITS = 4;

const bytesOf = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);

function addressIn(corner: string, low: number): string {
  const bytes = bytesOf(corner);
  bytes[15] = (bytes[15] ?? 0) | low;
  return formatAddress(bytes);
}

/** By looking at the bits, one by one. */
function holds(cidr: string, address: string): boolean {
  const [text = '', lengthText] = cidr.split('/');
  if (text.includes(':') !== address.includes(':')) return false;
  const offset = text.includes(':') ? 0 : 96;
  const length = lengthText === undefined ? 128 : offset + Number(lengthText);
  const [a, b] = [bytesOf(text), bytesOf(address)];
  for (let bit = offset; bit < length; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((a[bit >> 3] ?? 0) & mask) !== ((b[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}

const low = fc.nat(2 ** LOW_BITS - 1);
const corner = fc.constantFrom(...CORNERS);
/** Short of the varying bits, or any length: 0 among them. */
const hostBits = fc.oneof(fc.nat(LOW_BITS), fc.nat(32));
const cidr = fc
  .tuple(corner, low, hostBits)
  .map(([base, bits, host]) => `${addressIn(base, bits)}/${(base.includes(':') ? 128 : 32) - host}`);
/** With exceptions inside it. */
const peer = fc
  .tuple(cidr, fc.array(fc.tuple(corner, low, fc.nat(LOW_BITS)), { maxLength: 4 }))
  .map(([whole, holes]): Extract<Peer, { kind: 'cidr' }> => ({
    kind: 'cidr',
    cidr: whole,
    except: holes.flatMap(([base, bits, host]) => {
      const except = `${addressIn(base, bits)}/${(base.includes(':') ? 128 : 32) - host}`;
      return lengthOf(except) >= lengthOf(whole) && holds(whole, addressIn(base, bits)) ? [except] : [];
    }),
  }));
const addresses = CORNERS.flatMap((base) => Array.from({ length: 2 ** LOW_BITS }, (_, i) => addressIn(base, i)));
const anyPeers = fc.array(peer, { maxLength: 5 });
const ranges = fc.array(cidr, { maxLength: 4 });

function lengthOf(text: string): number {
  return Number(text.split('/')[1]);
}

function destinationOf(to: readonly Peer[], verdict: 'allow' | 'deny', protectedRanges: readonly string[]): string[] {
  const surroundings = {
    pods: [],
    knowsAllPods: true,
    nodes: [],
    services: [],
    protectedRanges: protectedIntervals(protectedRanges),
  };
  return addressesOf({ verdict, to }, surroundings);
}

const has = (cidrs: readonly string[], address: string): boolean => cidrs.some((each) => holds(each, address));
const isSaid = (address: string) => (each: Extract<Peer, { kind: 'cidr' }>) =>
  holds(each.cidr, address) && !has(each.except, address);

test('a range holds the addresses that share its bits, and is written back as what it was', () => {
  fc.assert(
    fc.property(cidr, (text) => {
      const interval = parseRange(text) ?? expect.fail(text);
      for (const address of addresses) {
        expect(isWithin(addressInterval(bytesOf(address)), interval)).toBe(holds(text, address));
      }
      expect(toCidrs(interval).map((each) => parseRange(each))).toEqual([interval]);
    }),
    { numRuns: 500 },
  );
});

test('what is denied is every CIDR without its own exceptions', () => {
  fc.assert(
    fc.property(anyPeers, ranges, (peers, closed) => {
      const cidrs = destinationOf(peers, 'deny', closed);
      for (const address of addresses) expect(has(cidrs, address)).toBe(peers.some(isSaid(address)));
    }),
    { numRuns: 1000 },
  );
});

test('what is allowed is the same, without what is protected and not meant', () => {
  fc.assert(
    fc.property(anyPeers, ranges, (peers, closed) => {
      const cidrs = destinationOf(peers, 'allow', closed);
      const [meant, broad] = [peers.filter(isMeant), peers.filter((each) => !isMeant(each))];
      for (const address of addresses) {
        const isAllowed = meant.some(isSaid(address)) || (!has(closed, address) && broad.some(isSaid(address)));
        expect(has(cidrs, address)).toBe(isAllowed);
      }
      // And whoever takes what is protected out of every CIDR that is not wholly inside it takes nothing more.
      for (const each of cidrs) {
        const inside = closed.some((range) => isInside(each, range));
        expect(inside || closed.every((range) => !isInside(range, each))).toBe(true);
      }

      function isMeant({ cidr: whole }: { readonly cidr: string }): boolean {
        return closed.some((range) => isInside(whole, range));
      }
    }),
    { numRuns: 1000 },
  );
});

function isInside(inner: string, outer: string): boolean {
  const [address = '', length] = inner.split('/');
  const bits = Number(length ?? (address.includes(':') ? 128 : 32));
  return bits >= lengthOf(outer) && holds(outer, address);
}
