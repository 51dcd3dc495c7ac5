// A loop that does not end stops everything in its thread, timers included: so another thread holds the case that is played, and when it is played
// for too long writes it down and ends the process.
import { Worker } from 'node:worker_threads';

const TEXT_BYTES = 1 << 20;
/** No case takes one, but the machine may be busy. */
const PATIENCE_SECONDS = 20;

export class Watchdog {
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  readonly #text = Buffer.from(new SharedArrayBuffer(TEXT_BYTES));
  readonly #worker: Worker;

  /** `folder`: where a case that hangs is written. */
  constructor(folder: string, patienceSeconds = PATIENCE_SECONDS) {
    const workerData = { state: this.#state.buffer, text: this.#text.buffer, folder, patienceSeconds };
    this.#worker = new Worker(new URL('./watchdog-thread.ts', import.meta.url), { workerData });
    this.#worker.unref();
  }

  /** This is played from now on. */
  watch(text: string): void {
    Atomics.store(this.#state, 1, this.#text.write(text, 'latin1'));
    Atomics.add(this.#state, 0, 1);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
