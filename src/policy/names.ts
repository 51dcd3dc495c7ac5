// The names of a policy: reads matchName, matchPattern and domainNames once, then matches names in wire form. Matching is linear,
// allocates nothing, never throws, and never sees text: names come from hostile packets, and a RegExp over them is exponential (a
// dozen stars cost a second).
import { assertNever } from '../base/errors.ts';
import type { NameRule } from './compiled.ts';
import {
  BYTE_HOST,
  BYTE_NEVER,
  MAX_TEXT,
  byteClass,
  checkShape,
  isHostText,
  isPatternText,
  leadingStars,
  nameHint,
  quote,
} from './name-syntax.ts';

/** Where a pattern stands. Only the bare `*` differs: in rules.dns it is every name, in toFQDNs every name of host characters. */
export type PatternUse = 'toFQDNs' | 'rules.dns';

export interface CompiledName {
  /** 'hosts' and 'every' are the bare wildcard; 'exact': `globs` is the wire form of the one name; 'globs': label by label. */
  readonly kind: 'hosts' | 'every' | 'exact' | 'globs';
  /** Any number of labels, one at least, may precede `globs` (leading `**.`, and `*.` of the Kubernetes dialect). */
  readonly isDeep: boolean;
  readonly labelCount: number;
  /** Length-prefixed labels in lower case, ended by a zero byte; `*` stands for any host characters of that label. */
  readonly globs: Uint8Array;
}

export type NameResult =
  { readonly ok: true; readonly value: CompiledName } | { readonly ok: false; readonly message: string };

const MAX_WIRE = 255; // RFC 1035 §3.1
const MAX_LABEL = 63; // RFC 1035 §2.3.4
const STAR = 0x2a;

/** cilium.io/v2 matchName: one name, `.` literal, a trailing dot optional. */
export function compileMatchName(text: string): NameResult {
  if (!isHostText(text)) {
    const hint = isPatternText(text) ? `; write matchPattern: ${quote(text)} for a wildcard` : nameHint(text);
    return fail(
      `Invalid characters in MatchName: ${quote(text)}. Only 0-9, a-z, A-Z and ., -, _ characters are allowed${hint}`,
    );
  }
  const problem = checkShape(text, 'MatchName');
  return problem === undefined ? succeed(text, { isDeep: false, kind: 'exact' }) : fail(problem);
}

/** cilium.io/v2 matchPattern: a star stays inside its label, except the bare wildcard and a leading `**.`. */
export function compileMatchPattern(text: string, use: PatternUse): NameResult {
  if (!isPatternText(text)) {
    return fail(
      `Invalid characters in MatchPattern: ${quote(text)}. Only 0-9, a-z, A-Z and ., -, _ and * characters are allowed${nameHint(text)}`,
    );
  }
  const problem = checkShape(text, 'MatchPattern');
  if (problem !== undefined) return fail(problem);
  const stars = leadingStars(text);
  const rest = text.slice(stars);
  if (stars > 0 && (rest === '' || rest === '.')) {
    return succeed('', { isDeep: false, kind: use === 'rules.dns' ? 'every' : 'hosts' });
  }
  if (stars >= 2 && rest.startsWith('.')) return succeed(rest.slice(1), { isDeep: true, kind: 'globs' });
  return succeed(text, { isDeep: false, kind: text.includes('*') ? 'globs' : 'exact' });
}

/**
 * policy.networking.k8s.io domainNames (NPEP-133): `*.` in front is one or more whole labels; no other star, no single-label name.
 * The published pattern says `A-z` where it means `A-Z` and so admits [ \ ] ^ and backtick; they are refused here.
 */
