// Why a program lets a pod reach a destination or not: every rule that mentions it, in the order in which the kernel asks them, and the one
// that decides. For people, offline; the verdict is that of judgePacket and decide, the matchers that the agent itself uses.
import { formatAddress } from '../base/ip.ts';
import type { CompiledPolicy, NameRule, Otherwise, PortClass, Segment, StaticRule, Tier } from './compiled.ts';
import { ruleMatches } from './match.ts';
import { isEverywhere, means, opensTo, takes } from './static-match.ts';
import type { IsNeverGranted, StaticPacket } from './static-match.ts';

/** A name, of which the address is not known, or an address. */
export type Destination =
  | {
      readonly kind: 'name';
      readonly labels: readonly string[];
      readonly packet: Omit<StaticPacket, 'address' | 'isHost'>;
    }
  | { readonly kind: 'address'; readonly packet: StaticPacket };

/** A rule that mentions the destination. */
export interface Mention {
  /** Index into CompiledPolicy.rules. */
  readonly rule: number;
  readonly tier: Tier;
  readonly verdict: 'allow' | 'deny' | 'pass' | 'would-deny';
  /** The name or pattern whose lookup opens it; absent: a rule of addresses. */
  readonly name?: NameRule;
  /** It counts only for some of what the name may resolve to: CIDRs and addresses, or the node itself. */
  readonly onlyFor?: readonly string[];
}

export interface Explanation {
  readonly verdict: Otherwise;
  /** What decided; undefined: no rule, and then `otherwise` of the program, or that nothing selects the pod. */
  readonly decisive: Mention | undefined;
  /** Denials that only audit, which it passes. */
  readonly told: readonly Mention[];
  /** Why no rule of names counts, whatever is looked up. */
  readonly isProtected: boolean;
  /** In their order: what may be decided otherwise by what the name resolves to. */
  readonly conditions: readonly Mention[];
  /** What matched as well and decided nothing. */
  readonly lost: readonly Mention[];
  /** Of a name: may it be asked, and by which rules. */
  readonly ask: { readonly udp: Otherwise; readonly tcp: Otherwise; readonly rules: readonly number[] } | undefined;
  /** Of a name: rules that open other ports of it. */
  readonly otherPorts: readonly NameRule[];
  /** Of an address that is denied: names whose lookup would open it, if they resolve to it. */
  readonly lookups: readonly Mention[];
}

export interface Ranges {
  readonly isNeverGranted: IsNeverGranted;
  /** No name opens it. */
  readonly isProtected: (address: Uint8Array) => boolean;
  /** The same as CIDRs: no rule opens them that does not lie inside them. */
  readonly closed: readonly string[];
}

/** `program` -1: no policy selects the pod. */
export function explain(policy: CompiledPolicy, program: number, to: Destination, ranges: Ranges): Explanation {
  const found = policy.programs[program];
  const isProtected = to.kind === 'address' && (to.packet.isHost || ranges.isProtected(to.packet.address));
  if (found === undefined) {
    const ask = to.kind === 'name' ? ({ udp: 'allow', tcp: 'allow', rules: [] } as const) : undefined;
    return { ...NOTHING, verdict: 'allow', isProtected, ask };
  }
  const mentions = found.segments.flatMap((segment) =>
    mentionsOf(policy, program, segment, { to, ranges, isProtected }),
  );
  const walked = walk(mentions);
  const ask = to.kind === 'name' ? askOf(policy, program, to.labels) : undefined;
  const isReachable = ask === undefined || ask.udp !== 'deny' || ask.tcp !== 'deny';
  const verdict = walked.decisive === undefined ? found.otherwise : decided(walked.decisive);
  return {
    ...walked,
    verdict: isReachable ? tell(verdict, walked.told) : 'deny',
    // Of a name that nobody may ask nobody knows what it resolves to.
    conditions: isReachable ? walked.conditions : [],
    otherPorts: to.kind === 'name' ? otherPortsOf(policy, program, to) : [],
    isProtected,
    ask,
  };
}

const NOTHING = { decisive: undefined, told: [], conditions: [], lost: [], otherPorts: [], lookups: [] };

function decided({ verdict }: Mention): Otherwise {
  return verdict === 'allow' ? 'allow' : 'deny';
}

function tell(verdict: Otherwise, told: readonly Mention[]): Otherwise {
  return verdict === 'allow' && told.length > 0 ? 'would-deny' : verdict;
}

