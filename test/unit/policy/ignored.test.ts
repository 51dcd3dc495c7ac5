import { expect, test } from 'vitest';
import { withoutIgnored } from '../../../src/policy/ignored.ts';
import { LINT_CODES } from '../../../src/policy/lint.ts';

const warning = (line: number, code = 'all-ports', file = 'p.yaml') => ({
  at: `${file}:${line}:7`,
  code,
  message: 'm',
});

function answer(text: string, ...warnings: ReturnType<typeof warning>[]) {
  const { warnings: kept, problems } = withoutIgnored(warnings, new Map([['p.yaml', text]]));
  return [...kept, ...problems].map(({ at, code }) => `${at} ${code}`);
}

test.each([
  ['on its line', 'a: 1 # namewall-ignore all-ports: the vendor changes them', 1],
  ['on the line before', '# namewall-ignore all-ports: the vendor changes them\na: 1', 2],
])('a warning is answered by a comment %s', (_where, text, line) => {
  expect(answer(text, warning(line))).toEqual([]);
});

test.each([
  ['two lines before', '# namewall-ignore all-ports: because\n\na: 1', warning(3)],
  ['on the line after', 'a: 1\n# namewall-ignore all-ports: because', warning(1)],
  ['about another warning', '# namewall-ignore broad-pattern: because', warning(1)],
  ['in another file', '# namewall-ignore all-ports: because', warning(1, 'all-ports', 'q.yaml')],
])('not by one %s, which is told itself', (_where, text, given) => {
  const found = answer(text, given);
  expect(found).toEqual([`${given.at} all-ports`, expect.stringMatching(/^p\.yaml:\d:1 unused-ignore$/)]);
});

test.each([
  ['without a reason', '# namewall-ignore all-ports'],
  ['with an empty one', '# namewall-ignore all-ports:  '],
  ['without a code', '# namewall-ignore'],
  ['with an unknown code', '# namewall-ignore al-ports: because'],
])('a comment %s is an error, and answers nothing', (_why, text) => {
  expect(answer(text, warning(1))).toEqual(['p.yaml:1:7 all-ports', 'p.yaml:1:1 bad-ignore']);
});

test('a comment about what was not looked for is not stale', () => {
  const text = '# namewall-ignore selects-nobody: the job runs at night';
  const texts = new Map([['p.yaml', text]]);
  expect(withoutIgnored([], texts, ['selects-nobody'])).toEqual({ warnings: [], problems: [] });
  expect(withoutIgnored([], texts).warnings).toHaveLength(1);
});

test('the message says what is wrong and what to write', () => {
  const { problems } = withoutIgnored([], new Map([['p.yaml', 'a: 1 # namewall-ignore x: y']]));
  expect(problems).toEqual([
    {
      at: 'p.yaml:1:6',
      code: 'bad-ignore',
      message: `Cannot use this comment: "x" is no code of a warning (${LINT_CODES.join(', ')}); write "# namewall-ignore CODE: REASON"`,
    },
  ]);
});
