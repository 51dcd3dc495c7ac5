// Names inside rdata. RFC 3597 §4 closes the list of types whose rdata may hold compressed names; every other rdata is opaque bytes,
// copied as it is. A record of a listed type can be moved to another message only by writing its names out in full.
import type { Answer } from './answer.ts';
import { CLASS, TYPE } from './codes.ts';
import { readName, skipName } from './compressed-name.ts';

/** What a type's rdata looks like: fixed bytes, then names, then fixed bytes, or any number of them (-1). */
interface Layout {
  readonly before: number;
  readonly names: number;
  readonly after: number;
}

const ONE_NAME: Layout = { before: 0, names: 1, after: 0 };
const PREFERENCE_NAME: Layout = { before: 2, names: 1, after: 0 };

/** True when record `i` of `answer`, whose offsets are already filled in, has rdata of the form that its type demands. */
export function checkRdata(bytes: Uint8Array, answer: Answer, i: number): boolean {
  const type = answer.type[i]!;
  const length = answer.rdataLength[i]!;
  if (type === TYPE.A) return length === 4 || answer.class[i] !== CLASS.IN; // RFC 1035 §3.4.1: A means this in class IN only
  if (type === TYPE.AAAA) return length === 16 || answer.class[i] !== CLASS.IN;
  const layout = layoutOf(type);
  if (layout === undefined) return true;
  const end = answer.rdataOffset[i]! + length;
  let at = namesOffset(bytes, answer, i, layout);
  for (let name = 0; name < layout.names; name++) {
    if (at >= end || !skipName(bytes, answer.start, end, at, answer.cursor)) return false;
    at = answer.cursor.next;
  }
  return layout.after < 0 ? at <= end : at + layout.after === end;
}

/**
 * Copies the rdata of record `i`, which checkRdata has accepted, to `out` at `at`, its names uncompressed. Gives the offset behind it, or
 * -1 when it does not fit below `limit` (or the message's work is used up).
 */
export function copyRdata(
  bytes: Uint8Array,
  answer: Answer,
  i: number,
  out: Uint8Array,
  at: number,
  limit: number,
): number {
  const offset = answer.rdataOffset[i]!;
  const end = offset + answer.rdataLength[i]!;
  const layout = layoutOf(answer.type[i]!);
  if (layout === undefined) return copyBytes(bytes, offset, end, out, at, limit);
  let from = namesOffset(bytes, answer, i, layout);
  let to = copyBytes(bytes, offset, from, out, at, limit);
  for (let name = 0; name < layout.names; name++) {
    if (to < 0 || !readName(bytes, answer.start, end, from, answer.scratch, 0, answer.cursor)) return -1;
    from = answer.cursor.next;
    to = copyBytes(answer.scratch, 0, answer.cursor.lengthBytes, out, to, limit);
  }
  return to < 0 ? -1 : copyBytes(bytes, from, end, out, to, limit);
}

/** Copies `from` … `end`; gives the offset behind the copy, or -1 when it would pass `limit`. */
export function copyBytes(
  bytes: Uint8Array,
  from: number,
  end: number,
  out: Uint8Array,
  at: number,
  limit: number,
): number {
  if (at + (end - from) > limit) return -1;
  for (let i = from; i < end; i++) out[at++] = bytes[i]!;
  return at;
}

function layoutOf(type: number): Layout | undefined {
  switch (type) {
    case TYPE.CNAME:
    case TYPE.NS:
    case TYPE.PTR:
    case TYPE.DNAME:
    case TYPE.MD:
    case TYPE.MF:
    case TYPE.MB:
    case TYPE.MG:
    case TYPE.MR:
      return ONE_NAME;
    case TYPE.MX:
    case TYPE.AFSDB:
    case TYPE.RT:
    case TYPE.KX:
      return PREFERENCE_NAME;
    case TYPE.SOA:
      return SOA;
    case TYPE.SRV:
      return SRV;
    case TYPE.MINFO:
    case TYPE.RP:
      return TWO_NAMES;
    case TYPE.PX:
      return PX;
    case TYPE.NAPTR:
      return NAPTR;
    case TYPE.SIG:
      return SIG;
    case TYPE.NXT:
      return NXT;
    default:
      return undefined;
  }
}

const TWO_NAMES: Layout = { before: 0, names: 2, after: 0 };
const SOA: Layout = { before: 0, names: 2, after: 20 };
const SRV: Layout = { before: 6, names: 1, after: 0 };
const PX: Layout = { before: 2, names: 2, after: 0 };
/** Order, preference and three strings of their own length come before its name (RFC 3403 §4.1): see namesOffset. */
const NAPTR: Layout = { before: 4, names: 1, after: 0 };
const SIG: Layout = { before: 18, names: 1, after: -1 };
const NXT: Layout = { before: 0, names: 1, after: -1 };

/** Where the first name of the rdata should be; it may lie behind the rdata's end when the rdata is too short. */
function namesOffset(bytes: Uint8Array, answer: Answer, i: number, layout: Layout): number {
  let at = answer.rdataOffset[i]! + layout.before;
  if (layout !== NAPTR) return at;
  const end = answer.rdataOffset[i]! + answer.rdataLength[i]!;
  for (let strings = 0; strings < 3 && at < end; strings++) at += 1 + bytes[at]!;
  return at;
}
