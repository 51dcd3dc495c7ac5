import { expect, test } from 'vitest';
import type { Parsed } from '../../../../src/base/errors.ts';
import { ParsedFiles } from '../../../../src/policy/sources/parsed-files.ts';

const text = (value: string): Parsed<string> => ({ ok: true, value });

/** Parses texts to their lengths and remembers which paths it was asked about. */
function parsing() {
  const asked: string[] = [];
  const files = new ParsedFiles<number>();
  const read = (texts: Record<string, Parsed<string>>) =>
    files.parse(new Map(Object.entries(texts)), (value, path) => {
      asked.push(path);
      return { ok: true, value: value.length };
    });
  return { asked, read };
}

test('only a file whose text has changed is parsed again', () => {
  const { asked, read } = parsing();
  read({ a: text('x'), b: text('y') });
  expect(read({ a: text('x'), b: text('yy') })).toEqual([
    { ok: true, value: 1 },
    { ok: true, value: 2 },
  ]);
  expect(asked).toEqual(['a', 'b', 'b']);
});

test('a file that was gone meanwhile is parsed again, and one that cannot be read is a problem, not what it was', () => {
  const { asked, read } = parsing();
  const problem = { ok: false as const, problems: [{ code: 'bad-path', at: 'a', message: 'Cannot read it' }] };
  read({ a: text('x') });
  expect(read({ a: problem })).toEqual([problem]);
  read({});
  read({ a: text('x') });
  expect(asked).toEqual(['a', 'a']);
});