export function compileDomainName(text: string): NameResult {
  const isDeep = text.startsWith('*.');
  const name = isDeep ? text.slice(2) : text;
  const because = (why: string) => fail(`Invalid DomainName: ${quote(text)}. ${why}`);
  if (!isHostText(name)) {
    return because(
      `Only 0-9, a-z, A-Z and ., -, _ and one leading "*." for one or more labels are allowed${starHint(name)}`,
    );
  }
  if (text.length > MAX_TEXT) return because(`Must be <= ${MAX_TEXT} characters long`);
  const labels = (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
  if (labels.includes('')) return because('Labels are joined by single dots');
  if (labels.length < 2) return because('At least two labels are needed, as in "example.org"');
  const bad = labels.find(
    (label) => label.startsWith('-') || label.endsWith('-') || (label.length > 1 && label.endsWith('_')),
  );
  if (bad !== undefined) return because(`Label ${quote(bad)} must not begin with "-" nor end with "-" or "_"`);
  return succeed(name, { isDeep, kind: isDeep ? 'globs' : 'exact' });
}

/** What to write for a star that the standard does not know. */
function starHint(text: string): string {
  if (!text.includes('*')) return nameHint(text);
  const rest = text.slice(leadingStars(text));
  if (rest === '' || rest === '.') return '; write networks: [0.0.0.0/0, "::/0"] for every address';
  if (rest.startsWith('.') && isHostText(rest)) return `; write ${quote(`*${rest}`)}`;
  return '; list the names that are meant';
}

/** Compiles a rule that validation has accepted before; for the other side of a thread boundary. */
export function compileNameRule(rule: Pick<NameRule, 'match' | 'text' | 'classes'>): CompiledName {
  const compiled = compileText(rule);
  if (!compiled.ok) throw new Error(`Cannot compile a validated name rule: ${compiled.message}`);
  return compiled.value;
}

function compileText({ match, text, classes }: Pick<NameRule, 'match' | 'text' | 'classes'>): NameResult {
  switch (match) {
    case 'name':
      return compileMatchName(text);
    case 'pattern':
      return compileMatchPattern(text, classes.length > 0 ? 'toFQDNs' : 'rules.dns');
    case 'domain':
      return compileDomainName(text);
    default:
      return assertNever(match);
  }
}

/** Shape of a name that no rule matches. */
export const SHAPE_NONE = -1;
/** Shapes from here on hold odd bytes. */
export const SHAPE_ODD = 0x100;

/**
 * What every rule needs to know of a name, found in one pass: its number of labels, plus 256 when it holds bytes outside
 * [-a-zA-Z0-9_]. SHAPE_NONE for names that match nothing: malformed, compressed, or with a byte that two programs could read
 * differently ('.', NUL, '\', controls, DEL, 0x80 and above). Cilium's `*` would match some of those; refusing them is our choice.
 */
export function nameShape(wire: Uint8Array, offset: number): number {
  let labels = 0;
  let common: number = BYTE_HOST; // of all bytes: with a branch for each the pass took half as long again
  let at = offset;
  for (;;) {
    const length = wire[at];
    if (length === 0) break;
    if (length === undefined || length > MAX_LABEL || at - offset > MAX_WIRE) return SHAPE_NONE;
    const end = at + length;
    while (at < end) common &= byteClass[wire[++at] ?? 0] ?? BYTE_NEVER;
    at++;
    labels++;
  }
  if (at - offset >= MAX_WIRE || common === BYTE_NEVER) return SHAPE_NONE;
  return common === BYTE_HOST ? labels : labels + SHAPE_ODD;
}

/** Whether the name at `offset` (wire form, ASCII letters folded to lower case, uncompressed) is one that `compiled` means. */
export function matchesName(compiled: CompiledName, wire: Uint8Array, offset: number): boolean {
  return matchesShaped(compiled, wire, offset, nameShape(wire, offset));
}

/** matchesName for a name whose shape is known already: for programs that try many rules on one name. */
export function matchesShaped(compiled: CompiledName, wire: Uint8Array, offset: number, shape: number): boolean {
  if (shape === SHAPE_NONE) return false;
  if (compiled.kind === 'every') return true;
  if (shape >= SHAPE_ODD) return false;
  if (compiled.kind === 'hosts') return true;
  let skip = shape - compiled.labelCount;
  if (compiled.isDeep ? skip < 1 : skip !== 0) return false;
  let at = offset;
  for (; skip > 0; skip--) at += (wire[at] ?? 0) + 1;
  return compiled.kind === 'exact' ? equalLabels(compiled.globs, wire, at) : matchLabels(compiled.globs, wire, at);
}

function equalLabels(globs: Uint8Array, wire: Uint8Array, offset: number): boolean {
  for (let i = 0; i < globs.length; i++) if (globs[i] !== wire[offset + i]) return false;
  return true;
}

function matchLabels(globs: Uint8Array, wire: Uint8Array, offset: number): boolean {
  let at = offset;
  for (let glob = 0; globs[glob] !== 0; glob += (globs[glob] ?? 0) + 1) {
    if (!matchLabel(globs, glob, wire, at)) return false;
    at += (wire[at] ?? 0) + 1;
  }
  return true;
}

/**
 * One label against one glob. The first place that fits a piece between two stars is the best one, so only the last star is ever
 * retried and each byte of the label begins at most one attempt: at most (label × longest piece) steps, whatever the stars.
 */
function matchLabel(globs: Uint8Array, globStart: number, wire: Uint8Array, nameStart: number): boolean {
  const globEnd = globStart + 1 + (globs[globStart] ?? 0);
  const nameEnd = nameStart + 1 + (wire[nameStart] ?? 0);
  let glob = globStart + 1;
  let name = nameStart + 1;
  let retryGlob = -1;
  let retryName = 0;
  while (name < nameEnd) {
    const want = glob < globEnd ? globs[glob] : -1;
    if (want === STAR) {
      retryGlob = ++glob;
      retryName = name;
      if (glob === globEnd) return true;
    } else if (want === wire[name]) {
      glob++;
      name++;
    } else if (retryGlob >= 0) {
      glob = retryGlob;
      name = ++retryName;
    } else {
      return false;
    }
  }
  while (glob < globEnd && globs[glob] === STAR) glob++;
  return glob === globEnd;
}

function succeed(text: string, how: Pick<CompiledName, 'isDeep' | 'kind'>): NameResult {
  const labels = text === '' ? [] : (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  const globs: number[] = [];
  for (const label of labels) {
    const bytes: number[] = [];
    for (let i = 0; i < label.length; i++) {
      const code = label.charCodeAt(i);
      if (code === STAR && bytes.at(-1) === STAR) continue; // a run of stars is one star
      bytes.push(code >= 0x41 && code <= 0x5a ? code + 0x20 : code);
    }
    globs.push(bytes.length, ...bytes);
  }
  return { ok: true, value: { ...how, labelCount: labels.length, globs: Uint8Array.from([...globs, 0]) } };
}

function fail(message: string): NameResult {
  return { ok: false, message };
}
