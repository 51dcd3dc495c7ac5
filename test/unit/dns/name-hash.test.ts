import { expect, test } from 'vitest';
import { halfSipHash, hashName } from '../../../src/dns/name-hash.ts';
import { name } from './message.ts';

test('HalfSipHash-1-3 gives the test vectors of Linux (lib/tests/siphash_kunit.c, 32-bit)', () => {
  const vectors = [
    0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6, 0x577999b1,
  ];
  const input = Uint8Array.from({ length: 64 }, (_, i) => i);
  vectors.forEach((want, length) => expect(halfSipHash(input, 0, length, 0x03020100, 0x07060504)).toBe(want));
});

test('the offset does not matter, the seed does', () => {
  const wire = name('www.example.org');
  const shifted = Uint8Array.from([1, 2, 3, ...wire]);
  expect(hashName(shifted, 3, wire.length, 7)).toBe(hashName(Uint8Array.from(wire), 0, wire.length, 7));
  expect(hashName(shifted, 3, wire.length, 8)).not.toBe(hashName(shifted, 3, wire.length, 7));
});

test('similar names spread over the buckets of a table', () => {
  const buckets = new Uint32Array(1024);
  for (let i = 0; i < 32_768; i++) {
    const wire = Uint8Array.from(name(`host${i}.example.org`));
    buckets[hashName(wire, 0, wire.length, 0xdecade) & 1023]!++;
  }
  // 32 are expected in each; a binomial bucket passes 70 with a probability below 1e-8.
  expect(Math.max(...buckets)).toBeLessThan(70);
});
