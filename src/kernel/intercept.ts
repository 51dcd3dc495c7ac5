// The chains before routing: who may send with which address, and which DNS packets our sockets get. One after the other, in this order:
// a forged source must never reach the rate limit or the socket of the pod that it names, and a flood never the socket's buffer.
import type { Family } from '../base/ip.ts';
import { LINK_LOCAL, LINK_LOCAL_RANGE } from './bridge-guard.ts';
import { addressesOf, chainText } from './nft-text.ts';
import type { NamedText } from './nft-text.ts';
import type { RulesetInput } from './ruleset.ts';
import { unknownPodQueryRules } from './unknown-pods.ts';

// Before every connection tracking and NAT, and before the raw chains of others: among equal priorities the later one would run first (V20).
const PRIORITY = 'raw - 10';
const PROTOCOLS = ['udp', 'tcp'] as const;
const NEW_CONNECTION = 'tcp flags & (fin | syn | rst | ack) == syn';

export function interceptChains(input: RulesetInput): NamedText[] {
  return [
    chainText('unknown_pod', dropRules(input, 'unknown_pod')),
    chainText('intercept', [
      `type filter hook prerouting priority ${PRIORITY}; policy accept;`,
      'jump anti_spoof',
      // All that follows is about queries.
      'meta l4proto { tcp, udp } th dport != 53 accept',
      ...([4, 6] as const).flatMap((family) => unknownPodQueryRules(input, family)),
      ...([4, 6] as const).flatMap((family) => interceptRules(input, family)),
    ]),
    ...([4, 6] as const).flatMap((family) => queryChain(input, family)),
    chainText('spoofed', dropRules(input, 'spoofed')),
    chainText('anti_spoof', antiSpoofRules()),
    chainText('link_local', linkLocalRules()),
    chainText('answers', [
      `type filter hook output priority ${PRIORITY}; policy accept;`,
      ...([4, 6] as const).flatMap((family) => answerRules(input, family)),
    ]),
  ];
}

/** Their source is what nobody can rely on: one limit for all, so that forged ones cannot use up the logs of others. */
function dropRules({ logGroup }: RulesetInput, cause: 'spoofed' | 'unknown_pod'): string[] {
  const log = `limit rate 20/second burst 100 packets log prefix "${cause.replace('_', '-')}" group ${logGroup} snaplen 128`;
  return [`counter name ${cause}`, ...(logGroup === 0 ? [] : [log]), 'drop'];
}

function antiSpoofRules(): string[] {
  const drop = 'jump spoofed';
  return [
    // Of most packets this is all that is looked at.
    'ip saddr . iifname @bound_pairs4 return',
    'ip6 saddr . iifname @bound_pairs6 return',
    `ip saddr @bound4 ip saddr . iifname != @bound_pairs4 ${drop} comment "a pod's address from another interface"`,
    `ip6 saddr @bound6 ip6 saddr . iifname != @bound_pairs6 ${drop} comment "a pod's address from another interface"`,
    'iifname != @bound_interfaces return',
    // Neither is ever forwarded with such a source; without them a pod finds no neighbour and a VM gets no address.
    'ip saddr 0.0.0.0 udp sport 68 udp dport 67 return comment "DHCP"',
    ...LINK_LOCAL.map((rule) => `${rule} return`),
    `ip saddr . iifname != @bound_pairs4 ${drop} comment "a foreign address from a pod's interface"`,
    `ip6 saddr . iifname != @bound_pairs6 ${drop} comment "a foreign address from a pod's interface"`,
  ];
}

/** For the hooks behind connection tracking: policy knows pods by their addresses, and no link-local one. What a pod must send, and answers. */
function linkLocalRules(): string[] {
  return [
    ...LINK_LOCAL.map((rule) => `${rule} return`),
    // Errors are related; only those about what was sent to a link-local address come from there.
    `ct state established,related ct direction reply ct original ip6 daddr ${LINK_LOCAL_RANGE} return`,
    'jump spoofed comment "a link-local address, which policy cannot tell from others"',
  ];
}

/** One look-up decides about every packet that is no query to our servers, which is nearly all of them. */
function interceptRules(input: RulesetInput, family: Family): string[] {
  const servers = addressesOf(input.dnsServers, family);
  if (servers.length === 0) return [];
  const ip = family === 4 ? 'ip' : 'ip6';
  const query = `${ip} daddr { ${servers.join(', ')} } meta l4proto { tcp, udp } th dport 53`;
  return [`${query} ${ip} saddr @intercepted${family} jump queries${family}`];
}

function queryChain(input: RulesetInput, family: Family): NamedText[] {
  const servers = addressesOf(input.dnsServers, family);
  if (servers.length === 0) return [];
  const ip = family === 4 ? 'ip' : 'ip6';
  const rate = `limit rate over ${input.queriesPerSecondPerPod}/second burst ${input.queriesPerSecondPerPod} packets`;
  const limited = `update @query_rate${family} { ${ip} saddr ${rate} } counter name query_limit drop`;
  return [
    chainText(`queries${family}`, [
      `meta l4proto udp ${limited} comment "one pod's flood must not fill the shared socket"`,
      `${NEW_CONNECTION} ${limited}`,
      ...servers.flatMap((server) => proxyRules(input, family, server)),
      ...whenDownRules(input),
    ]),
  ];
}

/**
 * One rule for each server: when no socket listens, tproxy breaks off and neither mark nor notrack happens, so that the rules below
 * decide. The address is named because tproxy would look for one on the incoming interface (V15).
 */
function proxyRules(input: RulesetInput, family: Family, server: string): string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  const to = family === 4 ? `${server}:53` : `[${server}]:53`;
  const mark = `meta mark set meta mark | 0x${input.mark.toString(16).padStart(8, '0')}`;
  return PROTOCOLS.map(
    (protocol) =>
      `${ip} daddr ${server} ${protocol} dport 53 ` +
      `tproxy ${ip} to ${to} counter name intercepted ${mark} notrack accept`,
  );
}

function whenDownRules(input: RulesetInput): string[] {
  if (input.whenDown === 'bypass') return [];
  return [
    'meta l4proto udp counter name agent_down drop comment "nobody listens"',
    `meta l4proto tcp counter name tcp_refused reject with tcp reset comment "nobody listens"`,
  ];
}

/** Only a transparent socket can send from there: others reach their pods by forwarding. Not tracked, as the question was not. */
function answerRules(input: RulesetInput, family: Family): string[] {
  const servers = addressesOf(input.dnsServers, family);
  if (servers.length === 0) return [];
  const ip = family === 4 ? 'ip' : 'ip6';
  return PROTOCOLS.map((protocol) => `${ip} saddr { ${servers.join(', ')} } ${protocol} sport 53 notrack`);
}
