import { expect, test } from 'vitest';
import { patchTtls, remainingTtl } from '../../../src/dns/ttl.ts';

test('every noted TTL becomes what is left, and nothing else changes', () => {
  const bytes = new Uint8Array(20).fill(0xff);
  patchTtls(bytes, 2, Uint16Array.from([1, 9, 14]), 2, 0x01020304);
  expect([...bytes]).toEqual([255, 255, 255, 1, 2, 3, 4, 255, 255, 255, 255, 1, 2, 3, 4, 255, 255, 255, 255, 255]);
});

test.each([
  ['counted down', 300, 10, 3600, 290],
  ['never below 0', 300, 301, 3600, 0],
  ['capped, then counted down', 86_400, 10, 3600, 3590],
  ['2^31 is capped, not 0', 0x8000_0000, 0, 3600, 3600],
  ['2^32 − 1 is capped', 0xffff_ffff, 1, 3600, 3599],
  ['0 stays 0', 0, 0, 3600, 0],
])('%s', (_why, ttl, elapsed, cap, want) => expect(remainingTtl(ttl, elapsed, cap)).toBe(want));
