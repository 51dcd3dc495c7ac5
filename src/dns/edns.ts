// The options inside an OPT record (RFC 6891 §6.1.2). They are checked and otherwise ignored: EDNS is hop by hop, so that nothing of a
// client's OPT ever reaches an upstream, and nothing of an upstream's a client.
import { EDNS_OPTION } from './codes.ts';
import { readUint16 } from './header.ts';

/** More options, or more bytes of them, than any client sends; repeated options have cost others CPU and heap (CVE-2026-41292, -42944). */
export const MAX_QUERY_OPTIONS = 32;
export const MAX_QUERY_OPTION_BYTES = 512;

/** True when the options of a *query* fill `offset` … `end` exactly, stay below the caps, and those that have a form keep to it. */
export function checkQueryOptions(bytes: Uint8Array, offset: number, end: number): boolean {
  if (end - offset > MAX_QUERY_OPTION_BYTES) return false;
  let at = offset;
  let options = 0;
  let clientSubnets = 0;
  while (at < end) {
    if (at + 4 > end || ++options > MAX_QUERY_OPTIONS) return false;
    const code = readUint16(bytes, at);
    const dataLength = readUint16(bytes, at + 2);
    at += 4;
    if (at + dataLength > end) return false;
    if (code === EDNS_OPTION.Cookie && !isCookieLength(dataLength)) return false;
    if (code === EDNS_OPTION.ClientSubnet) {
      // RFC 7871 §7.1.1 has one option a query. Two are two claims of identity, and each reader would believe another one.
      if (++clientSubnets > 1 || !isClientSubnet(bytes, at, dataLength)) return false;
    }
    at += dataLength;
  }
  return true;
}

/** True when the options of an *answer* fill `offset` … `end` exactly. What they say is not looked at. */
export function checkAnswerOptions(bytes: Uint8Array, offset: number, end: number): boolean {
  let at = offset;
  while (at < end) {
    if (at + 4 > end) return false;
    at += 4 + readUint16(bytes, at + 2);
  }
  return at === end;
}

/** RFC 7873 §4: a client cookie of 8 bytes, alone or with a server cookie of 8 … 32. */
function isCookieLength(length: number): boolean {
  return length === 8 || (length >= 16 && length <= 40);
}

/** RFC 7871 §6: FAMILY, SOURCE PREFIX-LENGTH, SCOPE (0 in a query), then as few address bytes as the prefix needs, rest zero bits. */
function isClientSubnet(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < 4) return false;
  const family = readUint16(bytes, at);
  const prefix = bytes[at + 2]!;
  // Family 0 is what some clients send with prefix 0 to ask that nothing be said of them.
  const maxPrefix = family === 1 ? 32 : family === 2 ? 128 : family === 0 ? 0 : -1;
  if (prefix > maxPrefix || bytes[at + 3] !== 0) return false;
  if (length !== 4 + ((prefix + 7) >> 3)) return false;
  const spareBits = -prefix & 7;
  return spareBits === 0 || (bytes[at + length - 1]! & ((1 << spareBits) - 1)) === 0;
}
