// The address hints inside SVCB and HTTPS records (RFC 9460 §7.3): a client may connect to them without ever asking for A or AAAA, so
// they are addresses like any other. What is not well formed has no hints and must not be passed on as if it had none.
import type { Answer } from './answer.ts';
import { readUint16 } from './header.ts';
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from './codes.ts';

const KEY_IPV4HINT = 4;
const KEY_IPV6HINT = 6;

/** Where the hints of one record stand: absolute offsets, byte lengths (multiples of 4 and 16), 0 without such a hint. One instance is reused. */
export class SvcbHints {
  ipv4Offset = 0;
  ipv4Length = 0;
  ipv6Offset = 0;
  ipv6Length = 0;
}

/** Reads record `i` of `answer`, of type SVCB or HTTPS. False when it is malformed (RFC 9460 §2.2): then the record must be dropped. */
export function readSvcbHints(bytes: Uint8Array, answer: Answer, i: number, hints: SvcbHints): boolean {
  hints.ipv4Offset = hints.ipv4Length = hints.ipv6Offset = hints.ipv6Length = 0;
  const end = answer.rdataOffset[i]! + answer.rdataLength[i]!;
  let at = plainNameEnd(bytes, answer.rdataOffset[i]! + 2, end);
  if (at < 0) return false;
  let lastKey = -1;
  while (at < end) {
    if (at + 4 > end) return false;
    const key = readUint16(bytes, at);
    const length = readUint16(bytes, at + 2);
    at += 4;
    // RFC 9460 §2.2: keys strictly ascend, so that no key is there twice and every reader sees the same hints.
    if (key <= lastKey || at + length > end) return false;
    lastKey = key;
    if (key === KEY_IPV4HINT) {
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
  return true;
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
