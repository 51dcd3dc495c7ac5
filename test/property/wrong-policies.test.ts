// Sixty mistakes that people make, one a document, found in one run of `namewall check`: each has one line, at the mistake, which says what to do.
// The golden file is what the command prints; UPDATE_GOLDEN=1 writes it anew.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { run } from '../../src/cli/check.ts';

const FOLDER = fileURLToPath(new URL('../golden/wrong-policies', import.meta.url));
const GOLDEN = `${FOLDER}.txt`;
const LINE = /^([\w-]+\.yaml):(\d+):(\d+): error\[([a-z-]+)\]: (.+)$/;
const MARK = / # <- (.+)$/;
const TODO = /(?:^|[:;.] )(?:add|begin|did you mean|exchange|indent|leave|list|remove|rename|use|write)\b/i;

interface Found {
  readonly line: string;
  readonly code: string;
  readonly message: string;
  /** What the comment on the line of the place quotes, and what stands at the place. */
  readonly mark: string;
  readonly rest: string;
  /** Of that line and the one before it, which has the field of a value that stands alone. */
  readonly words: readonly string[];
}

const texts = new Map(readdirSync(FOLDER).map((file) => [file, readFileSync(`${FOLDER}/${file}`, 'utf8')]));
const written: string[] = [];
const summary: string[] = [];
const exitCode = await run([FOLDER], {
  out: (text) => void summary.push(text),
  err: (text) => void written.push(text.replaceAll(`${FOLDER}/`, '')),
});
const printed = written.join('');
const found = printed.trimEnd().split('\n').map(parsed);

function parsed(line: string): Found {
  const [, file = '', row = '', column = '', code = '', message = ''] = LINE.exec(line) ?? [];
  const lines =
    texts
      .get(file)
      ?.split('\n')
      .slice(Number(row) - 2, Number(row)) ?? [];
  const marked = lines.at(-1) ?? '';
  return {
    line,
    code,
    message,
    mark: MARK.exec(marked)?.[1] ?? '',
    rest: marked
      .replace(MARK, '')
      .slice(Number(column) - 1)
      .trimStart(),
    words:
      lines
        .join(' ')
        .replace(MARK, '')
        .match(/\w{2,}/g) ?? [],
  };
}

test('all of them are found in one run, and said as the golden file has it', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, printed);
  expect(printed).toBe(readFileSync(GOLDEN, 'utf8'));
  expect(found).toHaveLength(60);
  expect([exitCode, ...summary]).toEqual([1, `${texts.size} files, 60 problems\n`]);
});

test('each document says what was meant, and has one mistake', () => {
  const documents = [...texts.values()].flatMap((text) => text.split(/^---\n/m));
  expect(documents).toHaveLength(60);
  for (const document of documents) {
    expect(document).toMatch(/^# Meant: .+\.\n/);
    expect(document.match(/# <- /g)).toHaveLength(1);
  }
});

test.each(found)('$line: is at the mistake', ({ mark, rest }) => {
  expect(mark).not.toBe('');
  expect(rest.slice(0, mark.length)).toBe(mark);
});

test('no two are at one place', () => {
  const places = found.map(({ line }) => line.slice(0, line.indexOf(': ')));
  expect(new Set(places).size).toBe(places.length);
});

test.each(found)('$line: says what to do', ({ message }) => {
  expect(message).toMatch(TODO);
});

// What is missing stands nowhere, and the YAML parser speaks of what it expects.
test.each(found.filter(({ code }) => !['missing-field', 'yaml-syntax'].includes(code)))(
  '$line: names what stands there',
  ({ message, mark, words }) => {
    const said = new Set(message.match(/\w+/g)?.map((word) => word.replace(/^To/, 'to'))); // Cilium's own words have ToFQDNs
    expect(message.includes(mark) || words.some((word) => said.has(word))).toBe(true);
  },
);
