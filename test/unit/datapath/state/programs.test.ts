import { expect, test } from 'vitest';
import { parseNameText } from '../../../../src/dns/name.ts';
import type { NameRule, Otherwise } from '../../../../src/policy/compiled.ts';
import { Programs, TRANSPORT, type Verdict } from '../../../../src/datapath/state/programs.ts';

const wire = (name: string): Uint8Array => parseNameText(name) ?? expect.fail(name);

function rule(text: string, changes: Partial<NameRule> = {}): NameRule {
  const match = text.includes('*') ? 'pattern' : 'name';
  return { match, text, askUdp: true, askTcp: true, classes: [], rule: 0, ...changes };
}

const silent = (text: string, changes: Partial<NameRule>): NameRule =>
  rule(text, { askUdp: false, askTcp: false, ...changes });

/** The verdict of `rules` on `name`, of few and among many, with memory and without; they must agree. */
function judge(rules: readonly NameRule[], name: string): Verdict {
  const programs = new Programs([
    { id: 'few', names: rules },
    { id: 'many', names: many(rules) },
  ]);
  const asked = wire(name);
  const verdict = programs.judge(1, asked, 0, asked.length, 42, TRANSPORT.Udp);
  expect(programs.judge(1, asked, 0, asked.length, 42, TRANSPORT.Udp)).toBe(verdict); // remembered
  expect(programs.judge(0, asked, 0, asked.length, 42, TRANSPORT.Udp)).toEqual(verdict);
  for (const program of [0, 1]) expect(programs.judgeAnew(program, asked, 0, TRANSPORT.Udp)).toEqual(verdict);
  return verdict;
}

/** Verdicts are remembered where a name has to be tried on many rules: on these it has, and none of the others matches. */
function many(rules: readonly NameRule[]): NameRule[] {
  const others = Array.from({ length: 17 }, (_, i) => rule(`n${i}-*.*`, { classes: [9], rule: 90 + i }));
  return [...others.slice(0, 8), ...rules, ...others.slice(8)];
}

test('what a rule opens of the protected ranges it opens for its own class, whatever other rules match', () => {
  const opening = rule('a.example.org', { classes: [0], rule: 1, answerRanges: ['10.20.0.0/16'] });
  const plain = rule('*.example.org', { classes: [0, 1] });
  for (const rules of [
    [plain, opening],
    [opening, plain],
  ]) {
    const { classes, opens } = judge(rules, 'a.example.org');
    expect(classes.toSorted((a, b) => a - b)).toEqual([0, 1]);
    expect(opens?.map(({ classIndex }) => classIndex)).toEqual([0]);
    expect(judge(rules, 'b.example.org').opens).toBeUndefined();
  }
});

const DENIED = { mayAsk: false, classes: [], rule: -1 };

test.each<[string, NameRule[], string, Verdict]>([
  ['no rule at all denies', [], 'a.example.org', DENIED],
  ['a rule for another name denies', [rule('b.example.org')], 'a.example.org', DENIED],
  [
    'a name that may be asked opens nothing',
    [rule('a.example.org', { rule: 3 })],
    'a.example.org',
    { mayAsk: true, classes: [], rule: 3 },
  ],
  [
    'a name that is granted opens its class',
    [rule('a.example.org', { classes: [2], rule: 4 })],
    'a.example.org',
    { mayAsk: true, classes: [2], rule: 4 },
  ],
  [
    'rules add up: every class, each once',
    [rule('*.example.org', { classes: [1] }), rule('a.example.org', { classes: [0, 1], rule: 1 })],
    'a.example.org',
    { mayAsk: true, classes: [1, 0], rule: 0 },
  ],
  [
    'the audit names the rule that grants, not an earlier one that only lets ask',
    [
      rule('*', { rule: 1 }),
      rule('a.example.org', { classes: [0], rule: 2 }),
      rule('*.example.org', { classes: [1], rule: 3 }),
    ],
    'a.example.org',
    { mayAsk: true, classes: [0, 1], rule: 2 },
  ],
  [
    'what may be asked over TCP only is denied over UDP',
    [rule('a.example.org', { askUdp: false })],
    'a.example.org',
    DENIED,
  ],
  [
    'a rule that lets nobody ask opens what another lets be asked',
    [silent('*.example.org', { classes: [1] }), rule('a.example.org', { rule: 2 })],
    'a.example.org',
    { mayAsk: true, classes: [1], rule: 0 },
  ],
  [
    'and nothing where nobody lets it be asked',
    [silent('*.example.org', { classes: [1] }), rule('b.example.org', { rule: 2 })],
    'a.example.org',
    DENIED,
  ],
  [
    'the audit names the rule that lets ask over UDP, not one for TCP only',
    [rule('*', { askUdp: false, rule: 1 }), rule('a.example.org', { rule: 2 })],
    'a.example.org',
    { mayAsk: true, classes: [], rule: 2 },
  ],
])('%s', (_why, rules, name, want) => {
  expect(judge(rules, name)).toEqual(want);
});

