// Names as they stand in a message: labels and compression pointers (RFC 1035 §4.1.4). Every check against hostile names is here:
// bounds, label types, pointer direction, hops a name, and the work of a whole message.
import { HEADER_BYTES, MAX_LABEL_BYTES, MAX_NAME_BYTES } from './codes.ts';
import { foldByte } from './name.ts';

/**
 * Steps (labels, pointers, and eight bytes copied) that all names of one message may cost together. A pointer costs about 20 ns and
 * 64 KiB can hold 33 million of them, 0.7 s (a "pointer bomb", CVE-2024-8508, CVE-2026-52682). 65,536 steps are about 1.5 ms; the
 * largest honest message, 4,094 addresses of one name, needs a tenth of it.
 */
export const MAX_NAME_WORK = 65_536;

/** 127 labels are the most that 255 bytes hold, so no honest name has more pointers. */
const MAX_HOPS = 127;

/** What reading a name gives, and the message's account of work. One instance is reused; the caller sets `work` to 0 for each message. */
export class NameCursor {
  /** Absolute offset of the byte behind the name where it stands (behind its first pointer). */
  next = 0;
  /** 1 … 255: the name's plain wire length, root byte included. */
  lengthBytes = 0;
  /** Absolute offset of the first label: behind any pointers that the name starts with. Equal offsets mean equal names. */
  firstLabel = 0;
  /** Steps so far. Above MAX_NAME_WORK every further name is refused. */
  work = 0;
}

/**
 * Decompresses the name at `offset` (absolute) of the message `start` … `end` into `into` at `intoOffset`, which must have room for
 * MAX_NAME_BYTES. Case is kept. False when the name is not well formed or the message's work is used up; then `into` holds garbage.
 */
export function readName(
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
  into: Uint8Array,
  intoOffset: number,
  cursor: NameCursor,
): boolean {
  if (!skipName(bytes, start, end, offset, cursor)) return false;
  cursor.work += cursor.lengthBytes >> 3;
  // skipName has just proved every byte of it, so that this walk needs no checks.
  let at = cursor.firstLabel;
  let to = intoOffset;
  for (;;) {
    const label = bytes[at]!;
    if (label > MAX_LABEL_BYTES) {
      at = start + pointerAt(bytes, at);
      continue;
    }
    const labelEnd = at + label;
    while (at <= labelEnd) into[to++] = bytes[at++]!;
    if (label === 0) return true;
  }
}

/** The same checks as readName, and the same marks on the cursor, without copying. */
export function skipName(bytes: Uint8Array, start: number, end: number, offset: number, cursor: NameCursor): boolean {
  let at = offset;
  let runStart = offset;
  let hops = 0;
  let length = 0;
  while (at < end) {
    if (++cursor.work > MAX_NAME_WORK) return false;
    const label = bytes[at]!;
    if (label < 0xc0) {
      // RFC 1035 §4.1.4: types 01 and 10 are reserved. 01 was RFC 2673's bit string, which nothing may read any more (RFC 6891 §5).
      if (label > MAX_LABEL_BYTES) return false;
      if (length === 0) cursor.firstLabel = at;
      length += label + 1;
      at += label + 1;
      if (at > end || length > MAX_NAME_BYTES) return false;
      if (label !== 0) continue;
      cursor.lengthBytes = length;
      if (hops === 0) cursor.next = at;
      return true;
    }
    if (at + 1 >= end) return false;
    const target = start + pointerAt(bytes, at);
    if (hops === 0) cursor.next = at + 2;
    // "A prior occurrence": strictly before the run of labels that this pointer ends, so that every hop goes down and none can loop.
    if (target >= runStart || target < start + HEADER_BYTES || ++hops > MAX_HOPS) return false;
    runStart = target;
    at = target;
  }
  return false;
}

/**
 * True when the name at `at` equals the folded plain name `folded` (its first bytes). Only for a name that skipName or readName has
 * accepted in this message; it counts its steps but checks nothing again.
 */
export function equalsFolded(
  bytes: Uint8Array,
  start: number,
  at: number,
  folded: Uint8Array,
  cursor: NameCursor,
): boolean {
  let from = at;
  let to = 0;
  for (;;) {
    cursor.work++;
    const label = bytes[from]!;
    if (label > MAX_LABEL_BYTES) {
      from = start + pointerAt(bytes, from);
      continue;
    }
    if (label !== folded[to]) return false;
    if (label === 0) return true;
    const labelEnd = to + label;
    while (to < labelEnd) if (foldByte(bytes[++from]!) !== folded[++to]) return false;
    from++;
    to++;
  }
}

/**
 * A quick 32-bit mark of the folded name at `at`: different marks mean different names. Not keyed: who makes marks collide makes only
 * their own message spend its work. Only for a name that was accepted in this message, or a plain one (`start` is then not used).
 */
export function markOf(bytes: Uint8Array, start: number, at: number): number {
  let from = at;
  let mark = 0x811c9dc5; // FNV-1a
  for (;;) {
    const label = bytes[from]!;
    if (label > MAX_LABEL_BYTES) {
      from = start + pointerAt(bytes, from);
      continue;
    }
    mark = Math.imul(mark ^ label, 0x01000193);
    if (label === 0) return mark >>> 0;
    const labelEnd = from + label;
    while (from < labelEnd) mark = Math.imul(mark ^ foldByte(bytes[++from]!), 0x01000193);
    from++;
  }
}

function pointerAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x3f) << 8) | bytes[at + 1]!;
}
