// The address hints inside SVCB and HTTPS records (RFC 9460 §7.3): a client may connect to them without ever asking for A or AAAA, so
// they are addresses like any other, and one that is not granted is left out of the record. What is not well formed has no hints and must
// not be passed on as if it had none.
import type { Answer } from './answer.ts';
import { MAX_LABEL_BYTES, MAX_NAME_BYTES, TYPE } from './codes.ts';
import { readUint16, writeUint16 } from './header.ts';
import { copyBytes } from './rdata.ts';

const KEY_MANDATORY = 0;
const KEY_IPV4HINT = 4;
const KEY_IPV6HINT = 6;
/** Key and length. */
const PARAMETER_HEAD_BYTES = 4;
/** SvcPriority, before TargetName. */
const PRIORITY_BYTES = 2;

/** Where the hints of one record stand: absolute offsets, byte lengths (multiples of 4 and 16), 0 without such a hint. One instance is reused. */
export class SvcbHints {
  /** SvcPriority 0: TargetName is what the client asks next, and it ignores the parameters (RFC 9460 §2.4.2). */
  isAlias = false;
  ipv4Offset = 0;
  ipv4Length = 0;
  ipv6Offset = 0;
  ipv6Length = 0;
  /** `mandatory` names the hint (RFC 9460 §8): without it the record contradicts itself. */
  needsIpv4 = false;
  needsIpv6 = false;
}

/** Whether records of this type have hints. */
export function isService(type: number): boolean {
  return type === TYPE.HTTPS || type === TYPE.SVCB;
}

/** Reads record `i` of `answer`, of type SVCB or HTTPS. False when it is malformed (RFC 9460 §2.2): then the record must be dropped. */
export function readSvcbHints(bytes: Uint8Array, answer: Answer, i: number, hints: SvcbHints): boolean {
  hints.ipv4Offset = hints.ipv4Length = hints.ipv6Offset = hints.ipv6Length = 0;
  hints.needsIpv4 = hints.needsIpv6 = false;
  const start = answer.rdataOffset[i]!;
  const end = start + answer.rdataLength[i]!;
  let at = plainNameEnd(bytes, start + PRIORITY_BYTES, end);
  if (at < 0) return false;
  hints.isAlias = readUint16(bytes, start) === 0;
  let lastKey = -1;
  // What `mandatory` lists and has not been found yet: both ascend.
  let listed = 0;
  let listEnd = 0;
  while (at < end) {
    if (at + PARAMETER_HEAD_BYTES > end) return false;
    const key = readUint16(bytes, at);
    const length = readUint16(bytes, at + 2);
    at += PARAMETER_HEAD_BYTES;
    // RFC 9460 §2.2: keys strictly ascend, so that no key is there twice and every reader sees the same hints.
    if (key <= lastKey || at + length > end) return false;
    lastKey = key;
    if (listed < listEnd && readUint16(bytes, listed) === key) listed += 2;
    if (key === KEY_MANDATORY) {
      if (!readMandatory(bytes, at, length, hints)) return false;
      listed = at;
      listEnd = at + length;
    } else if (key === KEY_IPV4HINT) {
      if (length === 0 || (length & 3) !== 0) return false;
      hints.ipv4Offset = at;
      hints.ipv4Length = length;
    } else if (key === KEY_IPV6HINT) {
      if (length === 0 || (length & 15) !== 0) return false;
      hints.ipv6Offset = at;
      hints.ipv6Length = length;
    }
    at += length;
  }
  return listed === listEnd;
}

/** RFC 9460 §8: a list of keys that ascends, is not empty, and never names itself. */
function readMandatory(bytes: Uint8Array, at: number, length: number, hints: SvcbHints): boolean {
  if (length === 0 || (length & 1) !== 0) return false;
  let last: number = KEY_MANDATORY;
  for (let from = at; from < at + length; from += 2) {
    const key = readUint16(bytes, from);
    if (key <= last) return false;
    last = key;
    if (key === KEY_IPV4HINT) hints.needsIpv4 = true;
    if (key === KEY_IPV6HINT) hints.needsIpv6 = true;
  }
  return true;
}

/** Leaves the hint address at this absolute offset of record `i` out of the copies that are made from now on. */
export function strike(answer: Answer, i: number, offset: number): void {
  const at = answer.rdataOffset[i]! - answer.start;
  if (answer.isEdited[i] === 0) answer.isStruck.fill(0, at, at + answer.rdataLength[i]!);
  answer.isEdited[i] = 1;
  answer.isStruck[offset - answer.start] = 1;
}

/**
 * Copies the rdata of record `i`, which readSvcbHints has accepted, to `out` at `at`, without the addresses that were struck: a hint that
 * has none left goes as a whole, since an empty one is malformed. Gives the offset behind it, or -1 when it does not fit below `limit`.
 */
export function copyService(
  bytes: Uint8Array,
  answer: Answer,
  i: number,
  out: Uint8Array,
  at: number,
  limit: number,
): number {
  const start = answer.rdataOffset[i]!;
  const end = start + answer.rdataLength[i]!;
  let from = plainNameEnd(bytes, start + PRIORITY_BYTES, end);
  let to = copyBytes(bytes, start, from, out, at, limit);
  while (to >= 0 && from < end) {
    const key = readUint16(bytes, from);
    const next = from + PARAMETER_HEAD_BYTES + readUint16(bytes, from + 2);
    const isHint = key === KEY_IPV4HINT || key === KEY_IPV6HINT;
    to = isHint ? copyHint(bytes, answer, from, next, out, to, limit) : copyBytes(bytes, from, next, out, to, limit);
    from = next;
  }
  return to;
}

function copyHint(
  bytes: Uint8Array,
  answer: Answer,
  from: number,
  end: number,
  out: Uint8Array,
  at: number,
  limit: number,
): number {
  const step = readUint16(bytes, from) === KEY_IPV4HINT ? 4 : 16;
  const first = from + PARAMETER_HEAD_BYTES;
  let to = copyBytes(bytes, from, first, out, at, limit);
  for (let address = first; to >= 0 && address < end; address += step) {
    if (answer.isStruck[address - answer.start] === 0) to = copyBytes(bytes, address, address + step, out, to, limit);
  }
  if (to < 0) return -1;
  const length = to - at - PARAMETER_HEAD_BYTES;
  if (length === 0) return at;
  writeUint16(out, at + 2, length);
  return to;
}

/** The offset behind TargetName, which must not be compressed (RFC 9460 §2.2), or -1. */
function plainNameEnd(bytes: Uint8Array, offset: number, end: number): number {
  let at = offset;
  while (at < end) {
    const label = bytes[at]!;
    if (label > MAX_LABEL_BYTES) return -1;
    at += label + 1;
    if (at > end || at - offset > MAX_NAME_BYTES) return -1;
    if (label === 0) return at;
  }
  return -1;
}
