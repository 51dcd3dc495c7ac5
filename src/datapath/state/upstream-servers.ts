// The servers that we have sockets to, each at a place of its own. A server that is no longer asked is retired: it stays until nothing that
// was sent to it is waited for, so that no answer is lost and a slot's socket or server never becomes another's.
import { formatAddress } from '../../base/ip.ts';
import { CodedError } from '../../base/errors.ts';
import type { Endpoint, Sys } from '../../sys/sys.ts';
import type { RandomPool } from './random.ts';
import { openOnRandomPort, UpstreamSocket } from './upstream-socket.ts';

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
  readonly #sys: Sys;
  readonly #random: RandomPool;
  readonly #names = Array.from({ length: SERVER_PLACES }, (): string | undefined => undefined);
  readonly #endpoints: Endpoint[] = [];
  readonly #retired = new Set<number>();

  constructor(sys: Sys, random: RandomPool) {
    this.#sys = sys;
    this.#random = random;
  }

  /** The place of `server`, a retired one's too; NO_SERVER when there are no sockets to it. */
  find(server: Endpoint): number {
    return this.#names.indexOf(serverName(server));
  }

  /** Opens the sockets to `server`; its place. Throws SysError, or UpstreamsError when every place is taken; then nothing is open. */
  open(server: Endpoint, watch: SocketWatch): number {
    const place = this.#names.indexOf(undefined);
    if (place < 0) {
      const why = `${SERVER_PLACES} servers are in use or still waited for`;
      throw new UpstreamsError('too-many', `Cannot open upstream "${serverName(server)}": ${why}`);
    }
    const first = place * SOCKETS_PER_SERVER;
    try {
      for (let i = first; i < first + SOCKETS_PER_SERVER; i++) {
        const socket = new UpstreamSocket(openOnRandomPort(this.#sys, server, this.#random), i, place);
        this.sockets[i] = socket;
        watch.opened(socket);
      }
    } catch (error) {
      this.close(place, watch);
      throw error;
    }
    this.#names[place] = serverName(server);
    this.#endpoints[place] = server;
    return place;
  }

  /** The server at `place`; the last one, when it was closed. */
  endpointOf(place: number): Endpoint | undefined {
    return this.#endpoints[place];
  }

  /** A random socket towards the server at `place`. */
  pick(place: number): UpstreamSocket {
    return this.sockets[place * SOCKETS_PER_SERVER + (this.#random.next16() % SOCKETS_PER_SERVER)]!;
  }

  /** From now on only the servers at `places` are asked. */
  retireOthers(places: ReadonlySet<number>): void {
    this.#names.forEach((name, place) => {
      if (name === undefined || places.has(place)) this.#retired.delete(place);
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

  /** Closes the sockets at `place`, whoever waits; it is free again. */
  close(place: number, watch: SocketWatch): void {
    const first = place * SOCKETS_PER_SERVER;
    for (let i = first; i < first + SOCKETS_PER_SERVER; i++) {
      const socket = this.sockets[i];
      if (socket === undefined) continue;
      this.sockets[i] = undefined;
      watch.closed(socket);
      this.#sys.close(socket.fd); // which takes it out of epoll, too (epoll(7), question 6)
    }
    this.#names[place] = undefined;
    this.#retired.delete(place);
  }

  #isIdle(place: number): boolean {
    const first = place * SOCKETS_PER_SERVER;
    return this.sockets.slice(first, first + SOCKETS_PER_SERVER).every((socket) => socket?.isIdle !== false);
  }
}

/** The same for the same address and port, and what people are told. */
export function serverName({ address, port }: Endpoint): string {
  return `${formatAddress(address)} port ${port}`;
}
