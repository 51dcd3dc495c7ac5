// Every range that no answer may open, its first and its last address, in each way in which an answer can carry them, through the loop. The list
// is written out here (design.md §4): what is missing in src/kernel/protected.ts is found out.
import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../src/base/ip.ts';
import { playScenario } from '../support/scenario.ts';

/** First and last address; an IPv4 one is tried in every form that carries it, too. */
const RANGES: readonly (readonly [rows: string, what: string, first: string, last: string])[] = [
  ['A3', 'unspecified', '0.0.0.0', '0.255.255.255'],
  ['A3', 'loopback', '127.0.0.0', '127.255.255.255'],
  ['A2, A3', 'link-local', '169.254.0.0', '169.254.255.255'],
  ['A2', 'metadata of nearly every cloud', '169.254.169.254', '169.254.169.254'],
  ['A2', 'resolver and metadata of AWS', '169.254.169.253', '169.254.169.254'],
  ['A2', 'task and pod identities of AWS', '169.254.170.2', '169.254.170.23'],
  ['A2', 'metadata of Scaleway and Tencent Cloud', '169.254.42.42', '169.254.0.23'],
  ['A2', 'metadata of Alibaba Cloud', '100.100.100.200', '100.100.100.200'],
  ['A2', 'wire server of Azure, a public address', '168.63.129.16', '168.63.129.16'],
  ['A2', 'metadata of Oracle Cloud', '192.0.0.192', '192.0.0.192'],
  ['A3', 'multicast', '224.0.0.0', '239.255.255.255'],
  ['A3', 'reserved, and broadcast', '240.0.0.0', '255.255.255.255'],
  ['A3', 'unspecified and loopback of IPv6', '::', '::1'],
  ['A4', 'IPv4-compatible', '::', '::ffff:ffff'],
  ['A4', 'IPv4-mapped', '::ffff:0.0.0.0', '::ffff:255.255.255.255'],
  ['A4', 'IPv4-translated', '::ffff:0:0:0', '::ffff:0:ffff:ffff'],
  ['A4', 'Teredo', '2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['A4', '6to4', '2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['A2', 'metadata and pod identity of AWS', 'fd00:ec2::254', 'fd00:ec2::23'],
  ['A2', 'metadata of Google Cloud', 'fd20:ce::254', 'fd20:ce::254'],
  ['A2', 'metadata of Oracle Cloud over IPv6', 'fd00:c1::a9fe:a9fe', 'fd00:c1::a9fe:a9fe'],
  ['A2', 'metadata of Alibaba Cloud over IPv6', 'fd00:100::100:200', 'fd00:100::100:200'],
  ['A2', 'metadata of Scaleway over IPv6', 'fd00:42::42', 'fd00:42::42'],
  ['A2', 'metadata of Akamai over IPv6', 'fd00:a9fe:a9fe::1', 'fd00:a9fe:a9fe::1'],
  ['A2', 'metadata of OpenStack over IPv6', 'fe80::a9fe:a9fe', 'fe80::a9fe:a9fe'],
  ['A3', 'link-local of IPv6', 'fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['A3', 'site-local', 'fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['A3', 'multicast of IPv6', 'ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['A1, I3', 'the Service range', '10.96.0.0', '10.111.255.255'],
  ['A1', 'the Service range of IPv6', 'fd00:96::', 'fd00:96::ffff:ffff'],
];

/** Right outside of one of them: no wider range stands in the list by mistake. */
const NEIGHBOURS = `
  1.0.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 100.100.100.199 100.100.100.201 168.63.129.15
  168.63.129.17 192.0.0.191 192.0.0.193 223.255.255.255 10.95.255.255 10.112.0.0
  ::1:0:0:0 2000:ffff::1 2001:1:: 2003:: fd00:ec2::253 fd20:ce::255 fd00:c1::a9fe:a9fd fd00:42::43
  fe7f:ffff::1 fd00:96:0:0:0:1:: 2001:db8::5efe:5db8:d70e 64:ff9b::5db8:d70e 64:ff9b:1::5db8:d70e
  64:ff9b:1:fffe::5db8:d70e 2001:db8::1:5efe:7f00:1
`
  .trim()
  .split(/\s+/);

const BEGIN = `# a rule
cluster  10.96.0.0/12 fd00:96::/96
lifetimes min 5s max 1h grace 60s
policy   policies/examples/one-name.yaml
pod      10.0.1.7,2001:db8:1::7 shop/cart app=cart
ignore   kernel
`;
const GOOD = { A: '192.0.2.8', AAAA: '2001:db8:2::8' };

/** The forms in which an IPv4 address travels inside an IPv6 one. */
function embedded(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = parseAddress(address)?.subarray(12) ?? [];
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);
  const last = `${hex(a, b)}:${hex(c, d)}`;
  return [
    `::${last}`,
    `::ffff:0:${last}`,
    `64:ff9b::${last}`,
    `64:ff9b:1::${last}`,
    `64:ff9b:1:fffe::${last}`,
    `2002:${last}::1`,
    `2001:db8::5efe:${last}`,
    `2001:db8::200:5efe:${last}`,
    // Behind prefixes of 48, 56 and 64 bits; zeros and ones there cannot be told from a longer prefix.
    ...(a === 0 || a >= 240
      ? []
      : [
          `64:ff9b:1:${last.split(':')[0]}:${hex(0, c)}:${hex(d, 0)}::`,
          `64:ff9b:1:${hex(0x22, a)}:${hex(0, b)}:${hex(c, d)}::1`,
          `64:ff9b:1:33:${hex(0, a)}:${hex(b, c)}:${hex(d, 0)}:1`,
        ]),
  ];
}

/** The address as A or AAAA, and as a hint, each beside one that is granted; and alone. */
function withheld(address: string): string {
  const isIpv4 = !address.includes(':');
  const [type, hint] = isIpv4 ? (['A', 'ipv4hint'] as const) : (['AAAA', 'ipv6hint'] as const);
  const good = GOOD[type];
  return `
ask      10.0.1.7 ${type} api.example.org
upstream ${type} api.example.org → ${address} ${good} ttl 1
reply    NOERROR ${good}
ask      10.0.1.7 HTTPS api.example.org
upstream HTTPS api.example.org → HTTPS 1 . alpn=h2;${hint}=${address},${good} HTTPS 2 . ${hint}=${address} ttl 1
reply    NOERROR HTTPS 1 . alpn=h2;${hint}=${good} HTTPS 2 . -
wait     2s
ask      10.0.1.7 ${type} api.example.org edns
upstream ${type} api.example.org → ${address} ttl 1
reply    NOERROR ede 15
audit    dns.allowed reason=protected-address
wait     2s
`;
}

test.each(RANGES)('%s: never granted, whatever carries it: %s', async (_rows, _what, first, last) => {
  const ends = [...new Set([first, last])];
  const forms = ends.flatMap((end) => [end, ...(end.includes(':') ? [] : embedded(end))]);
  const end = `kernel count grants4_tcp443 ${ends.some((each) => !each.includes(':')) ? 1 : 0}\nkernel count grants6_tcp443 1\n`;
  const text = BEGIN + forms.map(withheld).join('') + end;
  await playScenario(text, first, 'update');
});

test.each(NEIGHBOURS)('%s, a neighbour of such a range, is granted', async (address) => {
  const [type, hint] = address.includes(':') ? ['AAAA', 'ipv6hint'] : ['A', 'ipv4hint'];
  const canonical = formatAddress(parseAddress(address) ?? expect.fail(address));
  const text = `${BEGIN}
ask      10.0.1.7 ${type} api.example.org
upstream ${type} api.example.org → ${address} ttl 1
reply    NOERROR ${canonical}
ask      10.0.1.7 HTTPS api.example.org
upstream HTTPS api.example.org → HTTPS 1 . ${hint}=${address} ttl 1
reply    NOERROR HTTPS 1 . ${hint}=${canonical}
`;
  await playScenario(text, address, 'update');
});
