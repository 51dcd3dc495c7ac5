// The chains that judge packets of selected pods: in the forward hook what leaves the node, in the input hook what is meant for the node
// itself. Those of a program are in program-chains.ts. Chains are jumped to, never gone to (V18).
import type { Family } from '../base/ip.ts';
import { LINK_LOCAL_RANGE } from './bridge-guard.ts';
import { cutChains, cutPeerRules, cutRules, WITH_PORTS } from './cut.ts';
import { denyChains, NOT_NEW } from './deny.ts';
import { addressesOf, chainText } from './nft-text.ts';
import type { NamedText } from './nft-text.ts';
import { programChains, UNUSUAL } from './program-chains.ts';
import type { RulesetInput } from './ruleset.ts';
import { unknownPodRules } from './unknown-pods.ts';

const FAMILIES = [4, 6] as const;
/** Never forwarded with this hop limit (RFC 4861 §6.1, §7.1): a pod must find its neighbours. */
const NEIGHBOURS = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept';
const ICMP_ERRORS = [
  'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
];

/** Before the chains that jump to them stand those that they jump to: nft reads top down. */
export function egressChains(input: RulesetInput): NamedText[] {
  const mark = `0x${hex(input.mark)}`;
  // Tells shield.ts, whose chains stand behind ours, that ours are there. The bit stays: behind both nobody asks for it, and the way is chosen.
  const seen = `meta mark set meta mark | ${mark}`;
  return [
    ...cutChains(input),
    ...denyChains(input),
    ...trackedChains(),
    ...input.programs.flatMap((program) => programChains(program, input)),
    chainText('egress', [
      'type filter hook forward priority filter; policy accept;',
      seen,
      // Before established: a pod that was deleted, or has ended, loses its connections, too.
      ...FAMILIES.flatMap((family) => unknownPodRules(input, family)),
      ...judgement(input, 'policy'),
      // What the far end goes on with in a connection that conntrack forgot would be taken for its own, and the pod's packets for answers.
      ...FAMILIES.map((family) => `ct state new ${ip(family)} daddr @selected${family} jump stray_in`),
    ]),
    chainText('to_node', [
      'type filter hook input priority filter; policy accept;',
      'iifname "lo" accept',
      `meta mark & ${mark} == ${mark} meta l4proto { tcp, udp } th dport 53 accept comment "intercepted"`,
      seen,
      ...FAMILIES.flatMap((family) => unknownPodRules(input, family)),
      ...judgement(input, 'node'),
    ]),
  ];
}

/** `map` names the pod's chain. */
function judgement(input: RulesetInput, map: 'policy' | 'node'): string[] {
  return [
    // The range first: it ends the rule for nearly every packet.
    `ip6 saddr ${LINK_LOCAL_RANGE} iifname @pod_links jump link_local`,
    'ct state vmap { established : jump tracked, related : jump related }',
    ...(input.whenDown === 'bypass' ? FAMILIES.flatMap((family) => bypassRules(input, family)) : []),
    NEIGHBOURS,
    ...FAMILIES.map((family) => `${ip(family)} saddr vmap @${map}${family}`),
  ];
}

/** What belongs to a connection passes, unless policy ended it; what returns from here is judged as if it were new. */
function trackedChains(): NamedText[] {
  return [
    // Whoever chooses the way of a packet chooses its destination: connection tracking, and all of our rules, know the address that is written
    // in it now, not the one that is written behind this hook.
    chainText('with_options', [
      'ip option lsrr exists ip saddr @selected4 jump deny_source_route',
      'ip option ssrr exists ip saddr @selected4 jump deny_source_route',
    ]),
    chainText('with_extensions', [
      'rt type 0 ip6 saddr @selected6 jump deny_source_route',
      // RFC 8200 §4.5: what still is a fragment here lacks part of its header, and no rule would see that part.
      'exthdr frag exists ip6 saddr @selected6 jump deny',
    ]),
    // Echo requests, tunnels and the like have no beginning: each packet of a pod is judged, each answer passes.
    chainText('tracked_without_ports', [...cutPeerRules(), 'ct direction reply accept']),
    chainText('tracked', [
      ...UNUSUAL,
      // A SYN on a tuple that conntrack still calls established opens a new connection. Of one that was cut conntrack knows nothing any more, and
      // learns nothing: what is no SYN never makes an entry, here and below (`stray`).
      `meta l4proto tcp ${NOT_NEW} accept`,
      'meta l4proto tcp return',
      `meta l4proto != ${WITH_PORTS} jump tracked_without_ports`,
      ...cutRules(),
      'meta l4proto { udp, udplite, dccp, sctp } accept',
    ]),
    // Packets of connections that conntrack does not know: of those that policy ended both sides are told.
    chainText('stray', [...cutRules(), 'jump deny']),
    // Of a pod that nothing isolates: what goes on in one from before our rules is judged as if it began now.
    chainText('open_stray', cutRules()),
    // A connection that somebody opens to a pod is not ours to judge. Over UDP what goes on in one that was cut looks like that.
    chainText('stray_in', [
      'tcp flags & (fin | syn | rst | ack) == syn return',
      ...cutRules(),
      'meta l4proto tcp counter name not_syn drop',
    ]),
    // What a helper expects (RFC 959 data connections) is related, too: policy judges it. So is an error that a pod sends about a connection of
    // another: whoever knows its ports could reset it, and send to where it leads.
    chainText('related', [...FAMILIES.map(aboutOthers), ...ICMP_ERRORS]),
  ];
}

/** Neither end of the connection that the error is about has the sender's address. Fields are compared by a look-up: nft knows no other way. */
function aboutOthers(family: Family): string {
  const [saddr, set] = [`${ip(family)} saddr`, `@same${family}`];
  const ends = ['original', 'reply'].map((direction) => `${saddr} . ct ${direction} ${saddr} != ${set}`);
  return `${saddr} @selected${family} ${ends.join(' ')} return`;
}

/** Queries that nobody intercepted go on to the real server, by then often behind a DNAT: the original destination tells them. */
function bypassRules(input: RulesetInput, family: Family): string[] {
  const servers = addressesOf(input.dnsServers, family);
  if (servers.length === 0) return [];
  return ['udp', 'tcp'].map(
    (protocol) =>
      `${ip(family)} saddr @intercepted${family} meta l4proto ${protocol} ct original ${ip(family)} daddr { ${servers.join(', ')} } ` +
      'ct original proto-dst 53 accept comment "DNS while nobody listens"',
  );
}

function ip(family: Family): string {
  return family === 4 ? 'ip' : 'ip6';
}

function hex(mark: number): string {
  return mark.toString(16).padStart(8, '0');
}
