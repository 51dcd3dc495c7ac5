// Problems that stay while the agent works: each is logged when it comes up and when it is gone, not at every change between.
import type { Problem } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

export class ProblemLog {
  readonly #log: Logger;
  #known: ReadonlyMap<string, Problem> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** `problems` are all that there are now. */
  report(problems: readonly Problem[]): void {
    const before = this.#known;
    this.#known = new Map(problems.map((problem) => [keyOf(problem), problem]));
    for (const [key, { at, code, message }] of this.#known)
      if (!before.has(key)) this.#log.error({ at, code }, message);
    for (const [key, { at, code, message }] of before) {
      if (!this.#known.has(key)) this.#log.info({ at, code }, `Mended: ${message}`);
    }
  }
}

function keyOf({ at, code, message }: Problem): string {
  return JSON.stringify([at, code, message]);
}
