// Who runs where, and how much of a core was idle.
import { readFileSync } from 'node:fs';

export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** Jiffies that a core was idle and in all, since boot (proc_stat(5)). */
export function coreTimes(core: number): { readonly idle: number; readonly total: number } {
  const line = readFileSync('/proc/stat', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`cpu${core} `));
  const fields = (line ?? '').split(/\s+/).slice(1, 9).map(Number);
  return { idle: (fields[3] ?? 0) + (fields[4] ?? 0), total: fields.reduce((sum, value) => sum + value, 0) };
}
