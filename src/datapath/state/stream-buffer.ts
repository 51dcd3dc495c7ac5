// What has arrived on a TCP connection and is not read yet, as messages behind their two bytes of length (RFC 1035 §4.2.2). A message that is
// longer than the buffer is shown once, by its header, and the rest of it passes by.
import { HEADER_BYTES } from '../../dns/codes.ts';
import { readUint16 } from '../../dns/header.ts';
import type { Fd, Memory } from '../../sys/sys.ts';
import type { Streams } from '../../sys/streams.ts';

const LENGTH_BYTES = 2;

export const FRAME = {
  /** `start` … `end` is a whole message. */
  Message: 0,
  /** Nothing whole is there. */
  Partial: 1,
  /** A message without a byte: nobody sends that in earnest. */
  Empty: 2,
  /** Longer than the buffer: `start` … `end` is its header. */
  TooLong: 3,
} as const;

export class StreamBuffer {
  /** Absolute offsets in `memory` of the message that `next` has found. */
  start = 0;
  end = 0;
  readonly #memory: Memory;
  readonly #begin: number;
  readonly #capacity: number;
  /** What is not read yet: `#from` … `#to`, relative to `#begin`. */
  #from = 0;
  #to = 0;
  /** Bytes of a message that was too long and has not passed by yet. */
  #skip = 0;

  /** The part of `memory` at `begin` with room for messages of `capacity` − 2 bytes. */
  constructor(memory: Memory, begin: number, capacity: number) {
    this.#memory = memory;
    this.#begin = begin;
    this.#capacity = capacity;
  }

  get bytes(): Uint8Array {
    return this.#memory.bytes;
  }

  /** True while a message has begun to arrive and has not ended. */
  get isPartial(): boolean {
    return this.#to > this.#from || this.#skip > 0;
  }

  clear(): void {
    this.#from = this.#to = this.#skip = 0;
  }

  /** Reads what has arrived and fits: as Streams.read. Call it only when `next` has said Partial. */
  readFrom(streams: Streams, fd: Fd): number {
    const { bytes } = this.#memory;
    if (this.#from > 0) {
      bytes.copyWithin(this.#begin, this.#begin + this.#from, this.#begin + this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    const count = streams.read(fd, this.#memory, this.#begin + this.#to, this.#capacity - this.#to);
    if (count > 0) this.#to += count;
    return count;
  }

  /** Looks for the next message; a code of FRAME. What it shows is good until the next `readFrom`. */
  next(): number {
    const passing = Math.min(this.#skip, this.#to - this.#from);
    this.#skip -= passing;
    this.#from += passing;
    if (this.#to - this.#from < LENGTH_BYTES) return FRAME.Partial;
    const length = readUint16(this.#memory.bytes, this.#begin + this.#from);
    if (length === 0) return FRAME.Empty;
    const there = this.#to - this.#from - LENGTH_BYTES;
    this.start = this.#begin + this.#from + LENGTH_BYTES;
    if (length > this.#capacity - LENGTH_BYTES) return this.#tooLong(length, there);
    if (there < length) return FRAME.Partial;
    this.end = this.start + length;
    this.#from += LENGTH_BYTES + length;
    return FRAME.Message;
  }

  /** The message that `next` has found last is found again by the next one. */
  putBack(): void {
    this.#from = this.start - this.#begin - LENGTH_BYTES;
  }

  #tooLong(length: number, there: number): number {
    if (there < HEADER_BYTES) return FRAME.Partial;
    this.end = this.start + HEADER_BYTES;
    this.#from += LENGTH_BYTES + HEADER_BYTES;
    this.#skip = length - HEADER_BYTES;
    return FRAME.TooLong;
  }
}
