import { expect, test } from 'vitest';
import { RandomPool } from '../../../../src/datapath/state/random.ts';
import type { Sys } from '../../../../src/sys/sys.ts';

/** A kernel whose random bytes count upwards in 16 bit words. */
function counting(): { sys: Sys; fills: number[] } {
  const fills: number[] = [];
  let next = 0;
  const randomFill = (target: Uint8Array): void => {
    fills.push(target.length);
    const words = new Uint16Array(target.buffer, target.byteOffset, target.byteLength / 2);
    for (let i = 0; i < words.length; i++) words[i] = next++;
  };
  return { sys: { randomFill } as unknown as Sys, fills }; // the pool asks for nothing else
}

test('every word of the kernel is used once, in blocks', () => {
  const { sys, fills } = counting();
  const pool = new RandomPool(sys);
  expect(fills).toEqual([]);
  expect(Array.from({ length: 5_000 }, () => pool.next16())).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  expect(fills).toEqual([4_096, 4_096, 4_096]);
});

test('a seed is made of 32 bits of two words', () => {
  const pool = new RandomPool(counting().sys);
  pool.next16();
  expect(pool.next32()).toBe((1 << 16) | 2);
});
