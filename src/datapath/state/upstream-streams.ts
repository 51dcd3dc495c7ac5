// The TCP connections towards upstream servers, opened when they are needed and shared by all questions to a server.
// Full: an idle connection of another server is closed for a new one; without any the attempt has failed.
import { INTEREST, SysError } from '../../sys/sys.ts';
import type { Endpoint, Fd, Memory, Sys } from '../../sys/sys.ts';
import { STREAM_MEMORY_BYTES, UpstreamStream } from './upstream-stream.ts';

/** In QuerySlots.socket the UDP sockets come first (upstream-servers.ts: 256 places of 16). */
export const STREAM_INDEX = 4_096;
const PLACES = 64;
const STREAMS_PER_SERVER = 4;
/** Servers keep idle connections for some seconds (RFC 7766 §6.2.3); we let go before they do. */
const IDLE_MS = 8_000;

/** Who listens to the descriptors. */
export interface UpstreamStreamWatch {
  opened(stream: UpstreamStream): void;
  closed(fd: Fd): void;
  wants(fd: Fd, interest: number): void;
}

export class UpstreamStreams {
  readonly #sys: Sys;
  readonly #streams: (UpstreamStream | undefined)[] = [];
  readonly #memory: Memory[] = [];
  #watch: UpstreamStreamWatch | undefined;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  watchWith(watch: UpstreamStreamWatch): void {
    this.#watch = watch;
  }

  /** The one that a slot names by `index`; undefined when it has ended. */
  at(index: number): UpstreamStream | undefined {
    return this.#streams[index - STREAM_INDEX];
  }

  /** A connection to the server at `place` with room for a question, opened when there is none; undefined when that cannot be. */
  pick(place: number, server: Endpoint, nowMs: number): UpstreamStream | undefined {
    let count = 0;
    for (let i = 0; i < this.#streams.length; i++) {
      const stream = this.#streams[i];
      if (stream?.server !== place) continue;
      if (stream.hasRoom) return stream;
      count++;
    }
    return count < STREAMS_PER_SERVER ? this.#open(place, server, nowMs) : undefined;
  }

  /** A question was written, or something is left to be sent. */
  settle(stream: UpstreamStream): void {
    this.#watch?.wants(stream.fd, stream.interest);
  }

  close(stream: UpstreamStream): void {
    if (this.at(stream.index) !== stream) return;
    this.#streams[stream.index - STREAM_INDEX] = undefined;
    this.#watch?.closed(stream.fd);
    this.#sys.close(stream.fd);
  }

  /** Closes those that nobody waits at for a while. */
  tick(nowMs: number): void {
    for (const stream of this.#streams) {
      if (stream === undefined || stream.ids.count > 0) continue;
      if (stream.isSuspect || nowMs - stream.activeMs >= IDLE_MS) this.close(stream);
    }
  }

  /** True while a question waits on a connection to the server at `place`. */
  isAwaited(place: number): boolean {
    return this.#streams.some((stream) => stream?.server === place && stream.ids.count > 0);
  }

  /** Closes those to the server at `place`, whoever waits. */
  closeOf(place: number): void {
    for (const stream of this.#streams) if (stream?.server === place) this.close(stream);
  }

  closeAll(): void {
    for (const stream of this.#streams) if (stream !== undefined) this.close(stream);
  }

  #open(place: number, server: Endpoint, nowMs: number): UpstreamStream | undefined {
    const i = this.#freePlace();
    if (i < 0) return undefined;
    const fd = this.#connect(server);
    if (fd === undefined) return undefined;
    const memory = (this.#memory[i] ??= this.#sys.allocate(STREAM_MEMORY_BYTES));
    const stream = new UpstreamStream(this.#sys.streams, fd, { index: STREAM_INDEX + i, server: place, memory, nowMs });
    this.#streams[i] = stream;
    this.#watch?.opened(stream);
    this.#watch?.wants(fd, INTEREST.Input | INTEREST.Output); // until it is connected
    return stream;
  }

  #connect(server: Endpoint): Fd | undefined {
    try {
      return this.#sys.streams.connect(server);
    } catch (error) {
      if (error instanceof SysError) return undefined; // no route, no descriptor: the attempt has failed
      throw error;
    }
  }

  #freePlace(): number {
    for (let i = 0; i < PLACES; i++) if (this.#streams[i] === undefined) return i;
    const idle = this.#streams.find((stream) => stream?.ids.count === 0);
    if (idle === undefined) return -1;
    this.close(idle);
    return idle.index - STREAM_INDEX;
  }
}
