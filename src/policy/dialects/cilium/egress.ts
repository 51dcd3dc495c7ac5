// One item of `egress` or `egressDeny`: names that may be connected to (toFQDNs), names that may be asked (port 53), or destinations by
// address. Whatever would open more than is written here, or restrict it in a way that is not enforced, is refused.
import type { EgressRule, Peer, ReachRule } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader, FieldTable } from '../fields.ts';
import { readDnsItem } from './asking.ts';
import { readCidrs, readCidrSet } from './cidrs.ts';
import { readEndpoints, readEndpointsDenied } from './endpoints.ts';
import { readEntities } from './entities.ts';
import { readNames } from './names.ts';
import { rangesOf, readPlainPorts, readPortsOf, readToPorts, readTraffic } from './traffic.ts';

const PEERS = ['toFQDNs', 'toEndpoints', 'toCIDR', 'toCIDRSet', 'toEntities'] as const;
const ADDRESSES = 'write toCIDR with their addresses, or remove the rule';
const REFUSED_PEERS: readonly (readonly [field: string, instead: string])[] = [
  ['toServices', `Services are not read; ${ADDRESSES}`],
  ['toGroups', `groups of a cloud are not read; ${ADDRESSES}`],
  ['toNodes', `other nodes are not read; ${ADDRESSES}`],
];
const NO_REQUIRES = ['toRequires', 'Cilium 1.19 removed it; put the labels into endpointSelector'] as const;
const NO_AUTHENTICATION = ['authentication', 'remove the rule, or leave it to Cilium'] as const;

const EGRESS_FIELDS = {
  what: 'an egress rule',
  known: ['toFQDNs', 'toPorts', 'toEndpoints', 'toCIDR', 'toCIDRSet', 'toEntities', 'icmps'],
  refused: new Map([...REFUSED_PEERS, NO_REQUIRES, NO_AUTHENTICATION]),
};
const DENIED_NAMES =
  'addresses of the name that nobody looked up yet would pass; remove it, since what no egress rule allows is denied';
const DENY_FIELDS = {
  what: 'an egressDeny rule',
  known: ['toPorts', 'toEndpoints', 'toCIDR', 'toCIDRSet', 'toEntities', 'icmps'],
  refused: new Map([...REFUSED_PEERS, NO_REQUIRES, NO_AUTHENTICATION, ['toFQDNs', DENIED_NAMES] as const]),
};

const NAMES_BESIDE_NAMES =
  'Remove "rules" beside toFQDNs: the names of toFQDNs may be asked anyway; write rules.dns in an egress rule of its own, with port "53" and without toFQDNs';
const NAMES_BESIDE_ADDRESSES =
  'Cannot filter what these destinations are asked: only the configured DNS servers are proxied; write rules.dns in an egress rule without other destinations';
const NAMES_DENIED = 'Remove "rules": an egressDeny rule denies whole ports';

/** `namespace` is the policy's own; undefined for a cluster-wide policy. */
export function readEgress(node: Node, namespace: string | undefined, reader: FieldReader): EgressRule[] {
  const map = readRule(node, EGRESS_FIELDS, reader);
  if (map === undefined) return [];
  const toFQDNs = map.entries.get('toFQDNs');
  if (toFQDNs !== undefined) return readConnect(map, toFQDNs, reader);
  const toEndpoints = map.entries.get('toEndpoints');
  if (toEndpoints !== undefined) return readEndpoints(map, toEndpoints, namespace, reader);
  const to = readAddresses(map, reader);
  if (to === undefined) return readAnywhere(map, reader);
  const traffic = readTraffic(map, NAMES_BESIDE_ADDRESSES, reader);
  if (traffic === undefined) return [];
  return [{ kind: 'reach', verdict: 'allow', to, traffic, at: map.place.at }];
}

