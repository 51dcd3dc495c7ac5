// The ruleset as nft text: pure, one transaction for `nft -f -`. Replaces chains, maps and the small sets whole, changes the sets of static
// rules by differences, keeps those of grants. The order of rules is the security of the product: intercept.ts and egress.ts say why each
// stands where it does.
import type { Destination, PortClass, Program } from '../policy/compiled.ts';
import { bridgeGuardText } from './bridge-guard.ts';
import { countersText } from './deny.ts';
import { egressChains } from './egress.ts';
import { interceptChains } from './intercept.ts';
import { TABLE } from './nft-text.ts';
import type { ProtectedRange } from './protected.ts';
import { SHIELD_REMOVAL } from './shield.ts';
import { isGrantsSet, tableSets } from './table-sets.ts';
import type { TableSet } from './table-sets.ts';

/** What the kernel has of our table now. */
export interface TableObjects {
  readonly sets: readonly string[];
  readonly maps: readonly string[];
  readonly chains: readonly string[];
  /** Elements of sets that are changed by differences, as far as they are known for certain. */
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** Whether there is a table of ours in the bridge family, too. */
  readonly hasBridgeGuard: boolean;
}

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
  /** TCP 53 is answered by a socket of ours too; until then it is refused (closed) or left alone (bypass). */
  readonly proxyTcp: boolean;
  /** What becomes of queries while no socket of ours listens. */
  readonly whenDown: 'closed' | 'bypass';
  readonly verdict: 'reject' | 'drop';
  /** NFLOG group that denied packets are told to, 1..65535; 0: nobody. */
  readonly logGroup: number;
  readonly interceptedAddresses: readonly string[];
  readonly pods: readonly RulesetPod[];
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

/** The whole ruleset. Throws KernelError `bad-input` for what cannot be written as nft text. */
export function rulesetText(input: RulesetInput): string {
  const sets = tableSets(input);
  const chains = [...interceptChains(input), ...egressChains(input)];
  const written = sets.filter((set) => !hasKnownElements(set, input.existing));
  const body = [countersText(), ...written.map(({ text }) => text), ...chains.map(({ text }) => text)];
  const keptChains = chains.map(({ name }) => name);
  return [
    SHIELD_REMOVAL,
    ...clearText(input.existing, sets, keptChains),
    ...sets.flatMap((set) => differences(set, input.existing)),
    `table inet ${TABLE} {`,
    ...body,
    '}',
    // Where no pod is behind a bridge the kernel need not know that family.
    hasBridgedPods(input) || input.existing.hasBridgeGuard ? bridgeGuardText(input.pods) : '',
  ].join('\n');
}

/** What the table has once rulesetText(input) is applied: the next `existing`, without asking the kernel. */
export function rulesetObjects(input: RulesetInput): TableObjects {
  const declared = tableSets(input);
  const named = (kind: 'set' | 'map'): string[] => declared.flatMap((set) => (set.kind === kind ? [set.name] : []));
  const followed = declared.filter(({ filling }) => filling === 'differences');
  return {
    sets: [...new Set([...named('set'), ...input.existing.sets.filter(isGrantsSet)])],
    maps: named('map'),
    chains: [...interceptChains(input), ...egressChains(input)].map(({ name }) => name),
    elements: new Map(followed.map(({ name, elements }) => [name, elements])),
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

/** Chains first lose their rules and maps their elements, so that nothing refers to what is then deleted. */
function clearText(existing: TableObjects, sets: readonly TableSet[], chains: readonly string[]): string[] {
  const fillingOf = new Map(sets.map((set) => [set.name, set]));
  const isFlushed = (name: string): boolean => {
    const set = fillingOf.get(name);
    return set !== undefined && set.filling !== 'kept' && !hasKnownElements(set, existing);
  };
  const staleSets = existing.sets.filter((name) => !fillingOf.has(name) && !isGrantsSet(name));
  return [
    `add table inet ${TABLE}`,
    ...existing.chains.map((name) => `flush chain inet ${TABLE} ${name}`),
    ...existing.maps.map((name) => `flush map inet ${TABLE} ${name}`),
    ...existing.sets.filter(isFlushed).map((name) => `flush set inet ${TABLE} ${name}`),
    ...existing.chains.filter((name) => !chains.includes(name)).map((name) => `delete chain inet ${TABLE} ${name}`),
    ...existing.maps.filter((name) => !fillingOf.has(name)).map((name) => `delete map inet ${TABLE} ${name}`),
    ...staleSets.map((name) => `delete set inet ${TABLE} ${name}`),
  ];
}

function hasKnownElements({ name, filling }: TableSet, existing: TableObjects): boolean {
  return filling === 'differences' && existing.sets.includes(name) && existing.elements.has(name);
}

/** Out first: an interval must not overlap one that is there. */
function differences(set: TableSet, existing: TableObjects): string[] {
  if (!hasKnownElements(set, existing)) return [];
  const before = new Set(existing.elements.get(set.name));
  const after = new Set(set.elements);
  return [
    ...elementLines('delete', set.name, [...before.difference(after)]),
    ...elementLines('add', set.name, [...after.difference(before)]),
  ];
}

function elementLines(verb: 'add' | 'delete', name: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_LINE) {
    const some = elements.slice(at, at + ELEMENTS_PER_LINE).join(', ');
    lines.push(`${verb} element inet ${TABLE} ${name} { ${some} }`);
  }
  return lines;
}
