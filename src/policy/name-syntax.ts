// Which characters and shapes a name in a policy may have. Hand-written and linear: the published validation pattern is exponential
// when run as a RegExp. Judges only what an operator wrote; names from packets are judged byte by byte through `byteClass`.
import { domainToASCII } from 'node:url';

/** Cilium: maxLength of matchName and matchPattern in the CRD. */
export const MAX_TEXT = 255;
const MAX_QUOTED = 300; // MAX_TEXT and the excess that the message is about

/**
 * What a byte of a name in a packet may match: nothing at all, only the bare wildcard of rules.dns, or every wildcard. What the bytes of a
 * name have in common (`&`) is what the name may match.
 */
export const BYTE_NEVER = 0;
export const BYTE_ODD = 1;
export const BYTE_HOST = 3;
export const byteClass = classifyBytes();

/** [-a-zA-Z0-9_.] only. True for the empty text. */
export function isHostText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isHostCharacter(text.charCodeAt(i))) return false;
  return true;
}

/** [-a-zA-Z0-9_.*] only. True for the empty text. */
export function isPatternText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text[i] !== '*' && !isHostCharacter(text.charCodeAt(i))) return false;
  return true;
}

/** `^([-a-zA-Z0-9_*]+[.]?)+$` and the length, for a text whose characters are allowed: what is wrong, or undefined. */
export function checkShape(text: string, field: 'MatchName' | 'MatchPattern'): string | undefined {
  const because = (why: string) => `Invalid ${field}: ${quote(text)}. ${why}`;
  if (text.length > MAX_TEXT) return because(`Must be <= ${MAX_TEXT} characters long`);
  if (text === '') return because('Write a name, such as "example.org"');
  if (text.startsWith('.')) return because('Remove the leading dot');
  if (text.includes('..')) return because('Labels are joined by single dots');
  return undefined;
}

export function leadingStars(text: string): number {
  let n = 0;
  while (text[n] === '*') n++;
  return n;
}

/** For a text with characters that no name has: what to write instead, after `; `. */
export function nameHint(text: string): string {
  const unicode = punycodeHint(text);
  if (unicode !== '') return unicode;
  const host = hostOfUrl(text);
  return host === '' || host === text || !isPatternText(host) ? '; remove the others' : `; write ${quote(host)} alone`;
}

/** `https://example.org:443/path` is about example.org. */
function hostOfUrl(text: string): string {
  const scheme = text.indexOf('://');
  const rest = scheme < 0 ? text : text.slice(scheme + 3);
  const ends = ['/', ':', '?', '#'].map((character) => rest.indexOf(character)).filter((at) => at >= 0);
  return rest.slice(0, Math.min(rest.length, ...ends));
}

/** Unicode is never folded here (U+212A would become `k`): the user writes the A-labels, and this says which. */
function punycodeHint(text: string): string {
  if (!Array.from(text).some((character) => character > '\u007f')) return '';
  const ascii = domainToASCII(text);
  return isPatternText(ascii) && ascii !== '' ? `; write ${quote(ascii)}` : '; write the A-label form (xn--…)';
}

/** For messages; what is far over any limit is cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

function isHostCharacter(code: number): boolean {
  return code === 0x2e || byteClass[code] === BYTE_HOST;
}

function classifyBytes(): Uint8Array {
  const classes = new Uint8Array(256).fill(BYTE_NEVER);
  classes.fill(BYTE_ODD, 0x20, 0x7f);
  for (const ambiguous of '.\\') classes[ambiguous.charCodeAt(0)] = BYTE_NEVER;
  const host = '-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  for (let i = 0; i < host.length; i++) classes[host.charCodeAt(i)] = BYTE_HOST;
  return classes;
}
