// The rules that select a pod → its program: the tiers in their order, what may be asked, and the content's name.
import { createHash } from 'node:crypto';
import type {
  Destination,
  NameRule,
  Otherwise,
  PortClass,
  Program,
  RuleRef,
  Segment,
  StaticRule,
  Tier,
} from './compiled.ts';
import type { DnsTransport } from './dns-access.ts';
import type { LoweredItem, LoweredName, LoweredRule } from './lower.ts';
import { compareText } from './ports.ts';
import type { Slots } from './slots.ts';

const ID_DIGITS = 12;

export interface Tables {
  readonly rules: Slots<RuleRef>;
  readonly destinations: Slots<Destination>;
  /** Index of a class: of these ports at the place that `scope` names, empty for the normal tier. */
  readonly classOf: (ports: PortClass, scope: string) => number;
  readonly classAt: (index: number) => PortClass;
}

export function link(selecting: readonly LoweredRule[], tables: Tables): Program {
  const parts = partsOf(selecting);
  const udp = dnsOf(parts, 'udp');
  const tcp = dnsOf(parts, 'tcp');
  const linked: NameRule[] = [];
  const isListed = { udp: udp.isListed, tcp: tcp.isListed };
  const take = (name: LoweredName, scope: string): number[] => {
    const { ports, ...rule } = name;
    const classes = ports === undefined ? [] : [tables.classOf(ports, scope)];
    linked.push({ ...rule, askUdp: rule.askUdp && isListed.udp, askTcp: rule.askTcp && isListed.tcp, classes });
    return classes;
  };
  const segments = [
    ...tierSegments(parts.admin, 'admin', { take, tables }),
    ...(parts.isNormal ? [normalSegment(parts, take), ...toldSegment(parts)] : []),
    ...tierSegments(parts.baseline, 'baseline', { take, tables }),
  ];
  const names = [...linked, ...everyName(udp.asks, tcp.asks)];
  const classes = ascending(segments.flatMap((segment) => segment.classes));
  const unlisted = { udp: udp.otherwise, tcp: tcp.otherwise };
  const isTold = { udp: udp.isTold, tcp: tcp.isTold };
  const toldBy = { udp: udp.toldBy, tcp: tcp.toldBy };
  const { otherwise, isolatedBy, auditedBy } = parts;
  const content = { names, segments, otherwise, unlisted, isTold, toldBy, isolatedBy, auditedBy };
  return { id: contentId(content, tables), ...content, classes };
}

/** The rules by tiers; in each the order in which they are judged. */
interface Parts {
  readonly admin: readonly LoweredItem[];
  readonly isNormal: boolean;
  readonly normal: readonly LoweredItem[];
  readonly baseline: readonly LoweredItem[];
  readonly otherwise: Program['otherwise'];
  readonly isolatedBy: readonly number[];
  /** What would take it, if it did not only audit; where nothing else takes it. */
  readonly auditedBy: readonly number[];
}

function partsOf(selecting: readonly LoweredRule[]): Parts {
  const normal = selecting.filter(({ policy }) => policy.tier === undefined);
  const isClosed = normal.some(({ rule }) => rule.isFinal === true);
  const isolating = normal.filter(({ rule }) => rule.isolates);
  const enforced = isolating.filter(({ policy }) => policy.isAudited !== true);
  const otherwise = isClosed || enforced.length > 0 ? 'deny' : 'allow';
  return {
    admin: itemsOf(selecting, 'admin'),
    isNormal: normal.length > 0,
    normal: isClosed ? [] : normal.flatMap(({ items }) => items),
    // What isolates the pod decides before it.
    baseline: otherwise === 'allow' ? itemsOf(selecting, 'baseline') : [],
    otherwise,
    isolatedBy: enforced.map(({ ref }) => ref),
    auditedBy: otherwise === 'deny' ? [] : isolating.map(({ ref }) => ref),
  };
}

