// UDP in memory: listeners, connected sockets, and whoever stands at the other end (a scenario). Reads and writes the mmsghdr structures
// of PacketBatch through their pointers, as recvmmsg(2) and sendmmsg(2) do.
import { familyOf, formatAddress } from '../base/ip.ts';
import type { Family } from '../base/ip.ts';
import { AF_INET, AF_INET6, sockaddrBytes, writeSockaddr } from './packet-batch.ts';
import type { PacketBatch } from './packet-batch.ts';
import type { SimulatedMemory } from './simulated-memory.ts';
import { ERRNO, SysError } from './sys.ts';
import type { Endpoint, Fd } from './sys.ts';

const MMSGHDR_BYTES = 64;
const MSG_NAMELEN = 8;
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_LEN = 56;
const IOVEC_BYTES = 16;
const EPHEMERAL_PORT = 32_768;
const ANY = new Uint8Array(16);

/** A datagram that a socket of ours sent. `from.address` is all zeros for a connected socket: the routing table would choose it. */
export interface SentDatagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

interface UdpSocket {
  readonly local: Endpoint;
  readonly family: Family;
  /** Undefined for a listener. */
  readonly remote?: Endpoint;
  readonly inbox: { readonly from: Endpoint; readonly bytes: Uint8Array; readonly arrival: number }[];
}

export class SimulatedNetwork {
  readonly #memory: SimulatedMemory;
  readonly #sent: (datagram: SentDatagram) => void;
  readonly #sockets = new Map<number, UdpSocket>();
  #nextPort = EPHEMERAL_PORT;
  #sendErrno = 0;
  #arrivals = 0;

  constructor(memory: SimulatedMemory, sent: (datagram: SentDatagram) => void) {
    this.#memory = memory;
    this.#sent = sent;
  }

  /** The next sendBatch fails with this errno (positive). */
  failNextSend(errno: number): void {
    this.#sendErrno = errno;
  }

