// The codec against the oracle: src/dns reads each message as a query and as an answer, follows its chain, and writes it anew; all of it must be
// what a slow reading of the RFCs gives, and cost little.
import { Answer, ANSWER, parseAnswer, ROLE } from '../../src/dns/answer.ts';
import { Chain, CHAIN, followChain } from '../../src/dns/chain.ts';
import { parseQuery, QUERY, Query } from '../../src/dns/query.ts';
import { ReplyWriter } from '../../src/dns/reply-writer.ts';
import { readSvcbHints, SvcbHints } from '../../src/dns/svcb.ts';
import { Clock } from './clock.ts';
import { followChain as chainOf } from './oracle/grantable.ts';
import type { Finding } from './oracle/ledger.ts';
import { CLASS_IN, SECTION, TYPE, tryMessage } from './oracle/message.ts';
import type { Message, Rr } from './oracle/message.ts';
import { Malformed } from './oracle/name.ts';
import { readQuery } from './oracle/query.ts';
import { readHints } from './oracle/svcb.ts';

const TYPE_DNAME = 39;
const QR = 0x8000;
const TC = 0x0200;
/** A message of more may be refused for its cost alone (answer.ts, MAX_RECORDS; compressed-name.ts, MAX_NAME_WORK). */
const CHEAP = { records: 4_096, steps: 8_000 };
/** Where messages stand in a batch: not at the begin of the memory, and poison all around. */
const AT = 1_000;
const POISON = 0xc1;
const LARGEST = 65_535;
/** Names are written out: more than was read. */
const WHOLE = 4 * LARGEST;

const arena = new Uint8Array(AT + LARGEST + 1_000).fill(POISON);
const room = { bytes: new Uint8Array(WHOLE + 600).fill(POISON), at: 200, limit: 0 };
const answer = new Answer();
const chain = new Chain();
const query = new Query();
const writer = new ReplyWriter();
const hints = new SvcbHints();

export interface CodecCheck {
  readonly findings: readonly Finding[];
  readonly milliseconds: number;
}

export function checkCodec(message: Uint8Array): CodecCheck {
  const bytes = message.subarray(0, LARGEST);
  arena.set(bytes, AT);
  const end = AT + bytes.length;
  arena.fill(POISON, end, end + 300);
  const clock = new Clock();
  const asQuery = parseQuery(arena, AT, end, query);
  const asAnswer = parseAnswer(arena, AT, end, answer);
  const followed = asAnswer === ANSWER.Ok ? followChain(arena, answer, chain) : CHAIN.Bogus;
  const written = asAnswer === ANSWER.Ok ? rewrite(WHOLE) : 0;
  const milliseconds = clock.costMs();
  const wrong = [
    ...wrongQuery(bytes, asQuery),
    ...wrongAnswer(bytes, asAnswer, followed),
    ...(written > 0 ? wrongRewritten(bytes, written) : []),
    ...(asAnswer === ANSWER.Ok ? wrongInSmallRoom(bytes) : []),
  ];
  return { findings: wrong.map((what) => ({ kind: `codec: ${what}`, text: `${what}: ${hex(bytes)}` })), milliseconds };
}

/** Every record but OPT, in order, as far as they fit into `most` bytes; how long it became. */
function rewrite(most: number): number {
  room.limit = room.at + most;
  room.bytes.fill(POISON, room.limit, room.limit + 300);
  const asked = { id: answer.id, flags: answer.flags, qname: new Uint8Array(264), questionLength: 0, hasOpt: false };
  asked.questionLength = answer.questionEnd - answer.start - 12;
  asked.qname.set(arena.subarray(AT + 12, answer.questionEnd));
  if (!writer.begin(room, { ...asked, dnssecOk: false }, answer.rcode & 15, 0)) return 0;
  for (let i = 0; i < answer.recordCount; i++) writer.add(arena, answer, i, answer.ttl[i]!);
  return writer.end(undefined);
}

function wrongQuery(bytes: Uint8Array, code: number): string[] {
  const { fate, question, message } = readQuery(bytes);
  const wrong: string[] = [];
  const isSilent = fate === 'silent';
  if ((code === QUERY.Drop) !== isSilent) return [`query: code ${code} for what is ${fate}`];
  if (isSilent) return [];
  if (query.id !== ((bytes[0]! << 8) | bytes[1]!)) wrong.push('query: id');
  if (fate === 'malformed' && code !== QUERY.FormErr) wrong.push(`query: code ${code} for what is malformed`);
  if (fate === 'other-opcode' && code !== QUERY.NotImp) wrong.push(`query: code ${code} for another opcode`);
  if (fate === 'bad-version' && code !== QUERY.BadVers) wrong.push(`query: code ${code} for another version`);
  if (fate === 'plain' && code !== QUERY.Ok && code !== QUERY.Refused)
    wrong.push(`query: code ${code} for a plain one`);
  if (code !== QUERY.Ok || question === undefined) return wrong;
  const { opt } = message ?? {};
  if (!Buffer.from(query.qname.subarray(0, query.questionLength)).equals(question.bytes)) wrong.push('query: question');
  if (query.qtype !== question.type || query.qclass !== question.class) wrong.push('query: type or class');
  if (query.hasOpt !== (opt !== undefined)) wrong.push('query: OPT');
  if (query.dnssecOk !== (opt?.dnssecOk ?? false)) wrong.push('query: DO');
  if (query.payloadBytes !== Math.max(512, opt?.payloadBytes ?? 0)) wrong.push('query: payload size');
  return wrong;
}

