// The TCP connections of clients: parallel arrays, a cap for each client address and one for all, and what a client has not taken yet. Knows
// bytes and times; what is in them is from-clients.ts's.
// Full: an address that has its share is refused as soon as it is accepted (tcp_refused); when all places are taken, whoever has been idle for
// longest makes room, so that nobody can keep the others out by doing nothing. A client that does not read its answers is reset (tcp_reset).
import { ERRNO, INTEREST } from '../../sys/sys.ts';
import type { Fd, Memory, Sys } from '../../sys/sys.ts';
import type { Peer } from '../../sys/streams.ts';
import { MAX_MESSAGE_BYTES } from '../../dns/codes.ts';
import { HeldStreams } from './held-streams.ts';
import { StreamBuffer } from './stream-buffer.ts';
import { TurnQueue } from './turn-queue.ts';
import { UntakenBytes } from './untaken-bytes.ts';

/** Connections in all, and of one address: resolvers keep one or two, a client that pipelines needs one. */
export const STREAMS = 1_024;
export const STREAMS_PER_CLIENT = 20;
/** Queries of one connection that may wait at a time; then it is not read (RFC 7766 §6.2.1.1). */
export const STREAM_IN_FLIGHT = 64;
/** Queries of one connection; then it is closed cleanly, and the client opens another. */
const STREAM_QUERIES = 20_000;
/** Why no more queries are taken: the client writes no more; it has asked enough; it was told so, and its goodbye is waited for. */
const ENDING = { No: 0, ByClient: 1, Spent: 2, Told: 3 } as const;
/** No query that is worth forwarding is longer (dns/edns.ts caps the options). */
const QUERY_ROOM = 4_096;
/** Replies to one connection that wait for each other, to be written at once. */
const CORKED_BYTES = 4_096;
/** Answers that a client has not taken: one of the largest behind what was corked, besides what the kernel holds for it. */
const UNTAKEN_BYTES = CORKED_BYTES + MAX_MESSAGE_BYTES + 2;
/** Of all clients together: 17 MiB. */
const UNTAKEN_CLIENTS = 256;
const ADDRESS_BYTES = 16;

export const NO_STREAM = -1;

/** Who listens to the descriptors. */
export interface StreamWatch {
  opened(fd: Fd, stream: number): void;
  closed(fd: Fd): void;
  /** Bits of INTEREST. */
  wants(fd: Fd, interest: number): void;
  /** A connection is reset since its client does not take its answers. */
  gaveUp(): void;
}

export class ClientStreams {
  /** Where a reply is written, behind two bytes for its length, from `outAt` on: before it stands what is corked. */
  readonly out: Memory;
  outAt = 0;
  readonly address = new Uint8Array(STREAMS * ADDRESS_BYTES);
  readonly port = new Uint16Array(STREAMS);
  readonly listener = new Uint8Array(STREAMS);
  /** Id of the pod that has connected; 0: of none that was known then. */
  readonly podId = new Uint32Array(STREAMS);
  /** Grows with each connection at the place: tells it from the ones before. */
  readonly serial = new Uint32Array(STREAMS);
  readonly inFlight = new Uint16Array(STREAMS);
  readonly queries = new Uint32Array(STREAMS);
  readonly buffers: readonly StreamBuffer[];
  readonly #sys: Sys;
  readonly #fds = new Int32Array(STREAMS).fill(-1);
  /** When the last whole query or taken byte was, and when the message under way began; 0: none is. */
  readonly #activeMs = new Float64Array(STREAMS);
  readonly #beganMs = new Float64Array(STREAMS);
  readonly #ending = new Uint8Array(STREAMS);
  /** Not read until their clients' rates allow. */
  readonly #held = new HeldStreams(STREAMS);
  readonly #interest = new Uint8Array(STREAMS);
  readonly #roused = new TurnQueue(STREAMS);
  readonly #untaken = new UntakenBytes(STREAMS, UNTAKEN_CLIENTS, UNTAKEN_BYTES);
  #corked = NO_STREAM;
  #count = 0;
  /** The turn in which each ceased to be watched. */
  readonly #quietSince = new Float64Array(STREAMS);
  #turn = 1;
  #watch: StreamWatch | undefined;

