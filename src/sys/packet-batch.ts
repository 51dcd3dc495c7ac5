// Up to `capacity` datagrams for recvmmsg(2) / sendmmsg(2): one block of memory whose mmsghdr, iovec and sockaddr structures are
// built once and only have lengths and peers changed afterwards. LinuxSys hands its address to the kernel; SimulatedSys reads it.
import { ADDRESS_BYTES } from '../base/ip.ts';
import type { Memory, Sys } from './sys.ts';

// struct mmsghdr, struct iovec and struct sockaddr_in6 of the 64-bit ABIs (x86_64, aarch64): sendmmsg(2), readv(2), ipv6(7).
const MMSGHDR_BYTES = 64;
const MSG_NAMELEN = 8;
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_LEN = 56;
const IOVEC_BYTES = 16;
const SOCKADDR_BYTES = 28;
export const AF_INET = 2;
export const AF_INET6 = 10;

export class PacketBatch {
  readonly capacity: number;
  readonly packetBytes: number;
  /** All payloads, one after the other: packet i is bytes[start(i) .. start(i) + length(i) - 1]. */
  readonly bytes: Uint8Array;
  /** Address of the mmsghdr array. */
  readonly address: number;
  /** Packets in use; the owner of the batch sets it when filling, receiveBatch when receiving. */
  count = 0;

  readonly #view: DataView;
  readonly #payloads: number;
  readonly #iovecs: number;
  readonly #names: number;
  readonly #headers: number;

  constructor(sys: Sys, capacity: number, packetBytes: number) {
    this.capacity = capacity;
    this.packetBytes = packetBytes;
    this.#payloads = 0;
    this.#iovecs = capacity * packetBytes;
    this.#names = this.#iovecs + capacity * IOVEC_BYTES;
    this.#headers = Math.ceil((this.#names + capacity * SOCKADDR_BYTES) / 8) * 8;
    const memory: Memory = sys.allocate(this.#headers + capacity * MMSGHDR_BYTES);
    this.bytes = memory.bytes;
    this.address = memory.address + this.#headers;
    this.#view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.byteLength);
    for (let i = 0; i < capacity; i++) this.#buildHeader(i, memory.address, this.#headers + i * MMSGHDR_BYTES);
  }

  /** Address of the mmsghdr of packet i: what recvmmsg(2) and sendmmsg(2) are given. */
  headerAddress(i: number): number {
    return this.address + i * MMSGHDR_BYTES;
  }

  /** Where the payload of packet i begins in `bytes`. */
  start(i: number): number {
    return this.#payloads + i * this.packetBytes;
  }

  /** Bytes received in packet i (never more than packetBytes). */
  received(i: number): number {
    return this.#view.getUint32(this.#headers + i * MMSGHDR_BYTES + MSG_LEN, true);
  }

  /** Sets the number of bytes of packet i that sendBatch is to send. */
  setLength(i: number, lengthBytes: number): void {
    this.#view.setUint32(this.#iovecs + i * IOVEC_BYTES + 8, lengthBytes, true);
  }

  /** The number of bytes of packet i that sendBatch would send. */
  lengthToSend(i: number): number {
    return this.#view.getUint32(this.#iovecs + i * IOVEC_BYTES + 8, true);
  }

  /** Makes every packet ready to receive: whole buffers, room for any peer's address. */
  prepareReceive(): void {
    for (let i = 0; i < this.capacity; i++) {
      this.#view.setUint32(this.#iovecs + i * IOVEC_BYTES + 8, this.packetBytes, true);
      this.#view.setUint32(this.#headers + i * MMSGHDR_BYTES + MSG_NAMELEN, SOCKADDR_BYTES, true);
    }
  }

  /** Before each receive: the last one left the length of its peer's address, and an IPv6 one would be cut to an IPv4 one's. */
  restorePeerRoom(): void {
    for (let i = 0; i < this.count; i++) {
      this.#view.setUint32(this.#headers + i * MMSGHDR_BYTES + MSG_NAMELEN, SOCKADDR_BYTES, true);
    }
  }

  /** Makes every packet go to the connected peer: no addresses. */
  useConnectedPeer(): void {
    for (let i = 0; i < this.capacity; i++) {
      this.#view.setBigUint64(this.#headers + i * MMSGHDR_BYTES, 0n, true);
      this.#view.setUint32(this.#headers + i * MMSGHDR_BYTES + MSG_NAMELEN, 0, true);
    }
  }

  /** Copies the 16 byte address of packet i's peer to `into[offset]`, IPv4 as ::ffff:a.b.c.d. */
  readPeerAddress(i: number, into: Uint8Array, offset: number): void {
    readSockaddr(this.#view, this.#names + i * SOCKADDR_BYTES, into, offset);
  }

  /** Port of packet i's peer, host order. */
  peerPort(i: number): number {
    return this.#view.getUint16(this.#names + i * SOCKADDR_BYTES + 2);
  }

  /** Sets the peer of packet i. `family` chooses the socket address that the socket needs. */
  setPeer(i: number, family: 4 | 6, address: Uint8Array, offset: number, port: number): void {
    const name = this.#names + i * SOCKADDR_BYTES;
    writeSockaddr(this.#view, name, family, address, offset, port);
    this.#view.setUint32(this.#headers + i * MMSGHDR_BYTES + MSG_NAMELEN, sockaddrBytes(family), true);
  }

  #buildHeader(i: number, base: number, header: number): void {
    const iovec = this.#iovecs + i * IOVEC_BYTES;
    this.#view.setBigUint64(iovec, BigInt(base + this.start(i)), true);
    this.#view.setBigUint64(iovec + 8, BigInt(this.packetBytes), true);
    this.#view.setBigUint64(header, BigInt(base + this.#names + i * SOCKADDR_BYTES), true);
    this.#view.setUint32(header + MSG_NAMELEN, SOCKADDR_BYTES, true);
    this.#view.setBigUint64(header + MSG_IOV, BigInt(base + iovec), true);
    this.#view.setBigUint64(header + MSG_IOVLEN, 1n, true);
  }
}

/** Size of struct sockaddr_in (ip(7)) or sockaddr_in6 (ipv6(7)). */
export function sockaddrBytes(family: 4 | 6): number {
  return family === 4 ? 16 : SOCKADDR_BYTES;
}

/** Writes a sockaddr_in or sockaddr_in6 at `at`; the address is in 16 byte form, the port in host order. */
export function writeSockaddr(
  view: DataView,
  at: number,
  family: 4 | 6,
  address: Uint8Array,
  offset: number,
  port: number,
): void {
  view.setUint16(at, family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(at + 2, port);
  const from = family === 4 ? offset + 12 : offset;
  const to = family === 4 ? at + 4 : at + 8;
  for (let b = 0; b < (family === 4 ? 4 : ADDRESS_BYTES); b++) view.setUint8(to + b, address[from + b] ?? 0);
}

/** Reads a sockaddr_in or sockaddr_in6 at `at`: the address to `into[offset]` in 16 byte form; gives the port in host order. */
export function readSockaddr(view: DataView, at: number, into: Uint8Array, offset: number): number {
  if (view.getUint16(at, true) === AF_INET6) {
    for (let b = 0; b < ADDRESS_BYTES; b++) into[offset + b] = view.getUint8(at + 8 + b);
  } else {
    for (let b = 0; b < 10; b++) into[offset + b] = 0; // fill() takes 25 ns more, and this is done for every query
    into[offset + 10] = into[offset + 11] = 0xff;
    for (let b = 0; b < 4; b++) into[offset + 12 + b] = view.getUint8(at + 4 + b);
  }
  return view.getUint16(at + 2);
}
