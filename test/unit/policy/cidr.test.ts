import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import {
  addressInterval,
  behindNat64,
  difference,
  isWithin,
  parseRange,
  toCidrs,
  union,
  type Interval,
} from '../../../src/policy/cidr.ts';

function range(text: string): Interval {
  return parseRange(text) ?? expect.fail(`${text}: no range`);
}

const texts = (intervals: readonly Interval[]) => intervals.flatMap(toCidrs);
const ranges = (...list: string[]) => list.map(range);

describe('parseRange', () => {
  test.each([
    ['an address alone', '192.0.2.1', '192.0.2.1'],
    ['a whole family', '0.0.0.0/0', '0.0.0.0/0'],
    ['the other one', '::/0', '::/0'],
    ['bits behind the prefix are ignored', '192.0.2.77/24', '192.0.2.0/24'],
    ['a single address by its prefix', '2001:db8::1/128', '2001:db8::1'],
    ['upper case', '2001:DB8::/32', '2001:db8::/32'],
    ['mapped IPv4 is IPv6', '::ffff:192.0.2.0/120', '::ffff:192.0.2.0/120'],
  ])('reads %s', (_why, text, canonical) => expect(toCidrs(range(text))).toEqual([canonical]));

  test.each(['', '/', '192.0.2.0/', '/24', '192.0.2.0/33', '192.0.2.0/-1', '192.0.2.0/1e1', '192.0.2.0/08'])(
    'refuses %j',
    (text) => expect(parseRange(text)).toBeUndefined(),
  );

  test.each(['192.0.2.0/24/24', '192.0.2/24', '192.0.02.0/24', '::/129', 'fe80::%1/64', ' ::/0', '::/0 '])(
    'refuses %j',
    (text) => expect(parseRange(text)).toBeUndefined(),
  );
});

test('neighbours and overlaps become one, families stay apart', () => {
  const list = ranges('192.0.2.128/25', '::/1', '192.0.2.0/25', '192.0.2.7', '8000::/1', '192.0.4.0/24');
  expect(texts(union(list))).toEqual(['192.0.2.0/24', '192.0.4.0/24', '::/0']);
});

describe('difference', () => {
  test.each([
    ['nothing to take', ['192.0.2.0/24'], [], ['192.0.2.0/24']],
    ['the whole', ['192.0.2.0/24'], ['192.0.0.0/16'], []],
    ['the first address', ['192.0.2.0/30'], ['192.0.2.0'], ['192.0.2.1', '192.0.2.2/31']],
    ['the last address of all', ['255.255.255.254/31'], ['255.255.255.255'], ['255.255.255.254']],
    ['the middle', ['192.0.2.0/29'], ['192.0.2.3'], ['192.0.2.0/31', '192.0.2.2', '192.0.2.4/30']],
    ['holes that overlap', ['192.0.2.0/29'], ['192.0.2.0/31', '192.0.2.0/30'], ['192.0.2.4/30']],
    ['the other family', ['192.0.2.0/24'], ['::/0'], ['192.0.2.0/24']],
    ['a hole over two ranges', ['192.0.2.0/25', '192.0.3.0/24'], ['192.0.2.0/23'], []],
  ])('%s', (_why, from, without, left) => {
    expect(texts(difference(ranges(...from), ranges(...without)))).toEqual(left);
  });

  test('half of everything is one prefix less', () => {
    expect(texts(difference(ranges('::/0'), ranges('::/1')))).toEqual(['8000::/1']);
  });
});

test('an interval that is no prefix is the fewest prefixes', () => {
  const [first, last] = [range('192.0.2.1').first, range('192.0.2.14').last];
  expect(toCidrs({ family: 4, first, last })).toEqual([
    '192.0.2.1',
    '192.0.2.2/31',
    '192.0.2.4/30',
    '192.0.2.8/30',
    '192.0.2.12/31',
    '192.0.2.14',
  ]);
});

test('an address of 16 bytes is of the family that it is written in', () => {
  const bytes = parseAddress('192.0.2.1') ?? expect.fail();
  expect(isWithin(addressInterval(bytes), range('192.0.2.0/24'))).toBe(true);
  expect(isWithin(addressInterval(bytes), range('::/0'))).toBe(false);
});

test('IPv4 behind NAT64 is IPv6, under the well-known prefix and the one for local use', () => {
  const translated = ['64:ff9b::a9fe:0/112', '64:ff9b:1::a9fe:0/112'];
  expect(texts(behindNat64(range('169.254.0.0/16')))).toEqual(translated);
  expect(behindNat64(range('2001:db8::/32'))).toEqual([]);
});
