// The reference's own names and addresses, by tables: what is wrong here is wrong in every comparison with it.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isInRange, isRangeInside, isSameAddress, withNat64, withoutNat64 } from './policy-reference/addresses.ts';
import { matchesDomainName, matchesSelector } from './policy-reference/names.ts';
import { labelsOf } from './policy-reference/world.ts';

describe('matcher-vectors.tsv', () => {
  const rows = readFileSync(new URL('../unit/policy/matcher-vectors.tsv', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'))
    .filter(([, , , expected]) => expected !== 'inv');

  test('the table is all there, but for what is refused', () => expect(rows).toHaveLength(48));

  test.each(rows)('%s %s %s is %s', (kind, rule = '', name = '', expected = '') => {
    const selector = kind === 'N' ? { matchName: rule } : { matchPattern: rule };
    expect(matchesSelector(selector, labelsOf(name), 'toFQDNs') ? 'yes' : 'no').toBe(expected);
  });
});

test.each([
  ['one star is one label', '*.example.org', 'www.example.org', true],
  ['one star is not two labels', '*.example.org', 'a.b.example.org', false],
  ['one star is not none', '*.example.org', 'example.org', false],
  ['a star covers nothing inside a label', 'db-*.example.org', 'db-.example.org', true],
  ['two stars in front are one label', '**.example.org', 'www.example.org', true],
  ['two stars in front are many labels', '**.example.org', 'a.b.c.example.org', true],
  ['two stars in front are not the apex', '**.example.org', 'example.org', false],
  ['two stars elsewhere are one', 'a.**.example.org', 'a.b.c.example.org', false],
  ['a dot is a dot', 'a.example.org', 'axexample.org', false],
  ['the end is anchored', '*.example.org', 'www.example.org.net', false],
  ['the bare star takes the root', '*', '.', true],
  ['nothing else takes the root', '**.example.org', '.', false],
  ['case', '*.EXAMPLE.org', 'WWW.example.ORG', true],
])('matchPattern: %s', (_why, matchPattern, name, want) => {
  for (const where of ['toFQDNs', 'rules.dns'] as const) {
    expect(matchesSelector({ matchPattern }, labelsOf(name), where)).toBe(want);
  }
});

test.each([
  ['an odd character is for the bare star of rules.dns', '*', ['a!b', 'org'], { toFQDNs: false, 'rules.dns': true }],
  ['no other pattern takes it', '*.org', ['a!b', 'org'], { toFQDNs: false, 'rules.dns': false }],
  ['a dot in a label is for nobody', '*', ['a.b', 'org'], { toFQDNs: false, 'rules.dns': false }],
  ['nor is a backslash', '*', ['a\\b', 'org'], { toFQDNs: false, 'rules.dns': false }],
  ['nor a control character', '*', ['a\tb', 'org'], { toFQDNs: false, 'rules.dns': false }],
  ['nor a byte above ASCII', '*', ['\u00e9', 'org'], { toFQDNs: false, 'rules.dns': false }],
  ['nor a Kelvin sign, which folds to k', '*', ['\u212A', 'org'], { toFQDNs: false, 'rules.dns': false }],
])('%s', (_why, matchPattern, labels, want) => {
  for (const where of ['toFQDNs', 'rules.dns'] as const) {
    expect(matchesSelector({ matchPattern }, labels, where)).toBe(want[where]);
  }
});

test.each([
  ['one label more', '*.example.org', 'www.example.org', true],
  ['three labels more', '*.example.org', 'a.b.c.example.org', true],
  ['not the apex', '*.example.org', 'example.org', false],
  ['whole labels', '*.example.org', 'my-example.org', false],
  ['a final dot', 'example.org.', 'example.org', true],
  ['case', 'EXAMPLE.org', 'example.ORG', true],
  ['a name is that name', 'example.org', 'www.example.org', false],
  ['an odd character', '*.example.org', 'a!b.example.org', false],
  ['not the root', '*.example.org', '.', false],
])('domainNames: %s', (_why, domainName, name, want) =>
  expect(matchesDomainName(domainName, labelsOf(name))).toBe(want),
);

test.each([
  ['192.0.2.0/24', '192.0.2.255', true],
  ['192.0.2.0/24', '192.0.3.0', false],
  ['192.0.2.77/24', '192.0.2.1', true],
  ['192.0.2.128/25', '192.0.2.127', false],
  ['192.0.2.1/32', '192.0.2.1', true],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['0.0.0.0/0', '::', false],
  ['::/0', '192.0.2.1', false],
  ['2001:db8::/32', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', true],
  ['2001:db8::/32', '2001:db9::', false],
  ['2001:db8::8/125', '2001:db8::f', true],
  ['2001:db8::8/125', '2001:db8::10', false],
  ['64:ff9b::127.0.0.0/104', '64:ff9b::7f00:1', true],
  ['::1/128', '0:0:0:0:0:0:0:1', true],
])('%s and %s: %s', (cidr, address, want) => expect(isInRange(address, cidr)).toBe(want));

test('a range lies inside itself and wider ones', () => {
  expect(isRangeInside('192.0.2.0/25', '192.0.2.0/24')).toBe(true);
  expect(isRangeInside('192.0.2.0/24', '192.0.2.0/24')).toBe(true);
  expect(isRangeInside('192.0.2.0/23', '192.0.2.0/24')).toBe(false);
  expect(isRangeInside('::/0', '0.0.0.0/0')).toBe(false);
});

test('an address has many texts, and IPv4 ranges hold behind NAT64', () => {
  expect(isSameAddress('2001:DB8::1', '2001:db8:0:0:0:0:0:1')).toBe(true);
  expect(isSameAddress('0.0.0.1', '::1')).toBe(false);
  const loopback = ['127.0.0.0/8', '64:ff9b::127.0.0.0/104', '64:ff9b:1::127.0.0.0/104'];
  expect(withNat64(['127.0.0.0/8', 'fe80::/10'])).toEqual([...loopback, 'fe80::/10']);
  expect(withoutNat64('64:ff9b:1::7f00:1')).toEqual(['64:ff9b:1::7f00:1', '127.0.0.1']);
  expect(withoutNat64('64:ff9b:2::7f00:1')).toEqual(['64:ff9b:2::7f00:1']);
});
