// One socket towards an upstream server: connected (the kernel then drops every datagram from elsewhere), on a random source port of its
// own that is given up after a while, with a table of the ids it waits for (RFC 5452 §9).
import type { Endpoint, Fd, Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys.ts';
import { PendingIds } from './pending-ids.ts';
import type { RandomPool } from './random.ts';

/** Below are the ports that other programs expect to find free. */
const LOWEST_PORT = 1024;
const PORT_TRIES = 32;
const NUMBERS = 65_536;

/** A socket is exchanged for one on another port after so many queries or so long, whichever is first (RFC 5452 §9.2). */
const MOST_QUERIES = 10_000;
const MOST_MS = 60_000;

export class UpstreamSocket {
  readonly fd: Fd;
  /** Index into UpstreamServers.sockets. */
  readonly index: number;
  /** Place of its server. */
  readonly server: number;
  readonly ids = new PendingIds();
  readonly #openedMs: number;
  #queries = 0;

  constructor(fd: Fd, index: number, server: number, nowMs: number) {
    this.fd = fd;
    this.index = index;
    this.server = server;
    this.#openedMs = nowMs;
  }

  /** Reserves a random unused id for `slot`; -1 when none was found. */
  reserveId(random: RandomPool, slot: number): number {
    this.#queries++;
    return this.ids.reserve(random, slot);
  }

  /** True when it has been used enough: it is asked no more, and exchanged when nobody waits at it. */
  isDue(nowMs: number): boolean {
    return this.#queries >= MOST_QUERIES || (this.#queries > 0 && nowMs - this.#openedMs >= MOST_MS);
  }
}

/** The kernel would choose from ip_local_port_range only, 28,232 ports; here it is all 64,512 (RFC 5452 §9.2). Throws SysError. */
export function openOnRandomPort(sys: Sys, server: Endpoint, random: RandomPool): Fd {
  for (let tries = 0; ; tries++) {
    const port = LOWEST_PORT + Math.floor((random.next16() / NUMBERS) * (NUMBERS - LOWEST_PORT));
    try {
      return sys.udpConnect(port, server);
    } catch (error) {
      const isTaken = error instanceof SysError && error.code === 'EADDRINUSE';
      if (!isTaken || tries >= PORT_TRIES) throw error;
    }
  }
}
