// One TCP connection towards an upstream server: many questions at a time (RFC 7766 §6.2.1), what is not sent yet, and what has arrived of
// the answers.
import { MAX_MESSAGE_BYTES } from '../../dns/codes.ts';
import { writeUint16 } from '../../dns/header.ts';
import { MAX_QUESTION_BYTES } from '../../dns/query.ts';
import { ERRNO, INTEREST } from '../../sys/sys.ts';
import type { Fd, Memory } from '../../sys/sys.ts';
import type { Streams } from '../../sys/streams.ts';
import { PendingIds } from './pending-ids.ts';
import { StreamBuffer } from './stream-buffer.ts';

/** Questions that may wait on one connection: as many as one pod may have in flight, so that no pod alone fills those to a server. */
const STREAM_QUESTIONS = 1_024;
/** Length, header, question and OPT. */
const QUESTION_ROOM = 2 + 12 + MAX_QUESTION_BYTES + 11;
/** While it is being made, or when the server does not read. */
const UNSENT_QUESTIONS = 128;
const UNSENT_BYTES = UNSENT_QUESTIONS * QUESTION_ROOM;
const ANSWER_ROOM = MAX_MESSAGE_BYTES + 2;
/** What each connection needs of memory. */
export const STREAM_MEMORY_BYTES = UNSENT_BYTES + ANSWER_ROOM;
/** A connection is given up after so many questions. */
const MOST_QUESTIONS = 10_000;

export class UpstreamStream {
  readonly fd: Fd;
  /** What QuerySlots.socket names it by. */
  readonly index: number;
  /** Place of its server. */
  readonly server: number;
  readonly ids = new PendingIds();
  readonly buffer: StreamBuffer;
  /** When something was asked here last. */
  askedMs: number;
  /** When an answer came last, to whatever question. */
  answeredMs = Number.NEGATIVE_INFINITY;
  /** A question was not answered in time, and no other was meanwhile: others are asked elsewhere if that can be. */
  isSuspect = false;
  readonly #memory: Memory;
  readonly #streams: Streams;
  #from = 0;
  #to = 0;
  #questions = 0;

  /** `memory` has STREAM_MEMORY_BYTES. */
  constructor(streams: Streams, fd: Fd, at: { index: number; server: number; memory: Memory; nowMs: number }) {
    this.#streams = streams;
    this.fd = fd;
    this.index = at.index;
    this.server = at.server;
    this.#memory = at.memory;
    this.askedMs = at.nowMs;
    this.buffer = new StreamBuffer(at.memory, UNSENT_BYTES, ANSWER_ROOM);
  }

  /** True while another question may be asked here. */
  get hasRoom(): boolean {
    return !this.isSpent && this.ids.count < STREAM_QUESTIONS && this.#to + QUESTION_ROOM <= UNSENT_BYTES;
  }

  /** True when one of the questions was answered. */
  get hasAnswered(): boolean {
    return this.answeredMs >= 0;
  }

  /** When it was used last. */
  get activeMs(): number {
    return Math.max(this.askedMs, this.answeredMs);
  }

  /** True when no question may be asked here any more. */
  get isSpent(): boolean {
    return this.#questions >= MOST_QUESTIONS;
  }

  /** Where the next question is to be written, behind its length; `hasRoom` has said that there is room. */
  get bytes(): Uint8Array {
    return this.#memory.bytes;
  }

  get questionAt(): number {
    return this.#to + 2;
  }

  /** The question of `lengthBytes` stands at `questionAt`: sends it with whatever waits. False when the connection is broken. */
  ask(lengthBytes: number, nowMs: number): boolean {
    writeUint16(this.#memory.bytes, this.#to, lengthBytes);
    this.#to += 2 + lengthBytes;
    this.#questions++;
    this.askedMs = nowMs;
    return this.flush();
  }

  /** Sends what waits, as far as it is taken. False when the connection is broken. */
  flush(): boolean {
    while (this.#from < this.#to) {
      const sent = this.#streams.write(this.fd, this.#memory, this.#from, this.#to - this.#from);
      if (sent === -ERRNO.EAGAIN) return true;
      if (sent < 0) return false;
      this.#from += sent;
    }
    this.#from = this.#to = 0;
    return true;
  }

  /** What it is to be watched for: bits of INTEREST. */
  get interest(): number {
    return INTEREST.Input | (this.#from < this.#to ? INTEREST.Output : 0);
  }
}
