// One item of `egress`: names that may be connected to (toFQDNs), or names that may be asked of the DNS servers (toPorts 53).
// Whatever would open more than is written here, or restrict it in a way that is not enforced, is refused.
import type { PortRange } from '../../compiled.ts';
import type { EgressRule } from '../../policy.ts';
import { LAST_PORT } from '../../ports.ts';
import type { MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readNames } from './names.ts';
import { readPorts, type PortItem } from './ports.ts';
import { requireClusterDns } from './selectors.ts';

const DNS_PORT = 53;
const NAMES_INSTEAD = 'allow these destinations by name with toFQDNs, or remove the rule';
const UNSUPPORTED_PEERS = ['toCIDR', 'toCIDRSet', 'toEntities', 'toServices', 'toGroups', 'toNodes'] as const;

const EGRESS_FIELDS = {
  what: 'an egress rule',
  known: ['toFQDNs', 'toPorts', 'toEndpoints'],
  refused: new Map<string, string>([
    ...UNSUPPORTED_PEERS.map((field) => [field, NAMES_INSTEAD] as const),
    ['toRequires', 'Cilium 1.19 removed it; put the labels into endpointSelector'],
    ['icmps', 'remove it; ICMP to the addresses of toFQDNs is open when toPorts is left out'],
    ['authentication', 'remove the rule, or leave it to Cilium'],
  ]),
};

// For a rule whose further peers got their own message already.
const COMBINED_FIELDS = { ...EGRESS_FIELDS, known: [...EGRESS_FIELDS.known, ...UNSUPPORTED_PEERS] };

const TO_PORTS_FIELDS = {
  what: 'an item of toPorts',
  known: ['ports', 'rules'],
  refused: new Map([
    ['serverNames', 'remove the item; without the check of server names it would open more than it says'],
    ['terminatingTLS', 'remove it; namewall never reads inside connections'],
    ['originatingTLS', 'remove it; namewall never reads inside connections'],
    ['listener', 'remove the item; there is no Envoy'],
  ]),
};

const L7_INSTEAD = 'remove the item; namewall never reads inside connections';
const RULES_FIELDS = {
  what: 'rules',
  known: ['dns'],
  refused: new Map(['http', 'kafka', 'l7proto', 'l7'].map((field) => [field, L7_INSTEAD])),
};

/** `namespace` is the policy's own; undefined for a cluster-wide policy. */
export function readEgress(node: Node, namespace: string | undefined, reader: FieldReader): EgressRule[] {
  const isCombined = node.kind === 'map' && refuseCombined(node, reader);
  const map = reader.map(node, isCombined ? COMBINED_FIELDS : EGRESS_FIELDS);
  if (map === undefined) return [];
  const toFQDNs = map.entries.get('toFQDNs');
  const toEndpoints = map.entries.get('toEndpoints');
  const toPorts = map.entries.get('toPorts');
  if (toFQDNs !== undefined) {
    const instead = 'it selects nothing; remove the rule, or write "- {}" to deny everything';
    const items = reader.fullList(toFQDNs.value, 'toFQDNs', instead) ?? [];
    const names = readNames(items, 'toFQDNs', reader);
    const ports = toPorts === undefined ? ('all' as const) : readConnectPorts(toPorts.value, reader);
    return [{ kind: 'connect', names, ports }];
  }
  if (toEndpoints !== undefined) {
    requireClusterDns(toEndpoints.value, namespace, reader);
    if (toPorts === undefined) {
      const message =
        'Add "toPorts" with port "53" to this egress rule: only DNS to the cluster DNS is supported yet, not all of its ports';
      reader.fail(map.place, 'missing-field', message);
    }
  }
  if (toPorts === undefined) return [];
  // Beside a peer that was refused above, a second complaint about its ports would only confuse.
  if (UNSUPPORTED_PEERS.some((peer) => map.entries.has(peer))) return [];
  const items = reader.fullList(toPorts.value, 'toPorts', 'Cilium would open every port; list ports') ?? [];
  return items.flatMap((item) => readDnsPorts(item, toEndpoints !== undefined, reader));
}

