import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalAddress, familyOf, formatAddress, parseAddress } from '../../../src/base/ip.ts';

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** Mostly zero groups, so that runs of zeros of every length and place occur. */
const sparse16 = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xa, 0xff, 0xffff), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));

test.each([
  ['RFC 5952 §4.1: leading zeros are dropped', '2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
  ['RFC 5952 §4.2.1: as short as possible', '2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
  ['RFC 5952 §4.2.2: one zero group is not shortened', '2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['RFC 5952 §4.2.3: the longest run is shortened', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['RFC 5952 §4.2.3: of equal runs the first', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['RFC 5952 §4.3: lower case', '2001:DB8::AAAA', '2001:db8::aaaa'],
  ['the unspecified address', '0:0:0:0:0:0:0:0', '::'],
  ['loopback', '0:0:0:0:0:0:0:1', '::1'],
  ['zeros at the end', '2001:db8:0:0:0:0:0:0', '2001:db8::'],
  ['no zeros at all', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['a dotted quad at the end', '64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ['a dotted quad without ::', '1:2:3:4:5:6:192.0.2.1', '1:2:3:4:5:6:c000:201'],
  ['IPv4 inside IPv6 is IPv4', '::ffff:192.0.2.1', '192.0.2.1'],
  ['the same in hex', '::ffff:c000:201', '192.0.2.1'],
  ['the deprecated ::a.b.c.d stays IPv6', '::192.0.2.1', '::c000:201'],
  ['IPv4', '192.0.2.1', '192.0.2.1'],
  ['IPv4, all zero', '0.0.0.0', '0.0.0.0'],
  ['IPv4, all ones', '255.255.255.255', '255.255.255.255'],
])('%s', (_why, text, canonical) => {
  expect(canonicalAddress(text)).toBe(canonical);
});

test.each([
  ['nothing', ''],
  ['a name', 'example.org'],
  ['a number, which inet_aton takes', '3221225985'],
  ['three parts, which inet_aton takes', '192.0.513'],
  ['a leading zero, which some read as octal', '192.0.02.1'],
  ['hex in IPv4', '0xc0.0.2.1'],
  ['256', '256.0.0.1'],
  ['a blank', ' 192.0.2.1'],
  ['a CIDR', '192.0.2.0/24'],
  ['a port', '192.0.2.1:53'],
  ['brackets', '[2001:db8::1]'],
  ['a zone: it is an interface, not an address', 'fe80::1%eth0'],
  ['two ::', '2001::db8::1'],
  ['nine groups', '1:2:3:4:5:6:7:8:9'],
  ['seven groups', '1:2:3:4:5:6:7'],
  ['five digits', '2001:00db8::1'],
  ['a dotted quad in the middle', '::192.0.2.1:1'],
  ['full-width digits', '１92.0.2.1'],
])('is no address: %s', (_why, text) => {
  expect(parseAddress(text)).toBeUndefined();
  expect(canonicalAddress(text)).toBeUndefined();
});

test('what is printed is read back as the same bytes', () => {
  fc.assert(
    fc.property(fc.oneof(bytes16, sparse16, fc.ipV4().map(parsed)), (bytes) => {
      const text = formatAddress(bytes);
      expect(isIP(text)).toBe(familyOf(bytes));
      expect(parseAddress(text)).toEqual(bytes);
    }),
    { numRuns: 5_000 },
  );
});

test('every spelling that node:net accepts is read as the address that node:net means', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), sparse16.map(formatAddress)), (text) => {
      const printed = formatAddress(parsed(text));
      const same = new BlockList();
      same.addAddress(text, isIPv4(text) ? 'ipv4' : 'ipv6');
      expect(same.check(printed, isIPv4(printed) ? 'ipv4' : 'ipv6')).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});

test('IPv6 is printed as the system prints it', () => {
  fc.assert(
    fc.property(fc.oneof(bytes16, sparse16), (bytes) => {
      const text = formatAddress(bytes);
      // inet_ntop writes ::a.b.c.d as dotted quad, which RFC 5952 §5 leaves open; and IPv4 inside IPv6 is IPv4 here.
      fc.pre(isIPv6(text) && bytes.subarray(0, 12).some((byte) => byte !== 0));
      fc.pre(!new SocketAddress({ address: text, family: 'ipv6' }).address.includes('.'));
      expect(new SocketAddress({ address: text, family: 'ipv6' }).address).toBe(text);
    }),
    { numRuns: 3_000 },
  );
});

test('an address is found at its offset and nowhere else', () => {
  const bytes = new Uint8Array(40).fill(0xee);
  bytes.set(parsed('192.0.2.1'), 3);
  bytes.set(parsed('2001:db8::1'), 19);
  expect([familyOf(bytes, 3), formatAddress(bytes, 3)]).toEqual([4, '192.0.2.1']);
  expect([familyOf(bytes, 19), formatAddress(bytes, 19)]).toEqual([6, '2001:db8::1']);
});

function parsed(text: string): Uint8Array {
  return parseAddress(text) ?? expect.fail(`${text} is not read`);
}
