// TCP in memory: listeners, connections, and whoever stands at the other end (a scenario). Bytes arrive in the pieces in which they were
// written; what the other end does not read fills its window.
import { ERRNO, INTEREST, SysError } from './sys.ts';
import type { Endpoint, Fd, Memory } from './sys.ts';
import type { Peer, Streams } from './streams.ts';

const EPHEMERAL_PORT = 50_000;
const ANY = new Uint8Array(16);
const WINDOW_BYTES = 1 << 20;

/** The other end of one of our connections. */
export interface FarEnd {
  /** Where it is, and where ours is. */
  readonly address: Endpoint;
  readonly near: Endpoint;
  /** What we wrote, one entry for each write. */
  readonly written: Uint8Array[];
  /** How we ended it, or our half of it, if we did. */
  ended: 'open' | 'closed' | 'reset';
  /** Bytes that it still takes. */
  window: number;
}

interface Connection {
  readonly far: FarEnd;
  inbox: Uint8Array[];
  /** What the far end did: nothing, said that it writes no more, or reset. */
  state: 'open' | 'finished' | 'reset' | 'refused' | 'connecting';
}

type Unreachable = 'refused' | 'connecting' | 'unrouted';

export class SimulatedStreams implements Streams {
  readonly #listeners = new Map<number, { readonly local: Endpoint; readonly waiting: Connection[] }>();
  readonly #connections = new Map<number, Connection>();
  readonly #openFd: () => Fd;
  readonly #closeFd: (fd: Fd) => void;
  readonly #wrote: (far: FarEnd, bytes: Uint8Array) => void;
  readonly #unreachable = new Map<string, Unreachable>();
  #nextPort = EPHEMERAL_PORT;
  #acceptErrno = 0;
  #acceptFailures = 0;

  /** `wrote` is told of every write of ours at the very moment. */
  constructor(openFd: () => Fd, closeFd: (fd: Fd) => void, wrote: (far: FarEnd, bytes: Uint8Array) => void) {
    this.#openFd = openFd;
    this.#closeFd = closeFd;
    this.#wrote = wrote;
  }

  /** From now on nobody accepts connections at `remote`: they are refused, nothing is ever heard, or no route leads there. */
  block(remote: Endpoint, how: Unreachable): void {
    this.#unreachable.set(nameOf(remote), how);
  }

  /** The next accepts, so many times, fail with this errno (positive); who waits goes on waiting. */
  failAccept(errno: number, times: number): void {
    this.#acceptErrno = errno;
    this.#acceptFailures = times;
  }

  unblock(remote: Endpoint): void {
    this.#unreachable.delete(nameOf(remote));
  }

