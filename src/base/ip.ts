// Addresses as bytes. Inside namewall every address is 16 bytes, IPv4 as ::ffff:a.b.c.d, and becomes text only to be printed.
import { isIPv4, isIPv6 } from 'node:net';

export const ADDRESS_BYTES = 16;
export type Family = 4 | 6;

/** Parses an IPv4 or IPv6 address without zone into its 16 byte form; undefined when it is neither. */
export function parseAddress(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  if (isIPv4(text)) {
    bytes[10] = bytes[11] = 0xff;
    text.split('.').forEach((part, i) => (bytes[12 + i] = Number(part)));
    return bytes;
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  writeIPv6(text, bytes);
  return bytes;
}

/** Family of a 16 byte address: 4 when it lies in ::ffff:0:0/96. */
export function familyOf(bytes: Uint8Array, offset = 0): Family {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return 6;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff ? 4 : 6;
}

/** Text of a 16 byte address: dotted quad for IPv4, RFC 5952 for IPv6. */
export function formatAddress(bytes: Uint8Array, offset = 0): string {
  if (familyOf(bytes, offset) === 4) return bytes.subarray(offset + 12, offset + 16).join('.');
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[offset + i] ?? 0) << 8) | (bytes[offset + i + 1] ?? 0));
  const { start, length } = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups); // RFC 5952 §4.2.2: a single zero group is not shortened
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** The address in the one spelling that namewall compares and prints; undefined when `text` is not an address. */
export function canonicalAddress(text: string): string | undefined {
  const bytes = parseAddress(text);
  return bytes && formatAddress(bytes);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0, run = 0; i < groups.length; i++) {
    run = groups[i] === 0 ? run + 1 : 0;
    if (run > best.length) best = { start: i - run + 1, length: run };
  }
  return best;
}

/** `text` was checked by isIPv6; only the shape `head::tail`, with an optional dotted quad at the end, is left to undo. */
function writeIPv6(text: string, bytes: Uint8Array): void {
  const [head = '', tail] = text.split('::', 2);
  const headBytes = groupBytes(head);
  bytes.set(headBytes, 0);
  if (tail === undefined) return;
  const tailBytes = groupBytes(tail);
  bytes.set(tailBytes, ADDRESS_BYTES - tailBytes.length);
}

function groupBytes(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
