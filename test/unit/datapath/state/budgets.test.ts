import { expect, test } from 'vitest';
import { Budgets, TokenBuckets } from '../../../../src/datapath/state/budgets.ts';

/** How many of `times` tokens there are. */
function taken(buckets: TokenBuckets, bucket: number, nowMs: number, times: number): number {
  return Array.from({ length: times }, () => buckets.take(bucket, nowMs)).filter(Boolean).length;
}

test.each([
  ['a full bucket holds a second’s worth', 20, 1, 1_000, 30, 20],
  ['or several', 20, 4, 1_000, 100, 80],
  ['at time 0 too', 20, 1, 0, 30, 20],
  ['many small tokens, exactly', 20_000, 1, 123_456_789.123, 30_000, 20_000],
  ['a number that is no divisor', 7, 1, 3.3, 30, 7],
  ['one a second', 1, 1, 50, 3, 1],
])('%s', (_why, perSecond, burstSeconds, nowMs, times, want) => {
  expect(taken(new TokenBuckets(2, perSecond, burstSeconds), 1, nowMs, times)).toBe(want);
});

test('an empty bucket fills by its rate, and never beyond its size', () => {
  const buckets = new TokenBuckets(1, 10, 1);
  expect(taken(buckets, 0, 5_000, 20)).toBe(10);
  expect(taken(buckets, 0, 5_049, 5)).toBe(0);
  expect(taken(buckets, 0, 5_100, 5)).toBe(1);
  expect(taken(buckets, 0, 5_400, 5)).toBe(3);
  expect(taken(buckets, 0, 60_000, 20)).toBe(10);
});

test('over hours at twice the rate, half of it passes', () => {
  const buckets = new TokenBuckets(1, 1_000, 1);
  let passed = 0;
  for (let i = 0; i < 400_000; i++) if (buckets.take(0, 1e7 + i * 0.5)) passed++;
  expect(Math.abs(passed - 201_000)).toBeLessThan(2); // 200 s at 1,000 a second, and the burst
});

test('what was refused is not owed', () => {
  const buckets = new TokenBuckets(1, 10, 1);
  taken(buckets, 0, 1_000, 1_000);
  expect(taken(buckets, 0, 1_100, 5)).toBe(1);
});

test('one bucket is none of the others', () => {
  const buckets = new TokenBuckets(3, 5, 1);
  taken(buckets, 1, 1_000, 50);
  expect([taken(buckets, 0, 1_000, 9), taken(buckets, 2, 1_000, 9)]).toEqual([5, 5]);
});

test('without a rate there is no limit', () => {
  expect(taken(new TokenBuckets(1, undefined, 1), 0, 7, 100_000)).toBe(100_000);
});

test('one a second is not one in half a second', () => {
  const buckets = new TokenBuckets(1, 1, 1);
  const at = [10_000, 10_500, 10_900, 11_000].map((nowMs) => taken(buckets, 0, nowMs, 3));
  expect(at).toEqual([1, 0, 0, 1]);
});

test('a pod that gets an index begins with full buckets (I4)', () => {
  const budgets = new Budgets(2, { queriesPerSecond: 3, newNamesPerSecond: 2 });
  expect([taken(budgets.queries, 1, 500, 9), taken(budgets.names, 1, 500, 9)]).toEqual([3, 2]);
  budgets.forget(1);
  expect([taken(budgets.queries, 1, 500, 9), taken(budgets.names, 1, 500, 9)]).toEqual([3, 2]);
});
