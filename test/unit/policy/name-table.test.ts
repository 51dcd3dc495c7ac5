import { describe, expect, test } from 'vitest';
import { foldName, parseNameText } from '../../../src/dns/name.ts';
import type { NameRule } from '../../../src/policy/compiled.ts';
import { hashKeys } from '../../../src/policy/name-ends.ts';
import { NameTable } from '../../../src/policy/name-table.ts';
import { compileNameRule } from '../../../src/policy/names.ts';

type Rule = Pick<NameRule, 'match' | 'text' | 'classes'>;

const KEYS = hashKeys(42);
const name = (text: string): Rule => ({ match: 'name', text, classes: [0] });
const pattern = (text: string): Rule => ({ match: 'pattern', text, classes: [0] });
const askPattern = (text: string): Rule => ({ match: 'pattern', text, classes: [] });
const domain = (text: string): Rule => ({ match: 'domain', text, classes: [0] });
/** Of few rules none is filed: with these there are enough of them. */
const OTHERS = Array.from({ length: 5 }, (_, i) => name(`other${i}.example.invalid`));

function wireOf(text: string): Uint8Array {
  const wire = parseNameText(text) ?? expect.fail(text);
  foldName(wire, 0, wire.length);
  return wire;
}

function findWire(rules: readonly Rule[], wire: Uint8Array, keys = KEYS): number[] {
  const found = new Int32Array(rules.length).fill(-1);
  const count = new NameTable(rules.map(compileNameRule), keys).find(wire, 0, found);
  return [...found.subarray(0, count)];
}

/** The rules that mean the name: alone, among others, and with every hash colliding. They must agree. */
function find(rules: readonly Rule[], text: string): number[] {
  const wire = wireOf(text);
  const found = findWire(rules, wire);
  expect(findWire([...rules, ...OTHERS], wire)).toEqual(found);
  expect(findWire([...rules, ...OTHERS], wire, new Int32Array(256))).toEqual(found);
  return found;
}

const LABEL63 = 'a'.repeat(63);
const DEEPEST = Array.from({ length: 127 }, () => 'a').join('.'); // 255 bytes

test.each<[string, Rule, string, boolean]>([
  ['an exact name', name('api.example.org'), 'api.example.org', true],
  ['not below it', name('api.example.org'), 'x.api.example.org', false],
  ['not above it', name('api.example.org'), 'example.org', false],
  ['not a longer label', name('api.example.org'), 'xapi.example.org', false],
  ['a final dot in the rule', name('api.example.org.'), 'api.example.org', true],
  ['upper case in the rule', name('API.Example.ORG'), 'api.example.org', true],
  ['upper case in the name, folded', name('api.example.org'), 'API.Example.ORG', true],
  ['one label', name('localhost'), 'localhost', true],
  ['a label of 63 bytes', name(`${LABEL63}.example.org`), `${LABEL63}.example.org`, true],
  ['the longest name', name(DEEPEST), DEEPEST, true],
  ['a name one label shorter', name(DEEPEST), DEEPEST.slice(2), false],
  ['a label of 64 bytes, which no name has', name(`a${LABEL63}.org`), 'org', false],
  ['one star is one label', pattern('*.example.org'), 'a.example.org', true],
  ['one star is not two', pattern('*.example.org'), 'b.a.example.org', false],
  ['one star is not none', pattern('*.example.org'), 'example.org', false],
  ['a final dot behind a wildcard', pattern('*.example.org.'), 'a.example.org', true],
  ['one star under one label', pattern('*.org'), 'example.org', true],
  ['a pattern without a star', pattern('api.example.org'), 'api.example.org', true],
  ['two stars are one label', pattern('**.example.org'), 'a.example.org', true],
  ['two stars are many', pattern('**.example.org'), `${'a.'.repeat(100)}example.org`, true],
  ['two stars are not none', pattern('**.example.org'), 'example.org', false],
  ['three stars are two', pattern('***.example.org'), 'b.a.example.org', true],
  ['two stars and one: two labels', pattern('**.*.example.org'), 'b.a.example.org', true],
  ['two stars and one: not one', pattern('**.*.example.org'), 'a.example.org', false],
  ['two stars below a deep end', pattern(`**.${DEEPEST.slice(2)}`), DEEPEST, true],
  ['two stars before a glob', pattern('**.a*.example.org'), 'x.y.ab.example.org', true],
  ['two stars before another', pattern('**.a*.example.org'), 'x.y.b.example.org', false],
  ['part of a label', pattern('db-*.example.org'), 'db-1.example.org', true],
  ['part of another', pattern('db-*.example.org'), 'dc-1.example.org', false],
  ['part of a label that is not asked', pattern('db-*.example.org'), 'example.org', false],
  ['a star in the middle', pattern('a.*.example.org'), 'a.b.example.org', true],
  ['a star in the middle, another front', pattern('a.*.example.org'), 'b.b.example.org', false],
  ['two stars are two labels', pattern('*.*.example.org'), 'b.a.example.org', true],
  ['a star at the end', pattern('example.*'), 'example.org', true],
  ['a star at the end, another front', pattern('example.*'), 'test.org', false],
  ['a star in the last label', pattern('example.o*'), 'example.org', true],
  ['a domain name is itself', domain('Example.ORG.'), 'example.org', true],
  ['a domain name is not below it', domain('example.org'), 'a.example.org', false],
  ['the star of a domain name is one label', domain('*.example.org'), 'a.example.org', true],
  ['the star of a domain name is several', domain('*.example.org'), 'c.b.a.example.org', true],
  ['the star of a domain name is not none', domain('*.example.org'), 'example.org', false],
  ['a bare wildcard', pattern('*'), 'a.example.org', true],
  ['a bare wildcard and the root', pattern('*'), '.', true],
  ['a bare wildcard of rules.dns and the root', askPattern('**.'), '.', true],
  ['a bare wildcard and an odd byte', pattern('*'), 'a!.example.org', false],
  ['a bare wildcard of rules.dns and an odd byte', askPattern('*'), 'a!.example.org', true],
  ['a bare wildcard of rules.dns and a dot in a label', askPattern('*'), 'a\\046b.example.org', false],
  ['a wildcard and an odd byte', askPattern('**.example.org'), 'a!.example.org', false],
  ['a wildcard and an odd byte further in front', askPattern('**.example.org'), 'a!.b.example.org', false],
  ['an exact name and the root', name('org'), '.', false],
])('%s', (_why, rule, asked, expected) => {
  expect(find([rule], asked)).toEqual(expected ? [0] : []);
});

