// The bytes of one watch: events as lines of JSON, with the faults of the way between server and client. It must keep the order of the
// events of one object, whatever is switched on, and never knows why an event is sent.
import { setImmediate as turn } from 'node:timers/promises';
import { constants, createGzip } from 'node:zlib';
import type { Gzip } from 'node:zlib';
import type { Faults } from './faults.ts';
import { keyOf } from './object.ts';
import type { KubernetesObject } from './object.ts';
import { acceptsGzip } from './reply.ts';
import type { Exchange } from './reply.ts';

export interface ObjectEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubernetesObject;
}

/** BOOKMARK and ERROR: about the stream, not about an object. */
export interface StreamEvent {
  readonly type: 'BOOKMARK' | 'ERROR';
  readonly object: object;
}

interface Piece {
  readonly text: string;
  readonly isSplit: boolean;
  readonly isLast: boolean;
}

// How long an event waits for another to change places with; then it goes alone.
const HOLD_MS = 20;

export class EventStream {
  readonly #exchange: Exchange;
  readonly #gzip: Gzip | undefined;
  readonly #faults: Faults;
  readonly #resource: string;
  readonly #queue: Piece[] = [];
  #held: { readonly key: string; readonly text: string; readonly timer: NodeJS.Timeout } | undefined;
  #isWriting = false;
  #isEnded = false;

  /** Sends the headers at once, as the real server does: a client may wait for them. */
  constructor(exchange: Exchange, faults: Faults, resource: string) {
    this.#exchange = exchange;
    this.#faults = faults;
    this.#resource = resource;
    const { request, response } = exchange;
    response.on('error', () => response.destroy());
    response.setHeader('content-type', 'application/json');
    if (acceptsGzip(request)) {
      this.#gzip = createGzip();
      this.#gzip.pipe(response);
      response.setHeader('content-encoding', 'gzip');
    }
    response.flushHeaders();
  }

  send(event: ObjectEvent): void {
    if (this.#isEnded) return;
    const line = `${JSON.stringify(event)}\n`;
    const half = line.slice(0, line.length / 2);
    if (this.#faults.takeCut(this.#resource)) {
      this.#releaseHeld();
      this.#end(half);
      return;
    }
    const isCorrupt = this.#faults.takeCorruption(this.#resource);
    const sent = isCorrupt ? `${half}\n` : line;
    const text = this.#faults.isDuplicated(this.#resource) ? sent + sent : sent;
    // A broken line stays in its place: behind a later one it would be lost for a client that goes on from the last version.
    if (this.#faults.isReordered(this.#resource) && !isCorrupt) this.#swap(keyOf(event.object.metadata), text);
    else this.#inOrder(text);
  }

  sendAbout(event: StreamEvent): void {
    if (!this.#isEnded) this.#inOrder(`${JSON.stringify(event)}\n`);
  }

  end(): void {
    if (this.#isEnded) return;
    this.#releaseHeld();
    this.#end('');
  }

  #end(lastText: string): void {
    this.#isEnded = true;
    this.#push({ text: lastText, isSplit: true, isLast: true });
  }

  #inOrder(text: string): void {
    this.#releaseHeld();
    this.#push({ text, isSplit: true, isLast: false });
  }

  #swap(key: string, text: string): void {
    const held = this.#held;
    if (held === undefined || held.key === key) {
      this.#releaseHeld();
      this.#held = { key, text, timer: setTimeout(() => this.#releaseHeld(), HOLD_MS) };
      return;
    }
    clearTimeout(held.timer);
    this.#held = undefined;
    // Both in one write: between them a lost connection would hide the earlier one from a client that goes on from the later version.
    this.#push({ text: text + held.text, isSplit: false, isLast: false });
  }

  #releaseHeld(): void {
    const held = this.#held;
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#held = undefined;
    this.#push({ text: held.text, isSplit: true, isLast: false });
  }

  #push(piece: Piece): void {
    this.#queue.push(piece);
    if (!this.#isWriting) void this.#write();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    for (let piece = this.#queue.shift(); piece !== undefined; piece = this.#queue.shift()) {
      const bytes = Buffer.from(piece.text);
      const step = (piece.isSplit && this.#faults.chunkBytes(this.#resource)) || Math.max(bytes.length, 1);
      for (let at = 0; at < bytes.length; at += step) {
        await this.#audible();
        if (this.#exchange.response.destroyed) break;
        await this.#writeBytes(bytes.subarray(at, at + step));
        if (step < bytes.length) await turn();
      }
      // The end is sent, too: there is none in silence.
      await this.#audible();
      if (piece.isLast) (this.#gzip ?? this.#exchange.response).end();
    }
    this.#isWriting = false;
  }

  #audible(): Promise<void> {
    return this.#faults.audible(this.#resource);
  }

  async #writeBytes(bytes: Buffer): Promise<void> {
    const gzip = this.#gzip;
    if (gzip === undefined) {
      this.#exchange.response.write(bytes);
      return;
    }
    gzip.write(bytes);
    // Never resolved when the client has gone; nothing waits for it then.
    await new Promise<void>((flushed) => gzip.flush(constants.Z_SYNC_FLUSH, flushed));
  }
}
