// Tells whoever connects to a unix socket how the agent is: one line of JSON, then the end. Nothing that is sent to it is read; only the
// agent's own user may connect.
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { CodedError } from '../base/errors.ts';
import type { HealthStatus } from './health.ts';

export class HealthError extends CodedError<'in-use' | 'unusable'> {}

export class HealthSocket {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Makes `path`, and its folder where that is missing. Throws HealthError. */
  static async open(path: string, status: () => HealthStatus): Promise<HealthSocket> {
    if (await isAnswered(path)) {
      throw new HealthError(
        'in-use',
        `Cannot open "${path}": another agent answers there; set "health" to a path of its own`,
      );
    }
    const server = createServer((connection) => {
      connection.on('error', () => connection.destroy()); // whoever asked is gone
      connection.resume();
      connection.end(`${JSON.stringify(status())}\n`);
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
      throw new HealthError('unusable', `Cannot open the health socket: ${why}`, { cause: error });
    }
    server.unref();
    return new HealthSocket(server);
  }

  /** Removes the path, too. */
  close(): void {
    this.#server.close();
  }
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
