// What the tests of extraction share: a plane, a question in one of its slots, and messages that answer it.
import { beforeEach, expect } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { Counters } from '../../../src/bridge/counters.ts';
import { keyOf } from '../../../src/datapath/cache.ts';
import { extract } from '../../../src/datapath/extract.ts';
import { Plane } from '../../../src/datapath/plane.ts';
import { NAME_BYTES, QUESTION_BYTES } from '../../../src/datapath/state/query-slots.ts';
import { ANSWER, Answer, parseAnswer } from '../../../src/dns/answer.ts';
import { FLAG, TYPE, typeName } from '../../../src/dns/codes.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import { readService } from '../../support/scenario-services.ts';
import {
  inArena,
  name,
  pointer,
  question,
  record,
  repeat,
  response,
  u32,
  type Bytes,
  type MessageText,
} from '../dns/message.ts';
import { readStored, type StoredAnswer, type StoredBody } from './state/stored-answer.ts';

export const NAME = 'api.example.org';
export const SLOT = 3;
export const NOW_MS = 5_000;
export const MAX_TTL_SECONDS = 3_600;
/** The name of the question, in a message that has no other before it. */
export const QNAME = pointer(12);

export const bytesOf = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);

export const plane = new Plane(
  new SimulatedSys(),
  {
    listen: [{ address: bytesOf('10.96.0.10'), port: 53 }],
    transparent: true,
    upstreams: [{ zone: '.', servers: [{ address: bytesOf('192.0.2.53'), port: 53 }] }],
    denial: 'nxdomain',
    lifetimes: { minTtlMs: 5_000, maxTtlMs: MAX_TTL_SECONDS * 1_000, graceMs: 60_000 },
    table: 'namewall',
    strategy: 'update',
    protect: { protect: [], cidrs: [{ cidr: '203.0.113.0/24', reason: 'configured' }] },
  },
  new Counters(),
  new AuditRing(new SharedArrayBuffer(64 + 8_192)),
);

export interface Asked {
  readonly qtype?: number;
  /** As the client wrote it. */
  readonly qname?: string;
  readonly flags?: number;
  readonly dnssecOk?: boolean;
}

beforeEach(() => {
  plane.nowMs = NOW_MS;
});

/** Whether an upstream's message is usable as the answer to the question; it is in plane.draft then. */
export function extracted(
  it: MessageText,
  { qtype = TYPE.A, qname = NAME, flags = FLAG.RD, dnssecOk = false }: Asked = {},
): boolean {
  const { slots } = plane;
  const folded = parseNameText(qname.toLowerCase()) ?? expect.fail(qname);
  slots.folded.set(folded, SLOT * NAME_BYTES);
  slots.question.set(question([...Buffer.from(name(qname))], qtype), SLOT * QUESTION_BYTES);
  slots.qnameLength[SLOT] = folded.length;
  slots.qtype[SLOT] = qtype;
  slots.flags[SLOT] = flags;
  slots.dnssecOk[SLOT] = dnssecOk ? 1 : 0;
  const { arena, start, end } = inArena(response({ questions: [question(NAME, qtype)], ...it }));
  expect(parseAnswer(arena, start, end, plane.answer)).toBe(ANSWER.Ok);
  const isUsable = extract(plane, SLOT, arena);
  arena.fill(0x55); // the arena's next datagram
  return isUsable;
}

/** The answer as the store has it. */
export function answerTo(it: MessageText, asked?: Asked): StoredAnswer {
  expect(extracted(it, asked)).toBe(true);
  return readStored(plane.store, plane.store.pass(keyOf(plane, SLOT), plane.draft));
}

export const addressesOf = ({ addresses }: StoredAnswer): string[] =>
  Array.from({ length: addresses.length / 16 }, (_, i) => formatAddress(addresses, 16 * i));

/** The records of a body as `SECTION TYPE TTL`, with the address of those that have one. */
export function recordsOf(body: StoredBody): string[] {
  const answer = new Answer();
  expect(parseAnswer(body.bytes, 0, body.bytes.length, answer)).toBe(ANSWER.Ok);
  return Array.from({ length: answer.recordCount }, (_, i) => {
    const at = answer.rdataOffset[i] ?? 0;
    const rdata = body.bytes.subarray(at, at + (answer.rdataLength[i] ?? 0));
    const type = answer.type[i];
    const hints = type === TYPE.HTTPS ? (readService(Buffer.from(rdata), '.', 1)?.hints ?? ['malformed']) : [];
    const addresses = type === TYPE.A ? [rdata.join('.')] : type === TYPE.AAAA ? [formatAddress(rdata)] : hints;
    const address = addresses.map((each) => ` ${each}`).join('');
    const section = ['answer', 'authority', 'additional'][answer.section[i] ?? 3];
    return `${section} ${typeName(answer.type[i] ?? 0)} ${answer.ttl[i]}${address}`;
  });
}

export const aaaa = (owner: string | Bytes, address: string, ttl = 300): Bytes =>
  record({ owner, type: TYPE.AAAA, ttl, rdata: [...bytesOf(address)] });
export const V4 = [192, 0, 2, 4];
export const V6 = [...bytesOf('2001:db8::6')];
/** A record with these parameters, and a priority if it is not 1. */
export const https = (owner: string, ...rest: (Bytes | { priority: number })[]): Bytes => {
  const [over] = rest.filter((each): each is { priority: number } => 'priority' in each);
  const parameters = rest.flatMap((each) => ('priority' in each ? [] : each));
  return record({ owner, type: TYPE.HTTPS, rdata: [0, over?.priority ?? 1, 0, ...parameters] });
};
export const rrsig = (owner: string | Bytes, ttl = 300): Bytes =>
  record({ owner, type: TYPE.RRSIG, ttl, rdata: [...repeat(0, 18), ...name('example.org'), 1, 2, 3] });
export const ns = (owner: string, ttl = 300): Bytes =>
  record({ owner, type: TYPE.NS, ttl, rdata: name('ns.example.org') });
export const soa = (owner: string, ttl = 300): Bytes =>
  record({
    owner,
    type: TYPE.SOA,
    ttl,
    rdata: [...name('ns.example.org'), ...name('h.example.org'), ...[1, 2, 3, 4, 60].flatMap(u32)],
  });
export const txt = (owner: string | Bytes, ttl = 300): Bytes =>
  record({ owner, type: TYPE.TXT, ttl, rdata: [2, 0x68, 0x69] });
