// A client's query, read strictly: either it has exactly one meaning, or it gets the rcode that says why not. Nothing of it but the
// question and three flags is ever sent on, so that whatever else it holds cannot reach an upstream.
import {
  CLASS,
  EDNS_DO,
  FLAG,
  HEADER_BYTES,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  MIN_UDP_BYTES,
  OPCODE,
  TYPE,
} from './codes.ts';
import { NameCursor, skipName } from './compressed-name.ts';
import { checkQueryOptions } from './edns.ts';
import {
  additionalCount,
  answerCount,
  authorityCount,
  opcodeOf,
  questionCount,
  readFlags,
  readId,
  readUint16,
} from './header.ts';
import { foldByte } from './name.ts';

/** A name, its type and its class: the longest question on the wire. */
export const MAX_QUESTION_BYTES = MAX_NAME_BYTES + 4;

/** What to do with a message that came from a client. All but Ok and Drop are answered with the rcode of that name (build-reply.ts). */
export const QUERY = {
  Ok: 0,
  /** A runt (< 12 bytes) or a response (QR=1): answering could start a loop of two servers. */
  Drop: 1,
  FormErr: 2,
  /** An opcode other than QUERY, or a signed query: rebuilding it would break its signature, so we do not do it at all. */
  NotImp: 3,
  /** A class other than IN, or a zone transfer. */
  Refused: 4,
  BadVers: 5,
} as const;

/**
 * A parsed query. One instance is reused for every message: numbers and two buffers, nothing that points into the packet. After
 * Drop it is meaningless; after every other outcome it holds what a reply needs.
 */
export class Query {
  id = 0;
  /** The header's second word as it came (FLAG). */
  flags = 0;
  opcode = 0;
  recursionDesired = false;
  checkingDisabled = false;
  authenticData = false;
  /** The question exactly as it came, case included: the name (`qnameLength` bytes), then type and class. */
  readonly qname = new Uint8Array(MAX_QUESTION_BYTES);
  /** The name alone with A–Z folded to a–z, for look-ups and policy. */
  readonly folded = new Uint8Array(MAX_NAME_BYTES);
  /** 1 … 255, root byte included; 0 when there was no readable question. */
  qnameLength = 0;
  /** Bytes of `qname` in use: qnameLength + 4, or 0 when there was no readable question. */
  questionLength = 0;
  qtype = 0;
  qclass = 0;
  /** Absolute offset behind the question; behind the header when there is none. */
  questionEnd = 0;
  hasOpt = false;
  /** What the client accepts over UDP, 512 … 65,535 (RFC 6891 §6.2.3: less than 512 means 512). */
  payloadBytes = MIN_UDP_BYTES;
  dnssecOk = false;
  /** Version of the OPT record; above 0 gives BadVers. */
  ednsVersion = 0;
  /** For the additional records; `work` is this message's account. */
  readonly cursor = new NameCursor();
}

/** Reads the message at `start` … `end` into `query` and says what to do with it, as a code of QUERY. */
export function parseQuery(bytes: Uint8Array, start: number, end: number, query: Query): number {
  if (end - start < HEADER_BYTES) return QUERY.Drop;
  const flags = readFlags(bytes, start);
  if ((flags & FLAG.QR) !== 0) return QUERY.Drop;
  reset(query, readId(bytes, start), flags, start + HEADER_BYTES);
  // The sections of UPDATE, NOTIFY and DSO mean other things, so their question is not read: header-only NOTIMP (RFC 8906 §3.1.4).
  if (query.opcode !== OPCODE.Query) return QUERY.NotImp;
  // RFC 9619 §4: exactly one question.
  if (questionCount(bytes, start) !== 1) return QUERY.FormErr;
  if (!readQuestion(bytes, start + HEADER_BYTES, end, query)) return QUERY.FormErr;
  return readRecords(bytes, start, end, query);
}

function reset(query: Query, id: number, flags: number, questionEnd: number): void {
  query.id = id;
  query.flags = flags;
  query.opcode = opcodeOf(flags);
  query.recursionDesired = (flags & FLAG.RD) !== 0;
  query.checkingDisabled = (flags & FLAG.CD) !== 0;
  query.authenticData = (flags & FLAG.AD) !== 0;
  query.qnameLength = 0;
  query.questionLength = 0;
  query.qtype = 0;
  query.qclass = 0;
  query.questionEnd = questionEnd;
  query.hasOpt = false;
  query.payloadBytes = MIN_UDP_BYTES;
  query.dnssecOk = false;
  query.ednsVersion = 0;
  query.cursor.work = 0;
}