function wrongAnswer(bytes: Uint8Array, code: number, followed: number): string[] {
  const message = tryMessage(bytes);
  const flags = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (bytes.length < 12 || (flags & QR) === 0) {
    return code === ANSWER.NotAResponse ? [] : [`answer: code ${code} for what is no response`];
  }
  if (typeof message === 'string' || message.questions.length !== 1 || message.opcode !== 0) {
    // Of what is truncated only the question is read.
    return code === ANSWER.Ok ? ['answer: taken though malformed'] : [];
  }
  if ((message.flags & TC) !== 0) return code === ANSWER.Truncated ? [] : [`answer: code ${code} for a truncated one`];
  const isCheap = message.records.length < CHEAP.records && message.steps <= CHEAP.steps;
  if (code !== ANSWER.Ok) return isCheap && !message.isArguable ? [`answer: code ${code} for a good one`] : [];
  return [...wrongRecords(message), ...wrongChain(message, followed), ...wrongHints(message)];
}

/** The records in their order; OPT is none of the oracle's. */
function ours(): number[] {
  const all = Array.from({ length: answer.recordCount }, (_, i) => i);
  return all.filter((i) => i !== answer.optIndex);
}

function wrongRecords(message: Message): string[] {
  const places = ours();
  const { opt, records } = message;
  if (places.length !== records.length) return ['answer: number of records'];
  const isSame = records.every(({ section, type, class: klass, ttl, owner }, r) => {
    const i = places[r]!;
    const isRecord = answer.section[i] === section && answer.type[i] === type && answer.class[i] === klass;
    return isRecord && answer.ttl[i] === ttl && answer.ownerLength[i] === owner.bytes;
  });
  const wrong = isSame ? [] : ['answer: a record'];
  if (answer.rcode !== message.rcode) wrong.push('answer: rcode');
  if (answer.hasOpt !== (opt !== undefined)) wrong.push('answer: OPT');
  return wrong;
}

/** The same records stand at the end of the chain, and the chain ends for the same messages. */
function wrongChain(message: Message, followed: number): string[] {
  if (followed === CHAIN.WorkCap) return message.steps > CHEAP.steps ? [] : ['chain: too much work'];
  const [question] = message.questions;
  if (question === undefined) return [];
  const answers = message.records.filter((record) => record.section === SECTION.answer && record.class === CLASS_IN);
  // A CNAME that is not what the DNAME above it makes (RFC 6672 §3.1) is refused, which the oracle does not look into.
  if (followed === CHAIN.Bogus && answers.some(({ type }) => type === TYPE_DNAME)) return [];
  const end = chainOf(answers, question.name.key, question.type);
  if ((end !== undefined) !== (followed === CHAIN.Ok)) return [`chain: code ${followed}, the oracle says otherwise`];
  if (end === undefined) return [];
  const addresses = end.records.filter(({ type }) => type === question.type && (type === TYPE.A || type === TYPE.AAAA));
  const found = ours().filter((i) => answer.role[i] === ROLE.Address);
  const texts = found.map((i) =>
    hex(arena.subarray(answer.rdataOffset[i], answer.rdataOffset[i]! + answer.rdataLength[i]!)),
  );
  const isSame =
    texts.toSorted().join() ===
    addresses
      .map(({ rdata }) => rdata)
      .toSorted()
      .join();
  return isSame && chain.links === end.links ? [] : ['chain: other addresses'];
}

function wrongHints(message: Message): string[] {
  const places = ours();
  return message.records.flatMap(({ type, rdata }, r) => {
    if (type !== TYPE.SVCB && type !== TYPE.HTTPS) return [];
    const isGood = readSvcbHints(arena, answer, places[r]!, hints);
    const want = hintsOf(rdata);
    if (isGood !== (want !== undefined)) return ['hints: good for one reader and not for the other'];
    if (!isGood) return [];
    const { ipv4Offset, ipv4Length, ipv6Offset, ipv6Length } = hints;
    const found = [
      hex(arena.subarray(ipv4Offset, ipv4Offset + ipv4Length)),
      hex(arena.subarray(ipv6Offset, ipv6Offset + ipv6Length)),
    ];
    return found.join('') === want?.join('') ? [] : ['hints: others'];
  });
}

function hintsOf(rdata: string): string[] | undefined {
  try {
    return readHints(Buffer.from(rdata, 'hex')).hints;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** What we write, anybody reads, and it says the same. */
function wrongRewritten(bytes: Uint8Array, length: number): string[] {
  const before = tryMessage(bytes);
  const after = tryMessage(room.bytes.subarray(room.at, room.at + length));
  if (typeof before === 'string') return []; // wrongAnswer says so
  if (typeof after === 'string') return [`writer: malformed, ${after}`];
  const kept = before.records.filter(({ type }) => type !== TYPE.TSIG).map(textOf);
  return kept.join() === after.records.map(textOf).join() ? [] : ['writer: other records'];
}

/** Where not all fits, what does is written well, and nothing beside its room. */
function wrongInSmallRoom(bytes: Uint8Array): string[] {
  const most = 12 + (bytes.length >> 1) + (bytes[bytes.length - 1]! & 31);
  const length = rewrite(most);
  if (length > most || room.bytes[room.at - 1] !== POISON || room.bytes[room.limit] !== POISON)
    return ['writer: beside its room'];
  if (length === 0) return [];
  const before = tryMessage(bytes);
  const after = tryMessage(room.bytes.subarray(room.at, room.at + length));
  if (typeof before === 'string') return [];
  if (typeof after === 'string') return [`writer: malformed in a small room, ${after}`];
  const said = new Set(before.records.map(textOf));
  return after.records.every((record) => said.has(textOf(record))) ? [] : ['writer: other records in a small room'];
}

function textOf({ owner, section, type, class: klass, ttl, rdata }: Rr): string {
  return `${owner.key} ${section} ${type} ${klass} ${ttl} ${rdata}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
