// Connections that a change of policy ended (V8). Their packets are refused in both directions, before anything that conntrack believes: a
// packet of the far end makes it believe again, the other way round. Refreshed by the packets themselves, forgotten a minute after the last.
import { formatAddress } from '../base/ip.ts';
import type { Family } from '../base/ip.ts';
import { logRules } from './deny.ts';
import type { DenyOptions } from './deny.ts';
import { chainText, TABLE } from './nft-text.ts';
import type { NamedText, SetDeclaration } from './nft-text.ts';

/** One connection as the forward hook sees it: behind translation of the destination, before that of the source. */
export interface CutFlow {
  readonly family: Family;
  /** 16 byte forms. */
  readonly pod: Uint8Array;
  readonly peer: Uint8Array;
  /** IP protocol number. */
  readonly protocol: number;
  /** 0 where the protocol has none. */
  readonly podPort: number;
  readonly peerPort: number;
}

const FAMILIES = [4, 6] as const;
export const WITH_PORTS = '{ tcp, udp, udplite, dccp, sctp }';
const WITH_PORTS_NUMBERS: ReadonlySet<number> = new Set([6, 17, 136, 33, 132]);
const FORGOTTEN = 'timeout 60s';
/** As many as conntrack usually holds; one more is not remembered and only its entry deleted. */
const FLOWS = 262_144;
const ELEMENTS_PER_LINE = 100;

export function cutSets(family: Family): SetDeclaration[] {
  const address = `ipv${family}_addr`;
  const settings = [`size ${FLOWS}`, 'flags dynamic, timeout', FORGOTTEN];
  return [
    {
      name: `cut${family}`,
      type: `${address} . ${address} . inet_proto . inet_service . inet_service`,
      comment: 'pod . peer . protocol . pod port . peer port',
      settings,
    },
    {
      name: `cut_peers${family}`,
      type: `${address} . ${address} . inet_proto`,
      comment: 'pod . peer . protocol, of protocols without ports',
      settings,
    },
  ];
}

/** Chains `cut_from_pod` and `cut_to_pod` end in a verdict. */
export function cutChains(options: DenyOptions): NamedText[] {
  const isReset = options.verdict === 'reject';
  return [
    chainText('cut_from_pod', [
      'counter name cut',
      ...logRules(options, '', 'cut'),
      ...(isReset ? ['meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited'] : ['drop']),
    ]),
    // The far end is told only where it holds a connection, and gets no word of our policy.
    chainText('cut_to_pod', [
      'counter name cut',
      ...(isReset ? ['meta l4proto tcp reject with tcp reset'] : []),
      'drop',
    ]),
  ];
}

/** For packets of protocols with ports that do not begin a connection. */
export function cutRules(): string[] {
  return FAMILIES.flatMap((family) => [
    rule(`${outwards(family)} . th sport . th dport`, `cut${family}`, 'cut_from_pod'),
    rule(`${inwards(family)} . th dport . th sport`, `cut${family}`, 'cut_to_pod'),
  ]);
}

/** The same for all other protocols. */
export function cutPeerRules(): string[] {
  return FAMILIES.flatMap((family) => [
    rule(outwards(family), `cut_peers${family}`, 'cut_from_pod'),
    rule(inwards(family), `cut_peers${family}`, 'cut_to_pod'),
  ]);
}

function outwards(family: Family): string {
  return family === 4 ? 'ip saddr . ip daddr . meta l4proto' : 'ip6 saddr . ip6 daddr . meta l4proto';
}

function inwards(family: Family): string {
  return family === 4 ? 'ip daddr . ip saddr . meta l4proto' : 'ip6 daddr . ip6 saddr . meta l4proto';
}

function rule(key: string, set: string, chain: string): string {
  return `${key} @${set} update @${set} { ${key} ${FORGOTTEN} } jump ${chain}`;
}

/** From now on these connections are refused. Empty when there is none. */
export function cutText(flows: readonly CutFlow[]): string {
  return commands('add', flows);
}

/** They are refused no longer: policy allows them again. Added first, since a removal of what was forgotten meanwhile would fail (V5). */
export function uncutText(flows: readonly CutFlow[]): string {
  return commands('add', flows) + commands('delete', flows);
}

function commands(verb: 'add' | 'delete', flows: readonly CutFlow[]): string {
  const bySet = Map.groupBy(flows, ({ family, protocol }) => {
    return `${WITH_PORTS_NUMBERS.has(protocol) ? 'cut' : 'cut_peers'}${family}`;
  });
  const lines: string[] = [];
  for (const [set, same] of bySet) {
    const elements = [...new Set(same.map(elementText))];
    for (let at = 0; at < elements.length; at += ELEMENTS_PER_LINE) {
      const some = elements.slice(at, at + ELEMENTS_PER_LINE).join(', ');
      lines.push(`${verb} element inet ${TABLE} ${set} { ${some} }\n`);
    }
  }
  return lines.join('');
}

function elementText({ pod, peer, protocol, podPort, peerPort }: CutFlow): string {
  const key = `${formatAddress(pod)} . ${formatAddress(peer)} . ${protocol}`;
  return WITH_PORTS_NUMBERS.has(protocol) ? `${key} . ${podPort} . ${peerPort}` : key;
}
