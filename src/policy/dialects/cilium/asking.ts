// Which names may be asked: rules.dns on port 53. Queries go to the configured DNS servers only, so whatever would have names filtered on
// their way to others is refused.
import type { EgressRule, NameSelector } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readNames } from './names.ts';
import { readPorts, type PortItem } from './ports.ts';

const DNS_PORT = 53;
const L7_INSTEAD = 'remove the item; namewall never reads inside connections';
const L7_FIELDS = ['http', 'kafka', 'l7proto', 'l7'];
const RULES_FIELDS = {
  what: 'rules',
  known: ['dns'],
  refused: new Map(L7_FIELDS.map((field) => [field, L7_INSTEAD])),
};

type AskRule = Extract<EgressRule, { kind: 'ask' }>;

/** An item of toPorts with `rules`. */
export function readDnsItem(item: MapNode, rules: Entry, reader: FieldReader): AskRule[] {
  const names = readDnsRules(rules.value, reader) ?? everyName(item.place.at);
  const hasNames = rules.value.kind === 'map' && rules.value.entries.has('dns');
  const ports = readDnsPorts(item, reader);
  // Rules without names have their own message; a second one about their ports would only confuse.
  for (const port of hasNames ? ports : []) {
    const why = refusalOf(port);
    if (why !== undefined) reader.fail(port.place, 'not-supported', why);
  }
  return [asking(names, ports)];
}

/** A port of the cluster DNS without `rules`: every name may be asked over its protocols. */
export function askEveryName(ports: readonly PortItem[], at: string): AskRule {
  return asking(everyName(at), ports);
}

/** Port 53 itself, over a protocol that DNS has here. */
export function isDnsPort(port: PortItem): boolean {
  return port.kind === 'number' && port.first === DNS_PORT && port.last === DNS_PORT && isProxied(port);
}

function asking(names: readonly NameSelector[], ports: readonly PortItem[]): AskRule {
  const overUdp = ports.some(({ protocols }) => protocols.includes('udp'));
  const overTcp = ports.some(({ protocols }) => protocols.includes('tcp'));
  return { kind: 'ask', names, overUdp, overTcp };
}

function readDnsPorts(item: MapNode, reader: FieldReader): PortItem[] {
  const ports = item.entries.get('ports');
  if (ports !== undefined) return readPorts(ports.value, reader);
  const message = 'port 53 must be specified for DNS rules; write ports: [{port: "53", protocol: ANY}]';
  return reader.fail(item.place, 'missing-field', message) ?? [];
}

/** Why a port cannot stand in a rule about names, or undefined. */
function refusalOf(port: PortItem): string | undefined {
  if (isDnsPort(port)) return undefined;
  if (port.kind === 'name')
    return `Cannot filter DNS on port "${port.name}": only port "${DNS_PORT}" is proxied; write port: "${DNS_PORT}"`;
  const { first, last } = port;
  if (first === DNS_PORT && last === DNS_PORT) {
    return 'Cannot proxy DNS over SCTP; write protocol: UDP, TCP or ANY';
  }
  const shown = first === last ? `port "${first}"` : `ports ${first} to ${last}`;
  if (first === 0) return 'L7 rules can not be used when a port is 0; write port: "53"';
  if (first !== last) return `DNS rules do not support port ranges; write port: "53" instead of ${shown}`;
  return `Cannot filter DNS on ${shown}: only port "${DNS_PORT}" is proxied; write port: "${DNS_PORT}"`;
}

function isProxied({ protocols }: PortItem): boolean {
  return protocols.includes('udp') || protocols.includes('tcp');
}

/** Undefined: an empty list, which is every name, as in Cilium. */
function readDnsRules(node: Node, reader: FieldReader): NameSelector[] | undefined {
  if (node.kind === 'map' && node.entries.has('dns')) refuseMixed(node, reader);
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

function refuseMixed({ entries }: MapNode, reader: FieldReader): void {
  const other = L7_FIELDS.flatMap((field) => entries.get(field) ?? [])[0];
  if (other === undefined) return;
  const message = 'multiple L7 protocol rule types specified in single rule; keep "dns" alone';
  reader.fail(other.place, 'bad-rule', message);
}

function everyName(at: string): readonly NameSelector[] {
  return [{ match: 'pattern', text: '*', at }];
}
