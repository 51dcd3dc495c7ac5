// Sys without an operating system: virtual time, datagrams and an nftables kernel in memory, all of it decided by the seed. For scenarios
// and tests. It decodes byte for byte what LinuxSys would hand to the kernel and trusts none of it.
import type { PacketBatch } from './packet-batch.ts';
import { SimulatedMemory } from './simulated-memory.ts';
import { SimulatedNetlinkSocket } from './simulated-netlink.ts';
import { SimulatedNftables } from './simulated-nftables.ts';
import type { ElementChange } from './simulated-nftables.ts';
import { SimulatedStreams } from './simulated-streams.ts';
import type { FarEnd } from './simulated-streams.ts';
import { SimulatedNetwork } from './simulated-udp.ts';
import type { SentDatagram } from './simulated-udp.ts';
import { ERRNO, INTEREST, SysError } from './sys.ts';
import type { Endpoint, Fd, Memory, Sys } from './sys.ts';

/** Not 0, so that code which takes 0 for "never" is found out. */
const START_MS = 1_000;
const START_WALL_MS = Date.UTC(2026, 0, 1);
const FIRST_FD = 3;

/** Told of everything that leaves the process, at the very moment: what the kernel holds then can still be looked at. */
export interface SimulatedObserver {
  sent?(datagram: SentDatagram): void;
  /** Bytes of a connection. */
  wrote?(far: FarEnd, bytes: Uint8Array): void;
  /** One transaction that was applied: what differs from before. */
  committed?(changes: readonly ElementChange[]): void;
}

export interface SimulatedOptions {
  readonly seed?: number;
  readonly observer?: SimulatedObserver;
  /** False: a kernel that ignores new lifetimes of existing elements and knows no DESTROYSETELEM (V4, V5). */
  readonly renews?: boolean;
}

export class SimulatedSys implements Sys {
  readonly nftables: SimulatedNftables;
  readonly network: SimulatedNetwork;
  readonly streams: SimulatedStreams;
  readonly #memory = new SimulatedMemory();
  readonly #netlinks = new Map<number, SimulatedNetlinkSocket>();
  readonly #epolls = new Map<number, Map<Fd, number>>();
  readonly #signals = new Map<number, boolean>();
  #nowMs = START_MS;
  #random: number;
  #nextFd = FIRST_FD;
  #holdsAcknowledgements = false;

