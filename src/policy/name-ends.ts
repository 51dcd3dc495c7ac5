// The ends of names that rules are filed under (`example.org` of `*.example.org`), each with a number: a hash table of bytes. Whoever asks
// chooses the names and whoever writes policies chooses the ends, but neither knows the keys of the hash, so neither can make ends collide.

/** The number of no end. */
export const NO_END = 0;

const MAX_END = 256; // labels of a name (RFC 1035 §3.1: 255 bytes with the root) or of a text of 255 characters
const MIX = 0x9e3779b1;

/** Random words for the hash, one for each place of a byte. Of a secret seed, and then the same for every table of this process. */
export function hashKeys(seed: number): Int32Array {
  return Int32Array.from({ length: MAX_END }, (_, i) => mix(seed + Math.imul(i + 1, MIX)));
}

export class NameEnds {
  readonly #keys: Int32Array;
  /** Slot of the hash → number; NO_END: free. At most half of it is taken, so that a search ends after two or three slots. */
  readonly #slots: Int32Array;
  readonly #shift: number;
  /** End number E is #bytes[#startOf[E] … #startOf[E + 1]). */
  #bytes: Uint8Array;
  #startOf: Int32Array;
  #last = NO_END;

  /** Room for `ends` of `bytes` in all. */
  constructor(keys: Int32Array, ends: number, bytes: number) {
    const bits = ends === 0 ? 1 : 33 - Math.clz32(ends - 1);
    this.#keys = keys;
    this.#slots = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#bytes = new Uint8Array(bytes);
    this.#startOf = new Int32Array(ends + 2);
  }

  /** Ends so far: their numbers are 1 … size. */
  get size(): number {
    return this.#last;
  }

  /** The number of `end`, which is labels in wire form without the root; a new one for a new end. */
  add(end: Uint8Array): number {
    const slot = this.#slotOf(this.extend(0, end, 0, end.length, end.length), end, 0, end.length);
    const known = this.#slots[slot] ?? NO_END;
    if (known !== NO_END) return known;
    const start = this.#startOf[++this.#last] ?? 0;
    this.#bytes.set(end, start);
    this.#startOf[this.#last + 1] = start + end.length;
    return (this.#slots[slot] = this.#last);
  }

  /** Gives back the room that is left: several rules of one end need it once. */
  trim(): void {
    this.#bytes = this.#bytes.slice(0, this.#startOf[this.#last + 1]);
    this.#startOf = this.#startOf.slice(0, this.#last + 2);
  }

  /**
   * The hash of wire[from … end) out of that of wire[to … end), 0 for no bytes: each byte times the word of its distance from the end
   * (multilinear hashing: two ends collide for 1 in 2^25 keys), so that one pass over a name gives the hashes of all its ends.
   */
  extend(hash: number, wire: Uint8Array, from: number, to: number, end: number): number {
    let sum = hash;
    for (let i = from; i < to; i++) sum = (sum + Math.imul(this.#keys[end - 1 - i] ?? 0, wire[i] ?? 0)) | 0;
    return sum;
  }

  /** The number of wire[from … end), whose hash this is, or NO_END. */
  find(hash: number, wire: Uint8Array, from: number, end: number): number {
    return this.#slots[this.#slotOf(hash, wire, from, end)] ?? NO_END;
  }

  /** Where these bytes are, or the free slot where they would be. */
  #slotOf(hash: number, wire: Uint8Array, from: number, end: number): number {
    const lastSlot = this.#slots.length - 1;
    for (let slot = mix(hash) >>> this.#shift; ; slot = (slot + 1) & lastSlot) {
      const number = this.#slots[slot] ?? NO_END;
      if (number === NO_END || this.#isEnd(number, wire, from, end)) return slot;
    }
  }

  #isEnd(number: number, wire: Uint8Array, from: number, end: number): boolean {
    const start = this.#startOf[number] ?? 0;
    const length = (this.#startOf[number + 1] ?? 0) - start;
    if (length !== end - from) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== wire[from + i]) return false;
    return true;
  }
}

/** The finaliser of MurmurHash3: names that differ in one digit must not fill slots side by side. */
function mix(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
