// The chains of one program: its segments in their order, for each hook. Grants are plain sets that they ask, never a verdict map (V17). While
// policy changes a program is asked behind the one before it: what either allows is open (agent/rules.ts, `between`).
import type { Family } from '../base/ip.ts';
import type { PortClass, Program, Segment, StaticRule } from '../policy/compiled.ts';
import { NOT_NEW } from './deny.ts';
import { KernelError } from './kernel-error.ts';
import { chainText } from './nft-text.ts';
import type { NamedText } from './nft-text.ts';
import type { RulesetInput } from './ruleset.ts';
import { allowRules, denyRules, portMatch, takingLists } from './static-sets.ts';
import type { Hook } from './static-sets.ts';

const FAMILIES = [4, 6] as const;
const HOOKS = ['forward', 'input'] as const;
/** Seldom: an IPv4 header longer than it must be, an IPv6 header followed by something else than a transport. */
export const UNUSUAL = [
  'ip hdrlength > 5 jump with_options',
  'ip6 nexthdr != { tcp, udp, icmpv6, sctp } jump with_extensions',
];
const END = { deny: ['jump deny'], allow: [] };

/** `policy_<id>` for what leaves the node, `node_<id>` for what is meant for it; before them stand those that they jump to. */
export function programChains(program: Program, input: RulesetInput): NamedText[] {
  const { segments, former, id } = program;
  return [
    ...openedChains(segments, { input, id }),
    ...openedChains(former?.segments ?? [], { input, id: `${id}_former` }),
    ...HOOKS.flatMap((hook) => hookChains(program, { input, hook })),
  ];
}

interface Place {
  readonly input: RulesetInput;
  readonly hook: Hook;
}

function hookChains(program: Program, place: Place): NamedText[] {
  const { id, segments, otherwise, former } = program;
  const name = `${place.hook === 'input' ? 'node' : 'policy'}_${id}`;
  const own = judge(segments, { ...place, id, denied: ['jump deny_by_rule'], told: ['jump note_denial'] });
  const rules = [...own.rules, ...END[otherwise]];
  const isOpen = otherwise === 'allow' || former?.otherwise === 'allow';
  const begin = ['counter name judged', ...UNUSUAL, `${NOT_NEW} jump ${isOpen ? 'open_stray' : 'stray'}`];
  if (former === undefined) return [...own.chains, chainText(name, [...begin, ...rules])];
  const now = `${name}_now`;
  // What was denied before is asked of the program itself, and is open where that does not end it.
  const old = judge(former.segments, { ...place, id: `${id}_former`, denied: [`jump ${now}`, 'accept'], told: [] });
  const end = former.otherwise === 'deny' ? [`jump ${now}`] : [];
  return [...own.chains, chainText(now, rules), ...old.chains, chainText(name, [...begin, ...old.rules, ...end])];
}

interface Judging extends Place {
  /** In the names of its chains. */
  readonly id: string;
  /** What stands, one rule each, behind a match that is denied, and behind one that is only told. */
  readonly denied: readonly string[];
  readonly told: readonly string[];
}

interface Judged {
  /** Of the tiers that can be left before their end. */
  readonly chains: readonly NamedText[];
  readonly rules: readonly string[];
}

function judge(segments: readonly Segment[], judging: Judging): Judged {
  const tiers = Map.groupBy(segments.entries(), ([, { tier }]) => tier);
  const chains: NamedText[] = [];
  const rules = [...tiers].flatMap(([tier, own]) => {
    const lines = own.flatMap(([s, segment]) => segmentRules(segment, s, judging));
    if (own.every(([, { pass }]) => pass.length === 0)) return lines;
    const name = `${tier}${judging.hook === 'input' ? '_node' : ''}_${judging.id}`;
    chains.push(chainText(name, lines));
    return [`jump ${name}`];
  });
  return { chains, rules };
}

function segmentRules(segment: Segment, s: number, { input, hook, id, denied, told }: Judging): string[] {
  const { enforced, audited, pass } = takingLists(segment);
  const taken = (rules: readonly StaticRule[], verdicts: readonly string[]): string[] =>
    denyRules(rules, input, hook).matches.flatMap((match) => verdicts.map((verdict) => `${match}${verdict}`));
  return [
    ...taken(enforced, denied),
    ...taken(audited, told),
    ...taken(pass, ['return']),
    ...(hook === 'forward' ? openedRules(segment, openedName(id, s)) : []),
    ...allowRules(segment, input, hook).matches.map((match) => `${match}accept`),
  ];
}

/** No name opens what is protected, nor the node itself, whatever its addresses are; a static rule may, which says so (static-sets.ts). */
function openedRules({ classes }: Segment, name: string): string[] {
  if (classes.length === 0) return [];
  return FAMILIES.map((family) => `${ip(family)} daddr != @protected${family} jump ${name}`);
}

function openedName(id: string, s: number): string {
  return s === 0 ? `opened_${id}` : `opened_${id}_${s}`;
}

function openedChains(
  segments: readonly Segment[],
  { input, id }: { readonly input: RulesetInput; readonly id: string },
): NamedText[] {
  return segments.flatMap(({ classes }, s) =>
    classes.length === 0 ? [] : [chainText(openedName(id, s), grantRules(id, classes, input.classes))],
  );
}

function grantRules(id: string, indexes: readonly number[], classes: readonly PortClass[]): string[] {
  return indexes.flatMap((index) => {
    const portClass = classes[index];
    if (portClass === undefined) throw new KernelError('bad-input', `Cannot find class ${index} of ${id}`);
    return FAMILIES.flatMap((family) => classRules(portClass, family));
  });
}

function classRules({ id, ports }: PortClass, family: Family): string[] {
  const granted = `${ip(family)} saddr . ${ip(family)} daddr @grants${family}_${id}`;
  if (ports === 'all') return [`${granted} accept`];
  return (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) =>
    portMatch(ports, protocol).map((match) => `${match}${granted} accept`),
  );
}

function ip(family: Family): string {
  return family === 4 ? 'ip' : 'ip6';
}
