// Makes a case that finds something smaller, as long as it still finds it: fewer steps, shorter messages, plainer bytes.
import type { Case, Step } from './case.ts';
import { layoutOf } from './layout.ts';
import { mutate } from './mutate.ts';

/** Tries at most; each plays the case. */
const MOST_TRIES = 600;

export function shrink(steps: Case, stillFinds: (steps: Case) => boolean): Case {
  return new Shrinking(steps, stillFinds).run();
}

class Shrinking {
  #best: Case;
  #tries = 0;
  readonly #stillFinds: (steps: Case) => boolean;

  constructor(steps: Case, stillFinds: (steps: Case) => boolean) {
    this.#best = steps;
    this.#stillFinds = stillFinds;
  }

  run(): Case {
    while (this.#round());
    return this.#best;
  }

  /** True when something became smaller, so that another round may help. */
  #round(): boolean {
    const before = this.#best;
    for (let size = Math.ceil(before.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = this.#best.length - size; at >= 0; at -= size) this.#attempt(this.#best.toSpliced(at, size));
    }
    for (const at of this.#best.keys()) {
      // What comes after one that still finds is larger again.
      for (const smaller of smallerSteps(this.#best[at])) if (this.#attempt(this.#best.with(at, smaller))) break;
    }
    return this.#best !== before;
  }

  #attempt(candidate: Case): boolean {
    if (this.#tries++ >= MOST_TRIES || !this.#stillFinds(candidate)) return false;
    this.#best = candidate;
    return true;
  }
}

function* smallerSteps(step: Step | undefined): Generator<Step> {
  if (step === undefined) return;
  if (step.verb === 'wait' && step.milliseconds > 1) yield { ...step, milliseconds: Math.floor(step.milliseconds / 2) };
  if (!('bytes' in step)) return;
  const { bytes } = step;
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    yield { ...step, bytes: bytes.slice(0, bytes.length - size) };
  }
  for (let where = layoutOf(bytes).records.length - 1; where >= 0; where--) {
    yield { ...step, bytes: mutate(bytes, [{ how: 'remove-record', where, what: 0 }]) };
  }
  const firstNonZero = bytes.findIndex((byte) => byte !== 0);
  if (firstNonZero >= 0 && firstNonZero < 4) yield { ...step, bytes: bytes.with(firstNonZero, 0) };
}
