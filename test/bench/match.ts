// What a name costs in the matcher: the worst single rule, programs of 1 to 10,000 rules, and 250 programs of 40.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseNameText } from '../../src/dns/name.ts';
import { Programs, TRANSPORT } from '../../src/datapath/state/programs.ts';
import type { NameRule } from '../../src/policy/compiled.ts';
import { compileMatchPattern, matchesName } from '../../src/policy/names.ts';
import { median } from './measure.ts';
import type { Figure, Outcome } from './report.ts';

const ROUNDS = 1_000;
const WARM_UP = 20_000;
/** Names of each kind: together they are more than a processor's first cache holds. */
const NAMES = 4_000;
/** A round: short, so that few are interrupted, and long beside the clock. */
const ASKED_AT_ONCE = 100;
const BUILDS = 5;
const FEW = [1, 2, 4, 16];
const MANY = [10, 1_000, 10_000];
const PODS = 250;
const RULES_OF_A_POD = 40;

/** 253 characters, the longest name there is, of labels that stars and letters nearly match. */
const LONGEST = wire([63, 63, 63, 61].map((length) => 'a'.repeat(length)).join('.'));

const WORST: readonly (readonly [what: string, pattern: string])[] = [
  ['254 stars and letters in one label', '*a'.repeat(127)],
  [
    '4 labels of 31 stars, the last byte differs',
    ['*a'.repeat(31), '*a'.repeat(31), '*a'.repeat(31), `${'*a'.repeat(30)}b`].join('.'),
  ],
  ['4 labels of 31 stars, every label differs', Array.from({ length: 4 }, () => `${'*a'.repeat(30)}b`).join('.')],
];

export function bench(): Outcome {
  const worst = WORST.map(([what, pattern]): Figure => {
    const compiled = compileMatchPattern(pattern, 'toFQDNs');
    if (!compiled.ok) throw new Error(compiled.message);
    const { value } = compiled;
    return figure(
      what,
      'ns a match',
      nanoseconds(ASKED_AT_ONCE, () => matchesName(value, LONGEST, 0)),
    );
  });
  return { results: [], figures: [...worst, ...programFigures()], refusals: [] };
}

function programFigures(): Figure[] {
  return [
    ...[...new Set([...FEW, ...MANY])].toSorted((a, b) => a - b).flatMap(oneProgram),
    ...triedFigures(),
    ...manyPrograms(),
  ];
}

/** Rule I of the rules that programs are made of: half of them exact names, half wildcards. */
function ruleOf(i: number): NameRule {
  const isName = i % 2 === 0;
  const text = isName ? `api${i}.example.org` : `*.zone${i}.example.org`;
  return { match: isName ? 'name' : 'pattern', text, askUdp: true, askTcp: true, classes: [0], rule: i };
}

/** A name that rule I means, or that no rule does. */
const ASKED = {
  'exact hit': (i: number) => `api${i & ~1}.example.org`,
  'wildcard hit': (i: number, n: number) => `host${n}.zone${i | 1}.example.org`,
  miss: (i: number, n: number) => `host${n}.zone${i | 1}.example.net`,
} as const;

interface Question {
  readonly program: number;
  readonly name: Uint8Array;
}

function oneProgram(rules: number): Figure[] {
  const names = Array.from({ length: rules }, (_, i) => ruleOf(i));
  const programs = new Programs([{ id: 'bench', names }]);
  const kinds = Object.entries(ASKED).filter(([what]) => rules > 1 || what !== 'wildcard hit');
  const judged = kinds.map(([what, textOf]): Figure => {
    const questions = Array.from({ length: NAMES }, (_, n) => ({
      program: 0,
      name: wire(textOf(scattered(n) % rules, n)),
    }));
    return figure(`a name never seen, rules: ${rules}, ${what}`, 'ns', judging(programs, questions));
  });
  return rules < Math.max(...MANY) ? judged : [...judged, ...buildFigures(`a program of ${rules} rules`, [names])];
}