/** The first that is certain decides; what stands before it and depends on an address may. */
function walk(
  mentions: readonly Mention[],
): Pick<Explanation, 'decisive' | 'told' | 'conditions' | 'lost' | 'lookups'> {
  let passed: Tier | undefined;
  const conditions: Mention[] = [];
  const lost: Mention[] = [];
  const lookups: Mention[] = [];
  let decisive: Mention | undefined;
  const told: Mention[] = [];
  for (const mention of mentions) {
    const isOver = decisive !== undefined || mention.tier === passed;
    if (mention.verdict === 'would-deny') {
      if (!isOver) (mention.onlyFor === undefined ? told : conditions).push(mention);
    } else if (mention.name !== undefined && mention.onlyFor !== undefined) {
      if (!isOver) lookups.push(mention);
    } else if (isOver) lost.push(mention);
    else if (mention.onlyFor !== undefined) conditions.push(mention);
    else if (mention.verdict === 'pass') passed = mention.tier;
    else decisive = mention;
  }
  const isOpen = decisive?.verdict === 'allow';
  return { decisive, conditions, lost, lookups: isOpen ? [] : lookups, told };
}

interface Asked {
  readonly to: Destination;
  readonly ranges: Ranges;
  readonly isProtected: boolean;
}

function mentionsOf(policy: CompiledPolicy, program: number, segment: Segment, asked: Asked): Mention[] {
  const statics = (list: 'deny' | 'pass' | 'allow'): Mention[] =>
    segment[list].flatMap((rule) => mentionOf(policy, segment.tier, list, { rule, asked }) ?? []);
  const names = namesOf(policy, program, segment, asked);
  return [...statics('deny'), ...statics('pass'), ...names, ...statics('allow')];
}

function mentionOf(
  policy: CompiledPolicy,
  tier: Tier,
  list: 'deny' | 'pass' | 'allow',
  { rule, asked: { to, ranges } }: { readonly rule: StaticRule; readonly asked: Asked },
): Mention | undefined {
  const mention = {
    rule: rule.rule,
    tier,
    verdict: list === 'deny' && rule.isAudited === true ? 'would-deny' : list,
  } as const;
  if (to.kind === 'address') {
    const isMeant =
      list === 'allow' ? opensTo(policy, rule, to.packet, ranges.isNeverGranted) : means(policy, rule, to.packet);
    return isMeant ? mention : undefined;
  }
  if (!takes(rule.traffic, to.packet)) return undefined;
  if (isEverywhere(policy, rule, list === 'allow' ? ranges.closed : [])) return mention;
  const onlyFor = typeof rule.to === 'number' ? (policy.destinations[rule.to]?.cidrs ?? []) : ['this node itself'];
  return onlyFor.length === 0 ? undefined : { ...mention, onlyFor };
}

/** Of a name those that match it; of an address all that would open its port. */
function namesOf(policy: CompiledPolicy, program: number, segment: Segment, { to, isProtected }: Asked): Mention[] {
  if (isProtected) return [];
  const own = (policy.programs[program]?.names ?? []).filter(({ classes }) =>
    classes.some((k) => segment.classes.includes(k) && covers(policy.classes[k], to.packet)),
  );
  const meant = to.kind === 'name' ? own.filter((rule) => ruleMatches(rule, to.labels)) : own;
  const onlyFor = to.kind === 'name' ? {} : { onlyFor: [formatAddress(to.packet.address)] };
  return meant.map((name): Mention => ({ rule: name.rule, tier: segment.tier, verdict: 'allow', name, ...onlyFor }));
}

function otherPortsOf(
  policy: CompiledPolicy,
  program: number,
  { labels, packet }: Extract<Destination, { kind: 'name' }>,
): NameRule[] {
  return (policy.programs[program]?.names ?? []).filter((rule) => {
    if (rule.classes.length === 0 || rule.classes.some((k) => covers(policy.classes[k], packet))) return false;
    return ruleMatches(rule, labels);
  });
}

function covers(
  portClass: PortClass | undefined,
  { protocol, port }: Pick<StaticPacket, 'protocol' | 'port'>,
): boolean {
  if (portClass === undefined) return false;
  return portClass.ports === 'all' || takes({ ports: portClass.ports, icmp: [] }, { protocol, port });
}

function askOf(policy: CompiledPolicy, program: number, labels: readonly string[]): Explanation['ask'] {
  const { names = [], unlisted, isTold } = policy.programs[program] ?? {};
  const asked = names.filter((rule) => (rule.askUdp || rule.askTcp) && ruleMatches(rule, labels));
  const answer = (transport: 'udp' | 'tcp', flag: 'askUdp' | 'askTcp'): Otherwise => {
    if (!asked.some((rule) => rule[flag])) return unlisted?.[transport] ?? 'deny';
    return isTold?.[transport] === true ? 'would-deny' : 'allow';
  };
  return {
    udp: answer('udp', 'askUdp'),
    tcp: answer('tcp', 'askTcp'),
    rules: [...new Set(asked.map(({ rule }) => rule))],
  };
}
