// Messages that we make ourselves: denials, truncated replies, and the query for an upstream. Every byte from `room.at` on is written by
// us, none is left from what the buffer held before (CVE-2021-23386), and none lies at or behind `room.limit`.
import {
  CLASS,
  EDNS_DO,
  EDNS_OPTION,
  EDNS_PAYLOAD_BYTES,
  FLAG,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  TYPE,
} from './codes.ts';
import { writeAdditionalCount, writeAnswerCount, writeHeader, writeUint16, writeUint32 } from './header.ts';

/** An OPT record without options: root owner, type, class, ttl, rdlength. */
export const OPT_BYTES = 11;

/** Where a message is to be written: absolute offsets in `bytes`. One instance is reused. */
export interface Room {
  readonly bytes: Uint8Array;
  readonly at: number;
  /** The first offset that must stay untouched. */
  readonly limit: number;
}

/** Whom a reply is for. A Query is one; who answers later keeps these few fields. */
export interface Asked {
  readonly id: number;
  /** The query's flags as they came. */
  readonly flags: number;
  /** The question as it came, case included: `questionLength` bytes; 0 when it could not be read. */
  readonly qname: Uint8Array;
  readonly questionLength: number;
  readonly hasOpt: boolean;
  readonly dnssecOk: boolean;
}

/** A reply of our own, nearly always without records. Made once and frozen, not for each query. */
export interface Denial {
  /** 0 … 4095; above 15 (BADVERS) only a client with OPT sees all of it. */
  readonly rcode: number;
  /** Extended DNS Error (RFC 8914), or undefined for none; sent only to clients with OPT. */
  readonly ede: ExtendedError | undefined;
  /** The answer section: one record of the question's name (`recordOfQuestion`). Absent: none. */
  readonly record?: Uint8Array;
}

export interface ExtendedError {
  readonly code: number;
  /** UTF-8, at most MAX_EDE_TEXT_BYTES; longer text is left out. */
  readonly text: Uint8Array;
}

/** RFC 8914 §3 asks for short text: it must never be what truncates a reply. */
export const MAX_EDE_TEXT_BYTES = 64;

/** What the query for an upstream is made of: nothing else of a client's query may reach one (RFC 6891 §6.2.1, cookies, subnets, cases). */
export interface UpstreamQuestion {
  readonly id: number;
  /** CD and AD are taken from here, every other bit is ours. */
  readonly flags: number;
  readonly qname: Uint8Array;
  readonly questionLength: number;
  readonly dnssecOk: boolean;
  /** False for a server that does not know OPT. */
  readonly hasOpt: boolean;
}

/** A reply of our own, without SOA, so that no cache before us keeps a denial (RFC 2308 §5). Its length, or 0 when it does not fit. */
export function buildDenial(room: Room, asked: Asked, denial: Denial): number {
  const behindQuestion = beginReply(room, asked, denial.rcode, 0);
  const at = denial.record === undefined ? behindQuestion : appendRecord(room, behindQuestion, denial.record);
  if (at < 0 || !asked.hasOpt) return at < 0 ? 0 : at - room.at;
  return endWithOpt(room, asked, at, denial);
}

/** A record of class IN whose owner is the name in the question, for `Denial.record`. */
export function recordOfQuestion(type: number, ttlSeconds: number, rdata: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + rdata.length);
  writeUint16(bytes, 0, 0xc000 | HEADER_BYTES); // RFC 1035 §4.1.4: the first name behind the header
  writeUint16(bytes, 2, type);
  writeUint16(bytes, 4, CLASS.IN);
  writeUint32(bytes, 6, ttlSeconds);
  writeUint16(bytes, 10, rdata.length);
  bytes.set(rdata, 12);
  return bytes;
}

/** A reply with TC=1 and the answer's rcode and AA, if any: ask again over TCP. Empty, because nothing of a truncated reply may be used. Its length, or 0. */
export function buildTruncated(room: Room, asked: Asked, rcode = 0, extraFlags = 0): number {
  const at = beginReply(room, asked, rcode, FLAG.TC | extraFlags);
  if (at < 0 || !asked.hasOpt) return at < 0 ? 0 : at - room.at;
  return endWithOpt(room, asked, at, { rcode, ede: undefined });
}

