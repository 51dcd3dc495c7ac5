// Who loses what when the cache is full: no pod loses to another what is within its share.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerDraft, AnswerKey } from '../../../../src/datapath/state/answer-draft.ts';
import { AnswerStore, NO_ANSWER } from '../../../../src/datapath/state/answer-store.ts';
import { parseNameText } from '../../../../src/dns/name.ts';
import { draftBody, draftOf, keyOf, readStored } from './stored-answer.ts';

const CACHE_BYTES = 32 * 1024 * 1024;
const SMALL_BYTES = 64 * 1024;
/** What entries take here: 66 of head, 25 of name, an address, a TTL and the body. */
const ENTRY_BYTES = 256;
const BODY_BYTES = 120;
/** Answers that fit into the small cache: a sixteenth of it stays free. And how many of them are divided among the pods. */
const SMALL_PLACES = Math.floor((SMALL_BYTES * 15) / 16 / ENTRY_BYTES);
const SMALL_SHARE = Math.floor(SMALL_BYTES / 2 / ENTRY_BYTES);
const HOUR_MS = 3_600_000;
const [FLOODER, POD, OTHER] = [7, 8, 9] as const;

const key: { -readonly [K in keyof AnswerKey]: AnswerKey[K] } = keyOf(
  parseNameText('xxxxxxxxxxx.example.org') ?? expect.fail(),
);
const name = Buffer.from(key.name.buffer);

/** A name of a pod's own; the same object each time, since millions are asked for. */
function questionOf(pod: number, n: number, asker = pod): AnswerKey {
  name.writeUInt16BE(pod, key.nameAt + 1);
  name.writeUInt32BE(n, key.nameAt + 3);
  key.hash = Math.imul(pod * 10_000_019 + n, 0x9e3779b1);
  key.pod = asker;
  return key;
}

const draft: AnswerDraft = draftOf({ plain: draftBody(new Uint8Array(BODY_BYTES), [20]) });

/** The same object each time, too. */
function draftUntil(nowMs: number, expiryMs = nowMs + HOUR_MS): AnswerDraft {
  draft.storedMs = nowMs;
  draft.expiryMs = expiryMs;
  return draft;
}

/** A store whose clock moves a millisecond with each answer. */
function setUp(cacheBytes = SMALL_BYTES) {
  const store = new AnswerStore(cacheBytes);
  let nowMs = 1_000;
  const bring = (pod: number, n: number, lastsMs = HOUR_MS): number =>
    store.keep(questionOf(pod, n), draftUntil(++nowMs, nowMs + lastsMs));
  const bringMany = (pod: number, count: number, first = 0): void => {
    for (let n = first; n < first + count; n++) bring(pod, n);
  };
  const has = (pod: number, n: number, asker = pod): boolean =>
    store.find(questionOf(pod, n, asker), nowMs) !== NO_ANSWER;
  /** How many of a pod's first names are there; asking changes what is kept, so it is asked once. */
  const found = (pod: number, count: number): number =>
    Array.from({ length: count }, (_, n) => has(pod, n)).filter(Boolean).length;
  return { store, bring, bringMany, has, found };
}

test('C13: a pod that brings a million names costs another neither what it asks for often nor what it asked for once', () => {
  const { bring, has } = setUp(CACHE_BYTES);
  const A_SECOND = 20_000; // names of the flood
  const HOT = 200;
  let once = HOT;
  const missed: string[] = [];
  for (let n = 0; n < 1_000_000; n++) {
    bring(FLOODER, n);
    if (n % (A_SECOND / 10) === 0) bring(POD, once++);
    if (n % (5 * A_SECOND) !== 0) continue;
    for (let hot = 0; hot < HOT; hot++) {
      if (n === 0) bring(POD, hot);
      else if (!has(POD, hot)) missed.push(`hot ${hot} after ${n}`);
    }
  }
  for (let n = HOT; n < once; n++) if (!has(POD, n)) missed.push(`once ${n}`);
  expect(missed).toEqual([]);
});

test('C13: a hundred pods with two hundred names each lose none to five that flood', () => {
  const { bring, bringMany, found } = setUp(CACHE_BYTES);
  const pods = Array.from({ length: 100 }, (_, i) => 100 + i);
  for (const pod of pods) bringMany(pod, 200);
  for (let n = 0; n < 80_000; n++) for (let flooder = 1; flooder <= 5; flooder++) bring(flooder, n);
  expect(pods.filter((pod) => found(pod, 200) < 200)).toEqual([]);
});