function itemsOf(selecting: readonly LoweredRule[], tier: Tier): LoweredItem[] {
  const own = selecting.filter(({ policy }) => policy.tier?.name === tier);
  const priorityOf = ({ policy }: LoweredRule): number => policy.tier?.priority ?? 0;
  const sorted = own.toSorted(
    (a, b) => priorityOf(a) - priorityOf(b) || compareText(a.policy.name, b.policy.name), // stable: rules of one policy keep their order
  );
  return sorted.flatMap(({ items }) => items);
}

type Take = (name: LoweredName, scope: string) => number[];

function normalSegment({ normal }: Parts, take: Take): Segment {
  const statics = (verdict: LoweredItem['verdict']): StaticRule[] =>
    normal.flatMap((item) => (item.verdict === verdict ? item.statics : []));
  const classes = ascending(normal.flatMap(({ names }) => names.flatMap((name) => take(name, ''))));
  return { tier: 'normal', deny: statics('deny'), pass: [], classes, allow: statics('allow') };
}

/** Isolated by policies that audit: what they do not allow is told, and goes on. */
function toldSegment({ auditedBy }: Parts): Segment[] {
  const [rule] = auditedBy;
  if (rule === undefined) return [];
  const denied: StaticRule = { to: 'any', traffic: 'all', rule, isAudited: true };
  return [{ tier: 'normal', deny: [denied], pass: [], classes: [], allow: [] }];
}

const RANKS = { deny: 0, pass: 1, allow: 2 };

/** A new segment begins where a rule must come after one that a segment asks later. */
function tierSegments(
  items: readonly LoweredItem[],
  tier: Tier,
  { take, tables }: { readonly take: Take; readonly tables: Tables },
): Segment[] {
  const segments: { tier: Tier; deny: StaticRule[]; pass: StaticRule[]; classes: number[]; allow: StaticRule[] }[] = [];
  const before: unknown[] = []; // what is denied, or told as denied, and passed before a name opens something
  let rank = Infinity;
  for (const { verdict, statics, names } of items) {
    if (RANKS[verdict] < rank) segments.push({ tier, deny: [], pass: [], classes: [], allow: [] });
    rank = RANKS[verdict];
    const segment = segments.at(-1)!;
    segment[verdict].push(...statics);
    if (verdict !== 'allow') before.push(statics.map((each) => describe(each, verdict, tables)));
    if (names.length === 0) continue;
    const scope = shortHash([tier, before]);
    segment.classes = ascending([...segment.classes, ...names.flatMap((name) => take(name, scope))]);
  }
  return segments;
}

interface DnsAnswer {
  /** Names may be asked one by one, as their rules say. */
  readonly isListed: boolean;
  /** Rules that let every name be asked: indexes into CompiledPolicy.rules. */
  readonly asks: readonly number[];
  /** Whatever may be asked is told: a policy that audits would deny it. */
  readonly isTold: boolean;
  /** The first rule that would deny what is told; -1: nothing is. */
  readonly toldBy: number;
  readonly otherwise: Otherwise;
}

/** What the order of rules says of a packet to the DNS servers: the queries that we take never come to the kernel's rules. */
function dnsOf({ admin, normal, baseline, otherwise, auditedBy }: Parts, transport: DnsTransport): DnsAnswer {
  const isAbout = ({ dns }: LoweredItem): boolean => dns[transport];
  const denied = { isListed: false, asks: [], ...toldOf([]), otherwise: 'deny' } as const;
  const first = firstOf(admin.filter(isAbout));
  if (first.item?.verdict === 'deny') return denied;
  if (first.item?.verdict === 'allow') return { ...denied, asks: [first.item.ref], ...toldOf(first.told) };
  const denials = normal.filter((item) => item.verdict === 'deny' && isAbout(item));
  if (denials.some((item) => !item.isAudited)) return denied;
  const told = [...first.told, ...denials.map(({ ref }) => ref)];
  const asks = normal.flatMap((item) => (item.verdict === 'allow' && isAbout(item) ? [item.ref] : []));
  if (asks.length > 0 || otherwise === 'deny') return { isListed: true, asks, ...toldOf(told), otherwise: 'deny' };
  const last = firstOf(baseline.filter(isAbout));
  const { isTold, toldBy } = toldOf([...told, ...auditedBy, ...last.told]);
  const rest = last.item?.verdict === 'deny' ? 'deny' : isTold ? 'would-deny' : 'allow';
  return { isListed: true, asks: [], isTold: told.length > 0, toldBy, otherwise: rest };
}

