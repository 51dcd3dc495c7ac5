// When each upstream query stops being waited for. Every attempt has the same patience, so a list in order of sending is in order of time:
// no wheel, no heap. Each slot is in it at most once and leaves it when it is answered, so the list is never longer than there are slots.

const NONE = -1;

export class Deadlines {
  readonly #patienceMs: number;
  readonly #dueMs: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #isListed: Uint8Array;
  #oldest = NONE;
  #youngest = NONE;

  constructor(patienceMs: number, slots: number) {
    this.#patienceMs = patienceMs;
    this.#dueMs = new Float64Array(slots);
    this.#next = new Int32Array(slots).fill(NONE);
    this.#previous = new Int32Array(slots).fill(NONE);
    this.#isListed = new Uint8Array(slots);
  }

  /** Waits for `slot` from now on; a deadline that it had is replaced. */
  start(slot: number, nowMs: number): void {
    this.stop(slot);
    this.#dueMs[slot] = nowMs + this.#patienceMs;
    this.#previous[slot] = this.#youngest;
    this.#next[slot] = NONE;
    this.#isListed[slot] = 1;
    if (this.#youngest === NONE) this.#oldest = slot;
    else this.#next[this.#youngest] = slot;
    this.#youngest = slot;
  }

  /** Waits no longer; nothing happens when it did not. */
  stop(slot: number): void {
    if (this.#isListed[slot] === 0) return;
    this.#isListed[slot] = 0;
    const previous = this.#previous[slot]!;
    const next = this.#next[slot]!;
    if (previous === NONE) this.#oldest = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#youngest = previous;
    else this.#previous[next] = previous;
  }

  /** The next slot that is overdue, no longer waited for; or -1. Call until it answers -1. */
  popOverdue(nowMs: number): number {
    const slot = this.#oldest;
    if (slot === NONE || this.#dueMs[slot]! > nowMs) return NONE;
    this.stop(slot);
    return slot;
  }

  /** Milliseconds until the oldest attempt is due, at most `limitMs`. */
  waitMs(nowMs: number, limitMs: number): number {
    if (this.#oldest === NONE) return limitMs;
    return Math.max(0, Math.min(limitMs, Math.ceil(this.#dueMs[this.#oldest]! - nowMs)));
  }
}
