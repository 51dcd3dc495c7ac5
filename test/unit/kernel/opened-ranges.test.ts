import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { intervals } from '../../../src/kernel/intervals.ts';
import { kernelRanges, readOpenedRange } from '../../../src/kernel/opened-ranges.ts';
import { extraRanges, RangeMatcher } from '../../../src/kernel/protected.ts';

const CLUSTER = [{ cidr: '10.96.0.0/12', reason: 'service-range' }];

/** What the kernel closes, as the nft elements say it. */
function closed(protect: readonly string[], opened: readonly string[], ofCluster = CLUSTER) {
  const extra = extraRanges(protect);
  const ranges = kernelRanges({ ...extra, cidrs: [...extra.cidrs, ...ofCluster] }, opened);
  const matcher = new RangeMatcher(ranges);
  const includes = (address: string) => matcher.includes(parseAddress(address) ?? expect.fail(address), 0);
  return { includes, elements: [...intervals(ranges, 4), ...intervals(ranges, 6)] };
}

test.each([
  ['what is opened', '10.20.7.7', false],
  ['its first address', '10.20.0.0', false],
  ['its last address', '10.20.255.255', false],
  ['what stands before it', '10.19.255.255', true],
  ['what stands behind it', '10.21.0.0', true],
  ['the rest of the range', '10.200.0.1', true],
  ['another range', '172.16.0.1', true],
  ['it behind NAT64', '64:ff9b::10.20.0.1', false],
  ['it behind a local prefix of NAT64', '64:ff9b:1::10.20.0.1', false],
  ['the rest behind a local prefix', '64:ff9b:1::10.21.0.1', true],
  ['the rest behind NAT64', '64:ff9b::10.21.0.1', true],
  ['what is opened of ULA', 'fd00:20::1', false],
  ['the rest of ULA', 'fd00:21::1', true],
  ["the cluster's own, though opened", '10.96.0.10', true],
  ['a metadata address inside what is opened', 'fd00:ec2::254', true],
  ['link-local', '169.254.169.254', true],
  ['a public address', '93.184.215.14', false],
])('the kernel closes %s, or not: %s, %s', (_why, address, want) => {
  const opened = ['10.20.0.0/16', '10.96.0.0/12', 'fd00:20::/32', 'fd00:ec2::/32'];
  expect(closed(['rfc1918', 'ula'], opened).includes(address)).toBe(want);
});

test('as elements they are the range without its hole', () => {
  const { elements } = closed(['10.0.0.0/8'], ['10.20.0.0/16'], []);
  expect(elements).toContain('10.0.0.0-10.19.255.255');
  expect(elements).toContain('10.21.0.0-10.255.255.255');
  expect(elements).toContain('64:ff9b::a00:0-64:ff9b::a13:ffff');
});

test('a hole as large as the range, or larger, leaves nothing; one outside of it changes nothing', () => {
  expect(closed(['10.20.0.0/16'], ['10.0.0.0/8'], []).includes('10.20.0.1')).toBe(false);
  expect(closed(['10.20.0.0/16'], ['10.20.0.0/16'], []).includes('10.20.0.1')).toBe(false);
  expect(closed(['10.20.0.0/16'], ['10.21.0.0/16'], []).elements).toEqual(closed(['10.20.0.0/16'], [], []).elements);
  expect(closed([], ['10.20.0.0/16']).elements).toEqual(closed([], []).elements);
});

test('behind NAT64 it is opened also where that prefix itself is closed', () => {
  const { includes } = closed(['64:ff9b::/96'], ['10.20.0.0/16'], []);
  expect([includes('64:ff9b::10.20.0.1'), includes('64:ff9b::10.21.0.1')]).toEqual([false, true]);
});

test.each([
  ['a CIDR', '10.20.0.0/16', ['10.20.0.0/16']],
  ['a CIDR of IPv6', 'fd00:20::/32', ['fd00:20::/32']],
  ['a name', 'rfc1918', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']],
  ['a name of a range with a metadata address in it', 'ula', ['fc00::/7']],
])('%s opens what it says: %s', (_why, text, cidrs) => {
  expect(readOpenedRange(text)).toEqual({ ok: true, cidrs });
});

test.each([
  ['an address alone', '10.20.0.1', 'is neither'],
  ['a name that is none', 'private', 'is neither'],
  ['a name of every object', 'constructor', 'is neither'],
  ['a length that is too long', '10.0.0.0/33', 'is neither'],
  ['an interface', 'fd00::1%eth0/64', 'is neither'],
  ['nothing', '', 'is neither'],
  ['all of IPv4', '0.0.0.0/0', 'touches 0.0.0.0/8 (unspecified)'],
  ['all of IPv6', '::/0', 'touches 64:ff9b::/96'],
  ['a local prefix of NAT64', '64:ff9b:1:5::/64', 'touches 64:ff9b:1::/48'],
  ['a metadata address', 'fd00:ec2::254/128', 'touches fd00:ec2::254/128 (metadata)'],
  ['a range around one', '100.64.0.0/10', 'touches 100.100.100.200/32 (metadata)'],
  ['a range inside one', '127.0.0.0/9', 'touches 127.0.0.0/8 (loopback)'],
  ['IPv4 written as IPv6', '::ffff:10.20.0.0/112', 'touches ::ffff:0:0/96'],
])('%s is refused: "%s"', (_why, text, why) => {
  expect(readOpenedRange(text)).toMatchObject({ ok: false, why: expect.stringContaining(why) as unknown });
});
