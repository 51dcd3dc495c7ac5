import { describe, expect, test } from 'vitest';
import { answerFromCache, keyOf } from '../../../src/datapath/cache.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { AnswerStore, NO_ANSWER } from '../../../src/datapath/state/answer-store.ts';
import { NAME_BYTES, QuerySlots } from '../../../src/datapath/state/query-slots.ts';
import { FLAG, TYPE } from '../../../src/dns/codes.ts';
import { hashName } from '../../../src/dns/name-hash.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import { draftOf } from './state/stored-answer.ts';

const wireOf = (name: string): Uint8Array => parseNameText(name) ?? expect.fail(name);

interface Question {
  readonly name: string;
  readonly qtype: number;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}
const USUAL: Question = { name: 'api.example.org', qtype: TYPE.A, dnssecOk: false, checkingDisabled: false };

/** `hash` is what names hash to here; by default what they do. */
function setUp(hash?: number) {
  const slots = new QuerySlots(4);
  const store = new AnswerStore();
  const key = { hash: 0, name: slots.folded, nameAt: 0, nameBytes: 0, qtype: 0, flags: 0 };
  const plane = { slots, store, key, nowMs: 1_000, seed: 5 } as unknown as Plane & { nowMs: number }; // no more is asked for
  const put = (slot: number, changes: Partial<Question> = {}): number => {
    const { name, qtype, dnssecOk, checkingDisabled } = { ...USUAL, ...changes };
    const wire = wireOf(name);
    slots.folded.set(wire, slot * NAME_BYTES);
    slots.qnameLength[slot] = wire.length;
    slots.qtype[slot] = qtype;
    slots.dnssecOk[slot] = dnssecOk ? 1 : 0;
    slots.flags[slot] = FLAG.RD | (checkingDisabled ? FLAG.CD : 0);
    slots.hash[slot] = hash ?? hashName(wire, 0, wire.length, 5) ^ Math.imul(qtype, 0x9e3779b1); // as receive.ts
    return slot;
  };
  /** What the cache answers to a question. */
  const ask = (changes: Partial<Question> = {}): number => answerFromCache(plane, put(2, changes));
  /** Stores the answer to a question as serve.ts does. */
  const keep = (changes: Partial<Question> = {}, expiryMs = 31_000): number =>
    store.keep(keyOf(plane, put(1, changes)), draftOf({ expiryMs }));
  return { plane, ask, keep };
}

test('the same question, from whatever slot, is answered from the cache', () => {
  const { ask, keep } = setUp();
  expect(ask()).toBe(NO_ANSWER);
  const answer = keep();
  expect(ask()).toBe(answer);
});

const OTHERS: readonly (readonly [string, Partial<Question>])[] = [
  ['another name', { name: 'apj.example.org' }],
  ['a longer name', { name: 'a.api.example.org' }],
  ['a shorter name', { name: 'example.org' }],
  ['another type', { qtype: TYPE.AAAA }],
  ['DNSSEC OK, whose answer has signatures (RFC 4035 §3.2.1)', { dnssecOk: true }],
  ['CD, whose answer may be bogus (RFC 4035 §3.2.2)', { checkingDisabled: true }],
  ['both', { dnssecOk: true, checkingDisabled: true }],
];

describe.each([
  ['by its hash', undefined],
  ['even if all hashes were one', 4_711],
])('a question differs %s', (_why, hash) => {
  test.each(OTHERS)('with %s', (_other, changes) => {
    const { ask, keep } = setUp(hash);
    keep();
    expect(ask(changes)).toBe(NO_ANSWER);
    expect(ask()).not.toBe(NO_ANSWER);
  });

  test.each(OTHERS)('and the other way round, with %s', (_other, changes) => {
    const { ask, keep } = setUp(hash);
    keep(changes);
    expect(ask()).toBe(NO_ANSWER);
  });
});

test('answers to every kind of one question stand beside each other', () => {
  const { ask, keep } = setUp();
  const kinds = [false, true].flatMap((dnssecOk) =>
    [false, true].map((checkingDisabled) => ({ dnssecOk, checkingDisabled })),
  );
  const answers = kinds.map((kind) => keep(kind));
  expect(kinds.map((kind) => ask(kind))).toEqual(answers);
  kinds.forEach((kind, i) => expect(ask(kind)).toBe(answers[i]));
});

test('an answer is given until its time is over, and not then', () => {
  const { plane, ask, keep } = setUp();
  keep({}, 1_500);
  plane.nowMs = 1_499.9;
  expect(ask()).not.toBe(NO_ANSWER);
  plane.nowMs = 1_500;
  expect(ask()).toBe(NO_ANSWER);
});
