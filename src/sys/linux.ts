// Sys over libc: what runs in production. Constants are those of <asm-generic/socket.h>, <linux/in.h>, <linux/netlink.h>.
import { randomFillSync } from 'node:crypto';
import { familyOf } from '../base/ip.ts';
import { errno, loadLibc, viewMemory } from './libc.ts';
import type { Libc } from './libc.ts';
import { LinuxStreams } from './linux-streams.ts';
import { eventFilter } from './nft-event-filter.ts';
import { AF_INET, AF_INET6, sockaddrBytes, writeSockaddr } from './packet-batch.ts';
import type { PacketBatch } from './packet-batch.ts';
import { INTEREST, sysError } from './sys.ts';
import type { Endpoint, Fd, ListenOptions, Memory, Sys } from './sys.ts';

const AF_NETLINK = 16;
const SOCKADDR_NL_BYTES = 12; // netlink(7)
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK_CLOEXEC = 0x800 | 0x80000;
const NETLINK_NETFILTER = 12;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_TRANSPARENT = 19;
const SOL_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const IPV6_TRANSPARENT = 75;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NFNLGRP_NFTABLES = 7;
/** IP_PMTUDISC_PROBE and its IPv6 twin (ip(7)): DF is set, and no forged ICMP message makes us send fragments (RFC 9715 §3.1). */
const NEVER_FRAGMENT = 3;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const PAGE_BYTES = 4096;
// struct epoll_event is packed on x86_64 only (epoll_ctl(2)).
const EPOLL_EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EPOLL_DATA = EPOLL_EVENT_BYTES - 8;
// Descriptors one epollWait reports at most; the rest comes with the next turn.
const EPOLL_EVENTS = 64;
const SCHED_ATTR_BYTES = 48;
/** <asm/unistd.h>; glibc has no wrapper before 2.41. */
const SCHED_SETATTR = process.arch === 'arm64' ? 274 : 314;
/** The least that the kernel takes (kernel/sched/fair.c). */
const SHORTEST_SLICE_NS = 100_000n;
const SCRATCH_BYTES = PAGE_BYTES;
const SCRATCH_EVENTS = 1024; // epoll events and eventfd words keep clear of socket addresses and options

export class LinuxSys implements Sys {
  readonly streams: LinuxStreams;
  readonly #libc: Libc;
  readonly #scratch: Memory;
  readonly #view: DataView;

