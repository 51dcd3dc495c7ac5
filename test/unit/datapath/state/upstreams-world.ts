// What the tests of upstreams share: a system that only connects and closes UDP sockets, and says which are open.
import { expect } from 'vitest';
import { parseAddress } from '../../../../src/base/ip.ts';
import { RandomPool } from '../../../../src/datapath/state/random.ts';
import type { UpstreamSocket } from '../../../../src/datapath/state/upstream-socket.ts';
import type { Endpoint, Fd, Sys } from '../../../../src/sys/sys.ts';
import { SysError } from '../../../../src/sys/sys.ts';

export const SOCKETS = 16;

export const server = (text: string, port = 53): Endpoint => ({
  address: parseAddress(text) ?? expect.fail(text),
  port,
});

/** A pool that draws `words` over and over; by default different ones each time. */
export function poolOf(...words: number[]): RandomPool {
  let next = 0;
  const randomFill = (target: Uint8Array): void => {
    const into = new Uint16Array(target.buffer, target.byteOffset, target.byteLength / 2);
    for (let i = 0; i < into.length; i++) into[i] = words[next++ % words.length] ?? Math.imul(next, 40_503);
  };
  return new RandomPool({ randomFill } as unknown as Sys); // the pool asks for nothing else
}

export interface Connected {
  readonly fd: number;
  readonly port: number;
  readonly remote: Endpoint;
}

/** Descriptors are given out as the kernel does: the lowest free one. */
export class SocketWorld {
  readonly open = new Map<number, Connected>();
  /** Descriptors that somebody reads from. */
  readonly watched = new Map<number, UpstreamSocket>();
  /** Errno of source ports. */
  readonly refusedPorts = new Map<number, string>();
  /** Errno of servers, by the last byte of their address. */
  readonly refusedServers = new Map<number, string>();
  /** Sockets that may still be opened. */
  room = Infinity;
  readonly sys: Sys;
  nowMs = 0;
  readonly watch = {
    opened: (socket: UpstreamSocket): void => void this.watched.set(socket.fd, socket),
    closed: ({ fd }: UpstreamSocket): void => {
      if (!this.open.has(fd)) expect.fail(`${fd} was closed before its watcher was told`);
      this.watched.delete(fd);
    },
  };

  constructor() {
    const udpConnect = (port: number, remote: Endpoint): Fd => this.#connect(port, remote);
    const close = (fd: Fd): void => {
      if (!this.open.delete(fd)) expect.fail(`${fd} was closed twice`);
    };
    this.sys = { udpConnect, close, nowMs: () => this.nowMs } as unknown as Sys; // upstreams ask for nothing else
  }

  get connected(): Connected[] {
    return [...this.open.values()];
  }

  #connect(port: number, remote: Endpoint): Fd {
    const code = this.refusedPorts.get(port) ?? this.refusedServers.get(remote.address[15] ?? 0);
    if (code !== undefined) throw new SysError(code, `Cannot connect from port ${port}`);
    if (this.open.size >= this.room) throw new SysError('EMFILE', 'Cannot open a socket');
    let fd = 3;
    while (this.open.has(fd)) fd++;
    this.open.set(fd, { fd, port, remote });
    return fd as Fd; // a number that stands for one
  }
}
