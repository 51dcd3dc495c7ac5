import { expect, test } from 'vitest';
import { Backoff } from '../../../src/kubernetes/backoff.ts';
import { REAL_TIMING } from '../../../src/kubernetes/timing.ts';

const waits = (backoff: Backoff, count: number): number[] => Array.from({ length: count }, () => backoff.next(0));

test('the range doubles up to the longest wait', () => {
  const backoff = new Backoff({ ...REAL_TIMING, random: () => 1 });
  expect(waits(backoff, 8)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test('a wait is drawn from the whole range', () => {
  expect(new Backoff({ ...REAL_TIMING, random: () => 0 }).next(0)).toBe(0);
});

test('what the server asks for comes before the range', () => {
  expect(new Backoff({ ...REAL_TIMING, random: () => 0.5 }).next(7000)).toBe(7250);
});

test('no server is waited for longer than five minutes', () => {
  expect(new Backoff({ ...REAL_TIMING, random: () => 0 }).next(86_400_000)).toBe(300_000);
});

test('after a reset it begins anew', () => {
  const backoff = new Backoff({ ...REAL_TIMING, random: () => 1 });
  waits(backoff, 5);
  backoff.reset();
  expect(backoff.next(0)).toBe(500);
});

test('it never overflows', () => {
  const backoff = new Backoff({ ...REAL_TIMING, random: () => 1 });
  expect(waits(backoff, 5000).at(-1)).toBe(30_000);
});