  private constructor(libc: Libc) {
    this.#libc = libc;
    this.#scratch = this.allocate(SCRATCH_BYTES);
    this.#view = new DataView(this.#scratch.bytes.buffer);
    this.streams = new LinuxStreams(libc, this.#scratch);
  }

  /** Each thread opens its own: the scratch memory is not shared. */
  static open(): LinuxSys {
    return new LinuxSys(loadLibc());
  }

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  randomFill(target: Uint8Array): void {
    randomFillSync(target);
  }

  /**
   * Asks for short turns on the processor, and so for soon ones: since Linux 6.12 a thread that wakes with a shorter slice than the running
   * one's takes its place (sched_setattr(2), sched_runtime). Older kernels, and those that refuse, leave it as it was.
   */
  preferSoonTurns(): void {
    this.#scratch.bytes.fill(0, 0, SCHED_ATTR_BYTES);
    this.#view.setUint32(0, SCHED_ATTR_BYTES, true);
    this.#view.setBigUint64(24, SHORTEST_SLICE_NS, true);
    this.#libc.syscall(SCHED_SETATTR, 0, this.#scratch.address, 0);
  }

  allocate(lengthBytes: number): Memory {
    const length = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
    const address = this.#libc.mmap(null, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (BigInt.asIntN(64, address) === -1n) throw sysError(errno(), `Cannot map ${length} bytes of memory`);
    return { bytes: new Uint8Array(viewMemory(address, length)), address: Number(address) };
  }

  udpListen(local: Endpoint, options: ListenOptions): Fd {
    const family = familyOf(local.address);
    const fd = this.#socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
    if (family === 6) this.#option(fd, SOL_IPV6, IPV6_V6ONLY, 1, 'IPV6_V6ONLY');
    if (options.transparent && family === 4) this.#option(fd, SOL_IP, IP_TRANSPARENT, 1, 'IP_TRANSPARENT');
    if (options.transparent && family === 6) this.#option(fd, SOL_IPV6, IPV6_TRANSPARENT, 1, 'IPV6_TRANSPARENT');
    this.#neverFragment(fd, family);
    this.#buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBufferBytes);
    // No SO_REUSEADDR and no SO_REUSEPORT: with either, another program could share the address and take queries past us (V19).
    this.#name(local);
    return this.#check(fd, this.#libc.bind(fd, this.#scratch.address, sockaddrBytes(family)), 'bind a UDP socket');
  }

  udpConnect(localPort: number, remote: Endpoint): Fd {
    const family = familyOf(remote.address);
    const fd = this.#socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
    this.#neverFragment(fd, family);
    if (localPort !== 0) {
      const any = new Uint8Array(16);
      writeSockaddr(this.#view, 0, family, any, 0, localPort);
      const bound = this.#libc.bind(fd, this.#scratch.address, sockaddrBytes(family));
      this.#check(fd, bound, `bind a UDP socket to port ${localPort}`);
    }
    this.#name(remote);
    const connected = this.#libc.connect(fd, this.#scratch.address, sockaddrBytes(family));
    return this.#check(fd, connected, 'connect a UDP socket');
  }

  receiveBatch(fd: Fd, batch: PacketBatch): number {
    batch.restorePeerRoom();
    const received = this.#libc.recvmmsg(fd, batch.address, batch.capacity, MSG_DONTWAIT, null);
    if (received < 0) return -errno();
    batch.count = received;
    return received;
  }

  sendBatch(fd: Fd, batch: PacketBatch, first: number, count: number): number {
    const sent = this.#libc.sendmmsg(fd, batch.headerAddress(first), count, MSG_DONTWAIT);
    return sent < 0 ? -errno() : sent;
  }

  epollOpen(): Fd {
    const fd = this.#libc.epoll_create1(SOCK_NONBLOCK_CLOEXEC & 0x80000);
    if (fd < 0) throw sysError(errno(), 'Cannot make an epoll descriptor');
    return fd as Fd;
  }

  epollAdd(epoll: Fd, fd: Fd): void {
    const added = this.#epollControl(epoll, EPOLL_CTL_ADD, fd, INTEREST.Input);
    if (added < 0) throw sysError(errno(), `Cannot watch descriptor ${fd}`);
  }

  epollWatch(epoll: Fd, fd: Fd, interest: number): void {
    this.#epollControl(epoll, EPOLL_CTL_MOD, fd, interest);
  }

  epollWait(epoll: Fd, ready: Int32Array, timeoutMs: number): number {
    const events = this.#scratch.address + SCRATCH_EVENTS;
    const maximum = Math.min(ready.length, EPOLL_EVENTS);
    const count = this.#libc.epoll_wait(epoll, events, maximum, timeoutMs);
    if (count < 0) return -errno();
    for (let i = 0; i < count; i++) {
      ready[i] = this.#view.getInt32(SCRATCH_EVENTS + i * EPOLL_EVENT_BYTES + EPOLL_DATA, true);
    }
    return count;
  }

  eventOpen(): Fd {
    const fd = this.#libc.eventfd(0, SOCK_NONBLOCK_CLOEXEC);
    if (fd < 0) throw sysError(errno(), 'Cannot make an eventfd');
    return fd as Fd;
  }

  eventSignal(fd: Fd): void {
    this.#view.setBigUint64(0, 1n, true);
    this.#libc.write(fd, this.#scratch.address, 8);
  }

  eventDrain(fd: Fd): void {
    this.#libc.read(fd, this.#scratch.address, 8);
  }

  netlinkOpen(bufferBytes: number): Fd {
    const fd = this.#socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    this.#buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bufferBytes);
    this.#buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, bufferBytes);
    this.#option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1, 'NETLINK_CAP_ACK');
    // Bound to a port id of its own: an unbound socket has id 0, which multicasts skip as if it were their sender (af_netlink.c).
    this.#view.setBigUint64(0, 0n);
    this.#view.setUint32(8, 0);
    this.#view.setUint16(0, AF_NETLINK, true);
    return this.#check(fd, this.#libc.bind(fd, this.#scratch.address, SOCKADDR_NL_BYTES), 'bind a netlink socket');
  }

  netlinkJoin(fd: Fd, group: number): void {
    this.#option(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, 'NETLINK_ADD_MEMBERSHIP');
  }

  netlinkWatch(fd: Fd, table: string): void {
    // The filter goes on first: between subscription and filter our own commits could fill the buffer.
    const program = eventFilter(this.#scratch.address + 16, table);
    this.#scratch.bytes.set(program);
    const attached = this.#libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, this.#scratch.address, 16);
    this.#check(fd, attached, 'filter nftables events');
    this.netlinkJoin(fd, NFNLGRP_NFTABLES);
  }

  send(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const sent = this.#libc.send(fd, memory.address + offset, lengthBytes, MSG_DONTWAIT);
    return sent < 0 ? -errno() : sent;
  }

  receive(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const received = this.#libc.recv(fd, memory.address + offset, lengthBytes, MSG_DONTWAIT | MSG_TRUNC);
    return received < 0 ? -errno() : received;
  }

  close(fd: Fd): void {
    this.#libc.close(fd);
  }

  #epollControl(epoll: Fd, operation: number, fd: Fd, interest: number): number {
    this.#view.setUint32(0, interest, true);
    this.#view.setUint32(EPOLL_DATA, fd, true);
    this.#view.setUint32(EPOLL_DATA + 4, 0, true);
    return this.#libc.epoll_ctl(epoll, operation, fd, this.#scratch.address);
  }

  #socket(domain: number, type: number, protocol: number): Fd {
    const fd = this.#libc.socket(domain, type | SOCK_NONBLOCK_CLOEXEC, protocol);
    if (fd < 0) throw sysError(errno(), 'Cannot open a socket');
    return fd as Fd; // a descriptor is what socket(2) returns
  }

  #option(fd: Fd, level: number, name: number, value: number, label: string): void {
    this.#view.setInt32(0, value, true);
    this.#check(fd, this.#libc.setsockopt(fd, level, name, this.#scratch.address, 4), `set ${label}`);
  }

