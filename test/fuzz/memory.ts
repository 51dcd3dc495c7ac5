// Whether memory stays flat: what is left on the heap after a collection, minute by minute.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MIB = 1024 * 1024;
/** The first minutes fill tables, the pool and compiled code. */
const SETTLED_AFTER = 3;
/** The pool may still grow. */
const MOST_GROWTH = 64 * MIB;

export class Memory {
  readonly #collect: () => void;
  #firstBytes: number | undefined;
  #text = '';

  constructor() {
    setFlagsFromString('--expose-gc');
    // `as`: V8 makes the function when it is asked to expose it.
    this.#collect = runInNewContext('gc') as () => void;
  }

  get text(): string {
    return this.#text;
  }

  /** What is wrong with it, if something is. */
  look(minute: number): string | undefined {
    this.#collect();
    const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
    const bytes = heapUsed + arrayBuffers;
    this.#text = `RSS ${Math.round(rss / MIB)} MiB, heap ${Math.round(bytes / MIB)} MiB`;
    if (minute < SETTLED_AFTER) return undefined;
    this.#firstBytes ??= bytes;
    const grown = bytes - this.#firstBytes;
    return grown > MOST_GROWTH
      ? `the heap has grown by ${Math.round(grown / MIB)} MiB since minute ${SETTLED_AFTER}`
      : undefined;
  }
}
