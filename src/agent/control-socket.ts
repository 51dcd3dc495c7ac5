// Takes requests over a unix socket that only the agent's own user may connect to: one line of JSON in, one out, then the end. It bounds what
// it reads and how long it waits for a client, and decides nothing (control-requests.ts).
import { statSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { listenPrivately } from './private-socket.ts';

/** Between namewalls of two versions a request may be longer than it is now. */
const MOST_CHARACTERS = 4_096;
const PATIENCE_MS = 2_000;
/** Further ones are cut off at once. Twice what may wait for upstreams (bridge/dig.ts): an order gets through. */
const MOST_CLIENTS = 32;

/** One for each network namespace, since each may have an agent of its own. Throws what the file system throws. */
export function controlPath(folder: string): string {
  return join(folder, `control-${statSync('/proc/self/ns/net').ino}.sock`);
}

export class ControlSocket {
  readonly #server: Server;
  readonly #answer: (request: unknown) => Promise<unknown>;
  readonly #connections = new Set<Socket>();

  private constructor(server: Server, answer: (request: unknown) => Promise<unknown>) {
    this.#server = server;
    this.#answer = answer;
  }

  /** `answer` gets whatever a client sent, as JSON.parse gives it; undefined when that is none. It must not reject. Throws SocketError. */
  static async open(path: string, answer: (request: unknown) => Promise<unknown>): Promise<ControlSocket> {
    const socket = { path, what: 'control socket', mend: 'set "state" to a folder of its own' };
    const server = await listenPrivately(socket, (connection) => void control.#serve(connection));
    const control = new ControlSocket(server, answer);
    server.maxConnections = MOST_CLIENTS;
    return control;
  }

  /** Removes the path, too. */
  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #serve(connection: Socket): Promise<void> {
    this.#connections.add(connection);
    connection.once('close', () => this.#connections.delete(connection));
    const line = await readLine(connection);
    if (line === undefined) return void connection.destroy();
    const answer = await this.#answer(parse(line));
    // A client that does not take its answer is not waited for.
    const timer = setTimeout(() => connection.destroy(), PATIENCE_MS);
    connection.once('close', () => clearTimeout(timer));
    connection.resume();
    connection.end(`${JSON.stringify(answer)}\n`);
  }
}

/** Undefined when there is no whole line within the time, or it is too long. */
async function readLine(connection: Socket): Promise<string | undefined> {
  const timer = setTimeout(() => connection.destroy(), PATIENCE_MS);
  let text = '';
  try {
    for await (const chunk of connection.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      const end = text.indexOf('\n');
      if (end >= 0) return text.slice(0, end);
      if (text.length > MOST_CHARACTERS) return undefined;
    }
    return undefined;
  } catch {
    return undefined; // it is gone, or was cut off
  } finally {
    clearTimeout(timer);
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
