// Which names may be asked: rules.dns on port 53, and the port alone, which is every name. Queries go to the configured DNS servers only,
// so whatever would have names filtered on their way to others is refused.
import type { EgressRule, NameSelector } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readNames } from './names.ts';
import type { PortItem } from './ports.ts';
import { readPortsOf } from './traffic.ts';

const DNS_PORT = 53;
const L7_INSTEAD = 'remove the item; namewall never reads inside connections';
const RULES_FIELDS = {
  what: 'rules',
  known: ['dns'],
  refused: new Map(['http', 'kafka', 'l7proto', 'l7'].map((field) => [field, L7_INSTEAD])),
};

type AskRule = Extract<EgressRule, { kind: 'ask' }>;

/** An item of toPorts for the cluster DNS: port 53, with `rules` or without. */
export function readDnsServerItem(item: MapNode, reader: FieldReader): AskRule[] {
  const rules = item.entries.get('rules');
  return rules === undefined ? readAsk(item, everyName(item.place.at), reader) : readDnsItem(item, rules, reader);
}

/** An item of toPorts with `rules`. */
export function readDnsItem(item: MapNode, rules: Entry, reader: FieldReader): AskRule[] {
  return readAsk(item, readDnsRules(rules.value, reader) ?? everyName(item.place.at), reader);
}

function readAsk(item: MapNode, names: readonly NameSelector[], reader: FieldReader): AskRule[] {
  const ports = readPortsOf(item, reader);
  const rules = item.entries.get('rules');
  const hasNames = rules?.value.kind === 'map' && rules.value.entries.has('dns');
  // Rules without names have their own message; a second one about their ports would only confuse.
  for (const port of rules === undefined || hasNames ? ports : []) {
    const why = refusalOf(port, hasNames);
    if (why !== undefined) reader.fail(port.place, 'not-supported', why);
  }
  const overUdp = ports.some(({ protocols }) => protocols.includes('udp'));
  const overTcp = ports.some(({ protocols }) => protocols.includes('tcp'));
  return [{ kind: 'ask', names, overUdp, overTcp }];
}

/** Why a port cannot stand in a rule about DNS, or undefined. */
function refusalOf({ first, last, protocols }: PortItem, hasRules: boolean): string | undefined {
  if (first === DNS_PORT && last === DNS_PORT) {
    if (protocols.includes('udp') || protocols.includes('tcp')) return undefined;
    return 'Cannot proxy DNS over SCTP; write protocol: UDP, TCP or ANY';
  }
  const shown = first === last ? `port "${first}"` : `ports ${first} to ${last}`;
  if (hasRules && first === 0) return 'L7 rules can not be used when a port is 0; write port: "53"';
  if (hasRules && first !== last) return `DNS rules do not support port ranges; write port: "53" instead of ${shown}`;
  if (hasRules) return `Cannot filter DNS on ${shown}: only port "53" is proxied`;
  return `Cannot open ${shown} of the cluster DNS: not supported yet; only port "53" is`;
}

/** Undefined: an empty list, which is every name, as in Cilium. */
function readDnsRules(node: Node, reader: FieldReader): NameSelector[] | undefined {
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

function everyName(at: string): readonly NameSelector[] {
  return [{ match: 'pattern', text: '*', at }];
}
