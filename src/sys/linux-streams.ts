// Streams over libc: tcp(7). Constants are those of <asm-generic/socket.h> and <linux/tcp.h>.
import { familyOf } from '../base/ip.ts';
import { errno } from './libc.ts';
import type { Libc } from './libc.ts';
import { AF_INET, AF_INET6, readSockaddr, sockaddrBytes, writeSockaddr } from './packet-batch.ts';
import type { Peer, StreamListenOptions, Streams } from './streams.ts';
import { ERRNO, sysError } from './sys.ts';
import type { Endpoint, Fd, Memory } from './sys.ts';

const SOCK_STREAM = 1;
const SOCK_NONBLOCK_CLOEXEC = 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_LINGER = 13;
const SOL_IP = 0;
const IP_TRANSPARENT = 19;
const SOL_TCP = 6;
const TCP_NODELAY = 1;
const TCP_USER_TIMEOUT = 18;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_TRANSPARENT = 75;
const SHUT_WR = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Of a client's connection: some hundreds of queries, and two of the largest answers. What it does not read it must not store with us. */
const CLIENT_RECEIVE_BYTES = 16 * 1024;
const CLIENT_SEND_BYTES = 128 * 1024;
/** What a client does not acknowledge for so long the kernel forgets, with the connection, also after we have closed it. */
const CLIENT_TIMEOUT_MS = 10_000;
/** In the scratch memory: the socket address, then its length. */
const LENGTH_AT = 64;
const SOCKADDR_ROOM = 28;

export class LinuxStreams implements Streams {
  readonly #libc: Libc;
  readonly #scratch: Memory;
  readonly #view: DataView;

  /** `scratch`: 128 bytes that nobody else uses during a call. */
  constructor(libc: Libc, scratch: Memory) {
    this.#libc = libc;
    this.#scratch = scratch;
    this.#view = new DataView(scratch.bytes.buffer, scratch.bytes.byteOffset);
  }

  listen(local: Endpoint, { transparent, backlog }: StreamListenOptions): Fd {
    const family = familyOf(local.address);
    const fd = this.#socket(family);
    if (family === 6) this.#option(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    if (transparent && family === 4) this.#option(fd, SOL_IP, IP_TRANSPARENT, 1);
    if (transparent && family === 6) this.#option(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
    // Connections of the process before stand in TIME_WAIT for a minute and would keep the address; a second listener it does not let in.
    this.#option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // All are inherited by accepted connections.
    this.#option(fd, SOL_SOCKET, SO_RCVBUF, CLIENT_RECEIVE_BYTES);
    this.#option(fd, SOL_SOCKET, SO_SNDBUF, CLIENT_SEND_BYTES);
    this.#option(fd, SOL_TCP, TCP_NODELAY, 1);
    this.#option(fd, SOL_TCP, TCP_USER_TIMEOUT, CLIENT_TIMEOUT_MS);
    this.#name(local);
    this.#check(fd, this.#libc.bind(fd, this.#scratch.address, sockaddrBytes(family)), 'bind a TCP socket');
    return this.#check(fd, this.#libc.listen(fd, backlog), 'listen on a TCP socket');
  }

  accept(listener: Fd, peer: Peer): number {
    this.#view.setUint32(LENGTH_AT, SOCKADDR_ROOM, true);
    const { address } = this.#scratch;
    const fd = this.#libc.accept4(listener, address, address + LENGTH_AT, SOCK_NONBLOCK_CLOEXEC);
    if (fd < 0) return -errno();
    peer.port = readSockaddr(this.#view, 0, peer.address, 0);
    return fd;
  }

  connect(remote: Endpoint): Fd {
    const family = familyOf(remote.address);
    const fd = this.#socket(family);
    this.#option(fd, SOL_TCP, TCP_NODELAY, 1);
    this.#name(remote);
    const begun = this.#libc.connect(fd, this.#scratch.address, sockaddrBytes(family));
    if (begun < 0 && errno() === ERRNO.EINPROGRESS) return fd;
    return this.#check(fd, begun, 'connect a TCP socket');
  }

  read(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const received = this.#libc.recv(fd, memory.address + offset, lengthBytes, MSG_DONTWAIT);
    return received < 0 ? -errno() : received;
  }

  write(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const sent = this.#libc.send(fd, memory.address + offset, lengthBytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno() : sent;
  }

  endWrites(fd: Fd): void {
    this.#libc.shutdown(fd, SHUT_WR);
  }

  reset(fd: Fd): void {
    this.#view.setInt32(0, 1, true); // struct linger { on, 0 seconds }: socket(7)
    this.#view.setInt32(4, 0, true);
    this.#libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#scratch.address, 8);
    this.#libc.close(fd);
  }

  #socket(family: 4 | 6): Fd {
    const fd = this.#libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK_CLOEXEC, 0);
    if (fd < 0) throw sysError(errno(), 'Cannot open a TCP socket');
    return fd as Fd; // a descriptor is what socket(2) returns
  }

  #option(fd: Fd, level: number, name: number, value: number): void {
    this.#view.setInt32(0, value, true);
    this.#check(fd, this.#libc.setsockopt(fd, level, name, this.#scratch.address, 4), `set TCP socket option ${name}`);
  }

  #name(endpoint: Endpoint): void {
    for (let at = 0; at < SOCKADDR_ROOM; at += 4) this.#view.setUint32(at, 0);
    writeSockaddr(this.#view, 0, familyOf(endpoint.address), endpoint.address, 0, endpoint.port);
  }

  #check(fd: Fd, outcome: number, action: string): Fd {
    if (outcome >= 0) return fd;
    const code = errno();
    this.#libc.close(fd);
    throw sysError(code, `Cannot ${action}`);
  }
}
