// When each upstream query stops being waited for. Every attempt has the same patience, so a queue in order of sending is in order
// of time: no wheel, no heap. An entry names slot and use; one that was answered meanwhile no longer matches and is skipped.
import type { QuerySlots } from './query-slots.ts';

export class Deadlines {
  readonly #patienceMs: number;
  readonly #slots: Int32Array;
  readonly #uses: Uint32Array;
  readonly #attempts: Uint8Array;
  readonly #times: Float64Array;
  #head = 0;
  #count = 0;

  /** `capacity`: attempts under way at most, answered ones included until their time. */
  constructor(patienceMs: number, capacity: number) {
    this.#patienceMs = patienceMs;
    this.#slots = new Int32Array(capacity);
    this.#uses = new Uint32Array(capacity);
    this.#attempts = new Uint8Array(capacity);
    this.#times = new Float64Array(capacity);
  }

  /** False when the queue is full of attempts that are still young: the caller must not send. */
  push(slots: QuerySlots, slot: number, nowMs: number): boolean {
    const capacity = this.#slots.length;
    if (this.#count === capacity) return false;
    const at = (this.#head + this.#count++) % capacity;
    this.#slots[at] = slot;
    this.#uses[at] = slots.use[slot]!;
    this.#attempts[at] = slots.attempts[slot]!;
    this.#times[at] = nowMs + this.#patienceMs;
    return true;
  }

  /** The next slot whose attempt is overdue, or -1. Call until it answers -1. */
  popOverdue(slots: QuerySlots, nowMs: number): number {
    while (this.#count > 0 && this.#times[this.#head]! <= nowMs) {
      const at = this.#head;
      this.#head = (at + 1) % this.#slots.length;
      this.#count--;
      const slot = this.#slots[at]!;
      if (slots.use[slot] === this.#uses[at] && slots.attempts[slot] === this.#attempts[at]) return slot;
    }
    return -1;
  }

  /** Milliseconds until the oldest attempt is due, at most `limitMs`. */
  waitMs(nowMs: number, limitMs: number): number {
    if (this.#count === 0) return limitMs;
    return Math.max(0, Math.min(limitMs, Math.ceil(this.#times[this.#head]! - nowMs)));
  }
}