export function readEgressDeny(node: Node, namespace: string | undefined, reader: FieldReader): ReachRule[] {
  const map = readRule(node, DENY_FIELDS, reader);
  if (map === undefined) return [];
  if (map.entries.size === 0) {
    const message =
      'Cannot use an empty egressDeny rule: it denies nothing; write toEntities: [all] to deny everything';
    return reader.fail(map.place, 'bad-rule', message) ?? [];
  }
  const traffic = readTraffic(map, NAMES_DENIED, reader);
  if (traffic === undefined) return [];
  const toEndpoints = map.entries.get('toEndpoints');
  const to =
    toEndpoints === undefined
      ? (readAddresses(map, reader) ?? [{ kind: 'any' }])
      : readEndpointsDenied(toEndpoints, traffic, namespace, reader);
  return [{ kind: 'reach', verdict: 'deny', to, traffic, at: map.place.at }];
}

/** Undefined where what is wrong with its destinations makes everything else in it meaningless. */
function readRule(node: Node, fields: FieldTable, reader: FieldReader): MapNode | undefined {
  if (node.kind !== 'map') return reader.map(node, fields);
  const names = [...PEERS, ...REFUSED_PEERS.map(([field]) => field)];
  const [first, ...others] = [...node.entries].filter(([key]) => names.some((name) => name === key));
  if (first === undefined || others.length === 0) {
    const map = reader.map(node, fields);
    return first === undefined || fields.known.includes(first[0]) ? map : undefined;
  }
  // What is combined has its message; that each of them is refused as well would only confuse.
  reader.map(node, { ...fields, known: [...fields.known, ...names] });
  for (const [key, { place }] of others) {
    const message = `combining ${capital(first[0])} and ${capital(key)} is not supported yet; write two rules`;
    reader.fail(place, 'bad-rule', message); // in Cilium's words
  }
  return undefined;
}

/** Undefined: the rule names no destination. */
function readAddresses(map: MapNode, reader: FieldReader): readonly Peer[] | undefined {
  const toCIDR = map.entries.get('toCIDR');
  if (toCIDR !== undefined) return readCidrs(toCIDR.value, reader);
  const toCIDRSet = map.entries.get('toCIDRSet');
  if (toCIDRSet !== undefined) return readCidrSet(toCIDRSet.value, reader);
  const toEntities = map.entries.get('toEntities');
  return toEntities && readEntities(toEntities.value, reader);
}

function readConnect(map: MapNode, toFQDNs: Entry, reader: FieldReader): EgressRule[] {
  const instead = 'it selects nothing; remove the rule, or write "- {}" to deny everything';
  const names = readNames(reader.fullList(toFQDNs.value, 'toFQDNs', instead) ?? [], 'toFQDNs', reader);
  const icmps = map.entries.get('icmps');
  if (icmps !== undefined) {
    const message =
      'Remove "icmps" beside toFQDNs: a name opens ports, or, without toPorts, every protocol, ICMP included';
    reader.fail(icmps.place, 'not-supported', message);
  }
  const toPorts = map.entries.get('toPorts');
  const ports = toPorts === undefined ? ('all' as const) : readPlainPorts(toPorts.value, NAMES_BESIDE_NAMES, reader);
  return [{ kind: 'connect', names, ports }];
}

/** No destination is named: every one is meant, but where names are filtered only the DNS servers are. */
function readAnywhere(map: MapNode, reader: FieldReader): EgressRule[] {
  const toPorts = map.entries.get('toPorts');
  const at = map.place.at;
  if (toPorts === undefined || map.entries.has('icmps')) {
    const traffic = map.entries.has('icmps') ? readTraffic(map, NAMES_BESIDE_ADDRESSES, reader) : undefined;
    return traffic === undefined ? [] : [{ kind: 'reach', verdict: 'allow', to: [{ kind: 'any' }], traffic, at }];
  }
  const rules: EgressRule[] = [];
  const items = readToPorts(toPorts.value, reader);
  for (const item of items) {
    const names = item.entries.get('rules');
    if (names !== undefined) rules.push(...readDnsItem(item, names, reader));
  }
  const ports = items
    .filter((item) => !item.entries.has('rules'))
    .flatMap((item) => readPortsOf(item, reader).flatMap(rangesOf));
  if (ports.length === 0) return rules;
  return [...rules, { kind: 'reach', verdict: 'allow', to: [{ kind: 'any' }], traffic: { ports, icmp: [] }, at }];
}

function capital(field: string): string {
  return `T${field.slice(1)}`;
}
