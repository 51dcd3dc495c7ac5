import { expect, test } from 'vitest';
import type { Problem } from '../../../src/base/errors.ts';
import { printProblems } from '../../../src/cli/render.ts';

function printed(problems: readonly Problem[]): { out: string; err: string } {
  let out = '';
  let err = '';
  printProblems(problems, { out: (text) => (out += text), err: (text) => (err += text) });
  return { out, err };
}

test('a problem is one line that editors can jump from, on standard error', () => {
  const problems = [
    { code: 'bad-value', at: 'a.yaml:3:7', message: 'mark is 3: it must have exactly one bit set' },
    { code: 'missing-field', at: 'b.yaml:1:1', message: 'Add clients: it has no default' },
  ];
  expect(printed(problems)).toEqual({
    out: '',
    err: 'a.yaml:3:7: error[bad-value]: mark is 3: it must have exactly one bit set\nb.yaml:1:1: error[missing-field]: Add clients: it has no default\n',
  });
});

test('no problem, no line', () => {
  expect(printed([])).toEqual({ out: '', err: '' });
});
