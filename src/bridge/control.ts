// The words of shared memory by which one thread tells the other to stop and shows that it lives. Each word has one writer.

/** Indexes into the Int32Array over the control buffer. */
const STOP = 0; // written by the main thread
const GENERATION = 1; // written by the data plane: the snapshot that it judges by
const TURNS = 2; // written by the data plane: the turns of its loop, for whoever watches that it lives

export class Control {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Main thread: asks the loop to end. The loop reads it every turn, at least every 100 ms (V23); wake it by its eventfd. */
  requestStop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  isStopRequested(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  /** Data plane: every query received from now on is judged by this snapshot. */
  applied(generation: number): void {
    Atomics.store(this.#words, GENERATION, generation);
  }

  appliedGeneration(): number {
    return Atomics.load(this.#words, GENERATION);
  }

  countTurn(): void {
    Atomics.add(this.#words, TURNS, 1);
  }

  turns(): number {
    return Atomics.load(this.#words, TURNS);
  }
}
