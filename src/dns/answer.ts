// An upstream's response as an index of its records: offsets and numbers in arrays that are allocated once. Read strictly: counts that
// lie, rdata that is not what its type demands, or bytes behind the last record make the whole message malformed, because another
// reader would see other addresses in it than we do.
import {
  CLASS,
  FLAG,
  HEADER_BYTES,
  MAX_LABEL_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  OPCODE,
  TYPE,
} from './codes.ts';
import { markOf, MAX_NAME_WORK, NameCursor, skipName } from './compressed-name.ts';
import { checkAnswerOptions } from './edns.ts';
import {
  additionalCount,
  answerCount,
  authorityCount,
  opcodeOf,
  questionCount,
  rcodeOf,
  readFlags,
  readId,
  readUint16,
  readUint32,
} from './header.ts';
import { equalNamesFolded } from './name.ts';
import { checkRdata } from './rdata.ts';
import { SvcbHints } from './svcb.ts';

/** 64 KiB hold 4,094 addresses with compressed owners. The rest of a message with more (root-owned, shorter records) serves no client. */
export const MAX_RECORDS = 4096;

/** RFC 1035 §4.1.3 with an owner of one byte and no rdata: what a record costs at least, to catch counts that lie before any work. */
const MIN_RECORD_BYTES = 11;

export const ANSWER = {
  Ok: 0,
  /** A runt, or QR=0. */
  NotAResponse: 1,
  Malformed: 2,
  /** Well formed so far, but its names cost more than MAX_NAME_WORK. */
  WorkCap: 3,
  /** TC=1: header and question are filled in, records are not read, because what is cut must not be used (ask again over TCP). */
  Truncated: 4,
} as const;

export const SECTION = { Answer: 0, Authority: 1, Additional: 2 } as const;

/** What a record of the answer section is to the question; followChain (chain.ts) fills it in. */
export const ROLE = {
  /** Its owner is not reached from the question, or its class is not IN: it must not be passed on, cached or granted. */
  Foreign: 0,
  /** A CNAME on the way from the question, or the DNAME that one was made from. */
  Link: 1,
  /** An address of the asked type at the end of the way. */
  Address: 2,
  /** Any other record at a name on the way: RRSIG, records of another type, answers that are no addresses. */
  Owned: 3,
  /** An SVCB or HTTPS record of the asked type at the end of the way: its hints are addresses. */
  Service: 4,
} as const;

/** What a question is matched by. A Query is one. */
export interface Question {
  /** Folded plain name in the first `qnameLength` bytes. */
  readonly folded: Uint8Array;
  readonly qnameLength: number;
  readonly qtype: number;
}

/** The index of one response. One instance is reused; entries at and above `recordCount` are left over from earlier messages. */
export class Answer {
  /** Absolute offsets of the message. */
  start = 0;
  end = 0;
  id = 0;
  flags = 0;
  /** 0 … 4095, the extended part included (RFC 6891 §6.1.3). */
  rcode = 0;
  qnameLength = 0;
  qtype = 0;
  qclass = 0;
  /** Absolute offset behind the question. */
  questionEnd = 0;
  /** All records, OPT included, in the order of the message. */
  recordCount = 0;
  /** Records [0, answerRecords) are the answer section, then come authorityRecords, the rest is additional. */
  answerRecords = 0;
  authorityRecords = 0;
  hasOpt = false;
  /** Absolute offset of the OPT record, 0 without one. */
  optOffset = 0;
  /** Index of the OPT record, -1 without one. */
  optIndex = -1;
  /** True when OPT is the last record, so that cutting the message at optOffset removes exactly it. */
  isOptLast = false;
  /** Absolute offset of the first additional record, or `end` when there is none. */
  additionalStart = 0;
  readonly ownerOffset = new Uint32Array(MAX_RECORDS);
  /** Offset of the owner's first label, behind pointers: equal offsets mean equal names. */
  readonly ownerLabel = new Uint32Array(MAX_RECORDS);
  /** The owner's plain wire length. */
  readonly ownerLength = new Uint8Array(MAX_RECORDS);
  /** markOf the owner; in the answer section only. */
  readonly ownerMark = new Uint32Array(MAX_RECORDS);
  readonly type = new Uint16Array(MAX_RECORDS);
  readonly class = new Uint16Array(MAX_RECORDS);
  /** Seconds, 0 … 2^32 − 1. A set top bit is a huge lifetime that the caller caps, never 0 or a negative one (RFC 8767 §4). */
  readonly ttl = new Uint32Array(MAX_RECORDS);
  readonly ttlOffset = new Uint32Array(MAX_RECORDS);
  readonly rdataOffset = new Uint32Array(MAX_RECORDS);
  readonly rdataLength = new Uint16Array(MAX_RECORDS);
  /** SECTION. */
  readonly section = new Uint8Array(MAX_RECORDS);
  /** ROLE; Foreign until followChain has run. */
  readonly role = new Uint8Array(MAX_RECORDS);
  /** 1 for a record whose copies leave some hint addresses out (svcb.ts). */
  readonly isEdited = new Uint8Array(MAX_RECORDS);
  /** Of such a record, by offsets from `start`: 1 where one of these stands. */
  readonly isStruck = new Uint8Array(MAX_MESSAGE_BYTES);
  /** Of the SVCB or HTTPS record at hand. */
  readonly hints = new SvcbHints();
  /** The account of work of this message, shared by everything that reads names in it. */
  readonly cursor = new NameCursor();
  /** Room for one plain name, for whoever reads one at the moment. */
  readonly scratch = new Uint8Array(MAX_NAME_BYTES);
}