describe('a share', () => {
  test('is what a pod keeps while another floods: its newest, when it has more', () => {
    const { bringMany, has } = setUp();
    bringMany(POD, SMALL_SHARE);
    bringMany(FLOODER, 5_000);
    const there = Array.from({ length: SMALL_SHARE }, (_, n) => n).filter((n) => has(POD, n));
    expect(there).toHaveLength(SMALL_SHARE / 2);
    expect(there).toEqual(Array.from({ length: there.length }, (_, i) => SMALL_SHARE - there.length + i));
  });

  test('is no limit while nobody else needs the room', () => {
    const { bringMany, found } = setUp();
    bringMany(POD, SMALL_PLACES);
    expect(found(POD, SMALL_PLACES)).toBe(SMALL_PLACES);
  });

  test('is larger again when others are gone', () => {
    const { store, bring, bringMany, found } = setUp();
    for (let pod = 100; pod < 150; pod++) bring(pod, 0, 1);
    const half = Math.floor(SMALL_SHARE / 2);
    bringMany(POD, half); // of 52 pods' shares it would be 25 times too much
    bringMany(FLOODER, 5_000);
    expect(found(POD, half)).toBe(half);
    expect(store.size).toBeLessThanOrEqual(SMALL_BYTES / ENTRY_BYTES);
  });

  test('holds no answer whose time is over, nor one that was replaced', () => {
    const { bring, bringMany, has } = setUp();
    for (let n = 0; n < 50; n++) bring(POD, n, 10);
    for (let again = 0; again < 50; again++) bring(POD, 1_000);
    bringMany(FLOODER, 5_000);
    const newest = Array.from({ length: SMALL_PLACES - 1 }, (_, i) => 5_000 - (SMALL_PLACES - 1) + i);
    expect(newest.filter((n) => !has(FLOODER, n))).toEqual([]); // all the room but one place
    expect(has(POD, 1_000)).toBe(true);
  });
});

describe('whose an answer is', () => {
  test('of a pod that has too much, whoever else asks for it takes over', () => {
    const { bring, bringMany, has } = setUp();
    bring(FLOODER, 0);
    bringMany(FLOODER, SMALL_SHARE + 1, 1);
    expect(has(FLOODER, 0, POD)).toBe(true);
    bringMany(FLOODER, 5_000, 10_000);
    expect(has(FLOODER, 0, POD)).toBe(true);
  });

  test('of a pod within its share, nobody takes it away by asking for it', () => {
    const { bring, bringMany, has } = setUp();
    bring(POD, 0);
    bringMany(FLOODER, SMALL_SHARE + 1);
    expect(has(POD, 0, FLOODER)).toBe(true);
    bringMany(FLOODER, 5_000, 10_000);
    expect(has(POD, 0)).toBe(true);
  });

  test('who has too much himself takes nothing over', () => {
    const { bring, bringMany, has } = setUp();
    bring(FLOODER, 0);
    bringMany(FLOODER, SMALL_SHARE / 2, 1);
    bringMany(OTHER, SMALL_SHARE / 2);
    expect(has(FLOODER, 0, OTHER)).toBe(true);
    bringMany(FLOODER, 5_000, 10_000);
    expect(has(FLOODER, 0)).toBe(false);
  });
});

test('one answer moves no more than sixteen times its own bytes, however much there is to move', () => {
  const { bring, bringMany } = setUp(1_024 * 1_024);
  const places = (1_024 * 1_024) / ENTRY_BYTES;
  for (let pod = 100; pod < 120; pod++) bringMany(pod, Math.floor(places / 2 / 21)); // half of it in one piece, that stays
  let before = bring(FLOODER, 0);
  let most = 0;
  for (let n = 1; n < 4 * places; n++) {
    const at = bring(FLOODER, n);
    if (at > before) most = Math.max(most, at - before); // else it has begun at the start again
    before = at;
  }
  expect(most).toBe((16 + 1) * ENTRY_BYTES);
});

describe('whatever a flooder brings and whoever asks', () => {
  const PODS = 3;
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('flood' as const), bodyBytes: fc.nat(700) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('bring' as const), pod: fc.nat(PODS - 1), n: fc.nat(19) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), pod: fc.nat(PODS - 1), n: fc.nat(19) }) },
  );

  test('pods within their shares lose nothing, and find what they brought last', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 300, maxLength: 600 }), (steps) => {
        const store = new AnswerStore(SMALL_BYTES);
        const rcodes = new Map<string, number>(); // stands for the whole answer
        for (const [i, now] of steps.entries()) {
          const nowMs = 1_000 + i;
          if (now.do === 'flood') {
            const plain = draftBody(new Uint8Array(now.bodyBytes), [20]);
            store.keep(questionOf(FLOODER, i), { ...draftUntil(nowMs), plain });
          } else if (now.do === 'bring') {
            store.keep(questionOf(now.pod, now.n), { ...draftUntil(nowMs), rcode: i });
            rcodes.set(`${now.pod} ${now.n}`, i);
          } else store.find(questionOf(now.pod, now.n, FLOODER), nowMs);
        }
        const there = [...rcodes.keys()].map((id) => {
          const [pod = 0, n = 0] = id.split(' ').map(Number);
          const answer = store.find(questionOf(pod, n), 5_000);
          return [id, answer === NO_ANSWER ? 'lost' : readStored(store, answer).rcode];
        });
        expect(there).toEqual([...rcodes]);
      }),
      { numRuns: 100 },
    );
  });
});
