// Which query ids a socket waits for, and for which slot (RFC 5452 §9). An id whose question was answered elsewhere is remembered until it is
// given out again: the late answer to it is no forgery.
import { NO_SLOT } from './query-slots.ts';
import type { RandomPool } from './random.ts';

/** Ids tried before a socket counts as full: at half occupancy 8 tries fail once in 256. */
const ID_TRIES = 8;
const IDS = 65_536;
const LATE = -1;

export class PendingIds {
  /** Slot + 1, so that memory which was never written says "nobody": 16 bits hold SLOTS + 1, and untouched pages cost nothing. */
  readonly #slotOfId = new Int16Array(IDS);
  #reserved = 0;

  /** How many are waited for. */
  get count(): number {
    return this.#reserved;
  }

  /** Reserves a random unused id for `slot`; -1 when none was found. */
  reserve(random: RandomPool, slot: number): number {
    for (let tries = 0; tries < ID_TRIES; tries++) {
      const id = random.next16();
      if (this.#slotOfId[id]! > 0) continue;
      this.#slotOfId[id] = slot + 1;
      this.#reserved++;
      return id;
    }
    return -1;
  }

  /** The slot that waits for `id` here, or NO_SLOT. */
  slotOf(id: number): number {
    const slot = this.#slotOfId[id]! - 1;
    return slot >= 0 ? slot : NO_SLOT;
  }

  /** True once for an id that is no longer waited for although nothing has come. */
  takeLate(id: number): boolean {
    if (this.#slotOfId[id] !== LATE) return false;
    this.#slotOfId[id] = 0;
    return true;
  }

  /** Frees the id if `slot` holds it: its answer came. */
  release(id: number, slot: number): void {
    this.#end(id, slot, 0);
  }

  /** The same for one whose answer did not come, and may still. */
  giveUp(id: number, slot: number): void {
    this.#end(id, slot, LATE);
  }

  /** Calls `tell` with each slot that waits here. */
  forEach(tell: (slot: number) => void): void {
    if (this.#reserved === 0) return;
    for (let id = 0; id < IDS; id++) if (this.#slotOfId[id]! > 0) tell(this.#slotOfId[id]! - 1);
  }

  #end(id: number, slot: number, mark: number): void {
    if (this.#slotOfId[id] !== slot + 1) return;
    this.#slotOfId[id] = mark;
    this.#reserved--;
  }
}
