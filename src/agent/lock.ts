// One agent per network namespace: a second one would replace the first one's rules and then fail to bind, which leaves nobody in charge.
import { createServer } from 'node:net';
import { CodedError } from '../base/errors.ts';

export class LockError extends CodedError<'already-running' | 'lock-failed'> {}

/** An abstract unix socket (unix(7)): it belongs to the network namespace and is gone with the process, however that ends. */
const LOCK = '\0namewall/agent';

/** Holds the lock until the process ends. Rejects with LockError. */
export function takeLock(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer((connection) => connection.destroy());
  server.on('error', (error: NodeJS.ErrnoException) => {
    const isTaken = error.code === 'EADDRINUSE';
    const message = isTaken
      ? 'Cannot start: another namewall runs in this network namespace; stop it first'
      : `Cannot take the lock of this network namespace: ${error.message}`;
    reject(new LockError(isTaken ? 'already-running' : 'lock-failed', message, { cause: error }));
  });
  server.listen({ path: LOCK }, resolve);
  server.unref();
  return promise;
}
