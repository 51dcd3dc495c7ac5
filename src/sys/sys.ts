// The port to the operating system. Two implementations: LinuxSys (koffi, libc) and SimulatedSys (virtual time, for scenarios).
// Hot calls (receiveBatch, sendBatch, send, receive, epollWait, event*) never throw and never allocate: they answer a count,
// or minus an errno (ERRNO below). Set-up calls throw SysError, since nothing can go on without what they make.
import type { Brand } from '../base/brand.ts';
import { CodedError } from '../base/errors.ts';
import type { PacketBatch } from './packet-batch.ts';
import type { Streams } from './streams.ts';

export type Fd = Brand<number, 'Fd'>;

/** Errno values of Linux (asm-generic/errno.h) that namewall tells apart. Hot calls answer them negated. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EPIPE: 32,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

/** The name of an errno (positive) as it stands in errno(3), or `errno N` for one that namewall does not know. */
export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(ERRNO)) if (value === errno) return name;
  return `errno ${errno}`;
}

/** A set-up call that the kernel refused. `code` is the errno's name. */
export class SysError extends CodedError {}

/** What to throw for `errno` (positive). */
export function sysError(errno: number, message: string): SysError {
  const hint =
    errno === ERRNO.EPERM || errno === ERRNO.EACCES ? ': needs root, or CAP_NET_ADMIN and CAP_NET_BIND_SERVICE' : '';
  return new SysError(errnoName(errno), `${message}: ${errnoName(errno)}${hint}`);
}

/** Memory outside the JavaScript heap: it never moves, so its address may be kept in C structures. `address` is 0-based when simulated. */
export interface Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly address: number;
}

/** An address in 16 byte form (base/ip.ts) and a port in host order. */
export interface Endpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

export interface ListenOptions {
  /** Receive buffer wanted, bytes (SO_RCVBUFFORCE, else SO_RCVBUF). */
  readonly receiveBufferBytes: number;
  /** IP_TRANSPARENT / IPV6_TRANSPARENT: bind to an address that is not ours (needs CAP_NET_ADMIN). */
  readonly transparent: boolean;
}

/** What a descriptor is watched for: bits, as in epoll_ctl(2). */
export const INTEREST = { None: 0, Input: 1, Output: 4 } as const;

export interface Sys {
  /** TCP. */
  readonly streams: Streams;

  /** Milliseconds with fraction on CLOCK_MONOTONIC, from an origin of this thread's own (I12). */
  nowMs(): number;
  /** Milliseconds since 1970, for the audit only: never for lifetimes. */
  wallMs(): number;
  /** Fills `target` from the kernel's CSPRNG. */
  randomFill(target: Uint8Array): void;
  /** Zeroed, page-aligned memory that lives as long as the process. Throws SysError. */
  allocate(lengthBytes: number): Memory;

  /** A non-blocking UDP socket bound to `local`. Throws SysError. */
  udpListen(local: Endpoint, options: ListenOptions): Fd;
  /** A non-blocking UDP socket on source port `localPort` (0: the kernel chooses), connected to `remote`. Throws SysError. */
  udpConnect(localPort: number, remote: Endpoint): Fd;
  /** recvmmsg(2), non-blocking. Sets `batch.count`. Answers the count or -errno; -EAGAIN when there was nothing. */
  receiveBatch(fd: Fd, batch: PacketBatch): number;
  /** sendmmsg(2) of packets first .. first+count-1. Answers how many were sent, or -errno of the first. */
  sendBatch(fd: Fd, batch: PacketBatch, first: number, count: number): number;

  epollOpen(): Fd;
  /** Watches `fd` for input, level-triggered. */
  epollAdd(epoll: Fd, fd: Fd): void;
  /** From now on `fd`, which was added, is watched for this (INTEREST); for errors and the end of both directions always. */
  epollWatch(epoll: Fd, fd: Fd, interest: number): void;
  /** Waits at most `timeoutMs`; the ready descriptors stand in `ready[0 .. answer-1]`. Answers their number or -errno. */
  epollWait(epoll: Fd, ready: Int32Array, timeoutMs: number): number;

  eventOpen(): Fd;
  /** Wakes whoever waits for `fd`. May be called from any thread. */
  eventSignal(fd: Fd): void;
  /** Makes `fd` quiet again. */
  eventDrain(fd: Fd): void;

  /** A NETLINK_NETFILTER socket, non-blocking, with CAP_ACK on and both buffers forced to `bufferBytes`. Throws SysError. */
  netlinkOpen(bufferBytes: number): Fd;
  /**
   * Subscribes a netlink socket to the nftables event group: without messages about elements and generations (V7), and of those about new
   * rules only with such as begin with one of our `table`, of the family inet. Throws SysError.
   */
  netlinkWatch(fd: Fd, table: string): void;
  /** Subscribes a netlink socket to one multicast group by its number (NFNLGRP_* of linux/netfilter/nfnetlink.h). Throws SysError. */
  netlinkJoin(fd: Fd, group: number): void;
  /** send(2) of bytes offset .. offset+length-1 of `memory`. Answers the bytes sent or -errno. */
  send(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number;
  /** recv(2) with MSG_DONTWAIT|MSG_TRUNC into `memory` from `offset`. Answers the bytes of the message or -errno. */
  receive(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number;

  close(fd: Fd): void;
}