/** No name stands before the question, so that a pointer in it can only be an attack: length bytes above 63 are refused. */
function readQuestion(bytes: Uint8Array, offset: number, end: number, query: Query): boolean {
  const { qname, folded } = query;
  let at = offset;
  let length = 0;
  for (;;) {
    if (at >= end) return false;
    const label = bytes[at]!;
    if (label > MAX_LABEL_BYTES || length + label + 1 > MAX_NAME_BYTES || at + label >= end) return false;
    const labelEnd = at + label;
    for (; at <= labelEnd; at++, length++) {
      const byte = bytes[at]!;
      qname[length] = byte;
      folded[length] = foldByte(byte); // the length byte too: at most 63, it is no letter
    }
    if (label === 0) break;
  }
  if (at + 4 > end) return false;
  for (let i = 0; i < 4; i++) qname[length + i] = bytes[at + i]!;
  query.qnameLength = length;
  query.questionLength = length + 4;
  query.qtype = readUint16(bytes, at);
  query.qclass = readUint16(bytes, at + 2);
  query.questionEnd = at + 4;
  return true;
}

/**
 * Everything behind the question. Form comes first (one parse, one meaning), then EDNS version, signature, class and type. Additional
 * records other than OPT mean nothing in a query; they are checked for form and ignored, as RFC 8906 §3 asks of the unknown.
 */
function readRecords(bytes: Uint8Array, start: number, end: number, query: Query): number {
  // RFC 1995 §3: an IXFR query carries the client's SOA in the authority section. It is refused, but it is well formed.
  const authorityAllowed = query.qtype === TYPE.IXFR ? 1 : 0;
  const authority = authorityCount(bytes, start);
  if (answerCount(bytes, start) !== 0 || authority > authorityAllowed) return QUERY.FormErr;
  const records = authority + additionalCount(bytes, start);
  let at = query.questionEnd;
  let signed = false;
  for (let i = 0; i < records; i++) {
    // RFC 8945 §5.1 and RFC 2931 §3.1: a signature is the last record.
    if (signed || !skipName(bytes, start, end, at, query.cursor)) return QUERY.FormErr;
    const fixed = query.cursor.next;
    if (fixed + 10 > end) return QUERY.FormErr;
    const type = readUint16(bytes, fixed);
    const rdata = fixed + 10;
    const rdataEnd = rdata + readUint16(bytes, fixed + 8);
    if (rdataEnd > end) return QUERY.FormErr;
    if (type === TYPE.OPT) {
      // RFC 6891 §6.1.1: at most one, its owner is the root (one zero byte: a pointer to one is a second spelling), in additional.
      if (i < authority || query.hasOpt || fixed !== at + 1) return QUERY.FormErr;
      if (!readOpt(bytes, fixed, rdataEnd, query)) return QUERY.FormErr;
    } else if (type === TYPE.TSIG || type === TYPE.SIG) {
      signed = true;
    }
    at = rdataEnd;
  }
  // Bytes behind the last record become a record in a program that appends one (CVE-2018-14663).
  if (at !== end) return QUERY.FormErr;
  if (query.ednsVersion !== 0) return QUERY.BadVers;
  if (signed) return QUERY.NotImp;
  if (query.qclass !== CLASS.IN || query.qtype === TYPE.AXFR || query.qtype === TYPE.IXFR) return QUERY.Refused;
  return QUERY.Ok;
}

/** `fixed` is the offset of the record's type: CLASS is the payload size, TTL is extended rcode, version and flags (RFC 6891 §6.1.2). */
function readOpt(bytes: Uint8Array, fixed: number, rdataEnd: number, query: Query): boolean {
  query.hasOpt = true;
  query.payloadBytes = Math.max(readUint16(bytes, fixed + 2), MIN_UDP_BYTES);
  query.ednsVersion = bytes[fixed + 5]!;
  query.dnssecOk = (readUint16(bytes, fixed + 6) & EDNS_DO) !== 0;
  // RFC 6891 §6.1.3: of a later version we know only that it is one, so that its options are not judged.
  return query.ednsVersion !== 0 || checkQueryOptions(bytes, fixed + 10, rdataEnd);
}
