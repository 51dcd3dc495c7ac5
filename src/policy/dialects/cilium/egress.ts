// One item of `egress` or `egressDeny`: names that may be connected to (toFQDNs), names that may be asked (port 53), or destinations by
// address. Whatever would open more than is written here, or restrict it in a way that is not enforced, is refused.
import type { EgressRule, Peer, ReachRule } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readDnsItem } from './asking.ts';
import { readClusterDns, refuseMoreThanDns } from './cluster-dns.ts';
import { DESTINATION_FIELDS, readDestinations, readRuleFields, type Destinations } from './destinations.ts';
import { readNames } from './names.ts';
import type { Scope } from './scope.ts';
import { numbersOf, readPlainPorts, readPortsOf, readToPorts, readTraffic, trafficOf } from './traffic.ts';

const REFUSED = [
  ['toGroups', 'groups of a cloud are not read; write toCIDR with their addresses, or remove the rule'],
  ['toRequires', 'Cilium 1.19 removed it; put the labels into endpointSelector'],
] as const;
const NO_AUTHENTICATION = 'remove the rule, or leave it to Cilium';

const EGRESS_FIELDS = {
  what: 'an egress rule',
  known: ['toFQDNs', 'toPorts', ...DESTINATION_FIELDS, 'icmps', 'authentication'],
  refused: new Map(REFUSED),
  foreign: new Map([
    ['to', 'write toEndpoints, toCIDR or toFQDNs'],
    ['ports', 'write toPorts: [{ports: [{port: "443", protocol: TCP}]}]'],
    ['domainNames', 'write toFQDNs: [{matchName: example.org}]'],
    ['matchName', 'write toFQDNs: [{matchName: example.org}]'],
    ['matchPattern', 'write toFQDNs: [{matchPattern: "*.example.org"}]'],
  ]),
};
const DENIED_NAMES =
  'addresses of the name that nobody looked up yet would pass; remove it, since what no egress rule allows is denied';
const DENY_FIELDS = {
  what: 'an egressDeny rule',
  known: ['toPorts', ...DESTINATION_FIELDS, 'icmps'],
  refused: new Map([...REFUSED, ['authentication', NO_AUTHENTICATION] as const, ['toFQDNs', DENIED_NAMES] as const]),
};

const NAMES_BESIDE_NAMES =
  'Remove "rules" beside toFQDNs: the names of toFQDNs may be asked anyway; write rules.dns in an egress rule of its own, with port "53" and without toFQDNs';
const NAMES_BESIDE_ADDRESSES =
  'Cannot filter what these destinations are asked: only the configured DNS servers are proxied; write rules.dns in an egress rule without other destinations';
const NAMES_BESIDE_PODS =
  'Cannot filter what these pods are asked: only the cluster DNS is proxied, written alone, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns';
const NAMES_DENIED = 'Remove "rules": an egressDeny rule denies whole ports';
const PORTS_OF_NAMES = {
  rulesInstead: NAMES_BESIDE_NAMES,
  whyNotNamed: 'what a name resolves to has no container ports',
};
const ANYWHERE: Destinations = { to: [{ kind: 'any' }], isClusterDns: false };

export function readEgress(node: Node, scope: Scope, reader: FieldReader): EgressRule[] {
  const map = readRuleFields(node, EGRESS_FIELDS, reader);
  if (map === undefined) return [];
  refuseAuthentication(map, reader);
  const toFQDNs = map.entries.get('toFQDNs');
  if (toFQDNs !== undefined) return readConnect(map, toFQDNs, reader);
  const found = readDestinations(map, scope, reader);
  if (found === undefined) return readAnywhere(map, reader);
  if (found.isClusterDns) return readClusterDns(map, found.to, reader);
  const rulesInstead = map.entries.has('toEndpoints') ? NAMES_BESIDE_PODS : NAMES_BESIDE_ADDRESSES;
  const traffic = readTraffic(map, { rulesInstead, whyNotNamed: found.whyNotNamed }, reader);
  if (traffic === undefined) return [];
  return [{ kind: 'reach', verdict: 'allow', to: found.to, ...traffic, at: map.place.at }];
}

export function readEgressDeny(node: Node, scope: Scope, reader: FieldReader): ReachRule[] {
  const map = readRuleFields(node, DENY_FIELDS, reader);
  if (map === undefined) return [];
  if (map.entries.size === 0) {
    const message =
      'Cannot use an empty egressDeny rule: it denies nothing; write toEntities: [all] to deny everything';
    return reader.fail(map.place, 'bad-rule', message) ?? [];
  }
  const found = readDestinations(map, scope, reader) ?? ANYWHERE;
  const traffic = readTraffic(map, { rulesInstead: NAMES_DENIED, whyNotNamed: found.whyNotNamed }, reader);
  if (traffic === undefined) return [];
  if (found.isClusterDns) refuseMoreThanDns(map, traffic, reader);
  return [{ kind: 'reach', verdict: 'deny', to: found.to, ...traffic, at: map.place.at }];
}

/** Who need not prove who it is need not be refused. */
function refuseAuthentication({ entries }: MapNode, reader: FieldReader): void {
  const entry = entries.get('authentication');
  const map = entry && reader.map(entry.value, { what: 'authentication', known: ['mode'] });
  const mode = map && reader.required(map, 'mode', 'authentication', 'mode: disabled');
  const text = mode && reader.text(mode.value, 'authentication.mode');
  if (mode === undefined || text === undefined || text === 'disabled') return;
  const message = `Cannot enforce authentication.mode ${JSON.stringify(text)}: not supported yet; ${NO_AUTHENTICATION}`;
  reader.fail(mode.value.place, 'not-supported', message);
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
  if (toPorts === undefined) return [{ kind: 'connect', names, ports: 'all' }];
  const items = readPlainPorts(toPorts.value, PORTS_OF_NAMES, reader);
  return [{ kind: 'connect', names, ports: numbersOf(items, PORTS_OF_NAMES, reader) }];
}

/** No destination is named: every one is meant, but where names are filtered only the DNS servers are. */
function readAnywhere(map: MapNode, reader: FieldReader): EgressRule[] {
  const toPorts = map.entries.get('toPorts');
  const to: readonly Peer[] = ANYWHERE.to;
  const at = map.place.at;
  const limits = { rulesInstead: NAMES_BESIDE_ADDRESSES };
  if (toPorts === undefined || map.entries.has('icmps')) {
    const traffic = map.entries.has('icmps') ? readTraffic(map, limits, reader) : undefined;
    return traffic === undefined ? [] : [{ kind: 'reach', verdict: 'allow', to, ...traffic, at }];
  }
  const items = readToPorts(toPorts.value, reader);
  const asked = items.flatMap((item): EgressRule[] => {
    const names = item.entries.get('rules');
    return names === undefined ? [] : readDnsItem(item, names, reader);
  });
  const plain = items.filter((item) => !item.entries.has('rules'));
  if (plain.length === 0) return asked;
  const ports = plain.flatMap((item) => readPortsOf(item, reader));
  return [...asked, { kind: 'reach', verdict: 'allow', to, ...trafficOf(ports, limits, reader), at }];
}
