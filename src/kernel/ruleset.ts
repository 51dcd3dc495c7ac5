// The ruleset as nft text: pure, one transaction for `nft -f -`, of what is another than before. What is not known for certain is replaced
// whole; sets of grants are always kept. The order of rules is the security of the product: intercept.ts and egress.ts say why each
// stands where it does.
import type { Destination, PortClass, Program } from '../policy/compiled.ts';
import { bridgeGuardText } from './bridge-guard.ts';
import { countersText } from './deny.ts';
import { egressChains } from './egress.ts';
import { interceptChains } from './intercept.ts';
import { TABLE } from './nft-text.ts';
import type { NamedText } from './nft-text.ts';
import type { ProtectedRange } from './protected.ts';
import { SHIELD_REMOVAL } from './shield.ts';
import { isGrantsSet, tableSets } from './table-sets.ts';
import type { TableSet } from './table-sets.ts';

/** What the kernel has of our table now. */
export interface TableObjects {
  readonly sets: readonly string[];
  readonly maps: readonly string[];
  readonly chains: readonly string[];
  /** As far as it is known for certain: the text of chains, and the elements of sets and maps that the ruleset fills. */
  readonly chainTexts: ReadonlyMap<string, string>;
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** Whether there is a table of ours in the bridge family, too. */
  readonly hasBridgeGuard: boolean;
}

/** Nothing at all. */
export const NO_OBJECTS: TableObjects = {
  sets: [],
  maps: [],
  chains: [],
  chainTexts: new Map(),
  elements: new Map(),
  hasBridgeGuard: false,
};

export interface RulesetPod {
  /** Canonical text, both families. */
  readonly addresses: readonly string[];
  /** Host-side interface of its link: nothing else may send with these addresses, and it may send with no other. */
  readonly interface?: string;
  /** The bridge that the interface is a port of. */
  readonly bridge?: string;
  /** Of a pod behind a bridge: the only one that it may send with. */
  readonly mac?: string;
  /** Absent for a pod that no policy selects. */
  readonly programId?: string;
  /** Says who has the addresses, over restarts: hexadecimal digits, the same for the same pod. */
  readonly owner: string;
  /** Everything is denied, whatever its program: its address was another pod's, whose grants are still there. */
  readonly isClosed?: boolean;
}

export interface RulesetInput {
  /** One bit of the packet mark that is namewall's own. */
  readonly mark: number;
  /** Addresses whose port 53 is intercepted. */
  readonly dnsServers: readonly string[];
  /** What becomes of queries while no socket of ours listens. */
  readonly whenDown: 'closed' | 'bypass';
  readonly verdict: 'reject' | 'drop';
  /** NFLOG group that denied packets are told to, 1..65535; 0: nobody. */
  readonly logGroup: number;
  readonly interceptedAddresses: readonly string[];
  readonly pods: readonly RulesetPod[];
  /** Link-local addresses that the node has on bridges of pods. */
  readonly gateways: readonly string[];
  /** Interfaces, as the inet hooks see them, from where link-local addresses open nothing. Never an uplink of the node. */
  readonly podLinks: readonly string[];
  /** Addresses of no pod that may still have grants of a former one: nobody's, should this process end before they are gone. */
  readonly leftAddresses: readonly string[];
  /** CIDRs in which this node's pods have their addresses: what comes from one that no pod of `pods` has is dropped. May be empty. */
  readonly guardedRanges: readonly string[];
  readonly classes: readonly PortClass[];
  readonly destinations: readonly Destination[];
  readonly programs: readonly Program[];
  /** As protectedRanges() gives them. */
  readonly protectedRanges: readonly ProtectedRange[];
  readonly queriesPerSecondPerPod: number;
  readonly existing: TableObjects;
}

const ELEMENTS_PER_LINE = 200;

export interface Ruleset {
  /** What makes the kernel's table that of the input, whatever there is: only the differences, as far as that is known. */
  readonly text: string;
  /** What the table has once the text is applied: the next `existing`, without asking the kernel. */
  readonly objects: TableObjects;
}

/** Throws KernelError `bad-input` for what cannot be written as nft text. */
export function ruleset(input: RulesetInput): Ruleset {
  const sets = tableSets(input);
  const chains = [...interceptChains(input), ...egressChains(input)];
  return { text: textOf(input, sets, chains), objects: objectsOf(input, sets, chains) };
}

function textOf(input: RulesetInput, sets: readonly TableSet[], chains: readonly NamedText[]): string {
  const { existing } = input;
  const isKnown = existing.chainTexts.size > 0;
  const changes = new Map(sets.map((set) => [set.name, differences(set, existing)]));
  const isNew = (set: TableSet): boolean =>
    !has(existing, set) || (set.filling !== 'kept' && !hasKnownElements(set, existing));
  const changed = chains.filter(({ name, text }) => existing.chainTexts.get(name) !== text);
  const news = sets.filter(isNew).map(({ text }) => text);
  const body = [...(isKnown ? [] : [countersText()]), ...news, ...changed.map(({ text }) => text)];
  return [
    // Somebody deleted our table, perhaps: what closed the node meanwhile goes as it comes back.
    ...(isKnown ? [] : [SHIELD_REMOVAL]),
    `add table inet ${TABLE}`,
    ...flushText(existing, sets, changed, chains),
    ...[...changes].flatMap(([name, { removed }]) => elementLines('delete', name, removed)),
    ...deletionText(existing, sets, chains),
    ...(body.length === 0 ? [] : [`table inet ${TABLE} {`, ...body, '}']),
    ...[...changes].flatMap(([name, { added }]) => elementLines('add', name, added)),
    // Where no pod is behind a bridge the kernel need not know that family.
    hasBridgedPods(input) || existing.hasBridgeGuard ? bridgeGuardText(input.pods, input.gateways) : '',
  ].join('\n');
}

