// Threats.md 2E: packets that say less, or something else, than they seem to: fragments, options, extension headers, flags, neighbour discovery.
import {
  CART,
  describeAttacks,
  far,
  farBoth,
  fragment,
  freshPort,
  inTwo,
  tcpTo,
  WEB,
} from '../support/attacker-attacks.ts';
import type { Attack } from '../support/attacker-attacks.ts';
import { GRANTED, NOT_GRANTED } from '../support/attacker-lab.ts';
import { FLAG, icmp, ipv4, ipv6, options6, PROTOCOL, routing0, sourceRoute, tcp } from '../support/attacker-packets.ts';
import type { Ends } from '../support/attacker-packets.ts';

const LINK_LOCAL = 'fe80::6661:6b65';

const REST = { id: 7, offset: 8, more: false };
/** The second fragment says another port than the first: whoever lets it overwrite connects elsewhere. */
function overlapping(ends: Ends): Buffer[] {
  const ports = { source: freshPort(), port: WEB };
  const shown = tcp(ends, ports, FLAG.syn);
  const meant = tcp(ends, { ...ports, port: 22 }, FLAG.syn);
  return [
    fragment(ends, shown.subarray(0, 8), { id: 9, offset: 0, more: true }),
    fragment(ends, meant.subarray(0, 16), { id: 9, offset: 0, more: true }),
    fragment(ends, meant.subarray(16), { id: 9, offset: 16, more: false }),
  ];
}
const behind = (ends: Ends, next: number, header: Buffer, port: number): Buffer =>
  ipv6(ends, next, Buffer.concat([header, tcp(ends, { source: freshPort(), port }, FLAG.syn)]));

const TO_GRANTED_6 = { from: CART[6], to: GRANTED[6] };
const FRAGMENTS: Attack[] = [
  ...farBoth('E15 a SYN in tiny fragments to a port that is not granted', GRANTED, (ends) => inTwo(ends, 22, 8)),
  ...farBoth('E15 a SYN in tiny fragments to an address that is not granted', NOT_GRANTED, (ends) =>
    inTwo(ends, WEB, 8),
  ),
  ...farBoth('E15 a fragment that overwrites the port of another', GRANTED, overlapping),
  ...farBoth('E15 a first fragment without its whole header, address and port granted', GRANTED, (ends) =>
    inTwo(ends, WEB, 8).slice(0, 1),
  ),
  ...farBoth('E15 a SYN in fragments to a port that is not granted', GRANTED, (ends) => inTwo(ends, 22, 24)),
  ...farBoth('E15 fragments without a first one', GRANTED, (ends) => [fragment(ends, Buffer.alloc(16, 0x41), REST)]),
  far('E15 a SYN behind destination options to a port that is not granted', TO_GRANTED_6, (ends) => [
    behind(ends, 60, options6(PROTOCOL.tcp), 22),
  ]),
  far('E15 a SYN behind hop-by-hop options to a port that is not granted', TO_GRANTED_6, (ends) => [
    behind(ends, 0, options6(PROTOCOL.tcp), 22),
  ]),
  far('E15 a routing header of type 0 through a granted address', TO_GRANTED_6, (ends) => [
    behind(ends, 43, routing0(PROTOCOL.tcp, NOT_GRANTED[6]), WEB),
  ]),
  far('E15 a loose source route through a granted address', { from: CART[4], to: GRANTED[4] }, (ends) => [
    ipv4(ends, PROTOCOL.tcp, tcp(ends, { source: freshPort(), port: WEB }, FLAG.syn), sourceRoute(131, NOT_GRANTED[4])),
  ]),
  // The strict one takes its next hop from the link alone.
  ...[['loose', 131, NOT_GRANTED[4]] as const, ['strict', 137, '192.0.2.254'] as const].map(
    ([name, kind, hop]): Attack => ({
      title: `E15 a ${name} source route through the node to an address that is not granted`,
      packets: () => [
        ipv4(
          { from: CART[4], to: '10.0.1.1' },
          PROTOCOL.tcp,
          tcp({ from: CART[4], to: hop }, { source: freshPort(), port: WEB }, FLAG.syn),
          sourceRoute(kind, hop),
        ),
      ],
      seen: `ip saddr ${CART[4]}`,
      at: 'world',
    }),
  ),
];

const FLAGS = {
  'SYN and URG': FLAG.syn | FLAG.urg,
  'SYN and FIN': FLAG.syn | FLAG.fin,
  'SYN and ACK': FLAG.syn | FLAG.ack,
  'no flag': 0,
  'FIN, PSH and URG': FLAG.fin | FLAG.psh | FLAG.urg,
  ACK: FLAG.ack,
  RST: FLAG.rst,
  'ACK and PSH': FLAG.ack | FLAG.psh,
};
const ODD_FLAGS = Object.entries(FLAGS).flatMap(([name, flags]) => [
  ...farBoth(`E10 TCP that begins with ${name} to an address that is not granted`, NOT_GRANTED, (ends) => [
    tcpTo(ends, WEB, flags),
  ]),
  ...farBoth(`E10 TCP that begins with ${name} to a port that is not granted`, GRANTED, (ends) => [
    tcpTo(ends, 22, flags),
  ]),
]);
const NO_BEGINNING = ['SYN and FIN', 'SYN and ACK', 'no flag', 'ACK', 'RST'].flatMap((name) =>
  farBoth(`E10 TCP that begins with ${name}, although address and port are granted`, GRANTED, (ends) => [
    tcpTo(ends, WEB, FLAGS[name as keyof typeof FLAGS]),
  ]),
);

const NEIGHBOURS: Attack[] = [
  {
    title: 'E10 a router advertisement',
    packets: () => {
      const ends = { from: LINK_LOCAL, to: 'ff02::1' };
      return [ipv6(ends, PROTOCOL.icmp6, icmp(ends, 134, 0, Buffer.alloc(12, 0)), 255)];
    },
    seen: 'icmpv6 type nd-router-advert',
    at: 'node',
  },
  {
    title: 'E10 a redirect in the name of the gateway',
    packets: () => {
      const ends = { from: 'fe80::1', to: 'fe80::1' };
      return [
        ipv6(
          { ...ends, from: LINK_LOCAL },
          PROTOCOL.icmp6,
          icmp({ ...ends, from: LINK_LOCAL }, 137, 0, Buffer.alloc(36, 0)),
          255,
        ),
      ];
    },
    seen: 'icmpv6 type nd-redirect',
    at: 'node',
  },
];

const ATTACKS: readonly Attack[] = [...FRAGMENTS, ...ODD_FLAGS, ...NO_BEGINNING, ...NEIGHBOURS];

describeAttacks('an odd packet', ATTACKS);
