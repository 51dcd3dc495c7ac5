// Every row of row-names.ts has a test, or the reason why it has none, in the tables of test/README.md. A file that is named alone has a title that
// names the row; one with a title in quotes has that title. A row about DNS has a test that sends packets through the loop.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DNS_ROWS, REQUIRED_ROWS, ROWS } from './row-names.ts';
import { readTree, ROOT, treeOf, type Tree } from './tree.ts';

/** Rows whose tests are not all there yet: the table names the missing files without backticks. */
const PENDING: readonly string[] = [];

const LEAST_REASON = 20;
const ROW = String.raw`(?:[A-Z]\d+|CVE-\d{4}-\d+|[a-z]+#\d+)`;
const LINE = new RegExp(String.raw`^\| (${ROW}) +\| (.*?) +\| (.*?) *\|$`, 'gm');
/** The rows that a title begins with: `R1, M16: a rule` in a scenario, `E1 a rule` elsewhere. */
const SCENARIO_TITLE = new RegExp(String.raw`^# (${ROW}(?:, ${ROW})*): \S`);
const TEST_TITLE = new RegExp(String.raw`['"\`](${ROW}(?:, ${ROW})*):? \S`, 'g');
/** Files whose tests send packets through the loop, or through the agent. */
const THROUGH_THE_LOOP =
  /^(?:scenarios\/[\w-]+\.(?:scn|test\.ts)|(?:kubernetes\/)?netns\/[\w-]+\.test\.ts|fuzz\/[\w-]+\.test\.ts)$/;

interface Claim {
  readonly row: string;
  readonly tests: string;
  readonly note: string;
}

interface Rules {
  readonly rows: Readonly<Record<string, string>>;
  readonly dnsRows: readonly string[];
  readonly requiredRows: readonly string[];
  readonly pending: readonly string[];
}

const RULES: Rules = { rows: ROWS, dnsRows: DNS_ROWS, requiredRows: REQUIRED_ROWS, pending: PENDING };

function claimsOf(document: string): Claim[] {
  return [...document.matchAll(LINE)].map(([, row = '', tests = '', note = '']) => ({ row, tests, note }));
}

/** `file` or `file` "title", one after the other. */
function namedIn(tests: string): { file: string; title: string | undefined }[] {
  return [...tests.matchAll(/`([^`]+)`(?: "([^"]+)")?/g)].map(([, file = '', title]) => ({ file, title }));
}

/** Files without backticks. */
function plannedIn(tests: string): string[] {
  return [...tests.replaceAll(/`[^`]*`|"[^"]*"/g, '').matchAll(/[\w/-]+\.(?:scn|test\.ts)/g)].map(([file]) => file);
}

function titlesOf(file: string, text: string): string[] {
  const found = file.endsWith('.scn') ? [SCENARIO_TITLE.exec(text)] : [...text.matchAll(TEST_TITLE)];
  return found.flatMap((title) => title?.[1]?.split(', ') ?? []);
}

