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
import { takeQuery } from './limit.ts';
import type { Plane } from './plane.ts';
import { parse, receiveBatch, takeSlot, takeSlotOfStream } from './receive.ts';
import { replyToQuery, replyToStream } from './reply.ts';
import type { Server } from './serve.ts';
import { NO_STREAM } from './state/client-streams.ts';
import { NO_SLOT } from './state/query-slots.ts';
import { FRAME } from './state/stream-buffer.ts';
import { Peer } from '../sys/streams.ts';
import { ERRNO } from '../sys/sys.ts';

/** From a query's first byte to its last (threats C9), and how long an idle connection is kept (RFC 7766 §6.2.3: "of the order of seconds"). */
const STREAM_LIMITS = { queryMs: 2_000, idleMs: 10_000 };
const TICK_MS = 100;
/** Connections accepted a turn, so that a flood of them delays nobody's query. */
const ACCEPT_BATCH = 32;
/** After the process ran out of descriptors: some may be free again. */
const PAUSE_MS = 100;
/** A response, a runt: whoever answers it may start a loop. */
const NO_ANSWER_DUE = 'none';

export class FromClients {
  readonly #plane: Plane;
  readonly #server: Server;
  readonly #onError: (error: unknown) => void;
  readonly #peer = new Peer();
  #tickAtMs = 0;
  #pausedUntilMs = 0;
  readonly #told = {
    late: (stream: number): void => {
      this.#plane.count(COUNT.tcp_reset);
      this.#plane.clients.reset(stream);
    },
    released: (stream: number): void => this.#read(stream),
  };

  constructor(plane: Plane, server: Server, onError: (error: unknown) => void) {
    this.#plane = plane;
    this.#server = server;
    this.#onError = onError;
  }

  /** Datagrams wait at listener `l`. */
  onDatagrams(l: number): void {
    const received = receiveBatch(this.#plane, l);
    for (let i = 0; i < received; i++) this.#onDatagram(l, i);
  }

  /** Connections wait at listener `l`. */
  onConnections(l: number): void {
    const plane = this.#plane;
    if (plane.nowMs < this.#pausedUntilMs) return;
    for (let i = 0; i < ACCEPT_BATCH; i++) {
      const fd = plane.sys.streams.accept(plane.listeners[l]!.streamFd, this.#peer);
      if (fd === -ERRNO.EMFILE || fd === -ERRNO.ENFILE) this.#pausedUntilMs = plane.nowMs + PAUSE_MS;
      if (fd < 0) return;
      const stream = plane.clients.open(fd, l, this.#peer, plane.nowMs);
      plane.count(stream === NO_STREAM ? COUNT.tcp_refused : COUNT.tcp_accepted);
      if (stream === NO_STREAM) reachCap(plane, plane.pods.find(this.#peer.address, 0), CAP.connections);
    }
  }

  /** The descriptor of a connection can be read or written, or is broken. */
  onStream(stream: number): void {
    const { clients, nowMs } = this.#plane;
    const wasAwaited = clients.isAwaited(stream);
    if (!clients.flush(stream, nowMs)) return;
    if (!wasAwaited) return clients.close(stream); // nothing was asked for: only an error is told then
    this.#read(stream);
  }

  /** Connections that may be read again, since their queries were answered. */
  resume(): void {
    const { clients } = this.#plane;
    for (let stream = clients.takeRoused(); stream !== NO_STREAM; stream = clients.takeRoused()) this.#read(stream);
  }

  onTick(): void {
    const plane = this.#plane;
    if (plane.nowMs < this.#tickAtMs) return;
    this.#tickAtMs = plane.nowMs + TICK_MS;
    plane.clients.tick(plane.nowMs, STREAM_LIMITS, this.#told);
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

  /** Takes the queries that have arrived, one read a turn; what may not be taken yet waits in the kernel, or in the connection's buffer. */
  #read(stream: number): void {
    const plane = this.#plane;
    const { clients } = plane;
    if (!this.#takeQueries(stream) || !clients.mayRead(stream)) return clients.settle(stream, plane.nowMs);
    const count = clients.fill(stream);
    if (count === 0) return clients.endSoon(stream);
    if (count < 0 && count !== -ERRNO.EAGAIN) return clients.close(stream);
    if (count > 0) this.#takeQueries(stream);
    clients.settle(stream, plane.nowMs);
  }

  /** False when the connection is over. */
  #takeQueries(stream: number): boolean {
    const plane = this.#plane;
    const { clients } = plane;
    const buffer = clients.buffers[stream]!;
    while (clients.mayRead(stream)) {
      const code = buffer.next();
      if (code === FRAME.Partial) return true;
      if (code === FRAME.Empty) {
        plane.count(COUNT.queries_dropped);
        clients.reset(stream);
        return false;
      }
      const pod = ownerOf(plane, stream);
      if (code === FRAME.Message && !takeQuery(plane, pod)) {
        buffer.putBack(); // what a client sends too fast waits with it, and then in the kernel
        clients.hold(stream);
        break;
      }
      clients.took(stream, plane.nowMs);
      this.#onMessage(pod, stream, buffer.start, buffer.end);
    }
    return clients.isOpen(stream);
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
