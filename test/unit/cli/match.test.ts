import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../../src/cli/match.ts';

function match(...argv: string[]): { code: number; out: string; err: string } {
  let out = '';
  let err = '';
  const code = run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test.each([
  ['a match', ['*.example.org', 'www.example.org'], 0, 'yes www.example.org\n'],
  ['no match', ['*.example.org', 'example.org'], 1, 'no example.org\n'],
  ['several names', ['*.a.org', 'x.a.org', 'a.org', 'y.a.org.'], 1, 'yes x.a.org\nno a.org\nyes y.a.org.\n'],
  ['any case', ['A.org', 'a.ORG'], 0, 'yes a.ORG\n'],
  ['the root', ['*', '.'], 0, 'yes .\n'],
  ['a matchName', ['--name', 'a.org', 'a.org'], 0, 'yes a.org\n'],
  ['an escaped dot is no dot', ['a.org', 'a\\046org'], 1, 'no a\\046org\n'],
  ['an escaped letter is a letter', ['a.org', '\\097.org'], 0, 'yes \\097.org\n'],
  ['the Kubernetes dialect', ['--dialect', 'kubernetes', '*.a.org', 'x.y.a.org'], 0, 'yes x.y.a.org\n'],
  ['an invalid rule', ['a..org', 'a.org', 'b.org'], 2, 'invalid a.org\ninvalid b.org\n'],
  ['a star in a matchName', ['--name', '*.org', 'a.org'], 2, 'invalid a.org\n'],
  ['what cannot be a name', ['*', 'a..b'], 1, 'no a..b\n'],
  ['names that begin with a hyphen', ['--', '-a.org', '-a.org'], 0, 'yes -a.org\n'],
])('%s', (_why, argv, code, out) => expect(match(...argv)).toMatchObject({ code, out }));

test('an invalid rule is explained on standard error', () => {
  expect(match('a,b', 'a').err).toMatch(/^namewall match: Invalid characters in MatchPattern: "a,b"/);
});

test.each([
  ['nothing', []],
  ['a rule alone', ['*']],
  ['an unknown option', ['--pattern', '*', 'a']],
  ['an unknown dialect', ['--dialect', 'calico', '*', 'a']],
  ['a matchName of Kubernetes', ['--name', '--dialect', 'kubernetes', 'a.org', 'a.org']],
  ['a table and a rule', ['--vectors', 'x.tsv', '*']],
])('refuses %s', (_why, argv) => {
  const found = match(...argv);
  expect(found).toMatchObject({ code: 2, out: '' });
  expect(found.err).toContain('namewall match --help');
});

test('--help prints to standard output', () => {
  const { code, out } = match('--help');
  expect(code).toBe(0);
  for (const part of ['Usage:', 'Options:', 'Exit codes:', 'Examples:']) expect(out).toContain(part);
});

describe('--vectors', () => {
  let folder = '';
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'namewall-match-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const table = (text: string) => {
    const file = join(folder, 't.tsv');
    writeFileSync(file, text);
    return { file, ...match('--vectors', file) };
  };

  test('the published table agrees', () => {
    const file = fileURLToPath(new URL('../policy/matcher-vectors.tsv', import.meta.url));
    expect(match('--vectors', file)).toEqual({ code: 0, out: '58 rows, 0 disagree\n', err: '' });
  });

  test('rows that disagree are printed with their lines', () => {
    const { file, code, out } = table('# kind\nP\t*.a.org\ta.org\tyes\r\nN\t*.a\t-\tno\nP\t*\ta\tyes\n');
    expect(code).toBe(1);
    expect(out).toBe(
      `${file}:2: P *.a.org a.org: expected yes, got no\n${file}:3: N *.a -: expected no, got inv\n3 rows, 2 disagree\n`,
    );
  });

  test.each([
    ['a row without verdict', 'P\t*\ta\n'],
    ['an unknown kind', 'X\t*\ta\tyes\n'],
    ['an unknown verdict', 'P\t*\ta\tmaybe\n'],
  ])('%s makes the table unreadable', (_why, text) => {
    const { file, code, err } = table(text);
    expect(code).toBe(2);
    expect(err).toContain(`${file}:1: `);
  });

  test('a table that is missing', () => {
    expect(match('--vectors', join(folder, 'none.tsv')).code).toBe(2);
  });
});