  #neverFragment(fd: Fd, family: 4 | 6): void {
    if (family === 4) this.#option(fd, SOL_IP, IP_MTU_DISCOVER, NEVER_FRAGMENT, 'IP_MTU_DISCOVER');
    else this.#option(fd, SOL_IPV6, IPV6_MTU_DISCOVER, NEVER_FRAGMENT, 'IPV6_MTU_DISCOVER');
  }

  /** The forced form passes net.core.[rw]mem_max but needs CAP_NET_ADMIN in the first user namespace. */
  #buffer(fd: Fd, forced: number, plain: number, lengthBytes: number): void {
    this.#view.setInt32(0, lengthBytes, true);
    if (this.#libc.setsockopt(fd, SOL_SOCKET, forced, this.#scratch.address, 4) === 0) return;
    this.#option(fd, SOL_SOCKET, plain, lengthBytes, 'the socket buffer size');
  }

  #name(endpoint: Endpoint): void {
    this.#view.setBigUint64(0, 0n); // sin_zero, sin6_flowinfo
    this.#view.setBigUint64(8, 0n);
    this.#view.setUint32(24, 0);
    writeSockaddr(this.#view, 0, familyOf(endpoint.address), endpoint.address, 0, endpoint.port);
  }

  #check(fd: Fd, outcome: number, action: string): Fd {
    if (outcome >= 0) return fd;
    const code = errno();
    this.#libc.close(fd);
    throw sysError(code, `Cannot ${action}`);
  }
}
