// What clients of TCP have not taken of their answers yet: kept up to a limit for each, and for so many of them. No I/O.

export class UntakenBytes {
  readonly #memory: (Uint8Array | undefined)[] = [];
  readonly #length: Uint32Array;
  readonly #maxClients: number;
  readonly #maxBytes: number;
  #clients = 0;

  constructor(streams: number, maxClients: number, maxBytes: number) {
    this.#length = new Uint32Array(streams);
    this.#maxClients = maxClients;
    this.#maxBytes = maxBytes;
  }

  has(stream: number): boolean {
    return this.#length[stream]! > 0;
  }

  /** Valid until the next call. */
  of(stream: number): Uint8Array {
    return this.#memory[stream]!.subarray(0, this.#length[stream]);
  }

  /** Keeps `bytes` behind what is there; false when there is no room. */
  keep(stream: number, bytes: Uint8Array): boolean {
    const length = this.#length[stream]!;
    if (length + bytes.length > this.#maxBytes) return false;
    let memory = this.#memory[stream];
    if (memory === undefined) {
      if (this.#clients >= this.#maxClients) return false;
      memory = this.#memory[stream] = new Uint8Array(this.#maxBytes);
      this.#clients++;
    }
    memory.set(bytes, length);
    this.#length[stream] = length + bytes.length;
    return true;
  }

  /** The client has taken the first `count` of them. */
  took(stream: number, count: number): void {
    const length = this.#length[stream]!;
    if (count === length) return this.forget(stream);
    this.#memory[stream]!.copyWithin(0, count, length);
    this.#length[stream] = length - count;
  }

  forget(stream: number): void {
    if (this.#memory[stream] !== undefined) this.#clients--;
    this.#memory[stream] = undefined;
    this.#length[stream] = 0;
  }
}
