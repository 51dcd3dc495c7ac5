// Names in their plain wire form: length byte, label, …, zero byte; at most 255 bytes, no compression. Names are bytes: they are
// folded and compared here without ever becoming strings, and become text only to be printed.
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from './codes.ts';

/** A–Z → a–z, every other byte as it is (RFC 4343 §3: case folding is ASCII only). */
export function foldByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Folds in place. Length bytes are at most 63 (below 'A'), so running over the whole name changes only letters. */
export function foldName(bytes: Uint8Array, offset: number, length: number): void {
  const end = offset + length;
  for (let i = offset; i < end; i++) bytes[i] = foldByte(bytes[i]!);
}

/** Byte for byte, case included. */
export function equalNames(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aOffset + i] !== b[bOffset + i]) return false;
  return true;
}

/** Equal for DNS (RFC 4343): neither side needs to be folded. Both have the same `length`. */
export function equalNamesFolded(
  a: Uint8Array,
  aOffset: number,
  b: Uint8Array,
  bOffset: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i++) if (foldByte(a[aOffset + i]!) !== foldByte(b[bOffset + i]!)) return false;
  return true;
}

/** Labels without the root: 0 for `.`, 2 for `example.org`. */
export function countLabels(wire: Uint8Array, offset: number): number {
  const end = offset + MAX_NAME_BYTES;
  let labels = 0;
  for (let at = offset; at < end; labels++) {
    const label = wire[at];
    if (label === undefined || label === 0 || label > MAX_LABEL_BYTES) break;
    at += 1 + label;
  }
  return labels;
}

/**
 * True when a label holds a dot, a backslash, a control character, DEL or a byte above ASCII. Such a name reads differently to
 * different programs (`a.b` as one label, a NUL that ends a C string), so it never matches a policy.
 */
export function hasHostileByte(wire: Uint8Array, offset: number, length: number): boolean {
  const end = offset + length;
  let at = offset;
  while (at < end) {
    const labelEnd = at + 1 + wire[at]!;
    for (at += 1; at < labelEnd; at++) if (isHostile(wire[at]!)) return true;
  }
  return false;
}

/**
 * Presentation form (RFC 1035 §5.1) in printable ASCII: every other byte, and dots and backslashes inside a label, as `\DDD`. Without
 * the final dot, except for the root, which is `.`. Different names give different texts.
 */
export function formatName(wire: Uint8Array, offset = 0): string {
  if (wire[offset] === 0) return '.';
  const end = offset + MAX_NAME_BYTES;
  let text = '';
  for (let at = offset; at < end;) {
    const label = wire[at];
    if (label === undefined || label === 0 || label > MAX_LABEL_BYTES) break;
    if (text !== '') text += '.';
    for (let i = at + 1; i <= at + label; i++) text += formatByte(wire[i] ?? 0);
    at += 1 + label;
  }
  return text;
}

/**
 * The wire form of a name written in printable ASCII with `\DDD` escapes, with or without the final dot; case is kept. Undefined for an
 * empty label, a label over 63 bytes, a name over 255, any other escape, a space or a byte outside ASCII.
 */
export function parseNameText(text: string): Uint8Array | undefined {
  if (text === '.') return new Uint8Array(1);
  const wire = new Uint8Array(MAX_NAME_BYTES);
  let labelAt = 0;
  let at = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (!closeLabel(wire, labelAt, at)) return undefined;
      labelAt = at++;
      continue;
    }
    const byte = code === 0x5c ? escapedByte(text, i + 1) : code;
    if (byte === undefined || (code !== 0x5c && (code <= 0x20 || code >= 0x7f))) return undefined;
    if (code === 0x5c) i += 3;
    if (at >= MAX_NAME_BYTES) return undefined;
    wire[at++] = byte;
  }
  const hasFinalDot = text.endsWith('.') && labelAt > 0; // `\046` ends in a digit, so a final '.' is always a separator
  if (hasFinalDot) at = labelAt;
  else if (!closeLabel(wire, labelAt, at)) return undefined;
  if (at >= MAX_NAME_BYTES) return undefined; // no room left for the root's byte
  return wire.slice(0, at + 1);
}

function isHostile(byte: number): boolean {
  return byte < 0x20 || byte >= 0x7f || byte === 0x2e || byte === 0x5c;
}

function formatByte(byte: number): string {
  if (byte <= 0x20 || isHostile(byte)) return `\\${byte.toString().padStart(3, '0')}`;
  return String.fromCharCode(byte);
}

function closeLabel(wire: Uint8Array, labelAt: number, at: number): boolean {
  const length = at - labelAt - 1;
  if (length < 1 || length > MAX_LABEL_BYTES || labelAt >= MAX_NAME_BYTES) return false;
  wire[labelAt] = length;
  return true;
}

function escapedByte(text: string, at: number): number | undefined {
  let value = 0;
  for (let i = at; i < at + 3; i++) {
    const digit = text.charCodeAt(i) - 0x30; // NaN past the end fails the comparison below
    if (!(digit >= 0 && digit <= 9)) return undefined;
    value = value * 10 + digit;
  }
  return value <= 255 ? value : undefined;
}
