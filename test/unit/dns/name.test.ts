import { expect, test } from 'vitest';
import * as names from '../../../src/dns/name.ts';
import { ascii, name, repeat } from './message.ts';

const wireOf = (...labels: (string | number[])[]): Uint8Array =>
  Uint8Array.from([...labels.flatMap((l) => [l.length, ...(typeof l === 'string' ? ascii(l) : l)]), 0]);

test('folding changes A to Z and nothing else (RFC 4343 §3)', () => {
  const all = Array.from({ length: 256 }, (_, i) => i);
  const folded = Uint8Array.from(all);
  names.foldName(folded, 0, 256);
  expect([...folded]).toEqual(all.map((byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte)));
});

test('folding never changes a length byte', () => {
  const wire = wireOf('A'.repeat(63), 'B');
  names.foldName(wire, 0, wire.length);
  expect(wire[0]).toBe(63);
  expect(names.formatName(wire)).toBe(`${'a'.repeat(63)}.b`);
});

test('the Kelvin sign is not k (V11)', () => {
  const kelvin = wireOf([0xe2, 0x84, 0xaa]);
  names.foldName(kelvin, 0, kelvin.length);
  expect([...kelvin]).toEqual([3, 0xe2, 0x84, 0xaa, 0]);
});

test('equalNames sees case, equalNamesFolded does not', () => {
  const a = Uint8Array.from([9, ...name('ExAmple.org')]);
  const b = Uint8Array.from(name('example.ORG'));
  expect(names.equalNames(a, 1, b, 0, b.length)).toBe(false);
  expect(names.equalNamesFolded(a, 1, b, 0, b.length)).toBe(true);
  expect(names.equalNamesFolded(a, 1, Uint8Array.from(name('exbmple.org')), 0, b.length)).toBe(false);
});

test.each([
  ['the root', '.', 0],
  ['two labels', 'example.org', 2],
  ['the most that fit', 'a.'.repeat(127), 127],
])('countLabels: %s', (_why, text, want) => expect(names.countLabels(Uint8Array.from(name(text)), 0)).toBe(want));

test.each([
  ['plain', wireOf('example', 'org'), false],
  ['underscore, star, hyphen and space are not hostile', wireOf('_dns', '*', 'a-b', 'a b'), false],
  ['the root', wireOf(), false],
  ['a dot inside a label (B1)', wireOf('a.b', 'org'), true],
  ['a NUL inside a label (B2)', wireOf('evil', [0], 'org'), true],
  ['a backslash', wireOf('a\\b'), true],
  ['a control character', wireOf([0x0a]), true],
  ['DEL', wireOf('a\x7f'), true],
  ['a byte above ASCII', wireOf('org', [0x80]), true],
  ['a length byte is no byte of a label', wireOf('a'.repeat(46), 'b'.repeat(10), 'c'), false],
])('hasHostileByte: %s', (_why, wire, want) => expect(names.hasHostileByte(wire, 0, wire.length)).toBe(want));

test.each([
  ['the root is one dot', wireOf(), '.'],
  ['no final dot', wireOf('www', 'Example', 'org'), 'www.Example.org'],
  ['a dot inside a label is escaped', wireOf('a.b', 'c'), 'a\\046b.c'],
  ['a backslash is escaped', wireOf('a\\b'), 'a\\092b'],
  ['a newline cannot break a log line (F1)', wireOf('a\nb'), 'a\\010b'],
  ['space, DEL, NUL and high bytes', wireOf([0x20, 0x7f, 0, 0xff]), '\\032\\127\\000\\255'],
])('formatName: %s', (_why, wire, want) => expect(names.formatName(wire)).toBe(want));

test('255 octets that all need escapes are formatted whole (CVE-2026-2291)', () => {
  const wire = wireOf(repeat(1, 63), repeat(1, 63), repeat(1, 63), repeat(1, 61));
  expect(wire.length).toBe(255);
  expect(names.formatName(wire).length).toBe(250 * 4 + 3);
  expect(names.parseNameText(names.formatName(wire))).toEqual(wire);
});

test('formatName ends at what is no label instead of reading on', () => {
  expect(names.formatName(Uint8Array.from([1, 0x61, 0xc0, 12, 1, 0x62, 0]))).toBe('a');
  expect(names.formatName(Uint8Array.from([3, 0x61]))).toBe('a\\000\\000');
});

test.each([
  ['the root', '.', [0]],
  ['case is kept', 'eXample.org', [...wireOf('eXample', 'org')]],
  ['a final dot changes nothing', 'example.org.', [...wireOf('example', 'org')]],
  ['escapes give bytes', 'a\\046\\000\\255.b', [...wireOf([0x61, 0x2e, 0, 0xff], 'b')]],
  ['a label of 63', 'a'.repeat(63), [...wireOf('a'.repeat(63))]],
])('parseNameText: %s', (_why, text, want) => expect([...(names.parseNameText(text) ?? [])]).toEqual(want));

test.each([
  ['nothing', ''],
  ['an empty label', 'a..b'],
  ['two final dots', 'a..'],
  ['a leading dot', '.a'],
  ['a label of 64', 'a'.repeat(64)],
  ['256 octets', `${'a'.repeat(63)}.`.repeat(4)],
  ['256 octets without the last dot', `${'a.'.repeat(127)}a`],
  ['a space', 'a b'],
  ['a control character', 'a\n'],
  ['beyond ASCII', 'k\u212a'],
  ['an escape above 255', '\\256'],
  ['an escape of one character', 'a\\.b'],
  ['an escape cut off', 'a\\04'],
])('parseNameText refuses %s', (_why, text) => expect(names.parseNameText(text)).toBeUndefined());

test('the longest name has 255 octets (RFC 1035 §3.1)', () => {
  const label = 'a'.repeat(63);
  expect(names.parseNameText(`${label}.${label}.${label}.${'a'.repeat(61)}`)?.length).toBe(255);
  expect(names.parseNameText(`${label}.${label}.${label}.${'a'.repeat(62)}`)).toBeUndefined();
});
