// Which names each program allows. Where a name would be tried on many rules, one that was judged is remembered while the policy stands.
import { LRUCache } from 'lru-cache';
import type { SnapshotProgram } from '../../bridge/snapshot.ts';
import { equalNames } from '../../dns/name.ts';
import { hashKeys } from '../../policy/name-ends.ts';
import { NameTable } from '../../policy/name-table.ts';
import { compileNameRule } from '../../policy/names.ts';
import type { NameRule, Otherwise } from '../../policy/compiled.ts';
import { matcherOf } from './answer-ranges.ts';
import type { Opening } from './answer-ranges.ts';
import { NameSuffixes } from './name-suffixes.ts';

export interface Verdict {
  readonly mayAsk: boolean;
  /** It may not, by policies that only audit: it is answered, and told by this rule. */
  readonly toldBy?: number;
  /** What the name's addresses open: indexes into the snapshot's classes. Empty: the name may be asked and grants nothing. */
  readonly classes: readonly number[];
  /** The first rule that gave a class, else the first that allows the question; -1: none. */
  readonly rule: number;
  /** What its rules open of the protected ranges; absent: nothing, as nearly always. */
  readonly opens?: readonly Opening[];
}

/** What a question came by: policy may allow it over one and not the other. Any: what either allows. */
export const TRANSPORT = { Udp: 0, Tcp: 1, Any: 2 } as const;

/** The same of a rule, as bits. */
const ASK = { Udp: 1, Tcp: 2 } as const;

interface JudgedName {
  readonly program: number;
  readonly transport: number;
  readonly name: Uint8Array;
  readonly verdict: Verdict;
}

interface NameProgram {
  readonly isAudited: boolean;
  /** By TRANSPORT: what becomes of a name that no rule lets be asked. */
  readonly unlisted: readonly Otherwise[];
  readonly isTold: readonly boolean[];
  /** By TRANSPORT: the verdict on what is told and opens nothing, the usual case. */
  readonly told: readonly Verdict[];
  readonly table: NameTable;
  /** By rule: ASK bits. */
  readonly asks: Uint8Array;
  /** By rule: what it gives by itself, the usual case, made once. */
  readonly verdicts: readonly Verdict[];
}

const NO_ZONES = new NameSuffixes([]);

/** For pods that no policy selects: they ask what they like and are granted nothing, since nothing is closed for them. */
export const UNSELECTED: Verdict = { mayAsk: true, classes: [], rule: -1 };
const DENIED: Verdict = { mayAsk: false, classes: [], rule: -1 };
const NOT_TOLD = { udp: false, tcp: false };
const BY_NONE = { udp: -1, tcp: -1 };
const ALL_DENIED = { udp: 'deny', tcp: 'deny' } as const;

/** To try a rule costs about 10 ns (npm run bench -- match), the memory about 40 and, for a new name, 500 and its garbage. */
const TRIED_WITHOUT_MEMORY = 16;

/** Judged names remembered, of all programs together; the least recently used go first. About 20 MB when full. */
const REMEMBERED = 100_000;

export class Programs {
  readonly #programs: readonly NameProgram[];
  readonly #clusterZones: NameSuffixes;
  /** What a verdict is for the cluster's own names. */
  readonly #askOnly = new WeakMap<Verdict, Verdict>();
  /** Made when a program needs it: empty as it is, it costs 6 ms of each new policy. */
  #judged: LRUCache<number, JudgedName> | undefined;
  /** The rules that mean the name which is judged. */
  readonly #found: Int32Array;