describe('several rules', () => {
  test('of one text are all found', () => {
    for (const text of ['api.example.org', '*.example.org', '**.example.org', 'a*.example.org', '*', 'api.*.*']) {
      expect(find([pattern(text), name('x.org'), pattern(text), pattern(text)], 'api.example.org')).toEqual([0, 2, 3]);
    }
  });

  test('are found in their order, however they are filed', () => {
    const texts = [
      '*',
      'api.example.org',
      '**.org',
      'a*.example.org',
      '*.example.org',
      'a*.example.*',
      '**.example.org',
    ];
    for (let first = 0; first < texts.length; first++) {
      const rotated = [...texts.slice(first), ...texts.slice(0, first)];
      expect(find(rotated.map(pattern), 'api.example.org')).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(find(rotated.toReversed().map(pattern), 'api.example.org')).toEqual([0, 1, 2, 3, 4, 5, 6]);
    }
  });

  test('of one end are told apart by what precedes it', () => {
    const rules = [name('example.org'), pattern('*.example.org'), pattern('**.example.org'), pattern('a*.example.org')];
    expect(find(rules, 'example.org')).toEqual([0]);
    expect(find(rules, 'b.example.org')).toEqual([1, 2]);
    expect(find(rules, 'a.example.org')).toEqual([1, 2, 3]);
    expect(find(rules, 'a.b.example.org')).toEqual([2]);
  });

  test('by thousands that mean one name are all found, in order', () => {
    const rules = Array.from({ length: 9_000 }, (_, i) =>
      pattern(['*.example.org', '**.org', 'a*.example.org', '*', '**.example.org'][(i * i) % 5] ?? ''),
    );
    expect(find(rules, 'a.example.org')).toEqual(rules.map((_, i) => i));
  });
});

test('no rules find nothing', () => {
  expect(find([], 'example.org')).toEqual([]);
  expect(find([], '.')).toEqual([]);
});

test('a name is read at its offset and what follows does not matter', () => {
  const table = new NameTable([pattern('*.example.org'), ...OTHERS].map(compileNameRule), KEYS);
  const packet = Uint8Array.from([3, 0x61, 9, ...wireOf('www.example.org'), 0xff, 0xff]);
  const found = new Int32Array(6);
  expect([table.find(packet, 3, found), found[0]]).toEqual([1, 0]);
});

test.each([
  ['ends before the root', [3, 0x6f, 0x72, 0x67]],
  ['is empty', []],
  ['holds a compression pointer', [1, 0x61, 0xc0, 0x0c]],
  ['is longer than 255 bytes', [...Array.from({ length: 128 }, () => [1, 0x61]).flat(), 0]],
  ['never ends', Array.from({ length: 2000 }, () => [1, 0x61]).flat()],
])('a name that %s is meant by no rule', (_why, bytes) => {
  const rules = [askPattern('*'), pattern('**.a'), name('org'), ...OTHERS];
  expect(findWire(rules, Uint8Array.from(bytes))).toEqual([]);
});

test('says how many rules one name may have to be tried on', () => {
  const mostTried = (rules: readonly Rule[]) => new NameTable(rules.map(compileNameRule), KEYS).mostTried;
  const spread = Array.from({ length: 100 }, (_, i) => pattern(`db-*.zone${i}.example.org`));
  const together = Array.from({ length: 100 }, (_, i) => pattern(`db${i}-*.example.org`));
  expect(mostTried([])).toBe(0);
  expect(mostTried(OTHERS.slice(0, 3))).toBe(3); // few are simply tried
  expect(mostTried([...OTHERS, pattern('*.example.org'), pattern('**.example.org')])).toBe(0);
  expect(mostTried(spread)).toBe(1);
  expect(mostTried(together)).toBe(100);
  expect(mostTried([...OTHERS, pattern('*'), pattern('www.*')])).toBe(2);
});
