// Unpredictable numbers for query ids and ports (RFC 5452 §9.2), from the kernel's CSPRNG, fetched a block at a time.
import type { Sys } from '../../sys/sys.ts';

const BLOCK = 2048;

export class RandomPool {
  readonly #sys: Sys;
  readonly #words = new Uint16Array(BLOCK);
  #next = BLOCK;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  /** 0..65535, uniform. */
  next16(): number {
    if (this.#next === BLOCK) {
      this.#sys.randomFill(new Uint8Array(this.#words.buffer));
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }

  /** A seed for hashes that outsiders must not be able to predict. */
  next32(): number {
    return (this.next16() << 16) | this.next16();
  }
}
