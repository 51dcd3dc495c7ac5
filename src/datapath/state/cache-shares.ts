// Whose the bytes of the cache are: who brings an answer pays for it. A pod that has no more than its share loses nothing to the others (I6).
import { POD_INDEXES } from './pod-table.ts';

/**
 * The part of the cache that is divided, evenly among the pods that have something in it; the rest is for whoever has more. With all of it
 * divided, each new answer would cost moving many old ones (answer-store.ts, #sweep); with half of it, one on average at most.
 */
const DIVIDED = 1 / 2;

/**
 * Indexes of pods are used again; then the new pod pays for what is left of the one before. It is older than all that the new one brings, so
 * it goes first.
 */
export class CacheShares {
  readonly #bytes = new Int32Array(POD_INDEXES);
  readonly #dividedBytes: number;
  #owners = 0;
  #shareBytes: number;

  constructor(cacheBytes: number) {
    this.#dividedBytes = cacheBytes * DIVIDED;
    this.#shareBytes = this.#dividedBytes;
  }

  /** Whether the pod has no more than its share. */
  isWithin(pod: number): boolean {
    return this.#bytes[pod]! <= this.#shareBytes;
  }

  /** Whether it would have no more with so many bytes besides. */
  hasRoom(pod: number, bytes: number): boolean {
    return this.#bytes[pod]! + bytes <= this.#shareBytes;
  }

  add(pod: number, bytes: number): void {
    if (this.#bytes[pod] === 0) this.#divide(this.#owners + 1);
    this.#bytes[pod]! += bytes;
  }

  remove(pod: number, bytes: number): void {
    this.#bytes[pod]! -= bytes;
    if (this.#bytes[pod] === 0) this.#divide(this.#owners - 1);
  }

  #divide(owners: number): void {
    this.#owners = owners;
    this.#shareBytes = this.#dividedBytes / Math.max(1, owners);
  }
}
