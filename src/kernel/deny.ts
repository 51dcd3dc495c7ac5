// How a packet is refused: counted exactly for each pod, logged at a bounded rate, and rejected or dropped. A pod in audit mode is logged and
// let through. The prefix of a log says why; who the pod is and which names it knew is found out from that (audit/connection.ts).
import type { Family } from '../base/ip.ts';
import { block, chainText } from './nft-text.ts';
import type { NamedText, SetDeclaration } from './nft-text.ts';

export const NOT_NEW = 'tcp flags & (fin | syn | rst | ack) != syn';

export interface DenyOptions {
  readonly verdict: 'reject' | 'drop';
  /** NFLOG group of what is denied; 0: nothing is logged. */
  readonly logGroup: number;
}

/** Logged packets of one source; beyond them only the counters tell. */
const LOG_RATE = 'limit rate 20/second burst 100 packets';
const LOG_BYTES = 128;
/** Addresses of pods; a source that forges addresses must not fill them for others: anti-spoofing comes first. */
const SOURCES = 65_536;
const FAMILIES = [4, 6] as const;

// Named, so that they survive a new ruleset and an operator can list them one by one.
const COUNTERS: readonly (readonly [name: string, comment: string])[] = [
  ['spoofed', 'packets dropped for their source address'],
  ['intercepted', 'DNS packets handed to our sockets'],
  ['query_limit', 'DNS packets over the limit of their source'],
  ['agent_down', 'DNS packets dropped because nobody listened'],
  ['tcp_refused', 'DNS connections over TCP refused'],
  ['not_syn', 'TCP packets of no known connection'],
  ['unknown_pod', 'packets of pods that nobody told us of'],
  ['judged', 'packets of selected pods that policy was asked about'],
  ['denied', 'packets that no policy allows'],
  ['would_deny', 'packets that policy would deny, if it or their pod were not in audit mode'],
  ['cut', 'packets of connections that a change of policy ended'],
];

export function countersText(): string {
  return COUNTERS.map(([name, comment]) => block('counter', name, [`comment "${comment}"`])).join('\n');
}

/** Sets that rules and commands fill: their elements outlive a new ruleset. */
export function denySets(family: Family): SetDeclaration[] {
  const type = `ipv${family}_addr`;
  return [
    {
      name: `audited${family}`,
      type,
      comment: 'pods in audit mode: nothing of them is refused',
      settings: ['flags timeout'],
    },
    {
      name: `judged${family}`,
      type,
      comment: 'by which policy the open connections of each pod were judged last (kernel/judged.ts)',
    },
    {
      name: `denied_of${family}`,
      type,
      comment: 'denied packets of each pod',
      settings: [`size ${SOURCES}`, 'flags dynamic', 'counter'],
    },
    {
      name: `translated${family}`,
      type: `${type} . inet_proto . inet_service . ${type} . inet_service`,
      comment: 'denied: pod . protocol . pod port, and what was asked for before translation',
      settings: ['size 4096', 'flags dynamic, timeout', 'timeout 10s'],
    },
    {
      name: `log_rate${family}`,
      type,
      comment: 'logged packets of each source',
      settings: [`size ${SOURCES}`, 'flags dynamic, timeout', 'timeout 10s'],
    },
  ];
}

/** `note_denial`: a rule of a policy that audits denies it. `deny`: no rule allows it. `deny_by_rule`: a rule denies it. `deny_source_route`: the sender chose the way, and with it the destination. */
export function denyChains(options: DenyOptions): NamedText[] {
  const own = [
    ...logRules(options, `${NOT_NEW} `, 'not-syn'),
    `${NOT_NEW} counter name not_syn drop`,
    ...FAMILIES.flatMap((family) =>
      logRules(options, `${ip(family)} daddr @protected${family} `, 'never-granted', [family]).concat(
        logRules(options, `${ip(family)} daddr != @protected${family} `, 'no-rule', [family]),
      ),
    ),
  ];
  return [
    chainText('note_denial', ['counter name would_deny', ...logRules(options, '', 'would-deny')]),
    chainText('would_deny', ['counter name would_deny', ...logRules(options, '', 'would-deny'), 'accept']),
    chainText('deny', [...AUDITED, 'counter name denied', ...PER_POD, ...own, ...refusal(options)]),
    ...[
      ['deny_by_rule', 'deny-rule'],
      ['deny_source_route', 'source-route'],
    ].map(([name = '', cause = '']) =>
      chainText(name, [
        ...AUDITED,
        'counter name denied',
        ...PER_POD,
        ...logRules(options, '', cause),
        ...refusal(options),
      ]),
    ),
  ];
}

/** Logs what `match` takes, at most so many of each source. `match` is empty or ends in a space. */
export function logRules(
  { logGroup }: Pick<DenyOptions, 'logGroup'>,
  match: string,
  cause: string,
  families: readonly Family[] = FAMILIES,
): string[] {
  if (logGroup === 0) return [];
  const log = `log prefix "${cause}" group ${logGroup} snaplen ${LOG_BYTES}`;
  return families.map((family) => `${match}update @log_rate${family} { ${ip(family)} saddr ${LOG_RATE} } ${log}`);
}

const AUDITED = FAMILIES.map((family) => `${ip(family)} saddr @audited${family} jump would_deny`);
/** Most kernels do not tell with a logged packet what it was before translation (NETFILTER_NETLINK_GLUE_CT): this does. */
const TRANSLATED = FAMILIES.map((family) => {
  const key = `${ip(family)} saddr . meta l4proto . th sport`;
  const original = `ct original ${ip(family)} daddr . ct original proto-dst`;
  return `ct status dnat meta l4proto { tcp, udp, sctp } update @translated${family} { ${key} . ${original} timeout 10s }`;
});
const PER_POD = [
  ...FAMILIES.map((family) => `update @denied_of${family} { ${ip(family)} saddr counter }`),
  ...TRANSLATED,
];

function refusal({ verdict }: DenyOptions): string[] {
  if (verdict === 'drop') return ['drop'];
  return ['meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited'];
}

function ip(family: Family): string {
  return family === 4 ? 'ip' : 'ip6';
}
