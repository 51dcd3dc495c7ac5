// The probe's listeners: where a datagram is to arrive, somebody must be there to see it. They answer with what they got, so that the
// sender need not wait for silence. Several tests may listen on one port at once.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Listening } from './probe-calls.ts';

/** Tokens are forgotten with the oldest first; each is asked for within seconds. */
const MAX_TOKENS = 10_000;
const MAX_TOKEN_BYTES = 64; // ours are UUIDs; whatever else comes in is nobody's token

interface Listener {
  readonly socket: Socket;
  readonly bound: Promise<unknown>;
  users: number;
}

export class Listeners {
  /** By address and port. */
  readonly #open = new Map<string, Listener>();
  readonly #heard = new Set<string>();

  /** Null, or why a port cannot be listened on; nothing is left open then. */
  async open(listening: Listening): Promise<string | null> {
    const bound = listening.addresses.map((address) => this.#use(address, listening.port));
    const failed = (await Promise.allSettled(bound)).find((each) => each.status === 'rejected');
    if (failed === undefined) return null;
    this.close(listening);
    return failed.reason instanceof Error ? failed.reason.message : String(failed.reason);
  }

  close({ addresses, port }: Listening): null {
    for (const key of addresses.map((address) => keyOf(address, port))) {
      const listener = this.#open.get(key);
      if (listener === undefined || --listener.users > 0) continue;
      this.#open.delete(key);
      listener.socket.close();
    }
    return null;
  }

  hasHeard(token: string): boolean {
    return this.#heard.has(token);
  }

  #use(address: string, port: number): Promise<unknown> {
    const key = keyOf(address, port);
    const known = this.#open.get(key);
    if (known !== undefined) {
      known.users++;
      return known.bound;
    }
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', () => undefined); // `bound` below tells; later ones are of answers that nobody waits for
    socket.on('message', (message, peer) => {
      if (message.length > MAX_TOKEN_BYTES) return;
      const [oldest] = this.#heard;
      if (this.#heard.size >= MAX_TOKENS && oldest !== undefined) this.#heard.delete(oldest);
      this.#heard.add(message.toString('latin1'));
      socket.send(message, peer.port, peer.address);
    });
    const bound = once(socket, 'listening');
    socket.bind(port, address);
    this.#open.set(key, { socket, bound, users: 1 });
    return bound;
  }
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
