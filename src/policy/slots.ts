// A table whose indexes stay while its entries come, change and go: what was compiled refers to them. A free place is taken by the next entry,
// and says until then what it said last.

export class Slots<T> {
  readonly #entries: T[] = [];
  readonly #free: number[] = [];

  /** All of them, free ones included. */
  get all(): readonly T[] {
    return this.#entries.slice();
  }

  get freeCount(): number {
    return this.#free.length;
  }

  take(entry: T): number {
    const slot = this.#free.pop() ?? this.#entries.length;
    this.#entries[slot] = entry;
    return slot;
  }

  set(slot: number, entry: T): void {
    this.#entries[slot] = entry;
  }

  get(slot: number): T {
    const entry = this.#entries[slot];
    if (entry === undefined) throw new RangeError(`No entry ${slot}`);
    return entry;
  }

  /** Each slot once, after it was taken. */
  free(slots: readonly number[]): void {
    this.#free.push(...slots);
  }
}