  constructor(sys: Sys) {
    this.#sys = sys;
    this.out = sys.allocate(UNTAKEN_BYTES);
    const memory = sys.allocate(STREAMS * QUERY_ROOM);
    this.buffers = Array.from({ length: STREAMS }, (_, c) => new StreamBuffer(memory, c * QUERY_ROOM, QUERY_ROOM));
  }

  /** Connections that are open. */
  get count(): number {
    return this.#count;
  }

  watchWith(watch: StreamWatch): void {
    this.#watch = watch;
  }

  isOpen(stream: number): boolean {
    return this.#fds[stream] !== -1;
  }

  /** Takes over an accepted connection. Its place, or NO_STREAM when a cap is reached; then it is closed. */
  open(accepted: number, listener: number, peer: Peer, nowMs: number): number {
    const fd = accepted as Fd; // accept(2) answers a descriptor
    const stream = this.#countOf(peer.address) < STREAMS_PER_CLIENT ? this.#makeRoom() : NO_STREAM;
    if (stream === NO_STREAM) {
      this.#sys.streams.reset(fd);
      return NO_STREAM;
    }
    this.#count++;
    this.#fds[stream] = fd;
    this.address.set(peer.address, stream * ADDRESS_BYTES);
    this.port[stream] = peer.port;
    this.listener[stream] = listener;
    this.serial[stream]!++;
    this.podId[stream] = 0;
    this.inFlight[stream] = 0;
    this.queries[stream] = 0;
    this.buffers[stream]!.clear();
    this.#activeMs[stream] = nowMs;
    this.#beganMs[stream] = 0;
    this.#ending[stream] = ENDING.No;
    this.#interest[stream] = INTEREST.Input;
    this.#watch?.opened(fd, stream);
    return stream;
  }

