// What something cost: the time that passed, or what this thread computed in it when that is less, since whoever else runs on the machine is no fault
// of ours.

/** Below it is not worth asking the kernel, which counts a thread's time in ticks of up to 4 ms. */
const WORTH_ASKING_MS = 5;

export class Clock {
  readonly #sinceMs = performance.now();
  readonly #before = computedMs();

  /** Since it was made, less what was spent elsewhere. */
  costMs(elsewhereMs = 0): number {
    const passedMs = performance.now() - this.#sinceMs - elsewhereMs;
    return passedMs < WORTH_ASKING_MS ? passedMs : Math.min(passedMs, computedMs() - this.#before);
  }
}

function computedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
