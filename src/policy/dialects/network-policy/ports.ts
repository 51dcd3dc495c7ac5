// `ports` of an egress rule: numbers, ranges, names that each destination pod has its own number for, or every port of a protocol.
import type { PortRange, Traffic } from '../../compiled.ts';
import { quote } from '../../name-syntax.ts';
import type { NamedPort } from '../../policy.ts';
import { LAST_PORT, mergePorts } from '../../ports.ts';
import type { Entry, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { isPortName, PORT_NAME_RULE, readPortNumber, readProtocol } from '../port-fields.ts';

const ITEM_FIELDS = { what: 'an item of ports', known: ['port', 'endPort', 'protocol'] };

export interface Ports {
  readonly traffic: Traffic;
  readonly namedPorts: readonly NamedPort[];
}

/** Absent and empty are the same: everything, ICMP too. */
export function readPorts(entry: Entry | undefined, reader: FieldReader): Ports {
  const list = entry && reader.list(entry.value, 'ports');
  if (list === undefined || list.items.length === 0) return { traffic: 'all', namedPorts: [] };
  const items = list.items.flatMap((item) => readPort(item, reader) ?? []);
  const ranges = items.flatMap((item) => ('first' in item ? [item] : []));
  const namedPorts = items.flatMap((item) => ('name' in item ? [item] : []));
  return { traffic: { ports: mergePorts(ranges), icmp: [] }, namedPorts };
}

function readPort(node: Node, reader: FieldReader): PortRange | NamedPort | undefined {
  const map = reader.map(node, ITEM_FIELDS);
  if (map === undefined) return undefined;
  const protocol = readProtocol(map, reader);
  const port = map.entries.get('port');
  const endPort = map.entries.get('endPort');
  if (port === undefined) {
    if (endPort !== undefined) {
      reader.fail(endPort.place, 'bad-port', 'may not be specified when port is not specified: write port, too');
    }
    return protocol && { protocol, first: 1, last: LAST_PORT };
  }
  const first = readNumberOrName(port.value, reader);
  if (typeof first === 'string') {
    if (endPort !== undefined) {
      const message = 'may not be specified when port is non-numeric: a name is one port; remove endPort';
      reader.fail(endPort.place, 'bad-port', message);
    }
    return protocol && { name: first, protocols: [protocol] };
  }
  const last = endPort === undefined ? first : readPortNumber(endPort.value, 'endPort', reader);
  if (first === undefined || last === undefined || protocol === undefined) return undefined;
  if (endPort === undefined || last >= first) return { protocol, first, last };
  const message = `Cannot use endPort ${last}: must be greater than or equal to port, which is ${first}; write the lower one as port`;
  return reader.fail(endPort.value.place, 'bad-port', message);
}

function readNumberOrName(node: Node, reader: FieldReader): number | string | undefined {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') return readPortNumber(node, 'port', reader);
  if (isPortName(node.value)) return node.value;
  const isNumber = /^[0-9]+$/.test(node.value);
  const hint = isNumber ? 'a text is the name of a port; write the number without quotes' : PORT_NAME_RULE;
  return reader.fail(node.place, 'bad-port', `Cannot use port ${quote(node.value)}: ${hint}`);
}