/** Indexes the response at `start` … `end`, as a code of ANSWER. Only after Ok may the records be used. */
export function parseAnswer(bytes: Uint8Array, start: number, end: number, answer: Answer): number {
  if (end - start < HEADER_BYTES) return ANSWER.NotAResponse;
  reset(bytes, start, end, answer);
  if ((answer.flags & FLAG.QR) === 0) return ANSWER.NotAResponse;
  if (opcodeOf(answer.flags) !== OPCODE.Query || !readQuestion(bytes, answer)) return ANSWER.Malformed;
  if ((answer.flags & FLAG.TC) !== 0) return ANSWER.Truncated;
  if (readRecords(bytes, answer)) return ANSWER.Ok;
  return answer.cursor.work > MAX_NAME_WORK ? ANSWER.WorkCap : ANSWER.Malformed;
}

/**
 * True when the message holds exactly one question and it is `asked`, in any case, class IN (RFC 5452 §4.2). It looks at nothing else, so
 * that a forged or broken reply to another question is told from a broken reply to ours (CVE-2023-28452).
 */
export function questionMatches(bytes: Uint8Array, start: number, end: number, asked: Question): boolean {
  const at = start + HEADER_BYTES;
  const nameEnd = at + asked.qnameLength;
  if (nameEnd + 4 > end || questionCount(bytes, start) !== 1) return false;
  // Length bytes are compared like all others, so an equal prefix of this length is the whole name, uncompressed.
  if (!equalNamesFolded(bytes, at, asked.folded, 0, asked.qnameLength)) return false;
  return readUint16(bytes, nameEnd) === asked.qtype && readUint16(bytes, nameEnd + 2) === CLASS.IN;
}

function reset(bytes: Uint8Array, start: number, end: number, answer: Answer): void {
  answer.start = start;
  answer.end = end;
  answer.id = readId(bytes, start);
  answer.flags = readFlags(bytes, start);
  answer.rcode = rcodeOf(answer.flags);
  answer.qnameLength = 0;
  answer.qtype = 0;
  answer.qclass = 0;
  answer.questionEnd = start + HEADER_BYTES;
  answer.recordCount = 0;
  answer.answerRecords = 0;
  answer.authorityRecords = 0;
  answer.hasOpt = false;
  answer.optOffset = 0;
  answer.optIndex = -1;
  answer.isOptLast = false;
  answer.additionalStart = end;
  answer.cursor.work = 0;
}

function readQuestion(bytes: Uint8Array, answer: Answer): boolean {
  const { start, end, cursor } = answer;
  if (questionCount(bytes, start) !== 1) return false;
  if (!skipName(bytes, start, end, start + HEADER_BYTES, cursor) || cursor.next + 4 > end) return false;
  answer.qnameLength = cursor.lengthBytes;
  answer.qtype = readUint16(bytes, cursor.next);
  answer.qclass = readUint16(bytes, cursor.next + 2);
  answer.questionEnd = cursor.next + 4;
  return true;
}