/** The one form that all our queries to upstreams have: RD=1, the question, and one OPT without options if any. Its length, or 0. */
export function buildQuery(room: Room, question: UpstreamQuestion): number {
  const { bytes, at } = room;
  const optAt = at + HEADER_BYTES + question.questionLength;
  if (optAt > room.limit) return 0;
  writeHeader(bytes, at, question.id, FLAG.RD | (question.flags & (FLAG.CD | FLAG.AD)), 1);
  copyQuestion(room, question.qname, question.questionLength);
  if (!question.hasOpt) return optAt - at;
  const end = appendOpt(room, optAt, question.dnssecOk ? EDNS_DO : 0, NO_ERROR);
  if (end < 0) return 0;
  writeAdditionalCount(bytes, at, 1);
  return end - at;
}

/**
 * Writes header and question of a reply (RFC 1035 §4.1.1): ID, opcode, RD and CD are the client's, QR and RA are 1, AD and Z are 0, AA and
 * TC as in `extraFlags`. All counts but the question's are 0. The offset behind it, or -1 when it does not fit.
 */
export function beginReply(room: Room, asked: Asked, rcode: number, extraFlags: number): number {
  const end = room.at + HEADER_BYTES + asked.questionLength;
  if (end > room.limit) return -1;
  const copied = asked.flags & (FLAG.OpcodeMask | FLAG.RD | FLAG.CD);
  const flags = FLAG.QR | FLAG.RA | copied | extraFlags | (rcode & FLAG.RcodeMask);
  writeHeader(room.bytes, room.at, asked.id, flags, asked.questionLength === 0 ? 0 : 1);
  copyQuestion(room, asked.qname, asked.questionLength);
  return end;
}

/**
 * Writes an OPT record at `at`: version 0, our payload size, the upper bits of the rcode, `extendedFlags` (EDNS_DO or 0), and the error
 * when it fits. The offset behind it, or -1 when not even the bare record fits. The caller counts it in the header.
 */
export function appendOpt(room: Room, at: number, extendedFlags: number, denial: Denial): number {
  const { bytes, limit } = room;
  if (at + OPT_BYTES > limit) return -1;
  bytes[at] = 0;
  writeUint16(bytes, at + 1, TYPE.OPT);
  writeUint16(bytes, at + 3, EDNS_PAYLOAD_BYTES);
  bytes[at + 5] = denial.rcode >>> 4;
  bytes[at + 6] = 0;
  writeUint16(bytes, at + 7, extendedFlags);
  const end = appendExtendedError(room, at + OPT_BYTES, denial.ede);
  writeUint16(bytes, at + 9, end - at - OPT_BYTES);
  return end;
}

/** Ends a reply that is written up to `at` with the OPT of a client that sent one; additional must be empty so far. Its length, or 0. */
export function endWithOpt(room: Room, asked: Asked, at: number, denial: Denial): number {
  // RFC 3225 §3: DO is copied.
  const end = appendOpt(room, at, asked.dnssecOk ? EDNS_DO : 0, denial);
  if (end < 0) return 0;
  writeAdditionalCount(room.bytes, room.at, 1);
  return end - room.at;
}

/** The limit of a message of `maxBytes` that starts at `at` in a buffer with room until `roomEnd`. */
export function limitOf(at: number, roomEnd: number, maxBytes: number): number {
  return Math.min(roomEnd, at + Math.min(maxBytes, MAX_MESSAGE_BYTES));
}

const NO_ERROR: Denial = { rcode: 0, ede: undefined };

/** Writes the one record of a reply of our own at `at`. The offset behind it, or -1 when it does not fit. */
function appendRecord(room: Room, at: number, record: Uint8Array): number {
  if (at < 0 || at + record.length > room.limit) return -1;
  for (let i = 0; i < record.length; i++) room.bytes[at + i] = record[i]!;
  writeAnswerCount(room.bytes, room.at, 1);
  return at + record.length;
}

function copyQuestion(room: Room, qname: Uint8Array, length: number): void {
  const to = room.at + HEADER_BYTES;
  for (let i = 0; i < length; i++) room.bytes[to + i] = qname[i]!;
}

/** RFC 8914 §2: option code, length, INFO-CODE, EXTRA-TEXT. The text, then the whole option, is left out when it does not fit. */
function appendExtendedError(room: Room, at: number, ede: ExtendedError | undefined): number {
  if (ede === undefined || at + 6 > room.limit) return at;
  const { bytes, limit } = room;
  const { text } = ede;
  const textLength = text.length > MAX_EDE_TEXT_BYTES || at + 6 + text.length > limit ? 0 : text.length;
  writeUint16(bytes, at, EDNS_OPTION.ExtendedError);
  writeUint16(bytes, at + 2, 2 + textLength);
  writeUint16(bytes, at + 4, ede.code);
  for (let i = 0; i < textLength; i++) bytes[at + 6 + i] = text[i]!;
  return at + 6 + textLength;
}
