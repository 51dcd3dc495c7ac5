import { expect, test } from 'vitest';
import { checkAnswerOptions, checkQueryOptions } from '../../../src/dns/edns.ts';
import type { Bytes } from './message.ts';
import { option, u16, repeat } from './message.ts';

const COOKIE = 10;
const SUBNET = 8;
const zeros = (length: number): Bytes => repeat(0, length);
const subnet = (family: number, prefix: number, scope: number, address: Bytes): Bytes =>
  option(SUBNET, [...u16(family), prefix, scope, ...address]);
const many = (count: number): Bytes => Array.from({ length: count }, () => option(65001, [])).flat();

test.each<[string, Bytes, boolean]>([
  ['no options', [], true],
  ['an unknown option is ignored (RFC 6891 §6.1.2)', option(100, [1, 2, 3]), true],
  ['an option that runs past the record', [...u16(100), ...u16(4), 1, 2, 3], false],
  ['half an option header', [0, 100, 0], false],
  ['32 options', many(32), true],
  ['33 options (CVE-2026-41292)', many(33), false],
  ['512 bytes', option(65001, zeros(508)), true],
  ['513 bytes', option(65001, zeros(509)), false],
  ['a client cookie (RFC 7873 §4)', option(COOKIE, zeros(8)), true],
  ['client and server cookie, least', option(COOKIE, zeros(16)), true],
  ['client and server cookie, most', option(COOKIE, zeros(40)), true],
  ['cookie of 7', option(COOKIE, zeros(7)), false],
  ['cookie of 9', option(COOKIE, zeros(9)), false],
  ['cookie of 15', option(COOKIE, zeros(15)), false],
  ['cookie of 41', option(COOKIE, zeros(41)), false],
  ['cookie of 0', option(COOKIE, []), false],
  ['subnet 192.0.2.0/24 (RFC 7871 §6)', subnet(1, 24, 0, [192, 0, 2]), true],
  ['subnet 2001:db8::/33', subnet(2, 33, 0, [0x20, 1, 0x0d, 0xb8, 0x80]), true],
  ['subnet 0.0.0.0/0', subnet(1, 0, 0, []), true],
  ['family 0, prefix 0', subnet(0, 0, 0, []), true],
  ['family 9', subnet(9, 0, 0, []), false],
  ['prefix 33 of IPv4', subnet(1, 33, 0, [192, 0, 2, 0, 0]), false],
  ['prefix 129 of IPv6', subnet(2, 129, 0, zeros(17)), false],
  ['a scope in a query', subnet(1, 24, 24, [192, 0, 2]), false],
  ['more address bytes than the prefix needs', subnet(1, 24, 0, [192, 0, 2, 0]), false],
  ['fewer', subnet(1, 24, 0, [192, 0]), false],
  ['bits set past the prefix', subnet(1, 23, 0, [192, 0, 3]), false],
  ['last bit of the prefix may be set', subnet(1, 23, 0, [192, 0, 2]), true],
  ['a subnet of 3 bytes', option(SUBNET, [0, 1, 0]), false],
  ['two subnets (C17)', [...subnet(1, 24, 0, [192, 0, 2]), ...subnet(1, 24, 0, [192, 0, 2])], false],
])('checkQueryOptions: %s', (_why, options, want) => {
  const bytes = Uint8Array.from([0xff, 0xff, ...options, 0, 10, 0, 9]);
  expect(checkQueryOptions(bytes, 2, 2 + options.length)).toBe(want);
});

test.each<[string, Bytes, boolean]>([
  ['no options', [], true],
  ['any option', option(15, [0, 15, 65]), true],
  ['a cookie of odd length is not our business', option(COOKIE, zeros(7)), true],
  ['an option that runs past the record', [...u16(100), ...u16(4), 1, 2, 3], false],
  ['half an option header', [0, 100], false],
])('checkAnswerOptions: %s', (_why, options, want) => {
  const bytes = Uint8Array.from([...options, 0, 0, 0, 0]);
  expect(checkAnswerOptions(bytes, 0, options.length)).toBe(want);
});
