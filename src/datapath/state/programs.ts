// Which names each program allows, and the memory of verdicts: a name that was judged under a program is not matched again while the
// policy stands.
import { LRUCache } from 'lru-cache';
import type { SnapshotProgram } from '../../bridge/snapshot.ts';
import { equalNames } from '../../dns/name.ts';
import { compileNameRule, matchesShaped, nameShape } from '../../policy/names.ts';
import type { CompiledName } from '../../policy/names.ts';
import type { NameRule } from '../../policy/compiled.ts';
import { matcherOf } from './answer-ranges.ts';
import type { Opening } from './answer-ranges.ts';
import { NameSuffixes } from './name-suffixes.ts';

export interface Verdict {
  readonly mayAsk: boolean;
  /** What the name's addresses open: indexes into the snapshot's classes. Empty: the name may be asked and grants nothing. */
  readonly classes: readonly number[];
  /** The first rule that gave a class, else the first that allows the question; -1: none. */
  readonly rule: number;
  /** What its rules open of the protected ranges; absent: nothing, as nearly always. */
  readonly opens?: readonly Opening[];
}

/** What a question came by: policy may allow it over one and not the other. Any: what either allows. */
export const TRANSPORT = { Udp: 0, Tcp: 1, Any: 2 } as const;

interface JudgedName {
  readonly program: number;
  readonly transport: number;
  readonly name: Uint8Array;
  readonly verdict: Verdict;
}

interface ProgramRule {
  readonly name: CompiledName;
  readonly rule: NameRule;
  /** What the rule gives by itself: the usual case, made once. */
  readonly verdict: Verdict;
}

const NO_RULES: readonly ProgramRule[] = [];
const NO_ZONES = new NameSuffixes([]);

/** For pods that no policy selects: they ask what they like and are granted nothing, since nothing is closed for them. */
export const UNSELECTED: Verdict = { mayAsk: true, classes: [], rule: -1 };
const DENIED: Verdict = { mayAsk: false, classes: [], rule: -1 };

/** A match that fails costs about 10 ns (npm run bench -- match), the memory about 40 and, for a new name, 500 and its garbage. */
const RULES_WITHOUT_MEMORY = 16;

/** Judged names remembered, of all programs together; the least recently used go first. About 20 MB when full. */
const REMEMBERED = 100_000;

export class Programs {
  readonly #programs: readonly (readonly ProgramRule[])[];
  readonly #clusterZones: NameSuffixes;
  /** What a verdict is for the cluster's own names. */
  readonly #askOnly = new WeakMap<Verdict, Verdict>();
  readonly #judged = new LRUCache<number, JudgedName>({ max: REMEMBERED });

  /** Names of `clusterZones` are granted nothing, whatever a rule says: the filter alone decides about what they resolve to (I3). */
  constructor(programs: readonly SnapshotProgram[], clusterZones = NO_ZONES) {
    this.#clusterZones = clusterZones;
    this.#programs = programs.map((program) =>
      program.names.map((rule) => ({ name: compileNameRule(rule), rule, verdict: verdictOf(rule) })),
    );
  }

  /** Verdict on a folded wire name asked over `transport` under `program`. `hash` is any int32 hash of both with a secret seed. */
  judge(program: number, names: Uint8Array, offset: number, length: number, hash: number, transport: number): Verdict {
    // Few rules are matched faster than the memory is asked, and names that are never asked again leave no garbage in it.
    if ((this.#programs[program]?.length ?? 0) <= RULES_WITHOUT_MEMORY)
      return this.#askable(this.judgeAnew(program, names, offset, transport), names, offset, length);
    const key = (hash ^ Math.imul(program * 3 + transport + 1, 0x9e3779b1)) | 0;
    const known = this.#judged.get(key);
    if (known?.program === program && known.transport === transport && isName(known.name, names, offset, length)) {
      return known.verdict;
    }
    const verdict = this.#askable(this.judgeAnew(program, names, offset, transport), names, offset, length);
    this.#judged.set(key, { program, transport, name: names.slice(offset, offset + length), verdict });
    return verdict;
  }

  #askable(verdict: Verdict, names: Uint8Array, offset: number, length: number): Verdict {
    if (verdict.classes.length === 0 || !this.#clusterZones.has(names, offset, length)) return verdict;
    let askOnly = this.#askOnly.get(verdict);
    if (askOnly === undefined)
      this.#askOnly.set(verdict, (askOnly = { mayAsk: true, classes: [], rule: verdict.rule }));
    return askOnly;
  }

  /** What the rules say, without the memory. */
  judgeAnew(program: number, names: Uint8Array, offset: number, transport: number): Verdict {
    const shape = nameShape(names, offset);
    const rules = this.#programs[program] ?? NO_RULES;
    let first: ProgramRule | undefined;
    let verdict = DENIED;
    for (let i = 0; i < rules.length; i++) {
      const candidate = rules[i]!;
      if (!isAskable(candidate.rule, transport) || !matchesShaped(candidate.name, names, offset, shape)) continue;
      verdict = first === undefined ? candidate.verdict : join(verdict, candidate.verdict);
      first ??= candidate;
    }
    return verdict;
  }
}

function isAskable({ askUdp, askTcp }: NameRule, transport: number): boolean {
  return (askUdp && transport !== TRANSPORT.Tcp) || (askTcp && transport !== TRANSPORT.Udp);
}

function verdictOf({ classes, rule, answerRanges = [] }: NameRule): Verdict {
  if (answerRanges.length === 0) return { mayAsk: true, classes, rule };
  const ranges = matcherOf(answerRanges);
  return { mayAsk: true, classes, rule, opens: classes.map((classIndex) => ({ classIndex, ranges })) };
}

/** Both may be asked; the classes of both are opened. The rule is the first that opens one, else the first. */
function join(a: Verdict, b: Verdict): Verdict {
  const classes = b.classes.filter((classIndex) => !a.classes.includes(classIndex));
  if (classes.length === 0 && b.opens === undefined) return a;
  const both = { mayAsk: true, classes: [...a.classes, ...classes], rule: a.classes.length > 0 ? a.rule : b.rule };
  if (a.opens === undefined && b.opens === undefined) return both;
  return { ...both, opens: [...(a.opens ?? []), ...(b.opens ?? [])] };
}

function isName(known: Uint8Array, names: Uint8Array, offset: number, length: number): boolean {
  return known.length === length && equalNames(known, 0, names, offset, length);
}
