import { constantFrom, ipV4, ipV6, oneof, property, assert as check } from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from '../../../../src/base/ip.ts';
import { parseNameText } from '../../../../src/dns/name.ts';
import { extraRanges, protectedRanges, RangeMatcher } from '../../../../src/kernel/protected.ts';
import { ANY_CLASS, AnswerRanges, isPrivate, matcherOf, RANGE } from '../../../../src/datapath/state/answer-ranges.ts';

const bytes = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);
const protect = extraRanges(['rfc1918', 'cgnat']);
const ranges = new AnswerRanges({ ...protect, cidrs: [{ cidr: '10.96.0.0/12', reason: 'service-range' }] }, [
  { zone: 'corp.example', ranges: ['10.0.0.0/8'] },
  { zone: 'db.corp.example', ranges: ['192.168.7.0/24'] },
]);

function judge(name: string, address: string): number {
  const wire = parseNameText(name) ?? expect.fail(name);
  ranges.about(wire, 0, wire.length);
  return ranges.judge(bytes(address), 0);
}

test.each([
  ['the zone itself', 'corp.example', '10.20.0.1', RANGE.Open],
  ['a name below it', 'a.b.corp.example', '10.20.0.1', RANGE.Open],
  ['a name that ends in the same letters', 'xcorp.example', '10.20.0.1', RANGE.Closed],
  ['the name above', 'example', '10.20.0.1', RANGE.Closed],
  ['the root', '.', '10.20.0.1', RANGE.Closed],
  ['another range', 'corp.example', '192.168.7.1', RANGE.Closed],
  ['a name in two zones has the ranges of both', 'db.corp.example', '10.20.0.1', RANGE.Open],
  ['of the inner zone', 'x.db.corp.example', '192.168.7.1', RANGE.Open],
  ["the cluster's own", 'corp.example', '10.96.0.10', RANGE.Never],
  ['a metadata address', 'corp.example', '169.254.169.254', RANGE.Never],
  ['behind NAT64', 'corp.example', '64:ff9b::10.20.0.1', RANGE.Open],
  ["the cluster's own behind NAT64", 'corp.example', '64:ff9b::10.96.0.10', RANGE.Never],
  ['a public address', 'other.example', '192.0.2.1', RANGE.Open],
])('%s: %s %s', (_why, name, address, want) => {
  expect(judge(name, address)).toBe(want);
});

test('a rule opens its ranges for its own class, and nothing that is never granted', () => {
  const opens = [
    { classIndex: 2, ranges: matcherOf(['10.0.0.0/8']) },
    { classIndex: 3, ranges: matcherOf(['192.168.0.0/16']) },
  ];
  const name = parseNameText('other.example') ?? expect.fail();
  ranges.about(name, 0, name.length);
  const granted = (address: string) =>
    [ANY_CLASS, 1, 2, 3].filter((classIndex) => ranges.mayGrant(opens, classIndex, bytes(address), 0));
  expect(granted('10.20.0.1')).toEqual([ANY_CLASS, 2]);
  expect(granted('192.168.0.1')).toEqual([ANY_CLASS, 3]);
  expect(granted('10.96.0.10')).toEqual([]);
  expect(granted('100.64.0.1')).toEqual([]);
  expect(granted('192.0.2.1')).toEqual([ANY_CLASS, 1, 2, 3]);
  expect(ranges.mayGrant(undefined, 2, bytes('10.20.0.1'), 0)).toBe(false);
});

test('without zones and rules, it closes what the list of protected ranges has', () => {
  const extra = extraRanges(['rfc1918', 'ula', 'cgnat', '203.0.113.0/24']);
  const alone = new AnswerRanges(extra);
  const oracle = new RangeMatcher(protectedRanges(extra));
  alone.about(new Uint8Array(1), 0, 1);
  const nat64 = ipV4().map((address) => `64:ff9b::${address}`);
  check(
    property(oneof(ipV4(), ipV6(), nat64, constantFrom('203.0.113.1', 'fd00::1')), (text) => {
      const address = parseAddress(text);
      if (address === undefined) return;
      expect(alone.mayGrant(undefined, ANY_CLASS, address, 0)).toBe(!oracle.includes(address, 0));
    }),
  );
});

test('private is what PRIVATE_RANGES lists, also behind NAT64', () => {
  const oracle = new RangeMatcher(
    ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map((cidr) => ({
      cidr,
      reason: '',
    })),
  );
  const edges = ['9.255.255.255', '10.0.0.0', '11.0.0.0', '172.15.0.1', '172.31.255.255', '172.32.0.0', '192.168.0.0'];
  const more = [
    '192.169.0.0',
    '100.63.255.255',
    '100.64.0.0',
    '100.127.255.255',
    '100.128.0.0',
    'fbff::',
    'fdff::',
    'fe00::',
  ];
  const addresses = oneof(
    ipV4(),
    ipV6(),
    ipV4().map((v4) => `64:ff9b::${v4}`),
    ipV4().map((v4) => `64:ff9b:1::${v4}`),
    constantFrom(...edges, ...more),
  );
  for (const text of [...edges, ...more])
    expect([text, isPrivate(bytes(text), 0)]).toEqual([text, oracle.includes(bytes(text), 0)]);
  check(
    property(addresses, (text) => {
      const address = parseAddress(text);
      if (address !== undefined) expect([text, isPrivate(address, 0)]).toEqual([text, oracle.includes(address, 0)]);
    }),
  );
});
