// How long to wait before the next try: exponential, with full jitter, so that the nodes of a cluster do not come back all at once.
import type { Timing } from './timing.ts';

const LONGEST_RETRY_AFTER_MS = 300_000; // a server that asks for more is asked again anyway: enforcement goes stale meanwhile

export class Backoff {
  readonly #timing: Timing;
  #failures = 0;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Milliseconds, never less than `atLeastMs` (what the server asked for). */
  next(atLeastMs: number): number {
    const { firstWaitMs, longestWaitMs } = this.#timing;
    const rangeMs = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#failures++);
    return Math.min(atLeastMs, LONGEST_RETRY_AFTER_MS) + this.#timing.random() * rangeMs;
  }

  reset(): void {
    this.#failures = 0;
  }
}
