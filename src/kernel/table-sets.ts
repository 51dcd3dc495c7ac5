// Every set and map of the table: what it is, who fills it, and its elements where that is the ruleset. Pure.
import type { Family } from '../base/ip.ts';
import { cutSets } from './cut.ts';
import { denySets } from './deny.ts';
import { intervals } from './intervals.ts';
import { addressesOf, quotedInterface, setText } from './nft-text.ts';
import type { NamedText, SetDeclaration } from './nft-text.ts';
import { NEVER_GRANTED } from './protected.ts';
import type { RulesetInput, RulesetPod } from './ruleset.ts';
import { programSets } from './static-sets.ts';
import { unknownPodSets } from './unknown-pods.ts';

/** `ruleset`: by its elements. `kept`: by grants, by rules and by commands, whatever the ruleset. */
export type Filling = 'ruleset' | 'kept';

export interface TableSet extends NamedText {
  readonly filling: Filling;
  readonly kind: 'set' | 'map';
  readonly elements: readonly string[];
}

// Four times the quota of a pod (datapath/state/grants.ts); expired elements count until collected (V3).
const GRANTS_SIZE = 524_288;
/** Of an address that still has grants of somebody else. */
const NOBODY = 'nobody';
const GRANTS = /^grants[46]_/;
const FAMILIES = [4, 6] as const;

export function isGrantsSet(name: string): boolean {
  return GRANTS.test(name);
}

export function tableSets(input: RulesetInput): TableSet[] {
  return [
    filled({
      name: 'bound_interfaces',
      type: 'ifname',
      comment: 'interfaces that may send only with the addresses in bound_pairs4, bound_pairs6',
      // A bridge has other ports, too: its own table knows them (bridge-guard.ts).
      elements: boundPods(input).flatMap((pod) => (pod.bridge === undefined ? [linkOf(pod)] : [])),
    }),
    filled({
      name: 'pod_links',
      type: 'ifname',
      comment: 'interfaces that lead to pods, and to nobody whom the node relies on',
      elements: input.podLinks.map(quotedInterface),
    }),
    ...FAMILIES.flatMap((family) => familySets(input, family)),
  ];
}

function familySets(input: RulesetInput, family: Family): TableSet[] {
  const type = `ipv${family}_addr`;
  return [
    ...interceptSets(input, family),
    ...protectedSets(input, family),
    ...unknownPodSets(input, family).map((set) => filled(set)),
    filled({
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
    filled({
      name: `selected${family}`,
      type,
      comment: 'pods that policy selects',
      elements: selectedAddresses(input, family),
    }),
    filled({
      name: `same${family}`,
      type: `${type} . ${type}`,
      comment: 'each of them twice: two fields that have it are equal',
      elements: selectedAddresses(input, family).map((address) => `${address} . ${address}`),
    }),
    ...(['policy', 'node'] as const).map((map) =>
      filled({
        kind: 'map',
        name: `${map}${family}`,
        type: `${type} : verdict`,
        elements: programElements(input, family, map),
      }),
    ),
    ...[...cutSets(family), ...denySets(family)].map((set) => kept(set)),
    ...programSets(input, family).map(({ name, isInterval, elements }) =>
      filled({ name, type, ...(isInterval ? { settings: ['flags interval'] } : {}), elements }),
    ),
    ...input.classes.map(({ id }) =>
      kept({
        name: `grants${family}_${id}`,
        type: `${type} . ${type}`,
        comment: `pod . destination that a name opened (${id})`,
        settings: ['flags timeout', `size ${GRANTS_SIZE}`, 'gc-interval 1s'],
      }),
    ),
  ];
}

function interceptSets(input: RulesetInput, family: Family): TableSet[] {
  const type = `ipv${family}_addr`;
  const bound = boundPods(input);
  return [
    filled({
      name: `intercepted${family}`,
      type,
      comment: 'addresses whose DNS is intercepted',
      elements: addressesOf(input.interceptedAddresses, family),
    }),
    kept({
      name: `query_rate${family}`,
      type,
      comment: 'DNS queries per second of each address',
      settings: ['size 65536', 'flags dynamic, timeout', 'timeout 10s'],
    }),
    filled({
      name: `bound${family}`,
      type,
      comment: 'addresses that belong to one interface',
      elements: bound.flatMap((pod) => addressesOf(pod.addresses, family)),
    }),
    filled({
      name: `bound_pairs${family}`,
      type: `${type} . ifname`,
      comment: 'address and the interface that may send with it',
      elements: bound.flatMap((pod) =>
        addressesOf(pod.addresses, family).map((address) => `${address} . ${linkOf(pod)}`),
      ),
    }),
  ];
}

function protectedSets(input: RulesetInput, family: Family): TableSet[] {
  const type = `ipv${family}_addr`;
  const settings = ['flags interval'];
  return [
    filled({
      name: `protected${family}`,
      type,
      comment: 'no name opens these',
      settings,
      elements: intervals(input.protectedRanges, family),
    }),
    filled({
      name: `never${family}`,
      type,
      comment: 'no rule opens these that does not name them',
      settings,
      elements: intervals(NEVER_GRANTED, family),
    }),
  ];
}

function boundPods(input: RulesetInput): readonly RulesetPod[] {
  return input.pods.filter((pod) => pod.interface !== undefined);
}

/** The interface as the inet hooks see it. */
function linkOf({ bridge, interface: own = '' }: RulesetPod): string {
  return quotedInterface(bridge ?? own);
}

function selectedAddresses({ pods }: RulesetInput, family: Family): string[] {
  return pods.flatMap((pod) => (chainOf(pod, 'policy').length > 0 ? addressesOf(pod.addresses, family) : []));
}

function programElements({ pods }: RulesetInput, family: Family, map: 'policy' | 'node'): string[] {
  return pods.flatMap((pod) =>
    chainOf(pod, map).flatMap((chain) =>
      addressesOf(pod.addresses, family).map((address) => `${address} : jump ${chain}`),
    ),
  );
}

/** The chain that judges the pod's packets; none for a pod that no policy selects. */
function chainOf({ isClosed, programId }: RulesetPod, map: 'policy' | 'node'): string[] {
  if (isClosed === true) return ['deny'];
  return programId === undefined ? [] : [`${map}_${programId}`];
}

function owned(address: string, owner: string): string {
  return `${address} comment "${owner}"`;
}

function filled(declaration: SetDeclaration): TableSet {
  const { kind = 'set', elements = [] } = declaration;
  return { ...setText(declaration), kind, elements, filling: 'ruleset' };
}

function kept(declaration: SetDeclaration): TableSet {
  return { ...filled(declaration), filling: 'kept' };
}
