// The node that is fuzzed, as its operator would tell it: pods, what each may ask and open, zones, ranges, lifetimes. The oracle reads
// only this; the loop gets policies.yaml. Both say the same, in two languages.
import { hexOf, isIn, isNeverGranted, listOf } from './addresses.ts';
import type { AddressHex, Ranges } from './addresses.ts';

export const SERVERS = ['10.96.0.10', 'fd00:96::a'];
export const ZONES: Readonly<Record<string, readonly string[]>> = {
  '.': ['198.51.100.53', '198.51.100.54'],
  'corp.example.org': ['198.51.100.55'],
};
export const LIFETIMES = { minTtlMs: 1_000, maxTtlMs: 20_000, graceMs: 3_000 };
/** The cluster's own: closed for every name. */
export const SERVICE_RANGE = '10.96.0.0/12';
/** Closed but for names that the internal zone or a rule opens them to. */
export const PROTECT = ['rfc1918', 'ula'];
export const INTERNAL_ZONE = { zone: 'corp.example.org', ranges: ['10.30.0.0/16', 'fd00:30::/64'] };

const CLUSTER = listOf([SERVICE_RANGE]);
const CLOSED = listOf(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']);
const INTERNAL = listOf(INTERNAL_ZONE.ranges);

/** A rule of policies.yaml. */
interface Rule {
  readonly pattern: string;
  /** The kernel's sets are grants4_CLASS and grants6_CLASS; undefined for a name that may only be asked. */
  readonly class: string | undefined;
  readonly opens?: Ranges;
}

export interface FuzzPod {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Undefined: no policy selects it. */
  readonly rules: readonly Rule[] | undefined;
}

const opensInside = listOf(['10.20.0.0/16']);

export const PODS: readonly FuzzPod[] = [
  {
    name: 'cart',
    addresses: ['10.0.1.7'],
    rules: [
      { pattern: 'api.example.org', class: 'tcp443' },
      { pattern: '*.web.example.org', class: 'tcp443' },
      { pattern: '*.corp.example.org', class: 'tcp443' },
    ],
  },
  {
    name: 'twin',
    addresses: ['10.0.2.8', '10.0.2.9', 'fd00:2::8'],
    rules: [
      { pattern: 'api.example.org', class: 'tcp443' },
      { pattern: '*.example.org', class: 'tcp8080' },
      { pattern: '**.deep.example.org', class: 'tcp443_udp443' },
    ],
  },
  {
    name: 'runner',
    addresses: ['10.0.3.7', 'fd00:3::7'],
    rules: [
      { pattern: '**.example.org', class: undefined },
      { pattern: 'mirror.example.org', class: 'any' },
    ],
  },
  {
    name: 'inside',
    addresses: ['10.0.4.7'],
    rules: [
      { pattern: '*.web.example.org', class: 'tcp443', opens: opensInside },
      { pattern: '*.web.example.org', class: 'tcp8080' },
    ],
  },
  { name: 'open', addresses: ['10.0.5.7'], rules: undefined },
  { name: 'locked', addresses: ['10.0.6.7'], rules: [] },
  { name: 'six', addresses: ['fd00:7::7'], rules: [{ pattern: 'api.example.org', class: 'tcp443' }] },
];

/** Who sends queries: every address of every pod, and one of nobody. */
export const CLIENTS: ReadonlyMap<string, string> = new Map([
  ...PODS.flatMap(({ name, addresses }) =>
    addresses.map((address, i): [string, string] => [i === 0 ? name : `${name}-${i + 1}`, address]),
  ),
  ['stranger', '10.0.9.9'],
]);

const podOfAddress = new Map(PODS.flatMap((pod) => pod.addresses.map((address) => [hexOf(address), pod] as const)));

export function podAt(address: AddressHex): FuzzPod | undefined {
  return podOfAddress.get(address);
}

/** Its addresses of the family of `address`. */
export function sourcesFor(pod: FuzzPod, address: AddressHex): AddressHex[] {
  return pod.addresses.map(hexOf).filter((source) => source.length === address.length);
}

export function mayAsk(pod: FuzzPod, labels: readonly string[]): boolean {
  return pod.rules === undefined || pod.rules.some(({ pattern }) => matches(pattern, labels));
}

/** True when some rule of the pod grants what the name resolves to. */
export function isGrantedName(pod: FuzzPod, labels: readonly string[]): boolean {
  return classesFor(pod, labels).length > 0;
}

/** The classes that an address of this name opens for the pod; all that the name has, when `address` is left out. */
export function classesFor(pod: FuzzPod, labels: readonly string[], address?: AddressHex): string[] {
  const found = (pod.rules ?? []).flatMap((rule) => {
    if (rule.class === undefined || !matches(rule.pattern, labels)) return [];
    return address === undefined || mayGrant(rule, labels, address) ? [rule.class] : [];
  });
  return [...new Set(found)];
}

export function serversFor(labels: readonly string[]): readonly string[] {
  return (isInternal(labels) ? ZONES['corp.example.org'] : ZONES['.']) ?? [];
}

function mayGrant(rule: Rule, labels: readonly string[], address: AddressHex): boolean {
  if (isNeverGranted(address) || isIn(CLUSTER, address)) return false;
  if (!isIn(CLOSED, address)) return true;
  if (isInternal(labels) && isIn(INTERNAL, address)) return true;
  return rule.opens !== undefined && isIn(rule.opens, address);
}

function isInternal(labels: readonly string[]): boolean {
  return labels.slice(-3).join('.').toLowerCase() === INTERNAL_ZONE.zone && labels.length >= 3;
}

/** Cilium's: `*` in a label is any of its characters, `**` in front is one label or more. */
function matches(pattern: string, labels: readonly string[]): boolean {
  const wanted = pattern.split('.');
  const isDeep = wanted[0] === '**';
  const tail = isDeep ? wanted.slice(1) : wanted;
  const rest = isDeep ? labels.slice(-tail.length) : labels;
  if (!labels.every((label) => /^[-_a-zA-Z0-9]+$/.test(label))) return false;
  if (isDeep ? labels.length <= tail.length : labels.length !== tail.length) return false;
  return tail.every((glob, i) => glob === '*' || glob === rest[i]?.toLowerCase());
}
