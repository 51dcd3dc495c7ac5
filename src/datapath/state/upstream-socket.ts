// One socket towards an upstream server: connected (the kernel then drops every datagram from elsewhere), on a random source port of its
// own, with a table of the ids it waits for (RFC 5452 §9).
import type { Endpoint, Fd, Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys.ts';
import type { RandomPool } from './random.ts';

/** Below are the ports that other programs expect to find free. */
const LOWEST_PORT = 1024;
const PORT_TRIES = 32;
/** Ids tried before a socket counts as full: at half occupancy 8 tries fail once in 256. */
const ID_TRIES = 8;
const IDS = 65_536;

export class UpstreamSocket {
  readonly fd: Fd;
  /** Index into UpstreamServers.sockets. */
  readonly index: number;
  /** Place of its server. */
  readonly server: number;
  /** Slot + 1, so that memory which was never written says "nobody": 16 bits hold SLOTS + 1, and untouched pages cost nothing. */
  readonly #slotOfId = new Int16Array(IDS);
  #reserved = 0;

  constructor(fd: Fd, index: number, server: number) {
    this.fd = fd;
    this.index = index;
    this.server = server;
  }

  /** True when no slot waits for an answer here. */
  get isIdle(): boolean {
    return this.#reserved === 0;
  }

  /** Reserves a random unused id for `slot`; -1 when none was found. */
  reserveId(random: RandomPool, slot: number): number {
    for (let tries = 0; tries < ID_TRIES; tries++) {
      const id = random.next16();
      if (this.#slotOfId[id] !== 0) continue;
      this.#slotOfId[id] = slot + 1;
      this.#reserved++;
      return id;
    }
    return -1;
  }

  /** The slot that waits for `id` here, or NO_SLOT. */
  slotOf(id: number): number {
    return this.#slotOfId[id]! - 1;
  }

  /** Frees the id if `slot` holds it: its answer came, or is no longer waited for. */
  releaseId(id: number, slot: number): void {
    if (this.#slotOfId[id] !== slot + 1) return;
    this.#slotOfId[id] = 0;
    this.#reserved--;
  }
}

/** The kernel would choose from ip_local_port_range only, 28,232 ports; here it is all 64,512 (RFC 5452 §9.2). Throws SysError. */
export function openOnRandomPort(sys: Sys, server: Endpoint, random: RandomPool): Fd {
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