  constructor(options: SimulatedOptions = {}) {
    const { observer = {}, renews = true } = options;
    this.#random = options.seed ?? 1;
    this.network = new SimulatedNetwork(this.#memory, (datagram) => observer.sent?.(datagram));
    this.streams = new SimulatedStreams(
      () => this.#openFd(),
      (fd) => this.close(fd),
      (far, bytes) => observer.wrote?.(far, bytes),
    );
    this.nftables = new SimulatedNftables({
      nowMs: () => this.#nowMs,
      renews,
      committed: (changes) => observer.committed?.(changes),
      announce: (event) => this.#announce(event),
    });
  }

  /** Time passes only here. */
  advance(milliseconds: number): void {
    this.#nowMs += milliseconds;
  }

  /** From now on the kernel works but none of its reports can be read. */
  holdAcknowledgements(): void {
    this.#holdsAcknowledgements = true;
    for (const socket of this.#netlinks.values()) socket.hold();
  }

  /** What was held can be read, late, from the sockets that are still open. */
  releaseAcknowledgements(): void {
    this.#holdsAcknowledgements = false;
    for (const socket of this.#netlinks.values()) socket.release();
  }

  /** The reports of the next transaction or request are lost, and reading says ENOBUFS once (V14). */
  overflow(): void {
    for (const socket of this.#netlinks.values()) socket.loseNext();
  }

  /** True while a descriptor that `epoll` watches has something to read. */
  hasReady(): boolean {
    return [...this.#epolls.values()].some((watched) =>
      [...watched].some(([fd, interest]) => this.#isReady(fd, interest)),
    );
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return START_WALL_MS + this.#nowMs;
  }

  randomFill(target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.#nextRandom() >>> 24;
  }

  allocate(lengthBytes: number): Memory {
    return this.#memory.allocate(lengthBytes);
  }

  udpListen(local: Endpoint): Fd {
    return this.network.listen(this.#openFd(), local);
  }

  udpConnect(localPort: number, remote: Endpoint): Fd {
    return this.network.connect(this.#openFd(), localPort, remote);
  }

  receiveBatch(fd: Fd, batch: PacketBatch): number {
    batch.restorePeerRoom();
    return this.network.receive(fd, batch);
  }

  sendBatch(fd: Fd, batch: PacketBatch, first: number, count: number): number {
    return this.network.send(fd, batch.headerAddress(first), count);
  }

  epollOpen(): Fd {
    const fd = this.#openFd();
    this.#epolls.set(fd, new Map());
    return fd;
  }

  epollAdd(epoll: Fd, fd: Fd): void {
    const watched = this.#epolls.get(epoll);
    if (watched === undefined) throw new SysError('EINVAL', `Cannot watch descriptor ${fd}: ${epoll} is no epoll`);
    if (watched.has(fd)) throw new SysError('EEXIST', `Cannot watch descriptor ${fd} twice`);
    watched.set(fd, INTEREST.Input);
  }

  epollWatch(epoll: Fd, fd: Fd, interest: number): void {
    this.#epolls.get(epoll)?.set(fd, interest);
  }

  /** Never waits: whoever drives the loop moves the time. Sockets stand in the order in which they became readable, as in epoll(7). */
  epollWait(epoll: Fd, ready: Int32Array): number {
    const watched = [...(this.#epolls.get(epoll) ?? [])];
    const isReady = watched.flatMap(([fd, interest]) => (this.#isReady(fd, interest) ? [fd] : []));
    const inOrder = isReady.toSorted((a, b) => this.network.oldestArrival(a) - this.network.oldestArrival(b));
    const found = inOrder.slice(0, ready.length);
    ready.set(found);
    return found.length;
  }

  eventOpen(): Fd {
    const fd = this.#openFd();
    this.#signals.set(fd, false);
    return fd;
  }

  eventSignal(fd: Fd): void {
    this.#signals.set(fd, true);
  }

  eventDrain(fd: Fd): void {
    this.#signals.set(fd, false);
  }

  netlinkOpen(bufferBytes: number): Fd {
    const fd = this.#openFd();
    const socket = new SimulatedNetlinkSocket(bufferBytes);
    if (this.#holdsAcknowledgements) socket.hold();
    this.#netlinks.set(fd, socket);
    return fd;
  }

  netlinkWatch(fd: Fd): void {
    this.#netlinks.get(fd)?.watch();
  }

  netlinkJoin(): void {
    // Nothing is ever told there: connections and logged packets are the main thread's, which no scenario has.
  }

  send(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const socket = this.#netlinks.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    socket.answer(this.nftables.process(memory.bytes.slice(offset, offset + lengthBytes)));
    return lengthBytes;
  }

  receive(fd: Fd, memory: Memory, offset: number, lengthBytes: number): number {
    const socket = this.#netlinks.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    const message = socket.receive();
    if (typeof message === 'number') return message;
    memory.bytes.set(message.subarray(0, lengthBytes), offset);
    return message.length; // MSG_TRUNC: the true length, also of what was cut
  }

  close(fd: Fd): void {
    this.network.close(fd);
    this.streams.close(fd);
    for (const open of [this.#netlinks, this.#epolls, this.#signals]) open.delete(fd);
    for (const watched of this.#epolls.values()) watched.delete(fd);
  }

  #announce(event: Uint8Array): void {
    for (const socket of this.#netlinks.values()) socket.notify(event);
  }

  #isReady(fd: Fd, interest: number): boolean {
    if (this.streams.isReady(fd, interest)) return true;
    if ((interest & INTEREST.Input) === 0) return false;
    return (
      this.network.isReadable(fd) || this.#signals.get(fd) === true || this.#netlinks.get(fd)?.isReadable() === true
    );
  }

  #openFd(): Fd {
    return this.#nextFd++ as Fd; // the only place that makes one here
  }

  /** Mulberry32: good enough to look random, and the same for the same seed. */
  #nextRandom(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