/** Cilium refuses two kinds of destination in one rule, in these words. */
function refuseCombined(map: MapNode, reader: FieldReader): boolean {
  if (!map.entries.has('toFQDNs')) return false;
  const others = [...map.entries].filter(
    ([key]) => key === 'toEndpoints' || UNSUPPORTED_PEERS.some((peer) => peer === key),
  );
  for (const [key, { place }] of others) {
    const member = `T${key.slice(1)}`;
    const message = `combining ToFQDNs and ${member} is not supported yet; write two egress rules`;
    reader.fail(place, 'bad-rule', message);
  }
  return others.length > 0;
}

function readConnectPorts(node: Node, reader: FieldReader): PortRange[] {
  const items = reader.fullList(node, 'toPorts', 'Cilium would open every port; remove toPorts if that is meant') ?? [];
  return items.flatMap((item) => {
    const map = reader.map(item, TO_PORTS_FIELDS);
    if (map === undefined) return [];
    const rules = map.entries.get('rules');
    if (rules !== undefined) {
      const message =
        'Remove "rules" beside toFQDNs: the names of toFQDNs may be asked anyway; write rules.dns in an egress rule of its own, with port "53" and without toFQDNs';
      reader.fail(rules.place, 'not-supported', message);
    }
    return readPortsOf(map, reader).flatMap(rangesOf);
  });
}

function rangesOf({ first, last, protocols }: PortItem): PortRange[] {
  const range = first === 0 ? { first: 1, last: LAST_PORT } : { first, last };
  return protocols.map((protocol) => ({ protocol, ...range }));
}

function readPortsOf(map: MapNode, reader: FieldReader): PortItem[] {
  const ports = reader.required(map, 'ports', 'an item of toPorts', 'ports: [{port: "443", protocol: TCP}]');
  return ports === undefined ? [] : readPorts(ports.value, reader);
}

function readDnsPorts(node: Node, hasPeer: boolean, reader: FieldReader): EgressRule[] {
  const map = reader.map(node, TO_PORTS_FIELDS);
  if (map === undefined) return [];
  const ports = readPortsOf(map, reader);
  const rules = map.entries.get('rules');
  const hasDnsRules = rules?.value.kind === 'map' && rules.value.entries.has('dns');
  for (const port of ports) {
    const why = refusalOf(port, hasDnsRules, hasPeer);
    if (why !== undefined) reader.fail(port.place, 'not-supported', why);
  }
  const overUdp = ports.some(({ protocols }) => protocols.includes('udp'));
  const overTcp = ports.some(({ protocols }) => protocols.includes('tcp'));
  const everyName = [{ match: 'pattern' as const, text: '*', at: map.place.at }];
  const names = rules === undefined ? everyName : readDnsRules(rules.value, reader);
  return [{ kind: 'ask', names: names ?? everyName, overUdp, overTcp }];
}

/** Why a port cannot stand in a rule about DNS, or undefined. */
function refusalOf({ first, last, protocols }: PortItem, hasRules: boolean, hasPeer: boolean): string | undefined {
  if (first === DNS_PORT && last === DNS_PORT) {
    if (protocols.includes('udp') || protocols.includes('tcp')) return undefined;
    return 'Cannot proxy DNS over SCTP; write protocol: UDP, TCP or ANY';
  }
  const shown = first === last ? `port "${first}"` : `ports ${first} to ${last}`;
  if (hasRules && first === 0) return 'L7 rules can not be used when a port is 0; write port: "53"';
  if (hasRules && first !== last) return `DNS rules do not support port ranges; write port: "53" instead of ${shown}`;
  if (hasRules) return `Cannot filter DNS on ${shown}: only port "53" is proxied`;
  if (hasPeer) return `Cannot open ${shown} of the cluster DNS: not supported yet; only port "53" is`;
  return `Cannot open ${shown} to every destination: not supported yet; add toFQDNs with the names that it is for`;
}

/** Undefined: an empty list, which is every name, as in Cilium. */
function readDnsRules(node: Node, reader: FieldReader) {
  const map = reader.map(node, RULES_FIELDS);
  if (map === undefined) return [];
  const dns = map.entries.get('dns');
  if (dns === undefined) {
    if (map.entries.size === 0) {
      reader.fail(map.place, 'missing-field', 'Add "dns" to rules: it is empty; remove rules to allow every name');
    }
    return [];
  }
  const list = reader.list(dns.value, 'rules.dns');
  if (list === undefined) return [];
  return list.items.length === 0 ? undefined : readNames(list.items, 'rules.dns', reader);
}
