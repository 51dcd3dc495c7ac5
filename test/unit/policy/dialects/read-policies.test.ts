// wrong-policies.txt: policies that must be refused, with every message and its place, as users read them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';

const table = readFileSync(new URL('wrong-policies.txt', import.meta.url), 'utf8')
  .split(/^=== /m)
  .slice(1)
  .map((section) => {
    const whyEnd = section.indexOf('\n') + 1;
    const [text = '', expected = ''] = section.slice(whyEnd).split('--- refused with\n');
    return { why: section.slice(0, whyEnd - 1), text, expected };
  });

test('the table is all there', () => expect(table).toHaveLength(109));

test.each(table)('refuses $why', ({ text, expected }) => {
  const read = readPolicies(text, 'p.yaml');
  const found = read.ok ? [] : read.problems.map(({ at, code, message }) => `${at}: ${code}: ${message}\n`);
  expect(found.join('')).toBe(expected);
});

test.each(table)('no message about $why ends in a full stop', ({ expected }) => {
  expect(expected).not.toMatch(/\.$/m);
});
