// The servers that answer what we may not answer ourselves, and the sockets towards them: each socket connected (the kernel then
// drops every datagram from elsewhere), on a random source port of its own, with a table of the ids it waits for (RFC 5452 §9).
import { formatAddress } from '../../base/ip.ts';
import type { Endpoint, Fd, Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys.ts';
import { NO_SLOT } from './query-slots.ts';
import type { RandomPool } from './random.ts';

/** Ports in use per server at a time: an off-path forger must guess one of them and the id. */
const SOCKETS_PER_SERVER = 16;
/** Below are the ports that other programs expect to find free. */
const LOWEST_PORT = 1024;
const PORT_TRIES = 32;
/** No route, or none that may be used: what connect(2) of a UDP socket says of a server, not of us. */
const PATH_ERRORS: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EACCES']);
const FAILURES_TO_MOVE = 3;
/** Ids tried before a socket counts as full: at half occupancy 8 tries fail once in 256. */
const ID_TRIES = 8;
const IDS = 65_536;

export class UpstreamSocket {
  readonly fd: Fd;
  /** Index into Upstreams.sockets. */
  readonly index: number;
  readonly server: number;
  readonly #slotOfId = new Int32Array(IDS).fill(NO_SLOT);

  constructor(fd: Fd, index: number, server: number) {
    this.fd = fd;
    this.index = index;
    this.server = server;
  }

  /** Reserves a random unused id for `slot`; -1 when none was found. */
  reserveId(random: RandomPool, slot: number): number {
    for (let tries = 0; tries < ID_TRIES; tries++) {
      const id = random.next16();
      if (this.#slotOfId[id] !== NO_SLOT) continue;
      this.#slotOfId[id] = slot;
      return id;
    }
    return -1;
  }

  /** The slot that waits for `id` here, or NO_SLOT. */
  slotOf(id: number): number {
    return this.#slotOfId[id]!;
  }

  /** Frees the id if `slot` holds it: its answer came, or is no longer waited for. */
  releaseId(id: number, slot: number): void {
    if (this.#slotOfId[id] === slot) this.#slotOfId[id] = NO_SLOT;
  }
}

export class Upstreams {
  readonly servers: readonly Endpoint[];
  /** Servers that were left out, with the reason. */
  readonly unreachable: readonly string[];
  readonly sockets: readonly UpstreamSocket[];
  /** The server that first attempts go to: it moves on when one fails several times in a row. */
  preferred = 0;
  #failures = 0;
  readonly #random: RandomPool;

  private constructor(
    servers: readonly Endpoint[],
    sockets: readonly UpstreamSocket[],
    random: RandomPool,
    unreachable: readonly string[],
  ) {
    this.unreachable = unreachable;
    this.servers = servers;
    this.sockets = sockets;
    this.#random = random;
  }

  /**
   * Servers that no route leads to are left out and named in `unreachable`. Throws SysError when none is left, or no port is free.
   */
  static open(sys: Sys, servers: readonly Endpoint[], random: RandomPool): Upstreams {
    const sockets: UpstreamSocket[] = [];
    const reached: Endpoint[] = [];
    const unreachable: string[] = [];
    for (const server of servers) {
      try {
        const fds = Array.from({ length: SOCKETS_PER_SERVER }, () => openOnRandomPort(sys, server, random));
        for (const fd of fds) sockets.push(new UpstreamSocket(fd, sockets.length, reached.length));
        reached.push(server);
      } catch (error) {
        const isLastHope = server === servers.at(-1) && reached.length === 0;
        if (!(error instanceof SysError) || !PATH_ERRORS.has(error.code) || isLastHope) throw error;
        unreachable.push(`${formatAddress(server.address)} port ${server.port}: ${error.code}`);
      }
    }
    return new Upstreams(reached, sockets, random, unreachable);
  }

  /** A random socket towards `server`. */
  pick(server: number): UpstreamSocket {
    return this.sockets[server * SOCKETS_PER_SERVER + (this.#random.next16() % SOCKETS_PER_SERVER)]!;
  }

  /** An attempt at `server` was not answered, or not usefully. One slow name must not move everybody to a server that may be dead. */
  failed(server: number): void {
    if (server !== this.preferred || ++this.#failures < FAILURES_TO_MOVE) return;
    this.preferred = this.after(server);
    this.#failures = 0;
  }

  /** `server` answered. */
  succeeded(server: number): void {
    if (server === this.preferred) this.#failures = 0;
  }

  /** The server after `server`, for the next attempt. */
  after(server: number): number {
    return (server + 1) % this.servers.length;
  }
}

/** The kernel would choose from ip_local_port_range only, 28,232 ports; here it is all 64,512 (RFC 5452 §9.2). */
function openOnRandomPort(sys: Sys, server: Endpoint, random: RandomPool): Fd {
  for (let tries = 0; ; tries++) {
    const port = LOWEST_PORT + Math.floor((random.next16() / IDS) * (IDS - LOWEST_PORT));
    try {
      return sys.udpConnect(port, server);
    } catch (error) {
      const isTaken = error instanceof SysError && error.code === 'EADDRINUSE';
      if (!isTaken || tries >= PORT_TRIES) throw error;
    }
  }
}
