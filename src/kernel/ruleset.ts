// The ruleset as nft text: pure, one transaction for `nft -f -`. Replaces chains, maps and the small sets whole, keeps the sets of grants
// and their elements. The order of rules is the security of the product: intercept.ts and egress.ts say why each stands where it does.
import type { PortClass, Program } from '../policy/compiled.ts';
import { countersText, egressChains } from './egress.ts';
import { interceptChains } from './intercept.ts';
import { addressesOf, quotedInterface, setText, TABLE } from './nft-text.ts';
import type { NamedText } from './nft-text.ts';
import { intervals } from './intervals.ts';
import type { ProtectedRange } from './protected.ts';
import { unknownPodSets } from './unknown-pods.ts';

/** What the kernel has of our table now. */
export interface TableObjects {
  readonly sets: readonly string[];
  readonly maps: readonly string[];
  readonly chains: readonly string[];
}

export interface RulesetPod {
  /** Canonical text, both families. */
  readonly addresses: readonly string[];
  /** Host-side interface of a point-to-point link: nothing else may send with these addresses, and it may send with no other. */
  readonly interface?: string;
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
  readonly interceptedAddresses: readonly string[];
  readonly pods: readonly RulesetPod[];
  /** Addresses of no pod that may still have grants of a former one: nobody's, should this process end before they are gone. */
  readonly leftAddresses: readonly string[];
  /** CIDRs in which this node's pods have their addresses: what comes from one that no pod of `pods` has is dropped. May be empty. */
  readonly guardedRanges: readonly string[];
  readonly classes: readonly PortClass[];
  readonly programs: readonly Program[];
  /** As protectedRanges() gives them. */
  readonly protectedRanges: readonly ProtectedRange[];
  readonly queriesPerSecondPerPod: number;
  readonly existing: TableObjects;
}

// Four times the quota of a pod (datapath/state/grants.ts); expired elements count until collected (V3).
const GRANTS_SIZE = 524_288;
/** Of an address that still has grants of somebody else. */
const NOBODY = 'nobody';
const SETS_OF_GRANTS = ['grants4_', 'grants6_'];

/** The whole ruleset. Throws KernelError `bad-input` for what cannot be written as nft text. */
export function rulesetText(input: RulesetInput): string {
  const sets = setDeclarations(input);
  const chains = [...interceptChains(input), ...egressChains(input)];
  const body = [countersText(), ...sets.map(({ text }) => text), ...chains.map(({ text }) => text)];
  const kept = { sets: sets.map(({ name }) => name), chains: chains.map(({ name }) => name) };
  return [...clearText(input.existing, kept.sets, kept.chains), `table inet ${TABLE} {`, ...body, '}', ''].join('\n');
}

/** What the table has once rulesetText(input) is applied: the next `existing`, without asking the kernel. */
export function rulesetObjects(input: RulesetInput): TableObjects {
  const declared = setDeclarations(input).map(({ name }) => name);
  const maps = declared.filter((name) => name.startsWith('policy'));
  const sets = new Set([...declared.filter((name) => !maps.includes(name)), ...input.existing.sets.filter(isGrants)]);
  const chains = [...interceptChains(input), ...egressChains(input)].map(({ name }) => name);
  return { sets: [...sets], maps, chains };
}

/** Removes sets of grants that no class names any more, once the data plane has stopped writing to them. Empty when there is none. */
export function staleSetsText(existing: TableObjects, classes: readonly PortClass[]): string {
  const wanted = new Set(classes.flatMap(({ id }) => SETS_OF_GRANTS.map((prefix) => prefix + id)));
  const stale = existing.sets.filter((name) => isGrants(name) && !wanted.has(name));
  return stale.map((name) => `delete set inet ${TABLE} ${name}\n`).join('');
}