  /**
   * A datagram arrives for the socket at `to`. False when the kernel would drop it: nobody has that address and port, or the socket is
   * connected to somebody else. The address does not count for a connected socket: it has whatever the routing table chose.
   */
  deliver(from: Endpoint, to: Endpoint, bytes: Uint8Array): boolean {
    for (const socket of this.#sockets.values()) {
      if (socket.local.port !== to.port || socket.family !== familyOf(to.address)) continue;
      if (socket.remote === undefined ? !isSame(socket.local, to) : !isSame(socket.remote, from)) continue;
      socket.inbox.push({ from, bytes: bytes.slice(), arrival: ++this.#arrivals });
      return true;
    }
    return false;
  }

  listen(fd: Fd, local: Endpoint): Fd {
    const family = familyOf(local.address);
    if ([...this.#sockets.values()].some((socket) => isSame(socket.local, local))) {
      throw new SysError('EADDRINUSE', `Cannot bind a UDP socket to ${endpointText(local)}: EADDRINUSE`);
    }
    this.#sockets.set(fd, { local, family, inbox: [] });
    return fd;
  }

  connect(fd: Fd, localPort: number, remote: Endpoint): Fd {
    const family = familyOf(remote.address);
    const local = { address: ANY, port: localPort === 0 ? this.#nextPort++ : localPort };
    const taken = (socket: UdpSocket) => socket.local.port === local.port && socket.family === family;
    if ([...this.#sockets.values()].some(taken)) {
      throw new SysError('EADDRINUSE', `Cannot bind a UDP socket to port ${localPort}: EADDRINUSE`);
    }
    this.#sockets.set(fd, { local, family, remote, inbox: [] });
    return fd;
  }

  close(fd: Fd): void {
    this.#sockets.delete(fd);
  }

  isReadable(fd: Fd): boolean {
    return (this.#sockets.get(fd)?.inbox.length ?? 0) > 0;
  }

  /** When the oldest datagram that waits here came, as a number that only grows; 0 when there is none. */
  oldestArrival(fd: Fd): number {
    return this.#sockets.get(fd)?.inbox[0]?.arrival ?? 0;
  }

  /** As recvmmsg(2): the count, or -errno. */
  receive(fd: Fd, batch: PacketBatch): number {
    const socket = this.#sockets.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.inbox.length === 0) return -ERRNO.EAGAIN;
    let count = 0;
    for (; count < batch.capacity && socket.inbox.length > 0; count++) {
      const datagram = socket.inbox[0];
      if (datagram === undefined || !this.#write(batch.headerAddress(count), socket.family, datagram)) break;
      socket.inbox.shift();
    }
    if (count === 0) return -ERRNO.EFAULT;
    batch.count = count;
    return count;
  }

  /** As sendmmsg(2): how many were sent, or -errno of the first. */
  send(fd: Fd, headerAddress: number, count: number): number {
    const socket = this.#sockets.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    const failure = this.#sendErrno;
    this.#sendErrno = 0;
    if (failure > 0) return -failure;
    for (let i = 0; i < count; i++) {
      const datagram = this.#read(headerAddress + i * MMSGHDR_BYTES, socket);
      if (typeof datagram === 'number') return i > 0 ? i : -datagram;
      this.#sent(datagram);
    }
    return count;
  }

  #read(headerAddress: number, socket: UdpSocket): SentDatagram | number {
    const header = this.#memory.view(headerAddress, MMSGHDR_BYTES);
    const payload = header && this.#payload(header);
    if (header === undefined || payload === undefined) return ERRNO.EFAULT;
    const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength).slice();
    const nameAddress = Number(header.getBigUint64(0, true));
    const nameBytes = header.getUint32(MSG_NAMELEN, true);
    if (nameAddress === 0 || nameBytes === 0) {
      return socket.remote === undefined ? ERRNO.EDESTADDRREQ : { from: socket.local, to: socket.remote, bytes };
    }
    const name = this.#memory.view(nameAddress, sockaddrBytes(socket.family));
    if (name === undefined || nameBytes < sockaddrBytes(socket.family)) return ERRNO.EINVAL;
    if (name.getUint16(0, true) !== (socket.family === 4 ? AF_INET : AF_INET6)) return ERRNO.EAFNOSUPPORT;
    const to = readSockaddr(name, socket.family);
    return to.port === 0 ? ERRNO.EINVAL : { from: socket.local, to, bytes };
  }

  #write(headerAddress: number, family: Family, datagram: { from: Endpoint; bytes: Uint8Array }): boolean {
    const header = this.#memory.view(headerAddress, MMSGHDR_BYTES);
    const payload = header && this.#payload(header);
    const name = header && this.#memory.view(Number(header.getBigUint64(0, true)), sockaddrBytes(family));
    if (header === undefined || payload === undefined || name === undefined) return false;
    if (header.getUint32(MSG_NAMELEN, true) < sockaddrBytes(family)) return false;
    const length = Math.min(datagram.bytes.length, payload.byteLength); // the rest of a longer datagram is lost
    for (let i = 0; i < length; i++) payload.setUint8(i, datagram.bytes[i] ?? 0);
    header.setUint32(MSG_LEN, length, true);
    header.setUint32(MSG_NAMELEN, sockaddrBytes(family), true);
    writeSockaddr(name, 0, family, datagram.from.address, 0, datagram.from.port);
    return true;
  }

  /** The one buffer that the header's iovec points to. */
  #payload(header: DataView): DataView | undefined {
    if (header.getBigUint64(MSG_IOVLEN, true) !== 1n) return undefined;
    const iovec = this.#memory.view(Number(header.getBigUint64(MSG_IOV, true)), IOVEC_BYTES);
    return iovec && this.#memory.view(Number(iovec.getBigUint64(0, true)), Number(iovec.getBigUint64(8, true)));
  }
}

function readSockaddr(name: DataView, family: Family): Endpoint {
  const address = new Uint8Array(16);
  if (family === 4) address[10] = address[11] = 0xff;
  const [from, to, length] = family === 4 ? [4, 12, 4] : [8, 0, 16];
  for (let i = 0; i < length; i++) address[to + i] = name.getUint8(from + i);
  return { address, port: name.getUint16(2) };
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address.every((byte, i) => byte === b.address[i]);
}

function endpointText({ address, port }: Endpoint): string {
  return `${formatAddress(address)} port ${port}`;
}
