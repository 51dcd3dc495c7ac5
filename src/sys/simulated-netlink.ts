// The receiving side of a netlink socket in memory: a queue that can be held back and that over-runs as the kernel's does (V14, V25).
import { ERRNO } from './sys.ts';

/** What a queued report takes of SO_RCVBUF, which setsockopt(2) doubles: the default of 212,992 bytes holds 256 (V25). */
const REPORT_COST_BYTES = 832;
const OVER_RUN = 'over-run';

export class SimulatedNetlinkSocket {
  readonly #capacity: number;
  #queue: (Uint8Array | typeof OVER_RUN)[] = [];
  #held: Uint8Array[] = [];
  #isHolding = false;
  #isWatching = false;
  #losesNext = false;
  /** After an over-run everything is dropped, without a trace, until the queue is empty. */
  #isCongested = false;

  constructor(bufferBytes: number) {
    this.#capacity = Math.max(1, Math.floor((2 * bufferBytes) / REPORT_COST_BYTES));
  }

  watch(): void {
    this.#isWatching = true;
  }

  /** Reports are kept back; events are not, for they come from somebody else's transaction. */
  hold(): void {
    this.#isHolding = true;
  }

  release(): void {
    this.#isHolding = false;
    const late = this.#held;
    this.#held = [];
    for (const message of late) this.#push(message);
  }

  loseNext(): void {
    this.#losesNext = true;
  }

  /** The kernel's reports on what this socket sent. */
  answer(messages: readonly Uint8Array[]): void {
    if (messages.length > 0 && this.#losesNext) {
      this.#losesNext = false;
      this.#queue.push(OVER_RUN);
      return;
    }
    for (const message of messages) {
      if (this.#isHolding) this.#held.push(message);
      else this.#push(message);
    }
  }

  /** An event for those who subscribed. */
  notify(event: Uint8Array): void {
    if (this.#isWatching) this.#push(event);
  }

  isReadable(): boolean {
    return this.#queue.length > 0;
  }

  /** The next message, or -errno. */
  receive(): Uint8Array | number {
    const next = this.#queue.shift();
    if (this.#queue.length === 0) this.#isCongested = false;
    if (next === undefined) return -ERRNO.EAGAIN;
    return next === OVER_RUN ? -ERRNO.ENOBUFS : next;
  }

  #push(message: Uint8Array): void {
    if (this.#isCongested) return;
    if (this.#queue.length < this.#capacity) {
      this.#queue.push(message);
      return;
    }
    this.#isCongested = true;
    this.#queue.unshift(OVER_RUN); // sk_err is read before the queue
  }
}