/** Chains first lose their rules and maps their elements, so that nothing refers to what is then deleted. */
function clearText(existing: TableObjects, keptSets: readonly string[], keptChains: readonly string[]): string[] {
  const flushed = existing.sets.filter((name) => keptSets.includes(name) && !isGrants(name));
  const staleSets = existing.sets.filter((name) => !keptSets.includes(name) && !isGrants(name));
  return [
    `add table inet ${TABLE}`,
    ...existing.chains.map((name) => `flush chain inet ${TABLE} ${name}`),
    ...existing.maps.map((name) => `flush map inet ${TABLE} ${name}`),
    ...flushed.map((name) => `flush set inet ${TABLE} ${name}`),
    ...existing.chains.filter((name) => !keptChains.includes(name)).map((name) => `delete chain inet ${TABLE} ${name}`),
    ...existing.maps.filter((name) => !keptSets.includes(name)).map((name) => `delete map inet ${TABLE} ${name}`),
    ...staleSets.map((name) => `delete set inet ${TABLE} ${name}`),
  ];
}

function isGrants(name: string): boolean {
  return SETS_OF_GRANTS.some((prefix) => name.startsWith(prefix));
}

function owned(address: string, owner: string): string {
  return `${address} comment "${owner}"`;
}

/** The chain that judges the pod's packets; none for a pod that no policy selects. */
function chainOf({ isClosed, programId }: RulesetPod): string[] {
  if (isClosed === true) return ['deny'];
  return programId === undefined ? [] : [`policy_${programId}`];
}

function setDeclarations(input: RulesetInput): NamedText[] {
  const bound = input.pods.filter((pod) => pod.interface !== undefined);
  const interfaces = [...new Set(bound.map((pod) => quotedInterface(pod.interface ?? '')))];
  const both = ([4, 6] as const).flatMap((family) => {
    const type = `ipv${family}_addr`;
    const pairs = bound.flatMap((pod) =>
      addressesOf(pod.addresses, family).map((address) => `${address} . ${quotedInterface(pod.interface ?? '')}`),
    );
    const programs = input.pods.flatMap((pod) =>
      chainOf(pod).flatMap((chain) =>
        addressesOf(pod.addresses, family).map((address) => `${address} : jump ${chain}`),
      ),
    );
    return [
      setText({
        name: `intercepted${family}`,
        type,
        comment: 'addresses whose DNS is intercepted',
        elements: addressesOf(input.interceptedAddresses, family),
      }),
      setText({
        name: `query_rate${family}`,
        type,
        comment: 'DNS queries per second of each address',
        settings: ['size 65536', 'flags dynamic, timeout', 'timeout 10s'],
      }),
      setText({
        name: `bound${family}`,
        type,
        comment: 'addresses that belong to one interface',
        elements: bound.flatMap((pod) => addressesOf(pod.addresses, family)),
      }),
      setText({
        name: `bound_pairs${family}`,
        type: `${type} . ifname`,
        comment: 'address and the interface that may send with it',
        elements: pairs,
      }),
      setText({
        name: `protected${family}`,
        type,
        comment: 'no name opens these',
        settings: ['flags interval'],
        elements: intervals(input.protectedRanges, family),
      }),
      ...unknownPodSets(input, family),
      setText({
        name: `owners${family}`,
        type,
        comment: 'whose grants are kept when namewall starts again',
        elements: [
          ...input.pods.flatMap(({ addresses, owner, isClosed }) =>
            addressesOf(addresses, family).map((address) => owned(address, isClosed === true ? NOBODY : owner)),
          ),
          ...addressesOf(input.leftAddresses, family).map((address) => owned(address, NOBODY)),
        ],
      }),
      setText({ kind: 'map', name: `policy${family}`, type: `${type} : verdict`, elements: programs }),
      ...input.classes.map(({ id }) =>
        setText({
          name: `grants${family}_${id}`,
          type: `${type} . ${type}`,
          comment: `pod . destination that a name opened (${id})`,
          settings: ['flags timeout', `size ${GRANTS_SIZE}`, 'gc-interval 1s'],
        }),
      ),
    ];
  });
  return [
    setText({
      name: 'bound_interfaces',
      type: 'ifname',
      comment: 'interfaces that may send only with the addresses in bound_pairs4, bound_pairs6',
      elements: interfaces,
    }),
    ...both,
  ];
}