function readRecords(bytes: Uint8Array, answer: Answer): boolean {
  const { start, end } = answer;
  const answers = answerCount(bytes, start);
  const authority = authorityCount(bytes, start);
  const total = answers + authority + additionalCount(bytes, start);
  if (total > MAX_RECORDS || total * MIN_RECORD_BYTES > end - answer.questionEnd) return false;
  let at = answer.questionEnd;
  for (let i = 0; i < total; i++) {
    if (i === answers + authority) answer.additionalStart = at;
    answer.section[i] = i < answers ? SECTION.Answer : i < answers + authority ? SECTION.Authority : SECTION.Additional;
    at = readRecord(bytes, answer, i, at);
    if (at < 0) return false;
  }
  if (at !== end) return false;
  answer.recordCount = total;
  answer.answerRecords = answers;
  answer.authorityRecords = authority;
  answer.isOptLast = answer.hasOpt && answer.optIndex === total - 1;
  return true;
}

/** Reads record `i` at `at`; the offset behind it, or -1. */
function readRecord(bytes: Uint8Array, answer: Answer, i: number, at: number): number {
  const fixed = readOwner(bytes, answer, i, at);
  if (fixed < 0 || fixed + 10 > answer.end) return -1;
  const rdataOffset = fixed + 10;
  const rdataEnd = rdataOffset + readUint16(bytes, fixed + 8);
  if (rdataEnd > answer.end) return -1;
  answer.ownerOffset[i] = at;
  answer.type[i] = readUint16(bytes, fixed);
  answer.class[i] = readUint16(bytes, fixed + 2);
  answer.ttl[i] = readUint32(bytes, fixed + 4);
  answer.ttlOffset[i] = fixed + 4;
  answer.rdataOffset[i] = rdataOffset;
  answer.rdataLength[i] = rdataEnd - rdataOffset;
  answer.role[i] = ROLE.Foreign;
  answer.isEdited[i] = 0;
  const isGood = answer.type[i] === TYPE.OPT ? readOpt(bytes, answer, i) : checkRdata(bytes, answer, i);
  return isGood ? rdataEnd : -1;
}

/** The owner's length, first label and mark; gives the offset behind it, or -1. */
function readOwner(bytes: Uint8Array, answer: Answer, i: number, at: number): number {
  const { cursor } = answer;
  // Most records are owned by the name of the record before them or by the question, by the same pointer: no second walk for these.
  if (i > 0 && at + 1 < answer.end && bytes[at]! > MAX_LABEL_BYTES) {
    const before = answer.ownerOffset[i - 1]!;
    if (bytes[at] === bytes[before] && bytes[at + 1] === bytes[before + 1]) {
      answer.ownerLabel[i] = answer.ownerLabel[i - 1]!;
      answer.ownerLength[i] = answer.ownerLength[i - 1]!;
      answer.ownerMark[i] = answer.ownerMark[i - 1]!;
      cursor.work++;
      return at + 2;
    }
  }
  if (!skipName(bytes, answer.start, answer.end, at, cursor)) return -1;
  answer.ownerLabel[i] = cursor.firstLabel;
  answer.ownerLength[i] = cursor.lengthBytes;
  if (answer.section[i] === SECTION.Answer) {
    answer.ownerMark[i] = markOf(bytes, answer.start, cursor.firstLabel);
    cursor.work += cursor.lengthBytes >> 3;
  }
  return cursor.next;
}

/** RFC 6891 §6.1.1: one OPT, owned by the root, in additional; its TTL holds the upper bits of the rcode. */
function readOpt(bytes: Uint8Array, answer: Answer, i: number): boolean {
  const ownerOffset = answer.ownerOffset[i]!;
  if (answer.hasOpt || answer.section[i] !== SECTION.Additional || bytes[ownerOffset] !== 0) return false;
  answer.hasOpt = true;
  answer.optOffset = ownerOffset;
  answer.optIndex = i;
  answer.rcode |= (answer.ttl[i]! >>> 24) << 4;
  const rdataOffset = answer.rdataOffset[i]!;
  return checkAnswerOptions(bytes, rdataOffset, rdataOffset + answer.rdataLength[i]!);
}
