// What a turn of the loop costs by itself: the time in system calls is the simulated kernel's, and the observer's behind it.
import type { SimulatedSys } from '../../src/sys/simulated.ts';
import { Clock } from './clock.ts';

type Call = (...words: never[]) => unknown;
/** Those in which the simulated system works; the others only note something. */
const CALLS = ['epollWait', 'receiveBatch', 'sendBatch', 'send', 'receive', 'close'] as const;

export class Stopwatch {
  #elsewhereMs = 0;

  /** From now on what `sys` does is not counted. */
  constructor(sys: SimulatedSys) {
    const table = sys as unknown as Record<(typeof CALLS)[number], Call>;
    for (const name of CALLS) {
      const call = table[name].bind(sys);
      table[name] = (...words) => {
        const since = performance.now();
        try {
          return call(...words);
        } finally {
          this.#elsewhereMs += performance.now() - since;
        }
      };
    }
  }

  /** Milliseconds that `work` took outside of the system. */
  time(work: () => void): number {
    this.#elsewhereMs = 0;
    const clock = new Clock();
    work();
    return clock.costMs(this.#elsewhereMs);
  }
}
