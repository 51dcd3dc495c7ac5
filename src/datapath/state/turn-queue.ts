// Who has a turn: each number once, first in, first out.

export class TurnQueue {
  readonly #ring: Int32Array;
  readonly #isIn: Uint8Array;
  #first = 0;
  count = 0;

  /** For numbers below `places`. */
  constructor(places: number) {
    this.#ring = new Int32Array(places);
    this.#isIn = new Uint8Array(places);
  }

  has(number: number): boolean {
    return this.#isIn[number] !== 0;
  }

  /** Nothing changes when it is in already. */
  add(number: number): void {
    if (this.has(number)) return;
    this.#isIn[number] = 1;
    this.#ring[(this.#first + this.count++) % this.#ring.length] = number;
  }

  /** Only when `count` is above 0. */
  take(): number {
    const number = this.#ring[this.#first]!;
    this.#first = (this.#first + 1) % this.#ring.length;
    this.count--;
    this.#isIn[number] = 0;
    return number;
  }
}
