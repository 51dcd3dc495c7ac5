// What arrives from clients: datagrams and the bytes of connections → queries. What is no query gets no slot: it is dropped, or answered by the
// code that parsing gave.
import { CAP } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Denial } from '../dns/build-reply.ts';
import { parseQuery, QUERY } from '../dns/query.ts';
import { auditRefused } from './audit.ts';
import { reachCap } from './caps.ts';
import { OVER_QUOTA, REFUSALS } from './denials.ts';
import { ownerOf, senderOf } from './identify.ts';
import { mayTakeQuery, overRate, takeQuery } from './limit.ts';
import type { Plane } from './plane.ts';
import { parse, receiveBatch, takeSlot, takeSlotOfStream } from './receive.ts';
import { replyToQuery, replyToStream } from './reply.ts';
import type { Server } from './serve.ts';
import { NO_STREAM } from './state/client-streams.ts';
import type { StreamLimits } from './state/client-streams.ts';
import { NO_POD } from './state/pod-table.ts';
import { NO_SLOT } from './state/query-slots.ts';
import { FRAME } from './state/stream-buffer.ts';
import { Peer } from '../sys/streams.ts';
import { ERRNO, INTEREST } from '../sys/sys.ts';
import type { Fd } from '../sys/sys.ts';

/** From a query's first byte to its last (threats C9), and how long an idle connection is kept (RFC 7766 §6.2.3: "of the order of seconds"). */
const STREAM_LIMITS: StreamLimits = { queryMs: 2_000, idleMs: 10_000 };
const TICK_MS = 100;
/** How long a client over its rate is not read: what the rate lets through comes evenly, not in bursts that others would wait behind. */
const HOLD_MS = 10;
/** Queries that are taken a turn, of one connection and of all: whoever has many of them delays the others by 0.2 ms (C10). */
const QUERIES_A_TURN = 4;
const STREAM_QUERIES_A_TURN = 16;
/** Connections accepted a turn, so that a flood of them delays nobody's query. */
const ACCEPT_BATCH = 32;
/** After the process or the kernel ran out of descriptors or memory: some may be free again. */
const PAUSE_MS = 100;
/** A response, a runt: whoever answers it may start a loop. */
const NO_ANSWER_DUE = 'none';
const EXHAUSTED: ReadonlySet<number> = new Set([ERRNO.EMFILE, ERRNO.ENFILE, ERRNO.ENOBUFS, ERRNO.ENOMEM]);

