// Where the next entry of a log of bytes goes, and which one goes for it: first in, first out. Knows positions only; the entries are the owner's.

/** A ring of entries that do not wrap. Positions grow for ever; the byte is at the position modulo the capacity. */
export class EntryLog {
  readonly capacity: number;
  readonly #begin: number;
  #head = 0;
  #tail = 0;

  constructor(begin: number, capacity: number) {
    this.#begin = begin;
    this.capacity = capacity;
  }

  get free(): number {
    return this.capacity - (this.#head - this.#tail);
  }

  /** The entry that goes next. */
  get oldest(): number {
    return this.#begin + (this.#tail % this.capacity);
  }

  /** Whether it was written before the younger half. */
  isOld(entry: number): boolean {
    const at = entry - this.#begin;
    const head = this.#head % this.capacity;
    const age = head > at ? head - at : head - at + this.capacity;
    return age > this.capacity / 2;
  }

  /** Bytes up to the end of the block when an entry of `length` does not fit there, else 0. */
  restTooShortFor(length: number): number {
    const rest = this.capacity - (this.#head % this.capacity);
    return rest < length ? rest : 0;
  }

  /** How often the place of the entry was written over, this entry included. */
  laps(entry: number): number {
    return Math.ceil((this.#head - (entry - this.#begin)) / this.capacity);
  }

  take(length: number): number {
    const at = this.#begin + (this.#head % this.capacity);
    this.#head += length;
    return at;
  }

  drop(length: number): void {
    this.#tail += length > 0 ? length : this.capacity - (this.#tail % this.capacity);
  }
}
