// Every row of the threats to the packet path (E) and of the faults of kernel and platform (M) has a test, or the reason why it has none, in the
// table of test/README.md. A file that is named alone has a test whose title begins with the row; one with a title in quotes has that title.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readTree, ROOT, treeOf, type Tree } from './tree.ts';

const ROWS: Readonly<Record<string, string>> = {
  E1: 'spoofed source',
  E2: 'riding on the resolution of another pod',
  E3: 'address used again',
  E4: 'pods of the host network',
  E5: 'packets before policy is known',
  E6: 'agent killed',
  E7: 'connections after a revocation',
  E9: 'flows that never end',
  E10: 'IPv6 forgotten; packets out of turn',
  E11: 'other protocols',
  E12: 'DNS to other servers',
  E13: 'DNS over TLS, QUIC and HTTPS',
  E14: 'ways around the filter: Services, node ports, the own node',
  E15: 'fragments and options',
  E16: 'changed address, MAC and routes',
  E17: 'foreign flush',
  E18: 'an allowed peer as a relay',
  E19: 'A and AAAA at once',
  M82: 'set full',
  M83: 'outcome of a commit unknown',
  M85: 'table gone',
  M86: 'kernel too old',
  M87: 'policy invalid',
  M89: 'policy narrowed',
  M91: 'two pods with one address',
  M92: 'disk of the audit full',
  M93: 'reader of the audit stuck',
  M94: 'clock steps',
  M95: 'no descriptor left',
  M97: 'exception in one query',
  M98: 'SIGTERM',
  M99: 'change of files',
  M100: 'flood of the admin port',
};
const LEAST_REASON = 20;

interface Claim {
  readonly row: string;
  readonly tests: string;
  readonly note: string;
}

function claimsOf(document: string): Claim[] {
  const lines = [...document.matchAll(/^\| ([EM]\d+) +\| (.*?) +\| (.*?) *\|$/gm)];
  return lines.map(([, row = '', tests = '', note = '']) => ({ row, tests, note }));
}

/** `file` or `file` "title", one after the other. */
function problemsOf({ row, tests, note }: Claim, tree: Tree): string[] {
  const named = [...tests.matchAll(/`([^`]+)`(?: "([^"]+)")?/g)];
  if (named.length === 0) return note.length < LEAST_REASON ? [`${row}: neither a test nor a reason`] : [];
  return named.flatMap(([, file = '', title]) => {
    const text = tree.get(`test/${file}`);
    if (text === undefined) return [`${row}: no file ${file}`];
    if (title !== undefined) return text.includes(title) ? [] : [`${row}: no "${title}" in ${file}`];
    if (file.endsWith('.scn')) return [];
    return new RegExp(`['"\`]${row} `).test(text) ? [] : [`${row}: no title in ${file} begins with it`];
  });
}

function rowProblems(document: string, tree: Tree, rows: readonly string[]): string[] {
  const claims = claimsOf(document);
  const missing = rows.filter((row) => claims.every((claim) => claim.row !== row));
  const unknown = claims.filter(({ row }) => !rows.includes(row)).map(({ row }) => `${row}: no such row`);
  return [
    ...missing.map((row) => `${row}: not in the table`),
    ...unknown,
    ...claims.flatMap((claim) => problemsOf(claim, tree)),
  ];
}

const tests = new Map([...readTree(['test']), ...readTree(['test/scenarios'], '.scn')]);
const README = readFileSync(`${ROOT}test/README.md`, 'utf8');

test('every row has a test that names it, or a reason', () => {
  expect(rowProblems(README, tests, Object.keys(ROWS))).toEqual([]);
});

test('no test begins with a row that does not exist', () => {
  const titles = [...tests].flatMap(([path, text]) =>
    path.startsWith('test/netns/') ? [...text.matchAll(/['"`]([EM]\d+) /g)].map(([, row]) => row) : [],
  );
  expect([...new Set(titles)].filter((row) => row !== undefined && !Object.hasOwn(ROWS, row))).toEqual([]);
});

describe('the rule sees', () => {
  const files = treeOf({ 'test/netns/a.test.ts': "test('E1 a rule', () => {});\ntest('that it holds', () => {});" });
  test.each([
    ['a row that is missing', '| E2 | `netns/a.test.ts` "it holds" | |', ['E1: not in the table']],
    [
      'a row that nobody knows',
      '| E1 | `netns/a.test.ts` | |\n| E2 | – | there is nothing to be tested |\n| E8 | – | there is nothing to be tested |',
      ['E8: no such row'],
    ],
    [
      'a file that is missing',
      '| E1 | `netns/b.test.ts` | |\n| E2 | – | there is nothing to be tested |',
      ['E1: no file netns/b.test.ts'],
    ],
    [
      'a file without the row',
      '| E1 | `netns/a.test.ts` | |\n| E2 | `netns/a.test.ts` | |',
      ['E2: no title in netns/a.test.ts begins with it'],
    ],
    [
      'a title that is missing',
      '| E1 | `netns/a.test.ts` | |\n| E2 | `netns/a.test.ts` "it fails" | |',
      ['E2: no "it fails" in netns/a.test.ts'],
    ],
    ['neither test nor reason', '| E1 | `netns/a.test.ts` | |\n| E2 | – | |', ['E2: neither a test nor a reason']],
  ])('%s', (_why, document, problems) => {
    expect(rowProblems(document, files, ['E1', 'E2'])).toEqual(problems);
  });
});
