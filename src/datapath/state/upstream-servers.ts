// The servers that we have sockets to, each at a place of its own. A server that is no longer asked is retired: it stays until nothing that
// was sent to it is waited for, so that no answer is lost and a slot's socket or server never becomes another's.
import { formatAddress } from '../../base/ip.ts';
import { CodedError } from '../../base/errors.ts';
import type { Endpoint, Sys } from '../../sys/sys.ts';
import type { RandomPool } from './random.ts';
import { ServerHealth } from './server-health.ts';
import { openOnRandomPort, UpstreamSocket } from './upstream-socket.ts';
import { UpstreamStreams } from './upstream-streams.ts';

/** Ports in use per server at a time: an off-path forger must guess one of them and the id. */
export const SOCKETS_PER_SERVER = 16;
/** What QuerySlots.server can name: twice what all zones together may have (upstreams.ts), so that all can be exchanged at once. */
export const SERVER_PLACES = 256;
export const NO_SERVER = -1;

/** Upstreams that cannot be used as they were given. */
export class UpstreamsError extends CodedError<'bad-zone' | 'own-listener' | 'too-many'> {}

/** Who reads from the sockets. */
export interface SocketWatch {
  opened(socket: UpstreamSocket): void;
  /** Its descriptor is closed next and may then be anything's. */
  closed(socket: UpstreamSocket): void;
}

export class UpstreamServers {
  /** Those of the server at place p stand from p × SOCKETS_PER_SERVER on. */
  readonly sockets: (UpstreamSocket | undefined)[] = [];
  /** The TCP connections to them. */
  readonly streams: UpstreamStreams;
  readonly #sys: Sys;
  readonly #random: RandomPool;
  readonly health = new ServerHealth();
  readonly #endpoints = Array.from({ length: SERVER_PLACES }, (): Endpoint | undefined => undefined);
  readonly #retired = new Set<number>();
  #renewNext = 0;

  constructor(sys: Sys, random: RandomPool) {
    this.#sys = sys;
    this.#random = random;
    this.streams = new UpstreamStreams(sys);
  }

  /** The place of `server`, a retired one's too; NO_SERVER when there are no sockets to it. */
  find(server: Endpoint): number {
    const name = serverName(server);
    return this.#endpoints.findIndex((each) => each !== undefined && serverName(each) === name);
  }

  /** Who is at `place`. */
  endpoint(place: number): Endpoint | undefined {
    return this.#endpoints[place];
  }

  /** Opens the sockets to `server`; its place. Throws SysError, or UpstreamsError when every place is taken; then nothing is open. */
  open(server: Endpoint, watch: SocketWatch): number {
    const place = this.#endpoints.indexOf(undefined);
    if (place < 0) {
      const why = `${SERVER_PLACES} servers are in use or still waited for`;
      throw new UpstreamsError('too-many', `Cannot open upstream "${serverName(server)}": ${why}`);
    }
    const first = place * SOCKETS_PER_SERVER;
    try {
      for (let i = first; i < first + SOCKETS_PER_SERVER; i++) this.#openSocket(i, server, watch);
    } catch (error) {
      this.close(place, watch);
      throw error;
    }
    this.#endpoints[place] = server;
    return place;
  }

  /** A random socket towards the server at `place`, one that is not due to go when there is another. */
  pick(place: number): UpstreamSocket {
    const first = place * SOCKETS_PER_SERVER;
    const drawn = this.#random.next16() % SOCKETS_PER_SERVER;
    for (let step = 0; step < SOCKETS_PER_SERVER; step++) {
      const socket = this.sockets[first + ((drawn + step) % SOCKETS_PER_SERVER)]!;
      if (!socket.isDue(this.#sys.nowMs())) return socket;
    }
    return this.sockets[first + drawn]!;
  }

  /** True for a server that is asked no more. */
  isRetired(place: number): boolean {
    return this.#retired.has(place);
  }

  /** From now on only the servers at `places` are asked. */
  retireOthers(places: ReadonlySet<number>): void {
    this.#endpoints.forEach((endpoint, place) => {
      if (endpoint === undefined || places.has(place)) this.#retired.delete(place);
      else this.#retired.add(place);
    });
  }

  /**
   * Closes retired servers that nothing waits for. At the end of a turn only: within one, a descriptor that epoll has just reported
   * could become that of another socket.
   */
  closeIdle(watch: SocketWatch): void {
    if (this.#retired.size === 0) return;
    for (const place of this.#retired) if (this.#isIdle(place)) this.close(place, watch);
  }

  /** Exchanges a socket that is due and that nobody waits at for one on another port: one a call, at the end of a turn only. */
  renewDue(watch: SocketWatch): void {
    const i = this.#renewNext++ % Math.max(1, this.sockets.length);
    const socket = this.sockets[i];
    const server = socket && this.#endpoints[socket.server];
    if (socket === undefined || server === undefined) return;
    if (socket.ids.count > 0 || !socket.isDue(this.#sys.nowMs())) return;
    try {
      this.#openSocket(i, server, watch); // the new one first: when it cannot be opened the old one goes on
    } catch {
      return;
    }
    watch.closed(socket);
    this.#sys.close(socket.fd);
  }

  /** Closes the sockets and connections at `place`, whoever waits; it is free again, and nothing of its server is left there. */
  close(place: number, watch: SocketWatch): void {
    const first = place * SOCKETS_PER_SERVER;
    for (let i = first; i < first + SOCKETS_PER_SERVER; i++) {
      const socket = this.sockets[i];
      if (socket === undefined) continue;
      this.sockets[i] = undefined;
      watch.closed(socket);
      this.#sys.close(socket.fd); // which takes it out of epoll, too (epoll(7), question 6)
    }
    this.streams.closeOf(place);
    this.health.forget(place);
    this.#endpoints[place] = undefined;
    this.#retired.delete(place);
  }

  #isIdle(place: number): boolean {
    if (this.streams.isAwaited(place)) return false;
    const first = place * SOCKETS_PER_SERVER;
    return this.sockets.slice(first, first + SOCKETS_PER_SERVER).every((socket) => (socket?.ids.count ?? 0) === 0);
  }

  #openSocket(i: number, server: Endpoint, watch: SocketWatch): void {
    const fd = openOnRandomPort(this.#sys, server, this.#random);
    const socket = new UpstreamSocket(fd, i, Math.floor(i / SOCKETS_PER_SERVER), this.#sys.nowMs());
    this.sockets[i] = socket;
    watch.opened(socket);
  }
}

/** The same for the same address and port, and what people are told. */
export function serverName({ address, port }: Endpoint): string {
  return `${formatAddress(address)} port ${port}`;
}
