import { expect, test } from 'vitest';
import { ruleMatches } from '../../../src/policy/match.ts';

test.each([
  ['one label', '*.a.org', ['x', 'a', 'org'], true],
  ['not two', '*.a.org', ['y', 'x', 'a', 'org'], false],
  ['any depth', '**.a.org', ['y', 'x', 'a', 'org'], true],
  ['not the apex', '**.a.org', ['a', 'org'], false],
  ['part of a label', 'a*c', ['abc'], true],
  ['no part of another', 'a*c', ['ab', 'c'], false],
  ['the root', '*', [], true],
  ['a dot inside a label', '*', ['a.b'], false],
  ['an odd byte', '*', ['a b'], false],
])('%s', (_why, text, labels, expected) => {
  expect(ruleMatches({ match: 'pattern', text, classes: [0] }, labels)).toBe(expected);
});

test.each([
  ['one label', '*.a.org', ['x', 'a', 'org'], true],
  ['more labels', '*.a.org', ['y', 'x', 'a', 'org'], true],
  ['not the apex', '*.a.org', ['a', 'org'], false],
  ['not a longer label', '*.a.org', ['xa', 'org'], false],
  ['no odd byte in any label', '*.a.org', ['!', 'x', 'a', 'org'], false],
  ['an exact name', 'A.org.', ['a', 'ORG'], true],
  ['not below an exact name', 'a.org', ['x', 'a', 'org'], false],
])('of domainNames: %s', (_why, text, labels, expected) => {
  expect(ruleMatches({ match: 'domain', text, classes: [0] }, labels)).toBe(expected);
});

test('only the bare wildcard of names that may merely be asked takes odd bytes', () => {
  expect(ruleMatches({ match: 'pattern', text: '*', classes: [] }, ['a b'])).toBe(true);
});
