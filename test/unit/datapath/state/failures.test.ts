import { describe, expect, test } from 'vitest';
import type { AnswerKey } from '../../../../src/datapath/state/answer-draft.ts';
import { Failures, NO_FAILURE } from '../../../../src/datapath/state/failures.ts';
import { parseNameText } from '../../../../src/dns/name.ts';
import { keyOf } from './stored-answer.ts';

const SERVFAIL = 2;
const PLACES = 4_096;
const wireOf = (name: string): Uint8Array => parseNameText(name) ?? expect.fail(name);
const NAME = wireOf('api.example.org');
const KEY = keyOf(NAME);

function setUp() {
  const failures = new Failures();
  const keep = (nowMs: number, key: AnswerKey = KEY, { rcode = SERVFAIL, reason = 5, askedMs = nowMs } = {}): void =>
    failures.keep(key, { rcode, reason, askedMs, nowMs });
  /** Whole seconds from `nowMs` on for which the question is not asked again. */
  const lasts = (nowMs: number, key: AnswerKey = KEY): number => {
    let seconds = 0;
    while (failures.find(key, nowMs + seconds * 1_000) !== NO_FAILURE) seconds++;
    return seconds;
  };
  return { failures, keep, lasts };
}

test('R25: what fails again soon is remembered for 1, 2, 4 and then 5 seconds', () => {
  const { keep, lasts } = setUp();
  expect(lasts(1_000)).toBe(0);
  let nowMs = 1_000;
  const each = Array.from({ length: 6 }, () => {
    keep(nowMs);
    const seconds = lasts(nowMs);
    nowMs += seconds * 1_000 + 3_600; // the three attempts of the next
    return seconds;
  });
  expect(each).toEqual([1, 2, 4, 5, 5, 5]);
});

test.each([
  ['ten seconds after the end of the last one it counts as the first', 1_000 + 1_000 + 10_000, 1],
  ['just before, as one more in a row', 1_000 + 1_000 + 9_999, 2],
])('%s', (_why, nowMs, want) => {
  const { keep, lasts } = setUp();
  keep(1_000);
  keep(nowMs);
  expect(lasts(nowMs)).toBe(want);
});

test('it ends at its time, exactly', () => {
  const { failures, keep } = setUp();
  keep(1_000);
  expect(failures.find(KEY, 1_999.9)).not.toBe(NO_FAILURE);
  expect(failures.find(KEY, 2_000)).toBe(NO_FAILURE);
});

test('it says what the client was told and why', () => {
  const { failures, keep } = setUp();
  keep(1_000, KEY, { rcode: 5, reason: 7 });
  const failure = failures.find(KEY, 1_000);
  expect([failures.rcode(failure), failures.reason(failure)]).toEqual([5, 7]);
});

describe('whose failure it is', () => {
  test.each<[string, AnswerKey]>([
    ['another hash', keyOf(NAME, 2)],
    ['another hash of the same place', keyOf(NAME, 1 + PLACES)],
    ['a negative one of the same place', keyOf(NAME, 1 - 2 ** 31)],
    ['another name of that length', keyOf(wireOf('apj.example.org'))],
    ['another last byte', keyOf(wireOf('api.example.orh'))],
    ['a longer name that begins with it', keyOf(Uint8Array.of(...NAME, 0))],
    ['a name that it begins with', keyOf(NAME.slice(0, -1))],
    ['another type', keyOf(NAME, 1, { qtype: 28 })],
    ['DO', keyOf(NAME, 1, { flags: 1 })],
    ['CD', keyOf(NAME, 1, { flags: 2 })],
  ])('not of a question with %s, nor one more in its row', (_why, other) => {
    const { keep, lasts } = setUp();
    keep(1_000);
    expect(lasts(1_000, other)).toBe(0);
    keep(1_500, other);
    expect(lasts(1_500, other)).toBe(1);
  });

  test('whoever asks, and wherever its name stands', () => {
    const { keep, lasts } = setUp();
    keep(1_000);
    expect(lasts(1_000, { ...keyOf(NAME, 1, { pod: 9 }), name: Uint8Array.from([1, 2, 3, ...NAME]), nameAt: 3 })).toBe(
      1,
    );
  });

  test('also of the longest name', () => {
    const { keep, lasts } = setUp();
    const long = keyOf(Uint8Array.from({ length: 255 }, (_, i) => i));
    const beside = keyOf(NAME, 2);
    keep(1_000, beside);
    keep(1_000, long);
    expect([lasts(1_000, long), lasts(1_000, beside)]).toEqual([1, 1]);
  });
});

test('4,096 are remembered, and one more takes the place of one', () => {
  const { keep, lasts } = setUp();
  for (let hash = 0; hash < PLACES; hash++) keep(1_000, keyOf(NAME, hash));
  for (let hash = 0; hash < PLACES; hash++) expect(lasts(1_000, keyOf(NAME, hash))).toBe(1);
  keep(1_000, keyOf(NAME, PLACES + 7));
  expect([6, 7, 8].map((hash) => lasts(1_000, keyOf(NAME, hash)))).toEqual([1, 0, 1]);
});

describe('when everything may be different', () => {
  test('all are forgotten, and so is how often they failed', () => {
    const { failures, keep, lasts } = setUp();
    keep(1_000);
    keep(2_000);
    failures.forget(2_100);
    expect(lasts(2_100)).toBe(0);
    keep(2_200);
    expect(lasts(2_200)).toBe(1);
  });

  test('what was asked before does not count, what was asked then does', () => {
    const { failures, keep, lasts } = setUp();
    failures.forget(2_000);
    keep(3_000, KEY, { askedMs: 1_999 });
    expect(lasts(3_000)).toBe(0);
    keep(3_000, KEY, { askedMs: 2_000 });
    expect(lasts(3_000)).toBe(1);
  });
});
