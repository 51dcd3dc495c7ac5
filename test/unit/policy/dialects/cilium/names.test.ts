import { expect, test } from 'vitest';
import { egressOf, named, pattern, refused } from '../cilium-documents.ts';

const connect = (names: string) => `{toFQDNs: [${names}]}`;

test.each<[why: string, names: string, selectors: unknown[]]>([
  ['a name', '{matchName: a.org}', [named('a.org')]],
  ['a name in capitals and with its dot, as it is written', '{matchName: A.org.}', [named('A.org.')]],
  ['an underscore', '{matchName: _dmarc.a.org}', [named('_dmarc.a.org')]],
  ['a pattern', '{matchPattern: "*.a.org"}', [pattern('*.a.org')]],
  ['several', '{matchName: a.org}, {matchPattern: "**.a.org"}', [named('a.org'), pattern('**.a.org')]],
])('%s', (_why, names, selectors) => expect(egressOf(connect(names))[0]).toHaveProperty('names', selectors));

test.each<[why: string, names: string, message: string]>([
  [
    'both',
    '{matchName: a.org, matchPattern: "*.a.org"}',
    'only one of MatchName or MatchPattern is allowed in an FQDNSelector; write two items to allow both',
  ],
  ['neither', '{}', 'Add matchName or matchPattern to an item of toFQDNs: it has neither, so it would match nothing'],
  [
    'a star in a name',
    '{matchName: "*.a.org"}',
    'Invalid characters in MatchName: "*.a.org". Only 0-9, a-z, A-Z and ., -, _ characters are allowed',
  ],
  [
    'a blank',
    '{matchPattern: "a b.org"}',
    'Invalid characters in MatchPattern: "a b.org". Only 0-9, a-z, A-Z and ., -, _ and * characters are allowed',
  ],
  ['256 characters', `{matchPattern: "${'a'.repeat(256)}"}`, 'Must be <= 255 characters long'],
])('%s is refused', (_why, names, message) => {
  expect(refused(connect(names))).toEqual([expect.stringContaining(message)]);
});
