import { expect, test } from 'vitest';
import {
  ageSeconds,
  AnswerStore,
  remainingMs,
  type ReplyBody,
  type StoredAnswer,
} from '../../../../src/datapath/state/answer-store.ts';

const MEGABYTE = 1024 * 1024;
const LIMIT_BYTES = 64 * MEGABYTE;
const LIMIT_ENTRIES = 50_000;

function bodyOf(lengthBytes: number, ttls = 0): ReplyBody {
  return { bytes: new Uint8Array(lengthBytes), ttlOffsets: new Uint16Array(ttls), ttls: new Uint32Array(ttls) };
}

function answerOf(changes: Partial<StoredAnswer> = {}): StoredAnswer {
  const plain = changes.plain ?? bodyOf(60, 2);
  return {
    name: Uint8Array.of(1, 97, 0),
    qtype: 1,
    dnssecOk: 0,
    checkingDisabled: 0,
    rcode: 0,
    plain,
    judged: plain,
    addresses: new Uint8Array(16),
    withheld: 0,
    ttlSeconds: 30,
    notedFor: 0,
    notedUntilMs: 0,
    storedMs: 1_000,
    expiryMs: 31_000,
    ...changes,
  };
}

test.each([
  ['at once', 1_000, 30_000, 0],
  ['a microsecond later: every TTL is a second less, never more than what is left', 1_000.001, 29_999.999, 1],
  ['after a second, exactly', 2_000, 29_000, 1],
  ['after a second and a bit', 2_000.5, 28_999.5, 2],
  ['a millisecond before its end', 30_999, 1, 30],
  ['at its end', 31_000, 0, 30],
  ['long after', 100_000, 0, 99],
])('what is left of a TTL of 30 s: %s', (_why, nowMs, leftMs, age) => {
  const answer = answerOf();
  expect(remainingMs(answer, nowMs)).toBeCloseTo(leftMs, 6);
  expect(ageSeconds(answer, nowMs)).toBe(age);
});

test('the TTL that is sent never outlives what is left', () => {
  const answer = answerOf();
  for (let nowMs = 1_000; nowMs < 31_000; nowMs += 7.3) {
    const sent = answer.ttlSeconds - ageSeconds(answer, nowMs);
    expect(sent * 1_000).toBeLessThanOrEqual(remainingMs(answer, nowMs) + 1e-6);
  }
});

test('an answer is valid until its expiry, not at it', () => {
  const store = new AnswerStore();
  const answer = answerOf();
  store.put(-5, answer);
  expect(store.get(-5, 30_999.9)).toBe(answer);
  expect(store.get(-5, 31_000)).toBeUndefined();
  expect(store.get(5, 1_000)).toBeUndefined();
});

test('a new answer takes the place of the old one', () => {
  const store = new AnswerStore();
  store.put(1, answerOf());
  const next = answerOf({ expiryMs: 90_000 });
  store.put(1, next);
  expect(store.get(1, 80_000)).toBe(next);
  expect(store.size).toBe(1);
});

test('full by bytes: the least recently used go, those that were asked for stay', () => {
  const store = new AnswerStore();
  for (let key = 0; key < 63; key++) store.put(key, answerOf({ plain: bodyOf(MEGABYTE) }));
  expect(store.size).toBe(63);
  store.get(0, 1_000);
  store.put(100, answerOf({ plain: bodyOf(MEGABYTE) }));
  store.put(101, answerOf({ plain: bodyOf(MEGABYTE) }));
  expect(store.get(0, 1_000)).toBeDefined();
  expect(store.get(1, 1_000)).toBeUndefined();
  expect(store.get(101, 1_000)).toBeDefined();
});

test('full by number: small answers do not grow without bound', () => {
  const store = new AnswerStore();
  const answer = answerOf({ plain: bodyOf(12), addresses: new Uint8Array(0) });
  for (let key = 0; key < LIMIT_ENTRIES + 10; key++) store.put(key, answer);
  expect(store.size).toBeLessThanOrEqual(LIMIT_ENTRIES);
  expect(store.get(0, 1_000)).toBeUndefined();
  expect(store.get(LIMIT_ENTRIES + 9, 1_000)).toBe(answer);
});

test('50,000 names of the usual size fit', () => {
  const store = new AnswerStore();
  for (let key = 0; key < 50_000; key++) {
    store.put(key, answerOf({ plain: bodyOf(300, 4), judged: bodyOf(120, 2), addresses: new Uint8Array(64) }));
  }
  expect(store.size).toBe(50_000);
});

test('both bodies count, and a body that is both counts once', () => {
  const kept = (judged: ReplyBody | undefined): number => {
    const store = new AnswerStore();
    const plain = bodyOf(MEGABYTE);
    for (let key = 0; key < 80; key++) store.put(key, answerOf({ plain, judged: judged ?? plain }));
    return store.size;
  };
  expect(kept(undefined)).toBe(63);
  expect(kept(bodyOf(MEGABYTE))).toBe(31);
});

test('an answer larger than the cache is not kept and throws nothing out', () => {
  const store = new AnswerStore();
  store.put(1, answerOf());
  store.put(2, answerOf({ plain: bodyOf(LIMIT_BYTES + 1) }));
  expect(store.get(2, 1_000)).toBeUndefined();
  expect(store.get(1, 1_000)).toBeDefined();
});
