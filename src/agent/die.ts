// The end of the process after a fault that is our bug. An ordinary exit would wait for a thread that sits in a system call, and for that
// long its sockets would swallow queries (V23); SIGKILL closes them at once, and the kernel takes the whenDown path.
import { spawn } from 'node:child_process';
import type { Logger } from '../base/log.ts';

/** What a log line may take; a process must be gone a second after a fault. */
const LOG_SECONDS = 0.3;

export function die(log: Logger, error: unknown): never {
  // The log below may block for ever on a full pipe: then somebody else ends us.
  spawn('sh', ['-c', `sleep ${LOG_SECONDS}; kill -9 ${process.pid}`], { detached: true, stdio: 'ignore' }).unref();
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.fatal({ stack }, 'namewall ends: the kernel keeps denying what is not granted, DNS takes the whenDown path');
  process.kill(process.pid, 'SIGKILL');
  throw error; // not reached: a process cannot refuse SIGKILL
}
