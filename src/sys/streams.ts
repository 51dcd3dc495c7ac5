// The part of the port to the operating system that is about TCP. Hot calls (accept, read, write) never throw: they answer a count, a
// descriptor, or minus an errno. Set-up calls throw SysError.
import type { Endpoint, Fd, Memory } from './sys.ts';

export interface StreamListenOptions {
  /** IP_TRANSPARENT / IPV6_TRANSPARENT: bind to an address that is not ours (needs CAP_NET_ADMIN). */
  readonly transparent: boolean;
  /** Connections that may wait to be accepted. */
  readonly backlog: number;
}

/** Who is at the other end; filled in by `accept`. */
export class Peer {
  /** 16 byte form (base/ip.ts). */
  readonly address = new Uint8Array(16);
  port = 0;
}

export interface Streams {
  /** A non-blocking TCP socket that listens at `local`. Throws SysError. */
  listen(local: Endpoint, options: StreamListenOptions): Fd;
  /** Takes the next waiting connection, non-blocking, and says in `peer` whose it is. Its descriptor or -errno; -EAGAIN when none waits. */
  accept(listener: Fd, peer: Peer): number;
  /** Begins to connect to `remote`: the descriptor is writable when it is connected or has failed. Throws SysError. */
  connect(remote: Endpoint): Fd;
  /** recv(2): bytes read into `memory` from `offset`, 0 at the end of the stream, or -errno. */
  read(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number;
  /** send(2) without SIGPIPE: bytes taken, which may be fewer, or -errno. */
  write(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number;
  /** shutdown(2): says that we write no more; reading goes on. */
  endWrites(fd: Fd): void;
  /** Closes with a reset instead of a goodbye: the peer's unread bytes and ours are forgotten at once. */
  reset(fd: Fd): void;
}
