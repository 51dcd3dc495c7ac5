import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { foldName, parseNameText } from '../../../src/dns/name.ts';
import {
  SHAPE_NONE,
  compileDomainName,
  compileMatchName,
  compileMatchPattern,
  compileNameRule,
  matchesName,
  nameShape,
  type NameResult,
} from '../../../src/policy/names.ts';

function wireOf(text: string): Uint8Array {
  const wire = parseNameText(text);
  if (wire === undefined) throw new Error(`Not a name: ${text}`);
  foldName(wire, 0, wire.length);
  return wire;
}

function verdict(rule: NameResult, name: string): string {
  if (!rule.ok) return 'inv';
  return matchesName(rule.value, wireOf(name), 0) ? 'yes' : 'no';
}

describe('matcher-vectors.tsv', () => {
  const rows = readFileSync(new URL('matcher-vectors.tsv', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'));

  test('the table is all there', () => expect(rows).toHaveLength(58));

  test.each(rows)('%s %s %s is %s', (kind, rule = '', name = '', expected = '') => {
    const compiled = kind === 'N' ? compileMatchName(rule) : compileMatchPattern(rule, 'toFQDNs');
    expect(expected === 'inv' && !compiled.ok ? 'inv' : verdict(compiled, name)).toBe(expected);
  });
});

describe('matchName', () => {
  test.each([
    ['a letter more is another name', 'example.org', 'example.orgs', 'no'],
    ['a letter less is another name', 'example.org', 'example.or', 'no'],
    ['a name that ends in the rule without a dot between', 'ok.com', 'evilok.com', 'no'],
    ['a name that begins with the rule', 'ok.com', 'ok.com.evil.net', 'no'],
    ['the root is not named', 'example.org', '.', 'no'],
    ['hyphens and underscores stand anywhere', '-a_.b-', '-a_.b-', 'yes'],
    ['a label of 64 bytes exists on no wire', `${'a'.repeat(64)}.org`, 'org', 'no'],
  ])('%s', (_why, rule, name, expected) => expect(verdict(compileMatchName(rule), name)).toBe(expected));

  test.each([
    ['a star', '*.example.org', /Only 0-9.*write matchPattern: "\*\.example\.org"/],
    ['nothing', '', /Invalid MatchName: ""\. Write a name/],
    ['the root', '.', /Remove the leading dot/],
    ['two dots', 'a..b', /single dots/],
    ['two final dots', 'a.b..', /single dots/],
    ['a blank in front', ' example.org', /Invalid characters in MatchName/],
    ['a blank at the end', 'example.org ', /Invalid characters in MatchName/],
    ['a Kelvin sign, which JavaScript folds to k', '\u212A.org', /write "k\.org"/],
    ['an emoji that has no A-label', '\u{10FFFF}.org', /A-label/],
    ['an escape', 'a\\046b', /Invalid characters/],
    ['256 characters', 'a'.repeat(256), /Must be <= 255 characters long/],
  ])('refuses %s', (_why, text, message) => {
    const compiled = compileMatchName(text);
    expect(compiled.ok ? '' : compiled.message).toMatch(message);
  });
});

describe('matchPattern', () => {
  test.each([
    ['a star covers nothing', 'db-*.example.org', 'db-.example.org', 'yes'],
    ['stars of one label, last piece retried', '*a*b.org', 'aab-ab.org', 'yes'],
    ['the last piece must reach the end', '*ab.org', 'abc.org', 'no'],
    ['the first piece must begin the label', 'ab*.org', 'cab.org', 'no'],
    ['pieces may not overlap', 'ab*ba.org', 'aba.org', 'no'],
    ['upper case in the rule', '*.EXAMPLE.org', 'www.example.org', 'yes'],
    ['a star is a whole last label', 'foo.*', 'foo', 'no'],
    ['leading ** does not cover the apex', '**.example.org', 'example.org', 'no'],
    ['leading ** with one glob needs two labels', '**.*', 'org', 'no'],
    ['leading ** with one glob takes two labels', '**.*', 'example.org', 'yes'],
    ['a star does not cover an odd byte', '*.example.org', 'a!b.example.org', 'no'],
    ['a skipped label has no odd byte', '**.example.org', 'a!b.c.example.org', 'no'],
    ['the bare wildcard of toFQDNs has no odd byte', '*', 'a!b.example.org', 'no'],
  ])('%s', (_why, rule, name, expected) => expect(verdict(compileMatchPattern(rule, 'toFQDNs'), name)).toBe(expected));

  test('the bare wildcard of rules.dns takes odd bytes', () => {
    expect(verdict(compileMatchPattern('*', 'rules.dns'), 'a!b\\032.example.org')).toBe('yes');
  });

  test.each([
    ['a dot inside a label', '\\046'],
    ['a NUL', '\\000'],
    ['a backslash', '\\092'],
    ['a control character', '\\009'],
    ['DEL', '\\127'],
    ['a byte above ASCII', '\\200'],
  ])('%s matches nothing, not even * of rules.dns', (_why, byte) => {
    for (const rule of ['*', '**', '*.example.org', `a*b.example.org`]) {
      expect(verdict(compileMatchPattern(rule, 'rules.dns'), `a${byte}b.example.org`)).toBe('no');
    }
  });

  test('a label "ok.com" is not the labels "ok" and "com"', () => {
    expect(verdict(compileMatchName('ok.com'), 'ok\\046com')).toBe('no');
  });

  test('says what Cilium says', () => {
    const rule = 'Only 0-9, a-z, A-Z and ., -, _ and * characters are allowed';
    expect(compileMatchPattern('*.example.org,', 'toFQDNs')).toEqual({
      ok: false,
      message: `Invalid characters in MatchPattern: "*.example.org,". ${rule}; remove the others`,
    });
  });
});

describe('domainNames of the Kubernetes standard', () => {
  test.each([
    ['one label', '*.kubernetes.io', 'www.kubernetes.io', 'yes'],
    ['several labels', '*.kubernetes.io', 'latest.blog.kubernetes.io', 'yes'],
    ['not the apex', '*.kubernetes.io', 'kubernetes.io', 'no'],
    ['not a longer label', '*.kubernetes.io', 'my-kubernetes.io', 'no'],
    ['another name', '*.kubernetes.io', 'wikipedia.org', 'no'],
    ['a final dot', 'example.com.', 'example.com', 'yes'],
    ['upper case', 'Example.COM', 'example.com', 'yes'],
    ['exact', 'example.com', 'www.example.com', 'no'],
    ['a service label', '_tcp.example.com', '_tcp.example.com', 'yes'],
    ['one label alone', 'kubernetes', 'kubernetes', 'inv'],
    ['a bare star', '*', 'example.com', 'inv'],
    ['a star inside', 'a.*.com', 'a.b.com', 'inv'],
    ['two stars', '**.example.com', 'a.example.com', 'inv'],
    ['part of a label', 'db-*.example.com', 'db-1.example.com', 'inv'],
    ['a hyphen in front', '-a.example.com', 'a.example.com', 'inv'],
    ['a hyphen at the end', 'a-.example.com', 'a.example.com', 'inv'],
    ['the slip A-z of the published pattern', '[a.example.com', 'a.example.com', 'inv'],
    ['nothing', '', 'a.b', 'inv'],
    ['two dots', 'a..com', 'a.com', 'inv'],
    ['a star and one label', '*.com', 'example.com', 'inv'],
    ['too long', `${'a.'.repeat(128)}com`, 'a.com', 'inv'],
  ])('%s', (_why, rule, name, expected) => expect(verdict(compileDomainName(rule), name)).toBe(expected));
});

describe('the wire', () => {
  test.each([
    ['ends before the root', [3, 0x61, 0x62, 0x63]],
    ['ends inside a label', [3, 0x61]],
    ['is empty', []],
    ['holds a compression pointer', [1, 0x61, 0xc0, 0x0c]],
    ['holds a label of 64 bytes', [64, ...Array<number>(64).fill(0x61), 0]],
    ['is longer than 255 bytes', [...Array.from({ length: 128 }, () => [1, 0x61]).flat(), 0]],
    ['never ends', Array.from({ length: 2000 }, () => [1, 0x61]).flat()],
  ])('a name that %s matches nothing', (_why, bytes) => {
    expect(nameShape(Uint8Array.from(bytes), 0)).toBe(SHAPE_NONE);
  });

  test('a name of 255 bytes is still a name', () => {
    const wire = Uint8Array.from([...Array.from({ length: 127 }, () => [1, 0x61]).flat(), 0]);
    expect(nameShape(wire, 0)).toBe(127);
  });

  test('a name is read at its offset and what follows does not matter', () => {
    const rule = compileMatchPattern('*.example.org', 'toFQDNs');
    const packet = Uint8Array.from([9, 9, 9, ...wireOf('www.example.org'), 0xff, 0xff]);
    expect(rule.ok && matchesName(rule.value, packet, 3)).toBe(true);
  });

  test('stars and letters against the longest name cost microseconds', () => {
    const pattern = Array.from({ length: 4 }, () => '*a'.repeat(31)).join('.');
    const rule = compileMatchPattern(pattern, 'toFQDNs');
    const labels = ['a', 'a', 'a', `${'a'.repeat(62)}b`].map((label) => label.padEnd(63, 'a'));
    const wire = wireOf(labels.map((label, i) => (i === 3 ? label.slice(0, 60) : label)).join('.'));
    if (!rule.ok) throw new Error(rule.message);
    const started = performance.now();
    for (let i = 0; i < 1000; i++) matchesName(rule.value, wire, 0);
    expect(performance.now() - started).toBeLessThan(200); // 200 µs each, on a machine that is busy; exponential would be years
  });
});

test('a validated rule is compiled for its place: names that open addresses have host characters', () => {
  expect(compileNameRule({ match: 'pattern', text: '*', classes: [0] }).kind).toBe('hosts');
  expect(compileNameRule({ match: 'pattern', text: '*', classes: [] }).kind).toBe('every');
  expect(() => compileNameRule({ match: 'name', text: '*', classes: [] })).toThrow('validated');
});

test('a star in front is one label of a pattern and one or more of a domain name', () => {
  const name = wireOf('b.a.example.org');
  for (const [match, expected] of [
    ['pattern', false],
    ['domain', true],
  ] as const) {
    expect(matchesName(compileNameRule({ match, text: '*.example.org', classes: [0] }), name, 0)).toBe(expected);
  }
  expect(() => compileNameRule({ match: 'domain', text: '*', classes: [] })).toThrow('validated');
});
