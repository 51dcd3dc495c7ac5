// Connections whose client is over its rate: they are not read for a while.

export class HeldStreams {
  readonly #isHeld: Uint8Array;
  /** Held before, and something of it has waited ever since. */
  readonly #isBehind: Uint8Array;
  #from = 0;
  count = 0;

  constructor(streams: number) {
    this.#isHeld = new Uint8Array(streams);
    this.#isBehind = new Uint8Array(streams);
  }

  has(stream: number): boolean {
    return this.#isHeld[stream] !== 0;
  }

  /** True when it has had nothing waiting since it was held before. */
  hold(stream: number): boolean {
    if (!this.has(stream)) this.count++;
    this.#isHeld[stream] = 1;
    const isNew = this.#isBehind[stream] === 0;
    this.#isBehind[stream] = 1;
    return isNew;
  }

  /** Nothing of it waits any more. */
  caughtUp(stream: number): void {
    this.#isBehind[stream] = 0;
  }

  /** It is gone. */
  forget(stream: number): void {
    if (this.has(stream)) this.count--;
    this.#isHeld[stream] = 0;
    this.#isBehind[stream] = 0;
  }

  /** Holds none any more; next time it begins behind the one that is first now, so that who has many of them reads from all in turn. */
  resume(resumed: (stream: number) => void): void {
    const from = this.#from;
    let isFirst = true;
    for (let step = 0; step < this.#isHeld.length; step++) {
      const stream = (from + step) % this.#isHeld.length;
      if (!this.has(stream)) continue;
      if (isFirst) this.#from = (stream + 1) % this.#isHeld.length;
      isFirst = false;
      this.#isHeld[stream] = 0;
      resumed(stream);
    }
    this.count = 0;
  }
}
