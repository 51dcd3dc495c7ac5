// A ring of records in shared memory: the data plane writes and never waits, the main thread drains. A record that does not fit is
// counted, not written (I11). One writer, one reader: `written` and `read` are byte positions that only grow (as uint32, modulo 2^32).

// Layout: word 0 written, word 1 read, data from byte 64 on (its own cache line). A record is a uint32 length and that many bytes,
// padded to 4; a length of WRAP tells the reader to go on at the beginning.
const WRITTEN = 0;
const READ = 1;
const DATA_BYTES_AT = 64;
const WRAP = 0xffff_ffff;
/** 8 MiB hold about 60,000 records, a third of a second at the fastest rate measured. */
export const AUDIT_RING_BYTES = 1 << 23;

export class AuditRing {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #positions: Uint32Array;
  readonly #capacity: number;
  #begin = 0;
  #position = 0;

  /** `buffer` is 64 + a power of two bytes; another thread's ring is joined by passing its buffer. */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(DATA_BYTES_AT + AUDIT_RING_BYTES)) {
    this.buffer = buffer;
    this.#capacity = buffer.byteLength - DATA_BYTES_AT;
    this.bytes = new Uint8Array(buffer, DATA_BYTES_AT);
    this.view = new DataView(buffer, DATA_BYTES_AT);
    this.#positions = new Uint32Array(buffer, 0, 2);
  }

  /**
   * Writer: room for `maximumBytes`, answered as an offset into `bytes`/`view`, or -1 when the reader is too far behind.
   * Nothing is visible before `commit`.
   */
  reserve(maximumBytes: number): number {
    const need = 4 + ((maximumBytes + 3) & ~3);
    const written = Atomics.load(this.#positions, WRITTEN);
    const free = this.#capacity - ((written - Atomics.load(this.#positions, READ)) >>> 0);
    const at = written % this.#capacity;
    const untilEnd = this.#capacity - at;
    const skipped = untilEnd < need ? untilEnd : 0;
    if (free < skipped + need) return -1;
    if (skipped > 0) this.view.setUint32(at, WRAP, true);
    this.#begin = skipped > 0 ? 0 : at;
    this.#position = (written + skipped) >>> 0;
    return this.#begin + 4;
  }

  /** Writer: publishes the `lengthBytes` written since reserve. */
  commit(lengthBytes: number): void {
    this.view.setUint32(this.#begin, lengthBytes, true);
    Atomics.store(this.#positions, WRITTEN, (this.#position + 4 + ((lengthBytes + 3) & ~3)) >>> 0);
  }

  /** Reader: hands up to `maximum` records to `take` as offset and length into `bytes`; answers how many there were. */
  drain(take: (offset: number, lengthBytes: number) => void, maximum: number): number {
    let count = 0;
    let read = Atomics.load(this.#positions, READ);
    const written = Atomics.load(this.#positions, WRITTEN);
    while (read !== written && count < maximum) {
      const at = read % this.#capacity;
      const length = this.view.getUint32(at, true);
      if (length === WRAP) {
        read = (read + this.#capacity - at) >>> 0;
        continue;
      }
      take(at + 4, length);
      read = (read + 4 + ((length + 3) & ~3)) >>> 0;
      count++;
    }
    Atomics.store(this.#positions, READ, read);
    return count;
  }
}
