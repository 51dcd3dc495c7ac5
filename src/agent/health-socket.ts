// Tells whoever connects to a unix socket how the agent is: one line of JSON, then the end. Nothing that is sent to it is read; only the
// agent's own user may connect.
import type { Server } from 'node:net';
import type { HealthStatus } from './health.ts';
import { listenPrivately } from './private-socket.ts';

export class HealthSocket {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Makes `path`, and its folder where that is missing. Throws SocketError. */
  static async open(path: string, status: () => HealthStatus): Promise<HealthSocket> {
    const socket = { path, what: 'health socket', mend: 'set "health" to a path of its own' };
    const server = await listenPrivately(socket, (connection) => {
      connection.resume();
      connection.end(`${JSON.stringify(status())}\n`);
    });
    return new HealthSocket(server);
  }

  /** Removes the path, too. */
  close(): void {
    this.#server.close();
  }
}
