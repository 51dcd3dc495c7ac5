// Somebody who is connected to one of our listeners, over loopback, by the same system calls.
import { readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { loadLibc } from '../../../src/sys/libc.ts';
import type { LinuxSys } from '../../../src/sys/linux.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Endpoint, Fd, Memory } from '../../../src/sys/sys.ts';
import type { Client } from './streams-rules.ts';
import { soon } from './streams-rules.ts';

const ROOM = 65_536;
/** <asm/unistd.h>, <sys/socket.h>. */
const SHUTDOWN = process.arch === 'arm64' ? 210 : 48;
const SHUT_WR = 1;
const libc = loadLibc();

export class LinuxClient implements Client {
  readonly address: Endpoint;
  readonly #sys: LinuxSys;
  readonly #fd: Fd;
  readonly #memory: Memory;
  readonly #taken: Uint8Array[] = [];
  #isStalled = false;
  #ended: 'open' | 'closed' | 'reset' = 'open';
  #isOpen = true;

  constructor(sys: LinuxSys, to: Endpoint) {
    this.#sys = sys;
    this.#memory = sys.allocate(ROOM);
    this.#fd = sys.streams.connect(to);
    this.address = { address: to.address, port: localPortOf(this.#fd) };
  }

  write(bytes: Uint8Array): void {
    this.#memory.bytes.set(bytes);
    soon(() => this.#sys.streams.write(this.#fd, this.#memory, 0, bytes.length) === bytes.length);
  }

  end(): void {
    libc.syscall(SHUTDOWN, this.#fd, SHUT_WR, 0);
  }

  reset(): void {
    this.#isOpen = false;
    this.#sys.streams.reset(this.#fd);
  }

  taken(): Uint8Array {
    this.#read();
    return new Uint8Array(Buffer.concat(this.#taken));
  }

  stall(): void {
    this.#isStalled = true;
  }

  take(): void {
    this.#isStalled = false;
    this.#read();
  }

  ended(): 'open' | 'closed' | 'reset' {
    this.#read();
    return this.#ended;
  }

  close(): void {
    if (this.#isOpen) this.#sys.close(this.#fd);
  }

  #read(): void {
    if (this.#isStalled || !this.#isOpen) return;
    for (;;) {
      const count = this.#sys.streams.read(this.#fd, this.#memory, 0, ROOM);
      if (count === 0) this.#ended = 'closed';
      else if (count === -ERRNO.ECONNRESET) this.#ended = 'reset';
      if (count <= 0) return;
      this.#taken.push(this.#memory.bytes.slice(0, count));
    }
  }
}

/** By its inode: proc_pid_fd(5), proc_pid_net(5). */
function localPortOf(fd: Fd): number {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0];
  for (const table of ['tcp', 'tcp6']) {
    const lines = readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n').slice(1);
    const fields = lines.map((line) => line.trim().split(/\s+/)).find((each) => each[9] === inode);
    if (fields !== undefined) return Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
  }
  return expect.fail(`no TCP socket has the inode ${inode}`);
}