function objectsOf(input: RulesetInput, sets: readonly TableSet[], chains: readonly NamedText[]): TableObjects {
  const named = (kind: 'set' | 'map'): string[] => sets.flatMap((set) => (set.kind === kind ? [set.name] : []));
  const filled = sets.filter(({ filling }) => filling !== 'kept');
  return {
    sets: [...new Set([...named('set'), ...input.existing.sets.filter(isGrantsSet)])],
    maps: named('map'),
    chains: chains.map(({ name }) => name),
    chainTexts: new Map(chains.map(({ name, text }) => [name, text])),
    elements: new Map(filled.map(({ name, elements }) => [name, elements])),
    hasBridgeGuard: hasBridgedPods(input),
  };
}

function hasBridgedPods({ pods }: RulesetInput): boolean {
  return pods.some(({ bridge }) => bridge !== undefined);
}

/** Removes sets of grants that no class names any more, once the data plane has stopped writing to them. Empty when there is none. */
export function staleSetsText(existing: TableObjects, classes: readonly PortClass[]): string {
  return staleGrants(existing, classes)
    .map((name) => `delete set inet ${TABLE} ${name}\n`)
    .join('');
}

/** The next `existing` once staleSetsText is applied. */
export function withoutStaleSets(existing: TableObjects, classes: readonly PortClass[]): TableObjects {
  const stale = new Set(staleGrants(existing, classes));
  return { ...existing, sets: existing.sets.filter((name) => !stale.has(name)) };
}

function staleGrants(existing: TableObjects, classes: readonly PortClass[]): string[] {
  const wanted = new Set(classes.flatMap(({ id }) => [`grants4_${id}`, `grants6_${id}`]));
  return existing.sets.filter((name) => isGrantsSet(name) && !wanted.has(name));
}

/** Chains first lose their rules, and maps and sets elements, so that nothing refers to what is then deleted. */
function flushText(
  existing: TableObjects,
  sets: readonly TableSet[],
  changed: readonly NamedText[],
  chains: readonly NamedText[],
): string[] {
  const wanted = new Map(sets.map((set) => [set.name, set]));
  const isChanged = new Set(changed.map(({ name }) => name));
  const isKept = new Set(chains.map(({ name }) => name));
  const isFlushed = (name: string): boolean => {
    const set = wanted.get(name);
    return set !== undefined && set.filling !== 'kept' && !hasKnownElements(set, existing);
  };
  const flushed = existing.chains.filter((name) => isChanged.has(name) || !isKept.has(name));
  return [
    ...flushed.map((name) => `flush chain inet ${TABLE} ${name}`),
    ...existing.maps
      .filter((name) => !wanted.has(name) || isFlushed(name))
      .map((name) => `flush map inet ${TABLE} ${name}`),
    ...existing.sets.filter(isFlushed).map((name) => `flush set inet ${TABLE} ${name}`),
  ];
}

function deletionText(existing: TableObjects, sets: readonly TableSet[], chains: readonly NamedText[]): string[] {
  const kept = new Set([...sets, ...chains].map(({ name }) => name));
  const isStale = (name: string): boolean => !kept.has(name);
  return [
    ...existing.chains.filter(isStale).map((name) => `delete chain inet ${TABLE} ${name}`),
    ...existing.maps.filter(isStale).map((name) => `delete map inet ${TABLE} ${name}`),
    ...existing.sets
      .filter((name) => isStale(name) && !isGrantsSet(name))
      .map((name) => `delete set inet ${TABLE} ${name}`),
  ];
}

function has(existing: TableObjects, { name, kind }: TableSet): boolean {
  return (kind === 'map' ? existing.maps : existing.sets).includes(name);
}

function hasKnownElements(set: TableSet, existing: TableObjects): boolean {
  return set.filling !== 'kept' && has(existing, set) && existing.elements.has(set.name);
}

interface Differences {
  readonly added: readonly string[];
  /** Keys alone. */
  readonly removed: readonly string[];
}

const NONE: Differences = { added: [], removed: [] };

function differences(set: TableSet, existing: TableObjects): Differences {
  if (!hasKnownElements(set, existing)) return NONE;
  const before = new Set(existing.elements.get(set.name));
  const after = new Set(set.elements);
  return { added: [...after.difference(before)], removed: [...before.difference(after)].map(keyOf) };
}

/** Without the comment, and of a map without the verdict. */
function keyOf(element: string): string {
  return element.replace(/ (?:comment|:) .*$/, '');
}

function elementLines(verb: 'add' | 'delete', name: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_LINE) {
    const some = elements.slice(at, at + ELEMENTS_PER_LINE).join(', ');
    lines.push(`${verb} element inet ${TABLE} ${name} { ${some} }`);
  }
  return lines;
}
