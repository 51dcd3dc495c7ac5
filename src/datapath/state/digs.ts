// What operators ask in the names of pods (`namewall dig`), by slot: what became of it so far. Whoever handles a query asks `isAny` first, so that
// nobody else's query pays for it.
// Full: the next one is refused.
import { MAX_DIGS } from '../../bridge/dig.ts';
import type { DigAttempt, DigSaid, Dug } from '../../bridge/dig.ts';

/** One that is under way. */
export interface Dig {
  readonly slot: number;
  /** Who wants to know what became of it. */
  readonly told: (dug: Dug) => void;
  /** The slot that asks upstreams: this one, or the one that it waits for. */
  asker: number;
  readonly attempts: AttemptUnderWay[];
  readonly records: Uint8Array[];
  reply: Uint8Array | undefined;
  said: DigSaid | undefined;
}

export interface AttemptUnderWay {
  /** QuerySlots.socket and .upstreamId of the attempt: what its answer is known by. */
  readonly socket: number;
  readonly id: number;
  attempt: DigAttempt;
}

export class Digs {
  readonly #bySlot = new Map<number, Dig>();

  get isAny(): boolean {
    return this.#bySlot.size > 0;
  }

  get isFull(): boolean {
    return this.#bySlot.size >= MAX_DIGS;
  }

  /** Ask isFull before. */
  begin(slot: number, told: (dug: Dug) => void): Dig {
    const dig = { slot, told, asker: slot, attempts: [], records: [], reply: undefined, said: undefined };
    this.#bySlot.set(slot, dig);
    return dig;
  }

  /** The one that has this slot. */
  at(slot: number): Dig | undefined {
    return this.#bySlot.get(slot);
  }

  forEach(visit: (dig: Dig) => void): void {
    this.#bySlot.forEach(visit);
  }

  /** A record of the audit was written about it. */
  audited(slot: number, record: Uint8Array): void {
    this.#bySlot.get(slot)?.records.push(record);
  }

  /** Its reply stands in `bytes` from `at` on; one of no length was too long for a message. */
  replied(slot: number, { bytes, at }: { readonly bytes: Uint8Array; readonly at: number }, lengthBytes: number): void {
    const dig = this.#bySlot.get(slot);
    if (dig !== undefined && lengthBytes > 0) dig.reply = bytes.slice(at, at + lengthBytes);
  }

  /** Its slot is free from here on. */
  end(slot: number): Dig | undefined {
    const dig = this.#bySlot.get(slot);
    this.#bySlot.delete(slot);
    return dig;
  }
}