/** `rules`: those that would deny it, in their order. */
function toldOf(rules: readonly number[]): Pick<DnsAnswer, 'isTold' | 'toldBy'> {
  return { isTold: rules.length > 0, toldBy: rules[0] ?? -1 };
}

interface First {
  readonly item: LoweredItem | undefined;
  /** What would, if it did not only audit. */
  readonly told: readonly number[];
}

/** The one that decides in a tier with an order. */
function firstOf(items: readonly LoweredItem[]): First {
  const at = items.findIndex(({ isAudited }) => !isAudited);
  return { item: items[at], told: (at < 0 ? items : items.slice(0, at)).map(({ ref }) => ref) };
}

/** As one rule of names for each rule that lets all be asked. */
function everyName(overUdp: readonly number[], overTcp: readonly number[]): NameRule[] {
  return [...new Set([...overUdp, ...overTcp])].map((rule) => ({
    match: 'pattern',
    text: '*',
    askUdp: overUdp.includes(rule),
    askTcp: overTcp.includes(rule),
    classes: [],
    rule,
  }));
}

/**
 * Indexes and line numbers stay out of the hash: they move when another policy or a comment changes, and a chain that is renamed
 * is a chain that is rebuilt. So do the addresses of destinations, which sets have and chains have not. Owners stay in: two policies of equal
 * content must not be taken for each other in the audit.
 */
function contentId(
  { names, segments, otherwise, unlisted, isTold, toldBy, isolatedBy, auditedBy }: Omit<Program, 'id' | 'classes'>,
  tables: Tables,
): string {
  const hash = createHash('sha256');
  for (const { match, text, askUdp, askTcp, classes, rule, answerRanges = [] } of names) {
    const opens = [...classes.map((index) => tables.classAt(index).id), ...answerRanges];
    hash.update(JSON.stringify([...ownerOf(rule, tables), match, text, askUdp, askTcp, opens]));
  }
  for (const segment of segments) {
    const lists = (['deny', 'pass', 'allow'] as const).map((list) =>
      segment[list].map((each) => describe(each, list, tables)),
    );
    const opened = segment.classes.map((index) => tables.classAt(index).id).toSorted(compareText);
    hash.update(JSON.stringify([segment.tier, opened, lists]));
  }
  const owners = [[toldBy.udp], [toldBy.tcp], isolatedBy, auditedBy].map((list) =>
    list.map((rule) => (rule < 0 ? [] : ownerOf(rule, tables))),
  );
  hash.update(JSON.stringify([otherwise, unlisted, isTold, owners]));
  return hash.digest('hex').slice(0, ID_DIGITS);
}

function describe({ to, traffic, rule, isAudited }: StaticRule, list: string, tables: Tables): unknown {
  const place = typeof to === 'number' ? { key: tables.destinations.get(to).key } : to;
  return [...ownerOf(rule, tables), list, place, traffic, isAudited === true];
}

function ownerOf(index: number, { rules }: Tables): readonly string[] {
  const { kind, namespace, name } = rules.get(index);
  return [kind, namespace, name];
}

function shortHash(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, ID_DIGITS);
}

function ascending(indexes: readonly number[]): number[] {
  return [...new Set(indexes)].toSorted((a, b) => a - b);
}
