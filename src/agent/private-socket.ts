// Opens a unix socket that only the agent's own user may connect to. What a killed agent left at the path is replaced; a living one's socket,
// and a file that is no socket, never.
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { CodedError } from '../base/errors.ts';

export class SocketError extends CodedError<'in-use' | 'unusable'> {}

export interface PrivateSocket {
  readonly path: string;
  /** For messages: `health socket`. */
  readonly what: string;
  /** What to set in the configuration when the path is taken. */
  readonly mend: string;
}

/** Makes the path, and its folder where that is missing; close() removes the path. It keeps no process alive. Throws SocketError. */
export async function listenPrivately(socket: PrivateSocket, serve: (connection: Socket) => void): Promise<Server> {
  const { path, what, mend } = socket;
  if (await isAnswered(path)) {
    throw new SocketError('in-use', `Cannot open "${path}": another agent answers there; ${mend}`);
  }
  // A client that has said all it has to say still wants its answer.
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    connection.on('error', () => connection.destroy()); // whoever asked is gone
    serve(connection);
  });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // What an agent that was killed left behind; anything else at this path is not ours, and makes listen fail.
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path);
    server.listen(path);
    await once(server, 'listening');
    chmodSync(path, 0o600);
  } catch (error) {
    server.close();
    const why = error instanceof Error ? error.message : String(error);
    throw new SocketError('unusable', `Cannot open the ${what}: ${why}`, { cause: error });
  }
  server.unref();
  return server;
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false; // nobody listens, or there is nothing: which of them, listen tells
  } finally {
    socket.destroy();
  }
}
