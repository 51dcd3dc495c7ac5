// How the data plane hands one finished netlink batch to the thread that waits for the kernel, and gets its outcome back. One batch at a
// time: the data plane writes the request, the committer the outcome, each its own words.

// Indexes into the Int32Array over the buffer. Written by the data plane:
const REQUESTED = 0; // batches handed over so far
const LENGTH = 1;
const FIRST = 2; // sequence numbers, as netlink-socket.ts wants them
const LAST = 3;
const EVENT_FD = 4;
// Written by the committer:
const DONE = 5; // batches that have an outcome
const OUTCOME = 6;
// Written by the main thread:
const STOP = 7;
/** Of the batch, as a double at byte 32: user-space addresses have 47 bits. */
const ADDRESS = 4;
const BYTES = 40;

export class CommitChannel {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  /** Data plane: the eventfd to signal when a batch has an outcome. */
  setEventFd(fd: number): void {
    Atomics.store(this.#words, EVENT_FD, fd);
  }

  /** Data plane: the batch at this address, which must not change before it has an outcome. Only when none is under way. */
  request(address: number, lengthBytes: number, first: number, last: number): void {
    this.#doubles[ADDRESS] = address;
    this.#words[LENGTH] = lengthBytes;
    this.#words[FIRST] = first;
    this.#words[LAST] = last;
    Atomics.add(this.#words, REQUESTED, 1); // publishes what is above
    Atomics.notify(this.#words, REQUESTED);
  }

  isDone(): boolean {
    return Atomics.load(this.#words, DONE) === Atomics.load(this.#words, REQUESTED);
  }

  /** Data plane: of the batch requested last, once isDone. */
  outcome(): number {
    return Atomics.load(this.#words, OUTCOME);
  }

  /** Data plane: blocks until the batch under way has an outcome, or for `timeoutMs`. */
  waitUntilDone(timeoutMs: number): void {
    const done = Atomics.load(this.#words, DONE);
    if (!this.isDone()) Atomics.wait(this.#words, DONE, done, timeoutMs);
  }

  /** Committer: true when a batch is waiting for it; blocks for `timeoutMs` at most. */
  waitForRequest(timeoutMs: number): boolean {
    if (this.isDone()) Atomics.wait(this.#words, REQUESTED, Atomics.load(this.#words, DONE), timeoutMs);
    return !this.isDone();
  }

  get address(): number {
    return this.#doubles[ADDRESS] ?? 0;
  }

  get lengthBytes(): number {
    return this.#words[LENGTH] ?? 0;
  }

  get first(): number {
    return (this.#words[FIRST] ?? 0) >>> 0;
  }

  get last(): number {
    return (this.#words[LAST] ?? 0) >>> 0;
  }

  get eventFd(): number {
    return Atomics.load(this.#words, EVENT_FD);
  }

  /** Committer: the outcome of the batch at hand. */
  done(outcome: number): void {
    Atomics.store(this.#words, OUTCOME, outcome);
    Atomics.add(this.#words, DONE, 1);
    Atomics.notify(this.#words, DONE);
  }

  /** Main thread: asks the committer to end; it reads it every 100 ms at least. */
  requestStop(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, REQUESTED);
  }

  isStopRequested(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }
}
