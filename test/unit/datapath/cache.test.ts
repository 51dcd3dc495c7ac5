import { describe, expect, test } from 'vitest';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { Control } from '../../../src/bridge/control.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { answerFromCache, keyOf } from '../../../src/datapath/cache.ts';
import { Loop } from '../../../src/datapath/loop.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { AnswerStore, NO_ANSWER } from '../../../src/datapath/state/answer-store.ts';
import { NAME_BYTES, QuerySlots } from '../../../src/datapath/state/query-slots.ts';
import { FLAG, TYPE } from '../../../src/dns/codes.ts';
import { hashName } from '../../../src/dns/name-hash.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import type { SentDatagram } from '../../../src/sys/simulated-udp.ts';
import type { Bytes } from '../dns/message.ts';
import { message, opt, pointer, question, record, repeat, response } from '../dns/message.ts';
import { bytesOf, endpoint, SERVER, SETTINGS, UPSTREAM } from './plane-with-pods.ts';
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
  const key = { hash: 0, name: slots.folded, nameAt: 0, nameBytes: 0, qtype: 0, flags: 0, pod: 0 };
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

// What a scenario cannot say: bytes, and as many queries as fill the cache.

const RING_BYTES = 64 + (1 << 16);
const PORT = 40_000;
const TYPE65280 = 65_280;
const CACHE_BYTES = 32 * 1024 * 1024;
const [FLOODER, POD] = ['10.0.1.7', '10.0.1.8'] as const;

/** A loop with two pods that no policy selects, and an upstream that answers every question with this rdata. */
function setUpLoop(rdata: Bytes, ttl = 3_600) {
  const sent: SentDatagram[] = [];
  const sys = new SimulatedSys({ observer: { sent: (datagram) => void sent.push(datagram) } });
  const counters = new Counters();
  const ring = new AuditRing(new SharedArrayBuffer(RING_BYTES));
  const loop = new Loop(
    sys,
    SETTINGS,
    { control: new Control(), counters, ring },
    {
      onWake: () => undefined,
      onOpen: () => undefined,
      onKernelTouched: () => undefined,
      onKernelDamage: () => undefined,
      onInternalError: (error) => expect.fail(String(error)),
    },
  );
  const pods = [FLOODER, POD].map((address, i) => ({ id: i + 1, addresses: [bytesOf(address)], program: -1 }));
  loop.adopt({ generation: 1, pods, programs: [], classIds: [], shield: '' });
  const run = (): void => {
    do loop.turn();
    while (sys.hasReady());
  };
  const answer = ({ bytes, from }: SentDatagram, asked: Bytes): void => {
    const records = [record({ owner: pointer(12), type: TYPE65280, ttl, rdata })];
    const id = Buffer.from(bytes).readUInt16BE(0);
    const datagram = response({ id, questions: [asked], answers: records });
    sys.network.deliver(UPSTREAM, { address: UPSTREAM.address, port: from.port }, datagram);
    run();
  };
  /** The reply that the pod gets, and whether the upstream was asked for it. */
  const ask = (name: string, pod: string): { reply: Buffer; isHit: boolean } => {
    sent.length = 0;
    const asked = question(name, TYPE65280);
    const query = message({ questions: [asked], additional: [opt([], { payload: 1_232 })] });
    sys.network.deliver(endpoint(pod, PORT), SERVER, query);
    run();
    const [first = expect.fail()] = sent;
    const isHit = first.to.port === PORT;
    if (!isHit) answer(first, asked);
    sys.advance(1);
    return { reply: Buffer.from(sent.at(-1)?.bytes ?? []), isHit };
  };
  return { ask, count: (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0 };
}

test('R8: a record of an unknown type has the same bytes out of the cache, also where they look like a pointer', () => {
  const rdata = [0xc0, 0x0c, 0, 0xc0, ...repeat(0xff, 5), 0xc0];
  const { ask, count } = setUpLoop(rdata);
  const replies = ['api.example.org', 'api.example.org', 'API.example.org'].map((name) => ask(name, POD));
  expect(replies.map(({ isHit }) => isHit)).toEqual([false, true, true]);
  for (const { reply } of replies) {
    const at = reply.indexOf(Buffer.from(rdata));
    expect(reply.readUInt16BE(at - 10)).toBe(TYPE65280);
    expect(reply.readUInt16BE(at - 2)).toBe(rdata.length);
  }
  expect(count('cache_hits')).toBe(2);
});

test('C13: what a pod asks for is still cached after another has filled the cache and more', () => {
  const BIG = 1_000;
  const { ask, count } = setUpLoop(repeat(7, BIG));
  const own = Array.from({ length: 200 }, (_, n) => `own${n}.example.org`);
  for (const name of own) ask(name, POD);
  const flood = Math.ceil((1.5 * CACHE_BYTES) / BIG);
  for (let n = 0; n < flood; n++) ask(`n${n}.example.net`, FLOODER);
  expect(count('cache_hits')).toBe(0);
  expect(own.filter((name) => !ask(name, POD).isHit)).toEqual([]);
  expect(ask('n0.example.net', FLOODER).isHit).toBe(false);
});
