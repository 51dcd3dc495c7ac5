// How many queries a second each pod may send, and how many of them may be for names that the cache does not have. A pod over its budget
// costs the others nothing (I6); what it had over is not kept for it.
import type { DatapathSettings } from '../settings.ts';

/** A client that starts looks up everything it knows: a second's worth at once. */
const NAMES_BURST_SECONDS = 1;

/**
 * Token buckets, one number each: the moment at which the bucket will be full again. A token is so many milliseconds; a bucket is empty
 * when that moment is as far away as all its tokens. (ITU-T I.371 calls it the virtual scheduling algorithm.)
 */
export class TokenBuckets {
  readonly #fullAtMs: Float64Array;
  readonly #tokenMs: number;
  readonly #capacityMs: number;

  /** `perSecond`, 1 or more; undefined: no limit. */
  constructor(buckets: number, perSecond: number | undefined, burstSeconds: number) {
    this.#fullAtMs = new Float64Array(buckets);
    this.#tokenMs = perSecond === undefined ? 0 : 1_000 / perSecond;
    // A hundredth of a token more: sums of doubles that should be equal may differ in their last bits.
    this.#capacityMs = burstSeconds * 1_000 + this.#tokenMs * 0.01;
  }

  /** Takes a token; false when there is none. */
  take(bucket: number, nowMs: number): boolean {
    const fullAtMs = Math.max(this.#fullAtMs[bucket]!, nowMs) + this.#tokenMs;
    if (fullAtMs - nowMs > this.#capacityMs) return false;
    this.#fullAtMs[bucket] = fullAtMs;
    return true;
  }

  /** Makes a bucket full. */
  fill(bucket: number): void {
    this.#fullAtMs[bucket] = 0;
  }
}

export class Budgets {
  readonly queries: TokenBuckets;
  readonly names: TokenBuckets;

  /** `pods`: indexes are below it. */
  constructor(pods: number, { queriesPerSecond, newNamesPerSecond }: Limits) {
    this.queries = new TokenBuckets(pods, queriesPerSecond, 1);
    this.names = new TokenBuckets(pods, newNamesPerSecond, NAMES_BURST_SECONDS);
  }

  /** Whoever gets this index next begins with full buckets. */
  forget(pod: number): void {
    this.queries.fill(pod);
    this.names.fill(pod);
  }
}

type Limits = Pick<DatapathSettings, 'queriesPerSecond' | 'newNamesPerSecond'>;
