// Records of eight words in one block of memory, found by hash: each stands in one chain of the index, or among the free ones. A record never
// moves, so that records may name each other by number. Full: `take` gives none.

export const NONE = 0;
/** Words of a record. The first is the table's own, the others are whoever took it. */
const WORDS = 8;
const NEXT = 0;

export class ChainedRecords {
  /** Record `r` begins at `at(r)`. */
  readonly words: Int32Array;
  readonly #chains: Int32Array;
  #free = NONE;
  #used = 0;

  /** `capacity` is a power of two. */
  constructor(capacity: number) {
    this.words = new Int32Array((capacity + 1) * WORDS);
    this.#chains = new Int32Array(capacity);
  }

  /** Records 1 … used have been taken once. */
  get used(): number {
    return this.#used;
  }

  get isFull(): boolean {
    return this.#free === NONE && this.#used === this.#chains.length;
  }

  at(record: number): number {
    return record * WORDS;
  }

  /** The first record under this hash, and the one behind another; NONE at the end. */
  first(hash: number): number {
    return this.#chains[hash & (this.#chains.length - 1)]!;
  }

  next(record: number): number {
    return this.words[record * WORDS + NEXT]!;
  }

  /** A record under this hash, with zeros in it; NONE when there is no room. */
  take(hash: number): number {
    const record = this.#takeFree();
    if (record === NONE) return NONE;
    const chain = hash & (this.#chains.length - 1);
    this.words.fill(0, record * WORDS, (record + 1) * WORDS);
    this.words[record * WORDS + NEXT] = this.#chains[chain]!;
    this.#chains[chain] = record;
    return record;
  }

  release(record: number, hash: number): void {
    const chain = hash & (this.#chains.length - 1);
    const next = this.next(record);
    let before = this.#chains[chain]!;
    if (before === record) this.#chains[chain] = next;
    else {
      while (this.next(before) !== record) before = this.next(before);
      this.words[before * WORDS + NEXT] = next;
    }
    this.words[record * WORDS + NEXT] = this.#free;
    this.#free = record;
  }

  #takeFree(): number {
    const record = this.#free;
    if (record === NONE) return this.#used < this.#chains.length ? ++this.#used : NONE;
    this.#free = this.next(record);
    return record;
  }
}