  /** Reads once; as Streams.read. */
  fill(stream: number): number {
    return this.buffers[stream]!.readFrom(this.#sys.streams, this.#fds[stream] as Fd); // open() has put it there
  }

  /** A whole query was read. */
  took(stream: number, nowMs: number): void {
    this.queries[stream]!++;
    this.#activeMs[stream] = nowMs;
    this.#beganMs[stream] = 0;
    if (this.queries[stream]! >= STREAM_QUERIES) this.#ending[stream] = ENDING.Spent;
  }

  /** True while more of its queries may be taken. */
  mayRead(stream: number): boolean {
    return (
      this.isOpen(stream) &&
      this.inFlight[stream]! < STREAM_IN_FLIGHT &&
      !this.#untaken.has(stream) &&
      this.#ending[stream] === ENDING.No &&
      !this.#held.has(stream)
    );
  }

  /** Its client is over its rate: it is not read before `resumeHeld`. True when it has had nothing waiting since it was held before. */
  hold(stream: number): boolean {
    return this.#held.hold(stream);
  }

  /** Nothing of it waits any more, here or in the kernel. */
  caughtUp(stream: number): void {
    this.#held.caughtUp(stream);
  }

  resumeHeld(): void {
    this.#held.resume((stream) => {
      this.#beganMs[stream] = 0; // it is we who have let it wait
      this.rouse(stream);
    });
  }

  get heldCount(): number {
    return this.#held.count;
  }

  /** Nothing more comes from the client, or is wanted from it: it gets its answers, then it is closed. */
  endSoon(stream: number): void {
    this.#ending[stream] = ENDING.ByClient;
    this.settle(stream, 0);
  }

  /** True when it was told that nothing more is answered: what it writes is only to be discarded. */
  isTold(stream: number): boolean {
    return this.#ending[stream] === ENDING.Told;
  }

  /** Reads and forgets. To close with something unread would be a reset (RFC 2525 §2.17), which can take answers that are under way with it. */
  discard(stream: number): void {
    const count = this.#sys.streams.read(this.#fds[stream] as Fd, this.out, 0, UNTAKEN_BYTES);
    if (count <= 0 && count !== -ERRNO.EAGAIN) this.close(stream);
  }

  /** What is told from here on was asked for before. */
  beginTurn(): void {
    this.#turn++;
  }

  /** True while its descriptor is watched for something, or was when this turn began: else only an error is told. */
  isAwaited(stream: number): boolean {
    return this.#interest[stream] !== INTEREST.None || this.#quietSince[stream] === this.#turn;
  }

  /** One of its queries is over: there may be room for another. */
  done(stream: number, serial: number): void {
    if (!this.isOpen(stream) || this.serial[stream] !== serial) return;
    this.inFlight[stream]!--;
    // Otherwise it is looked at when its client writes.
    if (this.#interest[stream] !== INTEREST.Input || this.#untaken.has(stream)) this.rouse(stream);
  }

  /** It is to be looked at again, in its turn. */
  rouse(stream: number): void {
    this.#roused.add(stream);
  }

  /** The connection that was roused first, or NO_STREAM when it has ended. Only when `rousedCount` is above 0. */
  takeRoused(): number {
    const stream = this.#roused.take();
    return this.isOpen(stream) ? stream : NO_STREAM;
  }

  isRoused(stream: number): boolean {
    return this.#roused.has(stream);
  }

  get rousedCount(): number {
    return this.#roused.count;
  }

  /** Watches for what is wanted now and closes what has ended. `nowMs`: when a message that is under way may have begun; else 0. */
  settle(stream: number, nowMs: number): void {
    if (!this.isOpen(stream)) return;
    const isUntaken = this.#untaken.has(stream);
    if (this.#ending[stream] !== ENDING.No && this.inFlight[stream] === 0 && !isUntaken)
      return this.#end(stream, nowMs);
    if (!this.buffers[stream]!.isPartial) this.#beganMs[stream] = 0;
    else if (this.#beganMs[stream] === 0 && nowMs > 0) this.#beganMs[stream] = nowMs;
    const interest = (this.mayRead(stream) ? INTEREST.Input : 0) | (isUntaken ? INTEREST.Output : 0);
    this.#want(stream, interest);
  }

  /** Sends the reply of `lengthBytes` that stands in `out` behind its length, in one write (RFC 7766 §8). False when it is lost. */
  send(stream: number, serial: number, lengthBytes: number): boolean {
    if (!this.isOpen(stream) || this.serial[stream] !== serial) return false;
    const { bytes } = this.out;
    const from = this.outAt;
    const to = from + 2 + lengthBytes;
    bytes[from] = lengthBytes >>> 8;
    bytes[from + 1] = lengthBytes;
    if (stream !== this.#corked) return this.#put(stream, from, to);
    this.outAt = to;
    return to <= CORKED_BYTES || this.#putCorked();
  }

  /** Replies to this connection wait until `uncork`, since a write for each costs more than all else of it. Nothing else may use `out` meanwhile. */
  cork(stream: number): void {
    this.#corked = stream;
  }

  uncork(): void {
    this.#putCorked();
    this.#corked = NO_STREAM;
  }

  /** The client may take more. False when the connection is gone. */
  flush(stream: number, nowMs: number): boolean {
    if (!this.#untaken.has(stream)) return true;
    const untaken = this.#untaken.of(stream);
    this.out.bytes.set(untaken);
    const sent = this.#write(stream, 0, untaken.length);
    if (sent < 0) return false;
    if (sent > 0) this.#activeMs[stream] = nowMs;
    this.#untaken.took(stream, sent);
    return true;
  }

  close(stream: number): void {
    this.#release(stream, (fd) => this.#sys.close(fd));
  }

  reset(stream: number): void {
    this.#release(stream, (fd) => this.#sys.streams.reset(fd));
  }

  /** Every connection, now and then: who is late or idle. `late` is told who has not ended its query, or not taken its answer, in time. */
  tick(nowMs: number, limits: StreamLimits, late: (stream: number) => void): void {
    for (let stream = 0; stream < STREAMS && this.#count > 0; stream++) {
      if (!this.isOpen(stream)) continue;
      const began = this.#beganMs[stream]!;
      if (this.isRoused(stream)) continue; // it has something, and waits for us
      const isIdle = nowMs - this.#activeMs[stream]! >= limits.idleMs;
      if (began > 0 && this.mayRead(stream) && nowMs - began >= limits.queryMs) late(stream);
      else if (this.isTold(stream) && nowMs - this.#activeMs[stream]! >= limits.queryMs) this.close(stream);
      else if (isIdle && this.#untaken.has(stream)) late(stream);
      else if (isIdle && this.inFlight[stream] === 0 && !this.#held.has(stream)) this.close(stream);
    }
  }

  /** Resets those whose pod is gone. `podIdOf`: who has the address at this offset of `address` now, 0 for nobody. */
  dropStrangers(podIdOf: (offset: number) => number): void {
    for (let stream = 0; stream < STREAMS; stream++) {
      const podId = this.podId[stream]!;
      if (this.isOpen(stream) && podId !== 0 && podIdOf(stream * ADDRESS_BYTES) !== podId) this.reset(stream);
    }
  }

  closeAll(): void {
    for (let stream = 0; stream < STREAMS; stream++) if (this.isOpen(stream)) this.reset(stream);
  }

  #want(stream: number, interest: number): void {
    if (this.#interest[stream] === interest) return;
    if (interest === INTEREST.None) this.#quietSince[stream] = this.#turn;
    this.#interest[stream] = interest;
    this.#watch?.wants(this.#fds[stream] as Fd, interest); // open() has put it there
  }

  /** Everything that it asked is answered. */
  #end(stream: number, nowMs: number): void {
    if (this.#ending[stream] === ENDING.ByClient) return this.close(stream);
    if (this.isTold(stream)) return;
    this.#ending[stream] = ENDING.Told;
    this.#activeMs[stream] = nowMs;
    this.#sys.streams.endWrites(this.#fds[stream] as Fd);
    this.#want(stream, INTEREST.Input);
  }

  #write(stream: number, from: number, to: number): number {
    const sent = this.#sys.streams.write(this.#fds[stream] as Fd, this.out, from, to - from);
    if (sent >= 0) return sent;
    if (sent === -ERRNO.EAGAIN) return 0;
    this.close(stream);
    return sent;
  }

  #putCorked(): boolean {
    const to = this.outAt;
    this.outAt = 0;
    return to === 0 || this.#put(this.#corked, 0, to);
  }

  /** Writes these bytes of `out` and keeps what the client does not take. False when they are lost, and the connection with them. */
  #put(stream: number, from: number, to: number): boolean {
    const sent = this.#untaken.has(stream) ? 0 : this.#write(stream, from, to);
    if (sent < 0) return false;
    if (sent === to - from || this.#untaken.keep(stream, this.out.bytes.subarray(from + sent, to))) return true;
    this.#watch?.gaveUp();
    this.reset(stream);
    return false;
  }

  #release(stream: number, end: (fd: Fd) => void): void {
    const fd = this.#fds[stream]!;
    if (fd === -1) return;
    this.#fds[stream] = -1;
    this.#count--;
    this.#held.forget(stream);
    if (stream === this.#corked) this.outAt = 0;
    this.#untaken.forget(stream);
    this.#watch?.closed(fd as Fd); // open() has put it there
    end(fd as Fd);
  }

  #countOf(address: Uint8Array): number {
    let count = 0;
    for (let stream = 0; stream < STREAMS; stream++) {
      if (this.isOpen(stream) && this.#isOf(stream, address)) count++;
    }
    return count;
  }

  #isOf(stream: number, address: Uint8Array): boolean {
    for (let b = ADDRESS_BYTES - 1; b >= 0; b--) {
      if (this.address[stream * ADDRESS_BYTES + b] !== address[b]) return false;
    }
    return true;
  }

  /** A free place, at the cost of the connection that has been idle for longest when there is none; NO_STREAM when none is idle. */
  #makeRoom(): number {
    if (this.#count < STREAMS) return this.#fds.indexOf(-1);
    let idlest = NO_STREAM;
    for (let stream = 0; stream < STREAMS; stream++) {
      if (this.inFlight[stream]! > 0 || this.#untaken.has(stream) || this.buffers[stream]!.isPartial) continue;
      if (idlest === NO_STREAM || this.#activeMs[stream]! < this.#activeMs[idlest]!) idlest = stream;
    }
    if (idlest !== NO_STREAM) this.close(idlest);
    return idlest;
  }
}

/** From a query's first byte to its last, and between two queries. */
export interface StreamLimits {
  readonly queryMs: number;
  readonly idleMs: number;
}