test.each([
  ['over TCP only', { askUdp: false, askTcp: true }, [false, true, true]],
  ['over UDP only', { askUdp: true, askTcp: false }, [true, false, true]],
  ['over both', { askUdp: true, askTcp: true }, [true, true, true]],
] as const)('what may be asked %s', (_what, asks, want) => {
  for (const rules of [1, 20]) {
    const filler = Array.from({ length: rules - 1 }, (_, i) => rule(`filler${i}.example.org`));
    const programs = new Programs([{ id: 'p', names: [...filler, rule('a.example.org', asks)] }]);
    const asked = wire('a.example.org');
    const judged = [TRANSPORT.Udp, TRANSPORT.Tcp, TRANSPORT.Any].map(
      (transport) => programs.judge(0, asked, 0, asked.length, 42, transport).mayAsk,
    );
    expect(judged).toEqual(want);
  }
});

test.each<[string, NameRule[], Otherwise, Verdict]>([
  ['is denied', [], 'deny', DENIED],
  ['is answered', [], 'allow', { mayAsk: true, classes: [], rule: -1 }],
  ['is answered, and told', [], 'would-deny', { ...DENIED, toldBy: 7 }],
  ['opens nothing where it is denied', [silent('a.example.org', { classes: [1] })], 'deny', DENIED],
  [
    'opens what its rule says',
    [silent('a.example.org', { classes: [1] })],
    'allow',
    { mayAsk: true, classes: [1], rule: 0 },
  ],
  [
    'opens that also where it is told',
    [silent('a.example.org', { classes: [1] })],
    'would-deny',
    { mayAsk: false, toldBy: 7, classes: [1], rule: 0 },
  ],
])('a name that no rule lets be asked %s', (_why, names, otherwise, want) => {
  const programs = new Programs([
    { id: 'p', names, unlisted: { udp: otherwise, tcp: 'deny' }, toldBy: { udp: 7, tcp: -1 } },
  ]);
  const asked = wire('a.example.org');
  const judged = (transport: number) => programs.judge(0, asked, 0, asked.length, 1, transport);
  expect(judged(TRANSPORT.Udp)).toEqual(want);
  expect(judged(TRANSPORT.Tcp)).toEqual(DENIED);
  expect(judged(TRANSPORT.Any)).toEqual(want);
});

test('a name is judged at its offset', () => {
  const programs = new Programs([{ id: 'p', names: many([rule('a.example.org')]) }]);
  const asked = wire('a.example.org');
  const bytes = new Uint8Array(256).fill(0xee);
  bytes.set(asked, 100);
  expect(programs.judge(0, bytes, 100, asked.length, 1, TRANSPORT.Udp).mayAsk).toBe(true);
});

test('the memory of one program is no verdict of another, even under one hash', () => {
  const programs = new Programs([
    { id: 'open', names: many([rule('*')]) },
    { id: 'closed', names: many([]) },
  ]);
  const asked = wire('a.example.org');
  const hash = 7;
  // The key mixes in the program: this pair of hashes falls on one key.
  const sameKey = (hash ^ Math.imul(1, 0x9e3779b1) ^ Math.imul(2, 0x9e3779b1)) | 0;
  expect(programs.judge(0, asked, 0, asked.length, hash, TRANSPORT.Udp).mayAsk).toBe(true);
  expect(programs.judge(1, asked, 0, asked.length, sameKey, TRANSPORT.Udp).mayAsk).toBe(false);
  expect(programs.judge(0, asked, 0, asked.length, hash, TRANSPORT.Udp).mayAsk).toBe(true);
});

test('two names under one hash are told apart', () => {
  const programs = new Programs([{ id: 'p', names: many([rule('a.example.org')]) }]);
  for (const [name, mayAsk] of [
    ['a.example.org', true],
    ['b.example.org', false],
    ['a.example.orgs', false],
  ] as const) {
    const asked = wire(name);
    expect(programs.judge(0, asked, 0, asked.length, 1, TRANSPORT.Udp).mayAsk).toBe(mayAsk);
  }
});

test('what is remembered does not change with the bytes it was asked in', () => {
  const programs = new Programs([{ id: 'p', names: many([rule('a.example.org')]) }]);
  const bytes = wire('a.example.org');
  programs.judge(0, bytes, 0, bytes.length, 1, TRANSPORT.Udp);
  bytes.set(wire('b.example.org'));
  expect(programs.judge(0, bytes, 0, bytes.length, 1, TRANSPORT.Udp).mayAsk).toBe(false);
});

test('a program that does not exist allows nothing', () => {
  const asked = wire('a.example.org');
  expect(new Programs([]).judge(0, asked, 0, asked.length, 1, TRANSPORT.Udp)).toEqual(DENIED);
});

test('more names than it remembers are still judged right', () => {
  const programs = new Programs([{ id: 'p', names: many([rule('n*.example.org')]) }]);
  for (let i = 0; i < 110_000; i++) {
    const asked = wire(`${i % 2 === 0 ? 'n' : 'm'}${i}.example.org`);
    if (programs.judge(0, asked, 0, asked.length, i, TRANSPORT.Udp).mayAsk !== (i % 2 === 0)) expect.fail(`name ${i}`);
  }
});