/** Rules of one end that only trying tells apart are the ones that verdicts are remembered for. */
function triedFigures(): Figure[] {
  const names = Array.from({ length: 1_000 }, (_, i) => ({
    ...ruleOf(i),
    match: 'pattern' as const,
    text: `db${i}-*.example.org`,
  }));
  const programs = new Programs([{ id: 'bench', names }]);
  const name = wire('db999-1.example.org');
  const anew = nanoseconds(ASKED_AT_ONCE, () => programs.judgeAnew(0, name, 0, TRANSPORT.Udp).mayAsk);
  const again = nanoseconds(ASKED_AT_ONCE, () => programs.judge(0, name, 0, name.length, 7, TRANSPORT.Udp).mayAsk);
  return [
    figure('a name never seen, tried on 1,000 rules of one end', 'ns', anew),
    figure('the same name again', 'ns', again),
  ];
}

function manyPrograms(): Figure[] {
  const rulesOf = Array.from({ length: PODS }, (_pod, pod) =>
    Array.from({ length: RULES_OF_A_POD }, (_, i) => ruleOf(pod * RULES_OF_A_POD + i)),
  );
  const what = `${PODS} programs of ${RULES_OF_A_POD} rules`;
  const built = buildFigures(what, rulesOf);
  const programs = new Programs(rulesOf.map((names, i) => ({ id: `bench${i}`, names })));
  const kinds = Object.values(ASKED);
  const questions = Array.from({ length: NAMES }, (_, n) => {
    const program = scattered(n) % PODS;
    const rule = program * RULES_OF_A_POD + (scattered(n + NAMES) % RULES_OF_A_POD);
    return { program, name: wire(kinds[n % kinds.length]?.(rule, n) ?? '.') };
  });
  return [figure(`a name never seen, any of ${what}`, 'ns', judging(programs, questions)), ...built];
}

function buildFigures(what: string, rulesOf: readonly (readonly NameRule[])[]): Figure[] {
  const build = () => new Programs(rulesOf.map((names, i) => ({ id: `bench${i}`, names })));
  const took = Array.from({ length: BUILDS }, () => {
    const start = performance.now();
    build();
    return performance.now() - start;
  });
  const bytes = Array.from({ length: BUILDS }, () => bytesOf(build));
  return [figure(`compile ${what}`, 'ms', median(took)), figure(`memory of ${what}`, 'KiB', median(bytes) / 1024)];
}

function bytesOf(build: () => Programs): number {
  const before = bytesInUse();
  const programs = build();
  const bytes = bytesInUse() - before;
  if (programs.judgeAnew(0, wire('example.com'), 0, TRANSPORT.Udp).mayAsk) throw new Error('unreachable'); // keeps it in use
  return bytes;
}

/** On the heap and beside it, after a collection. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // `as`: V8 makes the function when it is asked to expose it
  for (let i = 0; i < 3; i++) collect(); // what the first frees may hold more
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function figure(what: string, unit: string, value: number): Figure {
  return { bench: 'match', what, unit, value };
}

/** Question after question, each time with another hash: no memory helps. */
function judging(programs: Programs, questions: readonly Question[]): number {
  let asked = 0;
  return nanoseconds(ASKED_AT_ONCE, () => {
    const { program, name } = questions[asked++ % NAMES] ?? { program: 0, name: LONGEST };
    return programs.judge(program, name, 0, name.length, asked, TRANSPORT.Udp).mayAsk;
  });
}

/** The same numbers in each run, without an order that a cache could follow. */
function scattered(n: number): number {
  return (Math.imul(n + 1, 0x9e3779b1) ^ (Math.imul(n + 7, 0x85ebca6b) >>> 15)) >>> 4;
}

/** The median of rounds; what `step` answers is kept, so that it cannot be optimised away. */
function nanoseconds(repeats: number, step: () => boolean): number {
  let kept = 0;
  const warmUps = Math.ceil(WARM_UP / repeats);
  const rounds = Array.from({ length: ROUNDS + warmUps }, () => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) kept += step() ? 1 : 0;
    return ((performance.now() - start) / repeats) * 1e6;
  });
  if (kept < 0) throw new Error('unreachable');
  return median(rounds.slice(warmUps));
}

function wire(text: string): Uint8Array {
  const name = parseNameText(text);
  if (name === undefined) throw new Error(`not a name: ${text}`);
  return name;
}
