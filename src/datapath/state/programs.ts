// Which names each program allows, and the memory of verdicts: a name that was judged under a program is not matched again while the
// policy stands.
import { LRUCache } from 'lru-cache';
import type { SnapshotProgram } from '../../bridge/snapshot.ts';
import { equalNames } from '../../dns/name.ts';
import { compileNameRule, matchesShaped, nameShape } from '../../policy/names.ts';
import type { CompiledName } from '../../policy/names.ts';
import type { NameRule } from '../../policy/compiled.ts';

export interface Verdict {
  readonly mayAsk: boolean;
  /** What the name's addresses open: indexes into the snapshot's classes. Empty: the name may be asked and grants nothing. */
  readonly classes: readonly number[];
  /** The first rule that gave a class, else the first that allows the question; -1: none. */
  readonly rule: number;
}

interface JudgedName {
  readonly program: number;
  readonly name: Uint8Array;
  readonly verdict: Verdict;
}

interface ProgramRule {
  readonly name: CompiledName;
  readonly rule: NameRule;
}

/** For pods that no policy selects: they ask what they like and are granted nothing, since nothing is closed for them. */
export const UNSELECTED: Verdict = { mayAsk: true, classes: [], rule: -1 };
const DENIED: Verdict = { mayAsk: false, classes: [], rule: -1 };

/** Judged names remembered, of all programs together; the least recently used go first. About 20 MB when full. */
const REMEMBERED = 100_000;

export class Programs {
  readonly #programs: readonly (readonly ProgramRule[])[];
  readonly #judged = new LRUCache<number, JudgedName>({ max: REMEMBERED });

  constructor(programs: readonly SnapshotProgram[]) {
    this.#programs = programs.map((program) => program.names.map((rule) => ({ name: compileNameRule(rule), rule })));
  }

  /** Verdict on a folded wire name asked over UDP under `program`. `hash` is any int32 hash of the name with a secret seed. */
  judge(program: number, names: Uint8Array, offset: number, length: number, hash: number): Verdict {
    const key = (hash ^ Math.imul(program + 1, 0x9e3779b1)) | 0;
    const known = this.#judged.get(key);
    if (known !== undefined && known.program === program && isName(known.name, names, offset, length)) {
      return known.verdict;
    }
    const verdict = this.judgeAnew(program, names, offset);
    this.#judged.set(key, { program, name: names.slice(offset, offset + length), verdict });
    return verdict;
  }

  /** The same without the memory. */
  judgeAnew(program: number, names: Uint8Array, offset: number): Verdict {
    const shape = nameShape(names, offset);
    const classes: number[] = [];
    let rule = -1;
    for (const { name, rule: candidate } of this.#programs[program] ?? []) {
      if (!candidate.askUdp || !matchesShaped(name, names, offset, shape)) continue;
      const isFirstGrant = candidate.classes.length > 0 && classes.length === 0;
      if (rule < 0 || isFirstGrant) rule = candidate.rule;
      for (const classIndex of candidate.classes) if (!classes.includes(classIndex)) classes.push(classIndex);
    }
    return rule >= 0 ? { mayAsk: true, classes, rule } : DENIED;
  }
}

function isName(known: Uint8Array, names: Uint8Array, offset: number, length: number): boolean {
  return known.length === length && equalNames(known, 0, names, offset, length);
}
