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
const TODO = /(?:^|[:;.] )(?:add|did you mean|exchange|indent|leave|list|remove|rename|use|write)\b/i;

interface Found {
  readonly line: string;
  readonly code: string;
  readonly message: string;
  /** The line of the file at the place, and of that what is before its comment, and what stands at the column. */
  readonly marked: string;
  readonly words: readonly string[];
  readonly rest: string;
}

const texts = new Map(readdirSync(FOLDER).map((file) => [file, readFileSync(`${FOLDER}/${file}`, 'utf8')]));
const { code, out, err } = await check();
const found = err.trimEnd().split('\n').map(parsed);

async function check(): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run([FOLDER], { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err: err.replaceAll(`${FOLDER}/`, '') };
}

function parsed(line: string): Found {
  const [, file = '', row = '', column = '', code = '', message = ''] = LINE.exec(line) ?? [];
  const marked = texts.get(file)?.split('\n')[Number(row) - 1] ?? '';
  const before = marked.replace(MARK, '');
  return { line, code, message, marked, words: before.match(/\w{2,}/g) ?? [], rest: before.slice(Number(column) - 1) };
}

test('all of them are found in one run, and said as the golden file has it', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, err);
  expect(err).toBe(readFileSync(GOLDEN, 'utf8'));
  expect(found).toHaveLength(60);
  expect([code, out]).toEqual([1, `${texts.size} files, 60 problems\n`]);
});

test('each document says what was meant, and has one mistake', () => {
  const documents = [...texts.values()].flatMap((text) => text.split(/^---\n/m));
  expect(documents).toHaveLength(60);
  for (const document of documents) {
    expect(document).toMatch(/^# Meant: .+\.\n/);
    expect(document.match(/# <- /g)).toHaveLength(1);
  }
});

test.each(found)('$line: is at the mistake', ({ marked, rest }) => {
  expect(rest).not.toBe('');
  expect(MARK.exec(marked)?.[1]).toBe(rest.trimStart().slice(0, MARK.exec(marked)?.[1]?.length));
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
  ({ message, words }) => {
    const said = new Set(message.match(/\w+/g));
    expect(words.filter((word) => said.has(word) || message.includes(`To${word.slice(2)}`))).not.toEqual([]);
  },
);
