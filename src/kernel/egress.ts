// The chains of the forward hook: which packets of selected pods pass. Grants are plain sets asked by each program's own chain, never a
// verdict map (V17), and chains are jumped to and end in a verdict of their own, never goto (V18).
import type { Family } from '../base/ip.ts';
import type { PortClass, PortProtocol, Program } from '../policy/compiled.ts';
import { KernelError } from './kernel-error.ts';
import { addressesOf, block, chainText } from './nft-text.ts';
import type { NamedText } from './nft-text.ts';
import type { RulesetInput } from './ruleset.ts';
import { unknownPodRules } from './unknown-pods.ts';

const NOT_NEW = 'tcp flags & (fin | syn | rst | ack) != syn';

// Named, so that they survive a new ruleset and an operator can list them one by one.
const COUNTERS: readonly (readonly [name: string, comment: string])[] = [
  ['spoofed', 'packets dropped for their source address'],
  ['intercepted', 'DNS packets handed to our sockets'],
  ['query_limit', 'DNS packets over the limit of their source'],
  ['agent_down', 'DNS packets dropped because nobody listened'],
  ['tcp_refused', 'DNS connections over TCP refused'],
  ['not_syn', 'TCP packets of no known connection'],
  ['unknown_pod', 'packets of pods that nobody told us of'],
  ['denied', 'packets that no policy allows'],
];

export function countersText(): string {
  return COUNTERS.map(([name, comment]) => block('counter', name, [`comment "${comment}"`])).join('\n');
}

export function egressChains(input: RulesetInput): NamedText[] {
  return [
    // Before the chains that jump to it: nft reads top down.
    chainText('deny', denyRules(input.verdict)),
    ...input.programs.map((program) => chainText(`policy_${program.id}`, policyRules(program, input.classes))),
    chainText('egress', egressRules(input)),
  ];
}

function egressRules(input: RulesetInput): string[] {
  return [
    'type filter hook forward priority filter; policy accept;',
    // Before established: a pod that was deleted, or has ended, loses its connections, too.
    ...([4, 6] as const).flatMap((family) => unknownPodRules(input, family)),
    // A SYN on a tuple that conntrack still calls established opens a new connection: the program judges it.
    `ct state established ${NOT_NEW} accept`,
    'ct state established meta l4proto != tcp accept',
    'ct state related meta l4proto { icmp, icmpv6 } accept',
    ...(input.whenDown === 'bypass' ? ([4, 6] as const).flatMap((family) => bypassRules(input, family)) : []),
    'ip saddr vmap @policy4',
    'ip6 saddr vmap @policy6',
  ];
}

/**
 * Queries that nobody intercepted go on to the real server, by then often behind a DNAT: the original destination tells them. TCP waits
 * for proxyTcp: an agent that is alive would let it pass unread.
 */
function bypassRules(input: RulesetInput, family: Family): string[] {
  const servers = addressesOf(input.dnsServers, family);
  if (servers.length === 0) return [];
  const ip = family === 4 ? 'ip' : 'ip6';
  return (input.proxyTcp ? ['udp', 'tcp'] : ['udp']).map(
    (protocol) =>
      `${ip} saddr @intercepted${family} meta l4proto ${protocol} ct original ${ip} daddr { ${servers.join(', ')} } ` +
      'ct original proto-dst 53 accept comment "DNS while nobody listens"',
  );
}

function policyRules(program: Program, classes: readonly PortClass[]): string[] {
  return [
    `${NOT_NEW} counter name not_syn drop`,
    'ip daddr @protected4 jump deny',
    'ip6 daddr @protected6 jump deny',
    ...program.classes.flatMap((index) => {
      const portClass = classes[index];
      if (portClass === undefined) throw new KernelError('bad-input', `Cannot find class ${index} of ${program.id}`);
      return ([4, 6] as const).flatMap((family) => grantRules(portClass, family));
    }),
    'jump deny',
  ];
}

function grantRules(portClass: PortClass, family: Family): string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  const granted = `${ip} saddr . ${ip} daddr @grants${family}_${portClass.id}`;
  const { ports } = portClass;
  if (ports === 'all') return [`${granted} accept`];
  return (['tcp', 'udp', 'sctp'] as const).flatMap((protocol: PortProtocol) => {
    const ranges = ports.filter((range) => range.protocol === protocol);
    const elements = ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
    return elements.length === 0 ? [] : [`${granted} ${protocol} dport { ${elements.join(', ')} } accept`];
  });
}

function denyRules(verdict: 'reject' | 'drop'): string[] {
  if (verdict === 'drop') return ['counter name denied drop'];
  return ['counter name denied', 'meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited'];
}