function isEmpty(file: string, text: string): boolean {
  return file.endsWith('.scn') ? !/^(?:ask|tcp +send) /m.test(text) : !/\b(?:test|describe\w*)\b[.(]/.test(text);
}

function problemsOf({ row, tests, note }: Claim, tree: Tree, rules: Rules): string[] {
  const named = namedIn(tests);
  const isPending = rules.pending.includes(row);
  const problems = named.flatMap(({ file, title }) => {
    const text = tree.get(`test/${file}`);
    if (text === undefined) return [`${row}: no file ${file}`];
    if (isEmpty(file, text)) return [`${row}: ${file} tests nothing`];
    if (title !== undefined) return text.includes(title) ? [] : [`${row}: no "${title}" in ${file}`];
    return titlesOf(file, text).includes(row) ? [] : [`${row}: no title in ${file} names it`];
  });
  if (isPending) return problems;
  if (named.length === 0) {
    if (rules.requiredRows.includes(row)) return [`${row}: no test`];
    // What the row is about is no reason.
    return note.length < LEAST_REASON || note === rules.rows[row] ? [`${row}: neither a test nor a reason`] : [];
  }
  const isSent = named.some(({ file }) => THROUGH_THE_LOOP.test(file));
  if (rules.dnsRows.includes(row) && !isSent) problems.push(`${row}: no packet goes through the loop`);
  return problems;
}

/** What is planned is in PENDING and not there yet; what is pending has something planned. */
function planProblems(claims: readonly Claim[], tree: Tree, { pending }: Rules): string[] {
  const planned = claims.flatMap(({ row, tests }) => plannedIn(tests).map((file) => ({ row, file })));
  return [
    ...planned.filter(({ file }) => tree.has(`test/${file}`)).map(({ row, file }) => `${row}: ${file} is there`),
    ...planned.filter(({ row }) => !pending.includes(row)).map(({ row, file }) => `${row}: ${file} is not there`),
    ...pending.filter((row) => planned.every((plan) => plan.row !== row)).map((row) => `${row}: nothing is pending`),
  ];
}

/** A scenario whose title names a row stands in its line. */
function scenarioProblems(claims: readonly Claim[], tree: Tree, { rows }: Rules): string[] {
  const linesOf = (row: string) => claims.filter((claim) => claim.row === row);
  return [...tree].flatMap(([path, text]) => {
    const file = path.replace(/^test\//, '').replace('scenarios/pending/', 'scenarios/');
    if (!path.endsWith('.scn')) return [];
    const missing = titlesOf(path, text).filter((row) => Object.hasOwn(rows, row) && !isNamed(file, linesOf(row)));
    return missing.map((row) => `${row}: ${path} is not in its line`);
  });
}

function isNamed(file: string, claims: readonly Claim[]): boolean {
  return claims.some(({ tests }) => namedIn(tests).some((one) => one.file === file) || plannedIn(tests).includes(file));
}

function rowProblems(document: string, tree: Tree, rules: Rules): string[] {
  const claims = claimsOf(document);
  const missing = Object.keys(rules.rows).filter((row) => claims.every((claim) => claim.row !== row));
  const unknown = claims.filter(({ row }) => !Object.hasOwn(rules.rows, row));
  return [
    ...missing.map((row) => `${row}: not in the table`),
    ...unknown.map(({ row }) => `${row}: no such row`),
    ...claims.flatMap((claim) => problemsOf(claim, tree, rules)),
    ...planProblems(claims, tree, rules),
    ...scenarioProblems(claims, tree, rules),
  ];
}

const tests = new Map([...readTree(['test']), ...readTree(['test/scenarios'], '.scn')]);
const README = readFileSync(`${ROOT}test/README.md`, 'utf8');

test('every row has a test that names it, or a reason', () => {
  expect(rowProblems(README, tests, RULES)).toEqual([]);
});

test('no test begins with a row that does not exist', () => {
  const titles = [...tests].flatMap(([path, text]) => {
    if (!path.endsWith('.scn') && !path.includes('/netns/') && !path.startsWith('test/fuzz/')) return [];
    return titlesOf(path, text);
  });
  const isRow = (title: string) => Object.hasOwn(ROWS, title) || /^[FIV]\d/.test(title); // faults of the platform; invariants and facts of the design
  expect([...new Set(titles)].filter((title) => !isRow(title))).toEqual([]);
});

const ASK = 'ask 10.0.1.7 A api.example.org\n';
const FILES = {
  'test/scenarios/a.scn': `# R1: a rule\n${ASK}`,
  'test/netns/a.test.ts': "test('E1 a rule', () => {});\ntest('that it holds', () => {});",
  'test/unit/dns/a.test.ts': "test('R1: a rule', () => {});",
};
const LINES = { R1: '`scenarios/a.scn` |', E1: '`netns/a.test.ts` |' };
const FEW: Rules = {
  rows: { R1: 'what a rule is about', E1: 'what another is about' },
  dnsRows: ['R1'],
  requiredRows: ['R1'],
  pending: [],
};

/** What is said of a table and files that are good but for these. */
function problemsWith(
  lines: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
  rules: Partial<Rules> = {},
): string[] {
  const table = Object.entries({ ...LINES, ...lines }).map(([row, rest]) => `| ${row} | ${rest} |`);
  return rowProblems(table.join('\n'), treeOf({ ...FILES, ...files }), { ...FEW, ...rules });
}

test('the rule sees nothing in a good table', () => {
  expect(problemsWith({})).toEqual([]);
  expect(problemsWith({ E1: '– | there is nothing to be tested' })).toEqual([]);
  expect(problemsWith({ R1: 'scenarios/b.scn |' }, { 'test/scenarios/a.scn': ASK }, { pending: ['R1'] })).toEqual([]);
});

describe('the rule sees', () => {
  test.each<[string, Record<string, string>, string[]]>([
    ['a row that nobody knows', { E8: '– | there is nothing to be tested' }, ['E8: no such row']],
    ['a file that is missing', { E1: '`netns/b.test.ts` |' }, ['E1: no file netns/b.test.ts']],
    ['a file without the row', { E1: '`unit/dns/a.test.ts` |' }, ['E1: no title in unit/dns/a.test.ts names it']],
    ['a scenario without the row', { E1: '`scenarios/a.scn` |' }, ['E1: no title in scenarios/a.scn names it']],
    ['a title that is missing', { E1: '`netns/a.test.ts` "it fails" |' }, ['E1: no "it fails" in netns/a.test.ts']],
    ['neither test nor reason', { E1: '– | none' }, ['E1: neither a test nor a reason']],
    ['what it is about for a reason', { E1: '– | what another is about' }, ['E1: neither a test nor a reason']],
    [
      'a reason where a test must be',
      { R1: '– | there is nothing to be tested' },
      ['R1: no test', 'R1: test/scenarios/a.scn is not in its line'],
    ],
    [
      'a row about DNS that only the codec is tested for',
      { R1: '`unit/dns/a.test.ts` |' },
      ['R1: no packet goes through the loop', 'R1: test/scenarios/a.scn is not in its line'],
    ],
    [
      'a test that is planned and not pending',
      { E1: '`netns/a.test.ts`, netns/b.test.ts |' },
      ['E1: netns/b.test.ts is not there'],
    ],
  ])('%s', (_why, lines, problems) => {
    expect(problemsWith(lines)).toEqual(problems);
  });

  test('a row that is missing', () => {
    expect(problemsWith({}, {}, { rows: { ...FEW.rows, E2: 'a third' } })).toEqual(['E2: not in the table']);
  });

  test.each<[string, Record<string, string>, string[]]>([
    [
      'a scenario that asks nothing',
      { 'test/scenarios/a.scn': '# R1: a rule\n' },
      ['R1: scenarios/a.scn tests nothing'],
    ],
    [
      'a file without a test',
      { 'test/netns/a.test.ts': "const title = 'E1 a';" },
      ['E1: netns/a.test.ts tests nothing'],
    ],
    [
      'a scenario that the table does not name',
      { 'test/scenarios/b.scn': `# E1, I4: a rule\n${ASK}` },
      ['E1: test/scenarios/b.scn is not in its line'],
    ],
    [
      'one that is not played yet',
      { 'test/scenarios/pending/b.scn': `# R1: a rule\n${ASK}` },
      ['R1: test/scenarios/pending/b.scn is not in its line'],
    ],
  ])('%s', (_why, files, problems) => {
    expect(problemsWith({}, files)).toEqual(problems);
  });

  test('a pending row whose test is there, and one that nothing is planned for', () => {
    const lines = { R1: '`scenarios/a.scn`, scenarios/b.scn |' };
    const there = { 'test/scenarios/b.scn': `# R1: a rule\n${ASK}` };
    expect(problemsWith(lines, there, { pending: ['R1'] })).toEqual(['R1: scenarios/b.scn is there']);
    expect(problemsWith({}, {}, { pending: ['R1'] })).toEqual(['R1: nothing is pending']);
  });
});