export class FromClients {
  readonly #plane: Plane;
  readonly #server: Server;
  readonly #onError: (error: unknown) => void;
  readonly #wants: (fd: Fd, interest: number) => void;
  readonly #peer = new Peer();
  #tickAtMs = 0;
  /** Infinity: nothing is paused. */
  #acceptAtMs = Number.POSITIVE_INFINITY;
  #resumeAtMs = 0;
  /** Queries that may still be taken from connections in this turn. */
  #allowance = STREAM_QUERIES_A_TURN;
  /** Connections that were roused before this turn: none is read twice in one. */
  #waiting = 0;
  readonly #late = (stream: number): void => {
    this.#plane.count(COUNT.tcp_reset);
    this.#plane.clients.reset(stream);
  };

  /** `wants` says what a listener is to be watched for (INTEREST). */
  constructor(
    plane: Plane,
    server: Server,
    onError: (error: unknown) => void,
    wants: (fd: Fd, interest: number) => void,
  ) {
    this.#plane = plane;
    this.#server = server;
    this.#onError = onError;
    this.#wants = wants;
  }

  /** Datagrams wait at listener `l`. */
  onDatagrams(l: number): void {
    const received = receiveBatch(this.#plane, l);
    for (let i = 0; i < received; i++) this.#onDatagram(l, i);
  }

  /** Connections wait at listener `l`. */
  onConnections(l: number): void {
    const plane = this.#plane;
    for (let i = 0; i < ACCEPT_BATCH; i++) {
      const fd = plane.sys.streams.accept(plane.listeners[l]!.streamFd, this.#peer);
      if (EXHAUSTED.has(-fd)) this.#acceptLater();
      if (fd < 0) return;
      const stream = plane.clients.open(fd, l, this.#peer, plane.nowMs);
      plane.count(stream === NO_STREAM ? COUNT.tcp_refused : COUNT.tcp_accepted);
      if (stream === NO_STREAM) reachCap(plane, plane.pods.find(this.#peer.address, 0), CAP.connections);
      if (stream !== NO_STREAM) plane.clients.podId[stream] = this.#podIdOf(this.#peer.address, 0);
    }
  }

  /** Other pods may have the addresses now: connections stay with the pod that has made them, or end with it (I4). */
  onAdopted(): void {
    const { clients } = this.#plane;
    clients.dropStrangers((offset) => this.#podIdOf(clients.address, offset));
  }

  /** The descriptor of a connection can be read or written, or is broken. */
  onStream(stream: number): void {
    const { clients, nowMs } = this.#plane;
    if (clients.isTold(stream)) return clients.discard(stream);
    const wasAwaited = clients.isAwaited(stream);
    if (!clients.flush(stream, nowMs)) return;
    if (!wasAwaited) return clients.close(stream); // nothing was asked for: only an error is told then
    if (!clients.isRoused(stream)) this.#read(stream); // else it has had its turn, and has the next one
  }

  /** For how long nothing is due, in milliseconds up to `limitMs`. */
  waitMs(limitMs: number): number {
    const { rousedCount, heldCount } = this.#plane.clients;
    if (rousedCount > 0) return 0;
    return heldCount > 0 ? HOLD_MS : limitMs;
  }

  beginTurn(): void {
    const { clients } = this.#plane;
    clients.beginTurn();
    this.#waiting = clients.rousedCount;
    this.#allowance = STREAM_QUERIES_A_TURN;
  }

  /**
   * Connections that have more to read, or may be read again, as far as the turn's queries go: after those that something has come of just
   * now, so that who asks a little does not wait behind who asks much, but always one, so that these come on, too.
   */
  resume(): void {
    const { clients } = this.#plane;
    this.#allowance = Math.max(this.#allowance, QUERIES_A_TURN);
    for (; this.#waiting > 0 && this.#allowance > 0; this.#waiting--) {
      const stream = clients.takeRoused();
      if (stream !== NO_STREAM) this.#read(stream);
    }
  }

  onTick(): void {
    const plane = this.#plane;
    const { clients, nowMs } = plane;
    if (nowMs >= this.#acceptAtMs) this.#acceptAgain();
    if (clients.heldCount > 0 && nowMs >= this.#resumeAtMs) {
      this.#resumeAtMs = nowMs + HOLD_MS;
      clients.resumeHeld();
    }
    if (nowMs < this.#tickAtMs) return;
    this.#tickAtMs = nowMs + TICK_MS;
    clients.tick(nowMs, STREAM_LIMITS, this.#late);
  }

  /** Who connects waits in the kernel. The listeners are not watched meanwhile: they would wake the loop at once, again and again. */
  #acceptLater(): void {
    this.#acceptAtMs = this.#plane.nowMs + PAUSE_MS;
    for (const { streamFd } of this.#plane.listeners) this.#wants(streamFd, INTEREST.None);
  }

  #acceptAgain(): void {
    this.#acceptAtMs = Number.POSITIVE_INFINITY;
    for (const { streamFd } of this.#plane.listeners) this.#wants(streamFd, INTEREST.Input);
  }

  #podIdOf(address: Uint8Array, offset: number): number {
    const { pods } = this.#plane;
    const pod = pods.find(address, offset);
    return pod === NO_POD ? 0 : pods.ids[pod]!;
  }

  #onDatagram(l: number, i: number): void {
    const plane = this.#plane;
    const pod = senderOf(plane, i);
    if (!takeQuery(plane, pod)) return;
    const refusal = this.#refusalOf(pod, parse(plane, i));
    if (refusal === NO_ANSWER_DUE) return;
    if (refusal !== undefined) return replyToQuery(plane, l, i, refusal);
    const slot = takeSlot(plane, l, i);
    if (slot === NO_SLOT) return replyToQuery(plane, l, i, this.#noSlot(pod));
    this.#serve(slot);
  }

  /** Takes some of the queries that have arrived; what is not taken yet waits in the connection's buffer, or in the kernel. */
  #read(stream: number): void {
    const plane = this.#plane;
    const { clients } = plane;
    clients.cork(stream);
    const left = this.#takeQueries(stream, Math.min(QUERIES_A_TURN, this.#allowance));
    const count = left > 0 ? clients.fill(stream) : -ERRNO.EAGAIN;
    if (count > 0) this.#takeQueries(stream, left);
    else if (left > 0) clients.caughtUp(stream);
    clients.uncork();
    if (count === 0) return clients.endSoon(stream);
    if (count < 0 && count !== -ERRNO.EAGAIN) return clients.close(stream);
    clients.settle(stream, plane.nowMs);
  }

  /** Takes `most` queries out of the connection's buffer; how many fewer there were, or 0 when no more may be taken now. */
  #takeQueries(stream: number, most: number): number {
    const plane = this.#plane;
    const { clients } = plane;
    const buffer = clients.buffers[stream]!;
    for (let left = most; left > 0; left--) {
      if (!clients.mayRead(stream)) return 0;
      const code = buffer.next();
      if (code === FRAME.Partial) return left;
      if (code === FRAME.Empty) {
        plane.count(COUNT.queries_dropped);
        clients.reset(stream);
        return 0;
      }
      const pod = ownerOf(plane, stream);
      if (code === FRAME.Message && !mayTakeQuery(plane, pod)) {
        buffer.putBack(); // what a client sends too fast waits with it, and then in the kernel
        if (clients.hold(stream)) overRate(plane, pod);
        return 0;
      }
      this.#allowance--;
      clients.took(stream, plane.nowMs);
      this.#onMessage(pod, stream, buffer.start, buffer.end);
    }
    clients.rouse(stream);
    return 0;
  }

  #onMessage(pod: number, stream: number, start: number, end: number): void {
    const plane = this.#plane;
    plane.count(COUNT.queries_received);
    const code = parseQuery(plane.clients.buffers[stream]!.bytes, start, end, plane.query);
    const refusal = this.#refusalOf(pod, code);
    if (refusal === NO_ANSWER_DUE) return;
    if (refusal !== undefined) return replyToStream(plane, stream, refusal);
    const slot = takeSlotOfStream(plane, stream);
    if (slot === NO_SLOT) return replyToStream(plane, stream, this.#noSlot(pod));
    this.#serve(slot);
  }

  /** What the message in plane.query is answered with by its code of QUERY alone; undefined: it is a query. */
  #refusalOf(pod: number, code: number): Denial | typeof NO_ANSWER_DUE | undefined {
    const plane = this.#plane;
    if (code === QUERY.Drop) {
      plane.count(COUNT.queries_dropped);
      return NO_ANSWER_DUE;
    }
    const refusal = REFUSALS[code];
    if (refusal === undefined) return undefined;
    plane.count(code === QUERY.FormErr ? COUNT.queries_malformed : COUNT.queries_refused);
    auditRefused(plane, pod, refusal.rcode);
    return refusal;
  }

  #noSlot(pod: number): Denial {
    this.#plane.count(COUNT.queries_over_budget);
    reachCap(this.#plane, pod, CAP.slots);
    return OVER_QUOTA;
  }

  #serve(slot: number): void {
    try {
      this.#server.onClientQuery(slot);
    } catch (error) {
      this.#server.pursuit.abandon(slot);
      this.#onError(error);
    }
  }
}