  /** Somebody connects to a listener of ours. Undefined when nobody listens there. */
  dial(from: Endpoint, to: Endpoint): FarEnd | undefined {
    const listener = [...this.#listeners.values()].find(({ local }) => nameOf(local) === nameOf(to));
    const far: FarEnd = { address: from, near: to, written: [], ended: 'open', window: WINDOW_BYTES };
    listener?.waiting.push({ far, inbox: [], state: 'open' });
    return listener && far;
  }

  /** The far end writes. */
  deliver(far: FarEnd, bytes: Uint8Array): void {
    this.#of(far).inbox.push(bytes.slice());
  }

  /** The far end writes no more (FIN), or ends it at once (RST). */
  finish(far: FarEnd, how: 'finished' | 'reset'): void {
    this.#of(far).state = how;
  }

  /** The far ends of what we connected to and has not ended. */
  get open(): FarEnd[] {
    return [...this.#connections.values()].map(({ far }) => far);
  }

  listen(local: Endpoint): Fd {
    if ([...this.#listeners.values()].some((each) => nameOf(each.local) === nameOf(local))) {
      throw new SysError('EADDRINUSE', `Cannot bind a TCP socket to ${nameOf(local)}: EADDRINUSE`);
    }
    const fd = this.#openFd();
    this.#listeners.set(fd, { local, waiting: [] });
    return fd;
  }

  accept(listener: Fd, peer: Peer): number {
    if (this.#acceptFailures > 0) {
      this.#acceptFailures--;
      return -this.#acceptErrno;
    }
    const connection = this.#listeners.get(listener)?.waiting.shift();
    if (connection === undefined) return -ERRNO.EAGAIN;
    const fd = this.#openFd();
    this.#connections.set(fd, connection);
    peer.address.set(connection.far.address.address);
    peer.port = connection.far.address.port;
    return fd;
  }

  connect(remote: Endpoint): Fd {
    const how = this.#unreachable.get(nameOf(remote));
    if (how === 'unrouted') throw new SysError('ENETUNREACH', 'Cannot connect a TCP socket: ENETUNREACH');
    const fd = this.#openFd();
    const near = { address: ANY, port: this.#nextPort++ };
    const far: FarEnd = { address: remote, near, written: [], ended: 'open', window: WINDOW_BYTES };
    this.#connections.set(fd, { far, inbox: [], state: how ?? 'open' });
    return fd;
  }

  read(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const connection = this.#connections.get(fd);
    if (connection === undefined) return -ERRNO.EBADF;
    const [first, ...rest] = connection.inbox;
    if (first === undefined) return nothingLeft(connection);
    const taken = first.subarray(0, lengthBytes);
    memory.bytes.set(taken, offset);
    connection.inbox = taken.length < first.length ? [first.subarray(taken.length), ...rest] : rest;
    return taken.length;
  }

  write(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const connection = this.#connections.get(fd);
    if (connection === undefined) return -ERRNO.EBADF;
    if (connection.state === 'reset') return -ERRNO.EPIPE;
    if (connection.state === 'refused') return -ERRNO.ECONNREFUSED;
    const count = connection.state === 'connecting' ? 0 : Math.min(lengthBytes, connection.far.window);
    if (count === 0) return -ERRNO.EAGAIN;
    connection.far.window -= count;
    const bytes = memory.bytes.slice(offset, offset + count);
    connection.far.written.push(bytes);
    this.#wrote(connection.far, bytes);
    return count;
  }

  endWrites(fd: Fd): void {
    const connection = this.#connections.get(fd);
    if (connection !== undefined) connection.far.ended = 'closed';
  }

  reset(fd: Fd): void {
    this.#end(fd, 'reset');
    this.#closeFd(fd);
  }

  close(fd: Fd): void {
    this.#end(fd, 'closed');
    this.#listeners.delete(fd);
  }

  /** Whether epoll(7) would report `fd` to somebody with this interest. */
  isReady(fd: Fd, interest: number): boolean {
    const isWanted = (bit: number): boolean => (interest & bit) !== 0;
    if (this.#listeners.has(fd)) return isWanted(INTEREST.Input) && this.#listeners.get(fd)?.waiting.length !== 0;
    const connection = this.#connections.get(fd);
    if (connection === undefined || connection.state === 'connecting') return false;
    if (connection.state === 'reset' || connection.state === 'refused') return true;
    const hasInput = connection.inbox.length > 0 || connection.state === 'finished';
    return (isWanted(INTEREST.Input) && hasInput) || (isWanted(INTEREST.Output) && connection.far.window > 0);
  }

  #end(fd: Fd, how: 'closed' | 'reset'): void {
    const connection = this.#connections.get(fd);
    if (connection !== undefined) connection.far.ended = how;
    this.#connections.delete(fd);
  }

  #of(far: FarEnd): Connection {
    const waiting = [...this.#listeners.values()].flatMap((listener) => listener.waiting);
    const found = [...this.#connections.values(), ...waiting].find((each) => each.far === far);
    if (found === undefined) throw new Error(`The connection of ${nameOf(far.address)} has ended`);
    return found;
  }
}

/** What a read answers when all that came has been read. */
function nothingLeft({ state }: Connection): number {
  if (state === 'reset') return -ERRNO.ECONNRESET;
  if (state === 'refused') return -ERRNO.ECONNREFUSED;
  return state === 'finished' ? 0 : -ERRNO.EAGAIN;
}

function nameOf({ address, port }: Endpoint): string {
  return `${Buffer.from(address).toString('hex')}:${port}`;
}
