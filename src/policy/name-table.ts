// Which of a program's name rules mean a name: 10,000 rules cost a name about what 10 do. A rule is filed under its literal end
// (`example.org` of `*.example.org`, the whole of an exact name), and a name asks for its own ends, once for each number of labels that
// some rule's end has. Looking up allocates nothing and never throws, whatever the bytes of the name are.
import { NO_END, NameEnds } from './name-ends.ts';
import { SHAPE_NONE, SHAPE_ODD, matchesShaped, nameShape } from './names.ts';
import type { CompiledName } from './names.ts';

/** When a rule means a name that has its end: nothing precedes the end, one label does, one or more do, or only trying tells. */
const MEANS = { Itself: 0, OneLabelMore: 1, Longer: 2, Tried: 3 } as const;
const MEANS_BITS = 2;
const MEANS_MASK = (1 << MEANS_BITS) - 1;

/** Which names ask for ends of so many labels: those that have no more labels, those that have. */
const ASKED_BY = { Itself: 1, Longer: 2 } as const;

/** So few are tried as fast as a name's ends are looked for: 50 to 70 ns for one rule, 90 to 115 for four (npm run bench -- match). */
const TRIED_AT_ONCE = 4;

const MAX_LABELS = 127;
const STAR = 0x2a;

/** Where the labels of the name that is looked up begin. One name at a time: nothing here waits. */
const labelAt = new Int32Array(MAX_LABELS + 1);

/** Where a rule is filed. */
interface Place {
  /** Wire form without the root. */
  readonly end: Uint8Array;
  /** Labels of `end`. */
  readonly depth: number;
  readonly means: number;
}

/** Rules that are tried one by one, and their numbers. */
interface Tried {
  readonly names: CompiledName[];
  readonly rules: number[];
}

export class NameTable {
  /** On how many rules a name has to be tried, for about 10 ns each, if it has one of the ends that have such. */
  readonly mostTried: number;
  /** Tried on every name: rules without a literal end, and the rules of a program that has few. */
  readonly #onAll: Tried = { names: [], rules: [] };
  /** Tried on names of some end. */
  readonly #onSome: Tried = { names: [], rules: [] };
  readonly #ends: NameEnds;
  /** By number of labels: bits of ASKED_BY. */
  readonly #depths: Uint8Array;
  /** What is filed under end E, in the order of the rules: #filed[#filedAt[E] … #filedAt[E + 1]). */
  readonly #filedAt: Int32Array;
  /** MEANS in the lowest bits; above them the rule, or its index in #onSome. */
  readonly #filed: Int32Array;

