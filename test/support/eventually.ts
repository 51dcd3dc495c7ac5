import { setTimeout as sleep } from 'node:timers/promises';

/** Tries `check` until it passes; after `deadlineMs` its last failure is the test's. */
export async function eventually(check: () => void | Promise<void>, deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(20);
    }
  }
}
