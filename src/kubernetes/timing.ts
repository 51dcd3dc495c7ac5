// Every wait of this folder, with the clock and the chance that it uses: tests pass in their own and wait for nothing.

/** All times in milliseconds unless named otherwise. */
export interface Timing {
  /** Monotonic. */
  nowMs(): number;
  /** 0 to just below 1. */
  random(): number;
  /** A list that brings no byte for so long is given up. */
  readonly listSilenceMs: number;
  readonly watchSilenceMs: number;
  /** How long one watch is asked to last: drawn between the two, so that the watches of many nodes do not end together. */
  readonly watchSeconds: { readonly least: number; readonly most: number };
  /** Waits between tries are drawn from 0 to first, then to twice that, and so on up to longest (full jitter). */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** A watch that lasted so long was a good one: the next wait is drawn from the first range again. */
  readonly settledMs: number;
  /** After which a resource that the server does not know is asked for again. */
  readonly missingMs: number;
  /** How long a start waits for the API server before it takes the last state. */
  readonly patienceMs: number;
  /** Events within so long of the first make one change. */
  readonly gatherMs: number;
  /** The last state is written at most so often. */
  readonly saveMs: number;
  readonly staleMs: number;
}

export const STALE_AFTER_MS = 120_000; // a bookmark a minute is the rule: one may be lost, and 90 s of silence noticed, before we worry

export const REAL_TIMING: Timing = {
  nowMs: () => performance.now(),
  random: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
  listSilenceMs: 65_000, // the API server itself gives up after 60 s (--request-timeout)
  watchSilenceMs: 90_000, // bookmarks come every minute
  watchSeconds: { least: 300, most: 600 },
  firstWaitMs: 500,
  longestWaitMs: 30_000,
  settledMs: 30_000,
  missingMs: 30_000,
  patienceMs: 5_000,
  gatherMs: 20,
  saveMs: 1_000,
  staleMs: STALE_AFTER_MS,
};
