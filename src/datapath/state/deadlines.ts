// When each upstream query stops being waited for. Attempts have one of two patiences, so a list for each in order of sending is in order of
// time: no wheel, no heap. Each slot is in one of them at most once and leaves it when it is answered, so they never hold more than the slots.

/** How long an attempt is waited for: an index into the patiences that Deadlines is made with. */
export const PATIENCE = { Short: 0, Long: 1 } as const;

const NONE = -1;

export class Deadlines {
  readonly #patiencesMs: readonly number[];
  readonly #dueMs: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Which list the slot is in, or NONE. */
  readonly #list: Int8Array;
  readonly #oldest: Int32Array;
  readonly #youngest: Int32Array;

  constructor(patiencesMs: readonly number[], slots: number) {
    this.#patiencesMs = patiencesMs;
    this.#dueMs = new Float64Array(slots);
    this.#next = new Int32Array(slots).fill(NONE);
    this.#previous = new Int32Array(slots).fill(NONE);
    this.#list = new Int8Array(slots).fill(NONE);
    this.#oldest = new Int32Array(patiencesMs.length).fill(NONE);
    this.#youngest = new Int32Array(patiencesMs.length).fill(NONE);
  }

  /** Waits for `slot` from now on, with this patience; a deadline that it had is replaced. */
  start(slot: number, nowMs: number, patience: number): void {
    this.stop(slot);
    const youngest = this.#youngest[patience]!;
    this.#dueMs[slot] = nowMs + this.#patiencesMs[patience]!;
    this.#previous[slot] = youngest;
    this.#next[slot] = NONE;
    this.#list[slot] = patience;
    if (youngest === NONE) this.#oldest[patience] = slot;
    else this.#next[youngest] = slot;
    this.#youngest[patience] = slot;
  }

  /** Waits no longer; nothing happens when it did not. */
  stop(slot: number): void {
    const list = this.#list[slot]!;
    if (list === NONE) return;
    this.#list[slot] = NONE;
    const previous = this.#previous[slot]!;
    const next = this.#next[slot]!;
    if (previous === NONE) this.#oldest[list] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#youngest[list] = previous;
    else this.#previous[next] = previous;
  }

  /** The next slot that is overdue, no longer waited for; or -1. Call until it answers -1. */
  popOverdue(nowMs: number): number {
    for (let list = 0; list < this.#oldest.length; list++) {
      const slot = this.#oldest[list]!;
      if (slot === NONE || this.#dueMs[slot]! > nowMs) continue;
      this.stop(slot);
      return slot;
    }
    return NONE;
  }

  /** Milliseconds until the first attempt is due, at most `limitMs`. */
  waitMs(nowMs: number, limitMs: number): number {
    let waitMs = limitMs;
    for (let list = 0; list < this.#oldest.length; list++) {
      const slot = this.#oldest[list]!;
      if (slot !== NONE) waitMs = Math.min(waitMs, Math.ceil(this.#dueMs[slot]! - nowMs));
    }
    return Math.max(0, waitMs);
  }
}
