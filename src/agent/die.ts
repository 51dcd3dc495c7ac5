// The end of the process after a fault that is our bug. An ordinary exit would wait for a thread that sits in a system call, and for that
// long its sockets would swallow queries (V23); _exit(2) closes them at once, and the kernel takes the whenDown path. Not SIGKILL: as the first
// process of a container nobody inside it, itself included, could send one (pid_namespaces(7)).
import { Worker } from 'node:worker_threads';
import type { Logger } from '../base/log.ts';
import { loadLibc } from '../sys/libc.ts';
import { threadEntry } from './thread-entry.ts';

/** What a log line may take; a process must be gone a second after a fault. */
const LOG_MS = 300;
/** As a shell says of a process that was killed (128 + SIGKILL): supervisors take it for what it is. */
const STATUS = 137;

export function die(log: Logger, error: unknown): never {
  // The log below may block for ever on a full pipe: then another thread ends us.
  const entry = threadEntry(new URL('last-resort.ts', import.meta.url), import.meta.url);
  const lastResort = new Worker(entry, { workerData: { afterMs: LOG_MS, status: STATUS } });
  lastResort.unref();
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.fatal({ stack }, 'namewall ends: the kernel keeps denying what is not granted, DNS takes the whenDown path');
  loadLibc()._exit(STATUS);
  throw error; // not reached
}
