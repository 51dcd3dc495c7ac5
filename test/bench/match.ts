// What a name costs in the matcher: the worst single rule, and 10,000 rules of one program.
import { parseNameText } from '../../src/dns/name.ts';
import { Programs, TRANSPORT } from '../../src/datapath/state/programs.ts';
import type { NameRule } from '../../src/policy/compiled.ts';
import { compileMatchPattern, matchesName } from '../../src/policy/names.ts';
import { median } from './measure.ts';
import type { Figure, Outcome } from './report.ts';

const ROUNDS = 5;
const PATTERNS = 10_000;

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
    return {
      bench: 'match',
      what,
      unit: 'ns a match',
      value: nanoseconds(20_000, () => matchesName(value, LONGEST, 0)),
    };
  });
  return { results: [], figures: [...worst, ...programFigures()], refusals: [] };
}

function programFigures(): Figure[] {
  const names = Array.from({ length: PATTERNS }, (_, i): NameRule => {
    const text = i % 2 === 0 ? `api${i}.example.org` : `*.zone${i}.example.org`;
    return { match: i % 2 === 0 ? 'name' : 'pattern', text, askUdp: true, askTcp: true, classes: [0], rule: i };
  });
  const start = performance.now();
  const programs = new Programs([{ id: 'bench', names }]);
  const compiled = performance.now() - start;
  const name = wire('host.zone9999.example.org');
  return [
    { bench: 'match', what: `compile ${PATTERNS} rules`, unit: 'ms', value: compiled },
    {
      bench: 'match',
      what: `a name never seen, ${PATTERNS} rules`,
      unit: 'ns',
      value: nanoseconds(200, () => programs.judgeAnew(0, name, 0, TRANSPORT.Udp).mayAsk),
    },
    {
      bench: 'match',
      what: `a name seen before, ${PATTERNS} rules`,
      unit: 'ns',
      value: nanoseconds(100_000, () => programs.judge(0, name, 0, name.length, 7, TRANSPORT.Udp).mayAsk),
    },
  ];
}

/** The median of rounds; what `step` answers is kept, so that it cannot be optimised away. */
function nanoseconds(repeats: number, step: () => boolean): number {
  let kept = 0;
  const rounds = Array.from({ length: ROUNDS + 1 }, () => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) kept += step() ? 1 : 0;
    return ((performance.now() - start) / repeats) * 1e6;
  });
  if (kept < 0) throw new Error('unreachable');
  return median(rounds.slice(1)); // the first warms up
}

function wire(text: string): Uint8Array {
  const name = parseNameText(text);
  if (name === undefined) throw new Error(`not a name: ${text}`);
  return name;
}