  /** `keys` are of name-ends.ts. */
  constructor(names: readonly CompiledName[], keys: Int32Array) {
    const places = names.map((name) => (names.length <= TRIED_AT_ONCE ? undefined : placeOf(name)));
    const filed = places.filter((place) => place !== undefined);
    const bytes = filed.reduce((sum, { end }) => sum + end.length, 0);
    this.#ends = new NameEnds(keys, filed.length, bytes);
    const endOf = Int32Array.from(places, (place) => (place === undefined ? NO_END : this.#ends.add(place.end)));
    this.#ends.trim();
    this.#depths = depthsOf(filed);
    this.#filedAt = startsOf(endOf, this.#ends.size);
    this.#filed = new Int32Array(filed.length);
    const next = this.#filedAt.slice();
    const triedOf = new Int32Array(this.#ends.size + 1);
    for (const [rule, name] of names.entries()) {
      const place = places[rule];
      const end = endOf[rule] ?? NO_END;
      const isTried = place === undefined || place.means === MEANS.Tried;
      const index = isTried ? file(place === undefined ? this.#onAll : this.#onSome, name, rule) : rule;
      if (place === undefined) continue;
      if (isTried) triedOf[end] = (triedOf[end] ?? 0) + 1;
      const at = next[end] ?? 0;
      next[end] = at + 1;
      this.#filed[at] = place.means | (index << MEANS_BITS);
    }
    this.mostTried = this.#onAll.rules.length + triedOf.reduce((most, count) => Math.max(most, count), 0);
  }

  /**
   * Puts the rules that mean the name at `offset` (uncompressed wire form, letters folded) into `found`, ascending, and answers how many
   * there are. `found` has room for every rule.
   */
  find(wire: Uint8Array, offset: number, found: Int32Array): number {
    const shape = nameShape(wire, offset);
    if (shape === SHAPE_NONE) return 0;
    let count = 0;
    const { names, rules } = this.#onAll;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (name !== undefined && matchesShaped(name, wire, offset, shape)) found[count++] = rules[i] ?? 0;
    }
    // Odd bytes are meant by bare wildcards alone, which have no end.
    if (this.#depths.length === 1 || shape >= SHAPE_ODD) return count;
    count = this.#findByEnd(wire, offset, shape, found, count);
    if (count > 1) sort(found, count);
    return count;
  }

  /** Apart from `find`, so that what is done for few rules is compiled into one piece: for four it takes a sixth less. */
  #findByEnd(wire: Uint8Array, offset: number, shape: number, found: Int32Array, countBefore: number): number {
    let count = countBefore;
    const deepest = Math.min(shape, this.#depths.length - 1);
    const nameEnd = locateLabels(wire, offset, shape);
    let from = nameEnd;
    let hash = 0;
    for (let depth = 1; depth <= deepest; depth++) {
      const preceding = shape - depth;
      const start = labelAt[preceding] ?? 0;
      hash = this.#ends.extend(hash, wire, start, from, nameEnd);
      from = start;
      if (((this.#depths[depth] ?? 0) & (preceding === 0 ? ASKED_BY.Itself : ASKED_BY.Longer)) === 0) continue;
      const end = this.#ends.find(hash, wire, from, nameEnd);
      if (end === NO_END) continue;
      const stop = this.#filedAt[end + 1] ?? 0;
      for (let at = this.#filedAt[end] ?? 0; at < stop; at++) {
        const rule = this.#ruleMeant(this.#filed[at] ?? 0, preceding, wire, offset, shape);
        if (rule >= 0) found[count++] = rule;
      }
    }
    return count;
  }

  /** The rule of this entry of #filed, or -1: it does not mean the name. */
  #ruleMeant(entry: number, preceding: number, wire: Uint8Array, offset: number, shape: number): number {
    const rule = entry >> MEANS_BITS;
    switch (entry & MEANS_MASK) {
      case MEANS.Itself:
        return preceding === 0 ? rule : -1;
      case MEANS.OneLabelMore:
        return preceding === 1 ? rule : -1;
      case MEANS.Longer:
        return preceding > 0 ? rule : -1;
      default: {
        const { names, rules } = this.#onSome;
        const name = names[rule];
        if (name === undefined || !matchesShaped(name, wire, offset, shape)) return -1;
        return rules[rule] ?? -1;
      }
    }
  }
}

/** Undefined: no literal label ends it. */
function placeOf({ kind, isDeep, labelCount, globs }: CompiledName): Place | undefined {
  if (kind === 'hosts' || kind === 'every') return undefined;
  let from = 0;
  let depth = labelCount;
  let at = 0;
  for (let labels = labelCount - 1; labels >= 0; labels--) {
    const next = at + 1 + (globs[at] ?? 0);
    if (hasStar(globs, at + 1, next)) {
      from = next;
      depth = labels;
    }
    at = next;
  }
  if (depth === 0) return undefined;
  const end = globs.subarray(from, at);
  if (depth === labelCount) return { end, depth, means: isDeep ? MEANS.Longer : MEANS.Itself };
  const isOneStar = !isDeep && depth === labelCount - 1 && globs[0] === 1;
  return { end, depth, means: isOneStar ? MEANS.OneLabelMore : MEANS.Tried };
}

function file(tried: Tried, name: CompiledName, rule: number): number {
  tried.names.push(name);
  return tried.rules.push(rule) - 1;
}

function hasStar(globs: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (globs[i] === STAR) return true;
  return false;
}

function depthsOf(places: readonly Place[]): Uint8Array {
  const depths = new Uint8Array(1 + places.reduce((most, { depth }) => Math.max(most, depth), 0));
  for (const { depth, means } of places) {
    depths[depth] = (depths[depth] ?? 0) | (means === MEANS.Itself ? ASKED_BY.Itself : ASKED_BY.Longer);
  }
  return depths;
}

/** Where each end's rules begin when they lie end by end, and after the last. */
function startsOf(endOf: Int32Array, ends: number): Int32Array {
  const starts = new Int32Array(ends + 2);
  for (const end of endOf) if (end !== NO_END) starts[end + 1] = (starts[end + 1] ?? 0) + 1;
  for (let end = 1; end <= ends; end++) starts[end + 1] = (starts[end + 1] ?? 0) + (starts[end] ?? 0);
  return starts;
}

/** Fills labelAt; where the root's byte is. */
function locateLabels(wire: Uint8Array, offset: number, labels: number): number {
  let at = offset;
  for (let label = 0; label < labels; label++) {
    labelAt[label] = at;
    at += 1 + (wire[at] ?? 0);
  }
  return at;
}

/** Shell's sort: there are two or three, but a policy may be written so that there are thousands. */
function sort(found: Int32Array, count: number): void {
  let gap = 1;
  while (gap < count / 3) gap = gap * 3 + 1; // Knuth's gaps: never more than count^1.5 steps
  for (; gap > 0; gap = (gap - 1) / 3) {
    for (let i = gap; i < count; i++) {
      const rule = found[i] ?? 0;
      let at = i;
      for (; at >= gap && (found[at - gap] ?? 0) > rule; at -= gap) found[at] = found[at - gap] ?? 0;
      found[at] = rule;
    }
  }
}
