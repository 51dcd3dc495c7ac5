// Which blocks of src were reached, as V8 itself counts them (node:inspector, Profiler, block coverage). It must be started before what it is to count
// is imported: functions that are compiled earlier are not counted by block.
import { Session } from 'node:inspector';
import type { Profiler } from 'node:inspector';

const SRC = new URL('../../src/', import.meta.url).href;

const MOST_SEEN = 50_000;

/** What was reached in a while. */
export type Reached = readonly Profiler.ScriptCoverage[];

export class Coverage {
  readonly #session = new Session();
  /** Of each script, 1 where a character was reached. */
  readonly #known = new Map<string, Uint8Array>();
  /** What was learned already as a whole: nearly everything is. */
  readonly #seen = new Set<string>();
  #characters = 0;

  static start(): Coverage {
    const coverage = new Coverage();
    coverage.#session.connect();
    coverage.#session.post('Profiler.enable');
    // Not counted but only noted: counting costs more, and nothing here looks at the counts.
    coverage.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
    return coverage;
  }

  /** Characters of src in blocks that are known to be reached. */
  get characters(): number {
    return this.#characters;
  }

  /** What was reached since the last call. */
  take(): Reached {
    let reached: Reached = [];
    // The answer of a session of this very thread comes within the call.
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      reached = result.filter(({ url }) => url.startsWith(SRC));
    });
    return reached;
  }

  isNew(reached: Reached): boolean {
    return this.#walk(reached, () => undefined) > 0;
  }

  /** How many characters in it are new; now they are known. */
  learn(reached: Reached): number {
    const found = this.#walk(reached, (known, at) => {
      known[at] = 1;
    });
    this.#characters += found;
    for (const script of reached) if (this.#seen.size < MOST_SEEN) this.#seen.add(textOf(script));
    return found;
  }

  /** What was reached so far counts no more: it is what importing alone reaches. */
  forget(): void {
    this.learn(this.take());
    this.#characters = 0;
  }

  #walk(reached: Reached, visit: (known: Uint8Array, at: number) => void): number {
    let found = 0;
    for (const script of reached) {
      const { url, functions } = script;
      if (this.#seen.has(textOf(script))) continue;
      const painted = paint(functions.flatMap(({ ranges }) => ranges));
      const known = this.#knownOf(url, painted.length);
      for (let at = 0; at < painted.length; at++) {
        if (painted[at] === 0 || known[at] === 1) continue;
        visit(known, at);
        found++;
      }
    }
    return found;
  }

  #knownOf(url: string, length: number): Uint8Array {
    const before = this.#known.get(url);
    if (before !== undefined && before.length >= length) return before;
    const after = new Uint8Array(length);
    after.set(before ?? []);
    this.#known.set(url, after);
    return after;
  }
}

/** Ranges of a script lie within one another, the outer first: what an inner one says holds there. */
function paint(ranges: readonly Profiler.CoverageRange[]): Uint8Array {
  const painted = new Uint8Array(Math.max(0, ...ranges.map(({ endOffset }) => endOffset)));
  for (const { startOffset, endOffset, count } of ranges) painted.fill(Math.min(1, count), startOffset, endOffset);
  return painted;
}

function textOf({ url, functions }: Profiler.ScriptCoverage): string {
  let text = url;
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) text += ` ${startOffset} ${endOffset} ${count}`;
  }
  return text;
}
