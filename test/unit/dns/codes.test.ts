import { expect, test } from 'vitest';
import { rcodeName, TYPE, typeFromName, typeName } from '../../../src/dns/codes.ts';

test.each([
  ['a known type has its mnemonic', 1, 'A'],
  ['HTTPS is known', 65, 'HTTPS'],
  ['an unknown type is TYPEnnn (RFC 3597 §5)', 65280, 'TYPE65280'],
])('%s', (_why, type, want) => expect(typeName(type)).toBe(want));

test.each([
  ['mnemonics have no case', 'aaaa', 28],
  ['TYPEnnn of a known type', 'TYPE28', 28],
  ['the highest type', 'type65535', 65535],
  ['a number that is no type', 'TYPE65536', undefined],
  ['leading zeros are a second spelling', 'TYPE01', undefined],
  ['a property of every object is no type', 'constructor', undefined],
  ['long s upper-cases to S', '\u017foa', undefined],
  ['nothing', '', undefined],
])('typeFromName: %s', (_why, text, want) => expect(typeFromName(text)).toBe(want));

test('every type survives its name', () => {
  for (const type of Object.values(TYPE)) expect(typeFromName(typeName(type))).toBe(type);
});

test('rcodes have the names that dig prints', () => {
  expect(rcodeName(3)).toBe('NXDOMAIN');
  expect(rcodeName(16)).toBe('BADVERS');
  expect(rcodeName(3841)).toBe('RCODE3841');
});
