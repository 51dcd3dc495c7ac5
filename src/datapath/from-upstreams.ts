// What arrives from upstream servers: datagrams and the bytes of connections → answers to slots. What answers nothing is counted, and when there
// is a flood of it the server is asked over TCP, where nobody can join in (RFC 5452 §9.2, threats D3).
import { COUNT } from '../bridge/counters.ts';
import { HEADER_BYTES } from '../dns/codes.ts';
import { readId } from '../dns/header.ts';
import { answersProbe, findAsker, probe } from './ask.ts';
import type { Asked } from './ask.ts';
import { suspectSpoof } from './caps.ts';
import type { Plane } from './plane.ts';
import type { Pursuit } from './pursue.ts';
import { NO_SLOT } from './state/query-slots.ts';
import { FRAME } from './state/stream-buffer.ts';
import type { UpstreamSocket } from './state/upstream-socket.ts';
import type { UpstreamStream } from './state/upstream-stream.ts';
import { ERRNO } from '../sys/sys.ts';

export class FromUpstreams {
  readonly #plane: Plane;
  readonly #pursuit: Pursuit;
  readonly #onError: (error: unknown) => void;

  constructor(plane: Plane, pursuit: Pursuit, onError: (error: unknown) => void) {
    this.#plane = plane;
    this.#pursuit = pursuit;
    this.#onError = onError;
  }

  onDatagrams(socket: UpstreamSocket): void {
    const plane = this.#plane;
    const { answers } = plane;
    const received = plane.sys.receiveBatch(socket.fd, answers);
    // An ICMP error says nothing that anybody could not have sent (threats D8): the deadline decides.
    if (received < 0) return plane.count(COUNT.upstream_errors);
    for (let i = 0; i < received; i++) {
      const start = answers.start(i);
      const end = start + answers.received(i);
      if (this.#onMessage(socket, answers.bytes, start, end) || this.#isLate(socket, answers.bytes, start, end))
        continue;
      plane.count(COUNT.upstream_foreign);
      suspectSpoof(plane, socket.server);
      if (plane.upstreams.servers.health.wrong(socket.server, plane.nowMs)) this.#pursuit.onForgeries(socket.server);
    }
  }

  /** Its descriptor can be read or written, or is broken. */
  onStream(stream: UpstreamStream): void {
    const plane = this.#plane;
    if (!stream.flush() || !this.#read(stream)) return this.#lose(stream);
    plane.upstreams.streams.settle(stream);
  }

  onTick(): void {
    const plane = this.#plane;
    const { health } = plane.upstreams.servers;
    for (let place = health.takeDue(plane.nowMs); place >= 0; place = health.takeDue(plane.nowMs)) {
      if (!plane.upstreams.servers.isRetired(place)) probe(plane, place);
    }
    plane.upstreams.streams.tick(plane.nowMs);
  }

  /** False at its end. */
  #read(stream: UpstreamStream): boolean {
    const plane = this.#plane;
    const { buffer } = stream;
    const count = buffer.readFrom(plane.sys.streams, stream.fd);
    if (count === -ERRNO.EAGAIN) return true;
    if (count <= 0) return false;
    for (let code = buffer.next(); code !== FRAME.Partial; code = buffer.next()) {
      if (code !== FRAME.Message) return false;
      const { bytes, start, end } = buffer;
      if (this.#onMessage(stream, bytes, start, end) || this.#isLate(stream, bytes, start, end))
        stream.answeredMs = plane.nowMs;
      else plane.count(COUNT.upstream_foreign);
    }
    return true;
  }

  /** Everybody who waits there asks again elsewhere, or on a new connection. */
  #lose(stream: UpstreamStream): void {
    const plane = this.#plane;
    const slots = new Set<number>(); // one that asked twice here is told once: by then the place may be another connection's
    stream.ids.forEach((slot) => slots.add(slot));
    plane.upstreams.streams.close(stream);
    if (slots.size > 0) plane.count(COUNT.upstream_lost);
    for (const slot of slots) this.#pursuit.onLost(slot, stream);
  }

  /** An answer to a question that has been answered by another, or was given up. */
  #isLate(at: Asked, bytes: Uint8Array, start: number, end: number): boolean {
    const plane = this.#plane;
    if (end - start < HEADER_BYTES || !at.ids.takeLate(readId(bytes, start))) return false;
    plane.count(COUNT.upstream_late);
    plane.upstreams.servers.health.answered(at.server, plane.nowMs);
    return true;
  }

  /** False when the message answers nothing. */
  #onMessage(at: Asked, bytes: Uint8Array, start: number, end: number): boolean {
    const plane = this.#plane;
    const slot = findAsker(plane, at.ids, bytes, start, end);
    if (slot === NO_SLOT && !answersProbe(plane, at, bytes, start, end)) return false;
    plane.upstreams.servers.health.answered(at.server, plane.nowMs);
    if (slot === NO_SLOT) return true;
    plane.answeredBy.socket = at.index;
    plane.answeredBy.id = readId(bytes, start);
    plane.answeredBy.server = at.server;
    try {
      this.#pursuit.onAnswer(slot, bytes, start, end);
    } catch (error) {
      this.#pursuit.abandon(slot);
      this.#onError(error);
    }
    plane.answeredBy.socket = -1;
    return true;
  }
}
