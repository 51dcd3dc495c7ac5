// The TCP side: one port for the whole life, and which connections carry what. It must know nothing of Kubernetes.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exchange } from './reply.ts';

// Meanwhile another socket may have got the port, were it only one that a client's connect() took for itself.
const REOPEN_MS = 5_000;

export class Listener {
  readonly #server = createServer((request, response) => this.#serve({ request, response }));
  readonly #serve: (exchange: Exchange) => void;
  readonly #sockets = new Set<Socket>();
  readonly #host: string;
  #port: number;

  constructor(host: string, port: number, serve: (exchange: Exchange) => void) {
    this.#host = host;
    this.#port = port;
    this.#serve = serve;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://${this.#host}:${this.#port}`;
  }

  async open(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen(this.#port, this.#host);
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port; // a TCP server's address is never a path
  }

  /** On the same port, for which it waits; rejects when it stays taken. */
  async reopen(): Promise<void> {
    const end = performance.now() + REOPEN_MS;
    for (;;) {
      try {
        return await this.open();
      } catch (error) {
        if (performance.now() > end) throw error;
        await sleep(20);
      }
    }
  }

  /** Connections included. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.drop();
    await closed;
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
