// Events that may come by the million and are told with their number: the first one at once, then at most once a window for each key, until a
// window ends in which there was none. Every event is told in exactly one number (I11).

/** Whoever is told can act within seconds, and a flood of an hour is 360 lines. */
const WINDOW_MS = 10_000;

/** Told of `count` events of `key`. */
export type Tell = (key: number, count: number) => void;

export class EventWindows {
  /** Events that nobody was told of yet. */
  readonly #counts: Uint32Array;
  /** 1 for a key that is in `#fresh` or in `#queue`, and never in both. */
  readonly #isOpen: Uint8Array;
  /** Keys whose window began since the last turn. */
  readonly #fresh: Int32Array;
  #freshCount = 0;
  /** Keys whose window ends, and when: a ring, in the order of their ends, since all last as long. */
  readonly #queue: Int32Array;
  readonly #endMs: Float64Array;
  #first = 0;
  #length = 0;

  /** `keys`: all are below it. There is room for all of them at once. */
  constructor(keys: number) {
    this.#counts = new Uint32Array(keys);
    this.#isOpen = new Uint8Array(keys);
    this.#fresh = new Int32Array(keys);
    this.#queue = new Int32Array(keys);
    this.#endMs = new Float64Array(keys);
  }

  add(key: number, events = 1): void {
    this.#counts[key]! += events;
    if (this.#isOpen[key] !== 0) return;
    this.#isOpen[key] = 1;
    this.#fresh[this.#freshCount++] = key;
  }

  /** Tells what is due. A turn in which nothing is costs two comparisons. */
  turn(nowMs: number, tell: Tell): void {
    for (let i = 0; i < this.#freshCount; i++) {
      this.#push(this.#fresh[i]!, nowMs + WINDOW_MS);
      this.endOf(this.#fresh[i]!, tell);
    }
    this.#freshCount = 0;
    while (this.#length > 0 && this.#endMs[this.#first]! <= nowMs) {
      const key = this.#queue[this.#first]!;
      this.#first = (this.#first + 1) % this.#queue.length;
      this.#length--;
      if (this.#counts[key] === 0) {
        this.#isOpen[key] = 0;
        continue;
      }
      this.#push(key, nowMs + WINDOW_MS);
      this.endOf(key, tell);
    }
  }

  /** Tells what is left of one key: before the key becomes somebody else's. */
  endOf(key: number, tell: Tell): void {
    const count = this.#counts[key]!;
    if (count === 0) return;
    this.#counts[key] = 0;
    tell(key, count);
  }

  /** Tells all that is left. */
  end(tell: Tell): void {
    for (let key = 0; key < this.#counts.length; key++) this.endOf(key, tell);
  }

  #push(key: number, endMs: number): void {
    const at = (this.#first + this.#length++) % this.#queue.length;
    this.#queue[at] = key;
    this.#endMs[at] = endMs;
  }
}