  /**
   * Names of `clusterZones` are granted nothing, whatever a rule says: the filter alone decides about what they resolve to (I3). `seed` is
   * secret: whoever knows it may write rules that are slow to look up.
   */
  constructor(programs: readonly SnapshotProgram[], clusterZones = NO_ZONES, seed = 0) {
    this.#clusterZones = clusterZones;
    const keys = hashKeys(seed);
    this.#programs = programs.map(
      ({ names, unlisted = ALL_DENIED, isTold = NOT_TOLD, toldBy = BY_NONE, isAudited }) => ({
        isAudited: isAudited === true,
        isTold: [isTold.udp, isTold.tcp, false],
        told: [toldBy.udp, toldBy.tcp, Math.max(toldBy.udp, toldBy.tcp)].map((rule) => ({ ...DENIED, toldBy: rule })),
        unlisted: [unlisted.udp, unlisted.tcp, moreOpen(unlisted.udp, unlisted.tcp)],
        table: new NameTable(names.map(compileNameRule), keys),
        asks: Uint8Array.from(names, ({ askUdp, askTcp }) => (askUdp ? ASK.Udp : 0) | (askTcp ? ASK.Tcp : 0)),
        verdicts: names.map(verdictOf),
      }),
    );
    this.#found = new Int32Array(programs.reduce((most, { names }) => Math.max(most, names.length), 0));
  }

  /** What isolates pods of the program only audits. */
  isAudited(program: number): boolean {
    return this.#programs[program]?.isAudited === true;
  }

  /** Verdict on a folded wire name asked over `transport` under `program`. `hash` is any int32 hash of both with a secret seed. */
  judge(program: number, names: Uint8Array, offset: number, length: number, hash: number, transport: number): Verdict {
    // Few rules are tried faster than the memory is asked, and names that are never asked again leave no garbage in it.
    if ((this.#programs[program]?.table.mostTried ?? 0) <= TRIED_WITHOUT_MEMORY)
      return this.#askable(this.judgeAnew(program, names, offset, transport), names, offset, length);
    this.#judged ??= new LRUCache({ max: REMEMBERED });
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
    if (askOnly === undefined) this.#askOnly.set(verdict, (askOnly = withoutClasses(verdict)));
    return askOnly;
  }

  /** What the rules say, without the memory. */
  judgeAnew(program: number, names: Uint8Array, offset: number, transport: number): Verdict {
    const rules = this.#programs[program];
    if (rules === undefined) return DENIED;
    const by = transport === TRANSPORT.Any ? ASK.Udp | ASK.Tcp : transport === TRANSPORT.Tcp ? ASK.Tcp : ASK.Udp;
    const count = rules.table.find(names, offset, this.#found);
    let verdict = DENIED;
    let isAsked = false;
    for (let i = 0; i < count; i++) {
      const rule = this.#found[i]!;
      const own = rules.verdicts[rule]!;
      if ((rules.asks[rule]! & by) !== 0) isAsked = true;
      else if (own.classes.length === 0) continue;
      verdict = verdict === DENIED ? own : join(verdict, own);
    }
    const told = rules.told[transport]!;
    if (isAsked) return rules.isTold[transport] === true ? toldOf(verdict, told) : verdict;
    return unlistedVerdict(verdict, rules.unlisted[transport]!, told);
  }
}

function withoutClasses({ opens: _opens, ...verdict }: Verdict): Verdict {
  return { ...verdict, classes: [] };
}

function moreOpen(a: Otherwise, b: Otherwise): Otherwise {
  return (['allow', 'would-deny'] as const).find((each) => each === a || each === b) ?? 'deny';
}

/** Of a name that no rule lets be asked; what opens its addresses does so where it may be asked all the same. */
function unlistedVerdict(opening: Verdict, otherwise: Otherwise, told: Verdict): Verdict {
  if (otherwise === 'deny') return DENIED;
  if (otherwise === 'allow') return opening === DENIED ? UNSELECTED : opening;
  return opening === DENIED ? told : toldOf(opening, told);
}

/** What the name opens stays open. */
function toldOf(opening: Verdict, told: Verdict): Verdict {
  return { ...told, ...opening, mayAsk: false };
}

function verdictOf({ classes, rule, answerRanges = [] }: NameRule): Verdict {
  if (answerRanges.length === 0) return { mayAsk: true, classes, rule };
  const ranges = matcherOf(answerRanges);
  return { mayAsk: true, classes, rule, opens: classes.map((classIndex) => ({ classIndex, ranges })) };
}

/** Both may be asked; the classes of both are opened. The rule is the first that opens one, else the first. */
function join(a: Verdict, b: Verdict): Verdict {
  if (b.classes.length === 0 && b.opens === undefined) return a;
  const classes = b.classes.filter((classIndex) => !a.classes.includes(classIndex));
  if (classes.length === 0 && b.opens === undefined) return a;
  const both = { mayAsk: true, classes: [...a.classes, ...classes], rule: a.classes.length > 0 ? a.rule : b.rule };
  if (a.opens === undefined && b.opens === undefined) return both;
  return { ...both, opens: [...(a.opens ?? []), ...(b.opens ?? [])] };
}

function isName(known: Uint8Array, names: Uint8Array, offset: number, length: number): boolean {
  return known.length === length && equalNames(known, 0, names, offset, length);
}
