// One packet each of threats.md 2E that must not get anywhere, from a pod whose attacker writes whole frames: forged sources, other protocols, other
// servers, the own node.
import {
  between,
  CART,
  describeAttacks,
  DESK,
  FAMILIES,
  far,
  farBoth,
  freshPort,
  tcpTo,
  udpTo,
  WEB,
} from '../support/attacker-attacks.ts';
import type { Attack } from '../support/attacker-attacks.ts';
import { GRANTED, NODE_ADDRESSES, NOT_GRANTED, OTHERS } from '../support/attacker-lab.ts';
import { icmp, ip, PROTOCOL, sctpInit } from '../support/attacker-packets.ts';

const ICMP_ECHO = { 4: 8, 6: 128 } as const;

const SPOOFED = FAMILIES.map((family) =>
  far(
    `E1 a spoofed source does not ride on what the other pod may reach, IPv${family}`,
    { from: DESK[family], to: OTHERS[family] },
    (ends) => [tcpTo(ends, WEB)],
  ),
);
const NOBODYS = far('E1 a source that is no pod at all', { from: '198.51.100.99', to: GRANTED[4] }, (ends) => [
  tcpTo(ends, WEB),
]);

const NEW_PROTOCOLS = Object.entries({
  IGMP: 2,
  IPIP: 4,
  '6in4': 41,
  GRE: 47,
  ESP: 50,
  AH: 51,
  DCCP: 33,
  'UDP-Lite': 136,
  'protocol 253': 253,
});
const OTHER_PROTOCOLS = (['not granted', 'granted for TCP 443 alone'] as const).flatMap((what) => {
  const to = what === 'not granted' ? NOT_GRANTED : GRANTED;
  return [
    ...farBoth(`E11 an ICMP echo request to an address ${what}`, to, (ends) => {
      const family = ends.to.includes(':') ? 6 : 4;
      const echo = icmp(ends, ICMP_ECHO[family], 0, Buffer.from('0001 0001 6578 6669 6c21'.replaceAll(' ', ''), 'hex'));
      return [ip(ends, family === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6, echo)];
    }),
    ...farBoth(`E11 an SCTP INIT to an address ${what}`, to, (ends) => [
      ip(ends, PROTOCOL.sctp, sctpInit({ source: freshPort(), port: WEB })),
    ]),
    ...NEW_PROTOCOLS.flatMap(([name, protocol]) =>
      farBoth(`E11 ${name} to an address ${what}`, to, (ends) => [ip(ends, protocol, Buffer.alloc(32, 0x45))]),
    ),
  ];
});

const OTHER_SERVICES = [
  ...[53, 5353, 5300].flatMap((port) => [
    ...farBoth(`E12 a query to another server, UDP port ${port}`, NOT_GRANTED, (ends) => [udpTo(ends, port)]),
    ...farBoth(`E12 a query to another server, TCP port ${port}`, NOT_GRANTED, (ends) => [tcpTo(ends, port)]),
  ]),
  far('E12 a query past namewall to its own upstream', { from: CART[4], to: '192.0.2.53' }, (ends) => [
    udpTo(ends, 53),
  ]),
  ...farBoth('E12 a query to a granted address, UDP port 53', GRANTED, (ends) => [udpTo(ends, 53)]),
  ...farBoth('E13 DNS over TLS to a granted address', GRANTED, (ends) => [tcpTo(ends, 853)]),
  ...farBoth('E13 DNS over QUIC to a granted address', GRANTED, (ends) => [udpTo(ends, 853)]),
  ...farBoth('E13 DNS over HTTPS to a resolver that nobody named', NOT_GRANTED, (ends) => [
    tcpTo(ends, WEB),
    udpTo(ends, WEB),
  ]),
];

const OWN_NODE: Attack[] = NODE_ADDRESSES.flatMap((to) => {
  const from = to.includes(':') ? CART[6] : CART[4];
  const attack = (title: string, packets: () => Buffer[]): Attack => ({
    title,
    packets,
    seen: between(from, to),
    at: 'node',
  });
  return [
    attack(`E14 TCP to a port of the own node at ${to}`, () => [10_250, 22].map((port) => tcpTo({ from, to }, port))),
    attack(`E14 UDP to a port of the own node at ${to}`, () => [udpTo({ from, to }, 53)]),
  ];
});
const LINK_LOCAL = 'fe80::6661:6b65';
const NODE_TRICKS: Attack[] = [
  {
    title: 'E1 a link-local source to a port of the own node',
    packets: () => [tcpTo({ from: LINK_LOCAL, to: 'fe80::1' }, 10_250)],
    seen: `ip6 saddr ${LINK_LOCAL} tcp dport 10250`,
    at: 'node',
  },
  {
    title: 'E14 loopback of the own node, where its administrator has allowed to route there',
    packets: () => [tcpTo({ from: CART[4], to: '127.0.0.1' }, 10_250)],
    seen: 'ip daddr 127.0.0.1 tcp dport 10250',
    at: 'node',
    sysctl: 'net.ipv4.conf.all.route_localnet',
  },
  {
    title: 'E14 the metadata address',
    packets: () => [tcpTo({ from: CART[4], to: '169.254.169.254' }, 80)],
    seen: 'ip daddr 169.254.169.254',
    at: 'world',
  },
];

const ATTACKS: readonly Attack[] = [
  ...SPOOFED,
  NOBODYS,
  ...OTHER_PROTOCOLS,
  ...OTHER_SERVICES,
  ...OWN_NODE,
  ...NODE_TRICKS,
  ...farBoth('E10 a SYN to an address that nobody looked up', NOT_GRANTED, (ends) => [tcpTo(ends, WEB)]),
];

describeAttacks('a packet of an attacker', ATTACKS);
