// The cases that others are bred from. A case is kept because it reached a block of src that none had reached, or made the loop do what none had
// made it do; the pool is bounded, and what was kept last is bred most.
import type { Case } from './case.ts';
import type { Random } from './random.ts';

const MOST_CASES = 6_000;
const RECENT = 200;

export class Pool {
  readonly #cases: Case[] = [];
  readonly #seen = new Set<string>();

  get size(): number {
    return this.#cases.length;
  }

  /** True when nothing with this signature was here before. */
  isNewSort(signature: string): boolean {
    if (this.#seen.size >= MOST_CASES || this.#seen.has(signature)) return false;
    this.#seen.add(signature);
    return true;
  }

  keep(steps: Case): void {
    if (this.#cases.length === MOST_CASES) this.#cases.shift();
    this.#cases.push(steps);
  }

  pick(random: Random): Case {
    const { length } = this.#cases;
    const from = random.below(2) === 0 ? Math.max(0, length - RECENT) : 0;
    return this.#cases[from + random.below(length - from)] ?? [];
  }
}
