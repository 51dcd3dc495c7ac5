import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress } from '../../../src/base/ip.ts';
import { readHeaders } from '../../../src/kernel/packet-log-headers.ts';

const TCP = 6;
const SYN = '9c4001bb0000000000000000500200000000000000'; // 40000 → 443
const PORTS = { sourcePort: 40_000, destinationPort: 443 };
const NO_PORTS = { sourcePort: 0, destinationPort: 0 };

const span = (hex: string) => {
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
  return { view: new DataView(bytes.buffer), from: 0, to: bytes.length };
};
const hexOf = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, '0');
const ipv4 = (protocol: number, rest: string, fragment = 0, options = ''): string =>
  `${hexOf(0x45 + options.length / 8, 1)}0000000000${hexOf(fragment, 2)}40${hexOf(protocol, 1)}00000a000107c0000208${options}${rest}`;
const ipv6 = (next: number, rest: string): string =>
  `600000000000${hexOf(next, 1)}4020010db800010000000000000000000720010db8000900000000000000000001${rest}`;
/** An extension header of 8 × (units + 1) bytes. */
const extension = (next: number, units = 0): string =>
  `${hexOf(next, 1)}${hexOf(units, 1)}${'00'.repeat(6 + 8 * units)}`;
/** Its length counts in units of 4 bytes: 12 of them. */
const AUTHENTICATION = `0601${'00'.repeat(10)}`;
const fragment = (next: number, offset: number, more: number): string =>
  `${hexOf(next, 1)}00${hexOf((offset << 3) | more, 2)}00000001`;

test('addresses are in 16 byte form', () => {
  const four = readHeaders(span(ipv4(TCP, SYN)));
  expect(four && [formatAddress(four.source), formatAddress(four.destination)]).toEqual(['10.0.1.7', '192.0.2.8']);
  const six = readHeaders(span(ipv6(TCP, SYN)));
  expect(six && [formatAddress(six.source), formatAddress(six.destination)]).toEqual([
    '2001:db8:1::7',
    '2001:db8:9::1',
  ]);
});

test.each([
  ['TCP', ipv4(TCP, SYN), { protocol: TCP, ...PORTS, tcpFlags: 2, isFragment: false }],
  ['behind options of IPv4', ipv4(TCP, SYN, 0, '83070400000000008300'.slice(0, 16)), { protocol: TCP, ...PORTS }],
  ['the first fragment of IPv4 has the ports', ipv4(TCP, SYN, 0x2000), { ...PORTS, isFragment: true }],
  [
    'later ones have none',
    ipv4(TCP, SYN, 0x0001),
    { protocol: TCP, ...NO_PORTS, tcpFlags: undefined, isFragment: true },
  ],
  ['ports alone', ipv4(17, '9c4001bb'), { protocol: 17, ...PORTS }],
  ['cut off before the ports', ipv4(TCP, '9c40'), { protocol: TCP, ...NO_PORTS, tcpFlags: undefined }],
  ['cut off behind the ports', ipv4(TCP, '9c4001bb'), { ...PORTS, tcpFlags: undefined }],
  ['a header length that lies is believed as little as it can be', `44${ipv4(TCP, SYN).slice(2)}`, { ...NO_PORTS }],
  ['ICMP', ipv4(1, '0800f7ff00000000'), { protocol: 1, icmpType: 8, ...NO_PORTS }],
  ['ICMP without a body', ipv4(1, ''), { protocol: 1, icmpType: undefined }],
  ['a protocol that has no ports', ipv4(47, '0000080000000000'), { protocol: 47, ...NO_PORTS }],
  ['IPv6 without extension headers', ipv6(TCP, SYN), { family: 6, protocol: TCP, ...PORTS }],
  [
    'behind every extension header',
    ipv6(0, extension(43) + extension(60, 1) + extension(44) + fragment(51, 0, 0) + AUTHENTICATION + SYN),
    { protocol: TCP, ...PORTS, isFragment: true },
  ],
  ['a later fragment of IPv6', ipv6(44, fragment(TCP, 1, 0) + SYN), { protocol: TCP, ...NO_PORTS, isFragment: true }],
  [
    'extension headers longer than what was copied',
    ipv6(60, extension(TCP, 20).slice(0, 40)),
    { protocol: TCP, ...NO_PORTS },
  ],
  ['an extension header that is cut off', ipv6(60, '0600'), { protocol: 60, ...NO_PORTS }],
  ['more extension headers than there may be', ipv6(60, extension(60).repeat(20) + SYN), { protocol: 60, ...NO_PORTS }],
  ['no next header', ipv6(59, SYN), { protocol: 59, ...NO_PORTS }],
])('%s', (_why, hex, want) => {
  expect(readHeaders(span(hex))).toMatchObject(want);
});

test.each([
  ['nothing', ''],
  ['ARP', '0001080006040001'],
  ['an IPv4 header that is cut off', ipv4(TCP, '').slice(0, 38)],
  ['an IPv6 header that is cut off', ipv6(TCP, '').slice(0, 78)],
])('is no packet: %s', (_why, hex) => {
  expect(readHeaders(span(hex))).toBeUndefined();
});

test('no bytes make it throw, or read behind its end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 128 }), fc.constantFrom(0x45, 0x4f, 0x60, undefined), (bytes, first) => {
      if (first !== undefined && bytes.length > 0) bytes[0] = first;
      const whole = readHeaders({ view: new DataView(bytes.buffer), from: 0, to: bytes.length });
      const longer = new Uint8Array([...bytes, ...new Uint8Array(300).fill(0xff)]);
      expect(readHeaders({ view: new DataView(longer.buffer), from: 0, to: bytes.length })).toEqual(whole);
    }),
    { numRuns: 2_000 },
  );
});
