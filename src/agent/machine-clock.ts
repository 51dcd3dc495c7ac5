// The machine's own clock, for what a file has to tell the next process: it never jumps, and begins anew when the machine boots.
import { readFileSync } from 'node:fs';

/** The same as long as the machine runs; another after each boot. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** CLOCK_MONOTONIC (node:process, hrtime), milliseconds: the same in every process. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
