// toPorts[].ports: numbers, ranges and protocols. Named ports and other protocols are refused.
import type { PortProtocol } from '../../compiled.ts';
import { LAST_PORT } from '../../ports.ts';
import type { MapNode, Node, Place } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

/** One item of `ports`. `first` 0 stands for every port. */
export interface PortItem {
  readonly place: Place;
  readonly first: number;
  readonly last: number;
  readonly protocols: readonly PortProtocol[];
}

const MAX_PORTS = 40; // Cilium: maxPorts
const ALL_PROTOCOLS: readonly PortProtocol[] = ['tcp', 'udp', 'sctp'];
const PROTOCOLS = new Map<string, readonly PortProtocol[]>([
  ['TCP', ['tcp']],
  ['UDP', ['udp']],
  ['SCTP', ['sctp']],
  ['ANY', ALL_PROTOCOLS],
]);

export function readPorts(node: Node, reader: FieldReader): PortItem[] {
  const items = reader.fullList(node, 'ports', 'Cilium would open every port; write port: "0" if that is meant') ?? [];
  if (items.length > MAX_PORTS) {
    const message = `too many ports, the max is ${MAX_PORTS}; ${items.length} are listed: use endPort or split the entry`;
    reader.fail(node.place, 'bad-port', message);
  }
  return items.flatMap((item) => readPort(item, reader) ?? []);
}

function readPort(node: Node, reader: FieldReader): PortItem | undefined {
  const what = 'an item of ports';
  const map = reader.map(node, { what, known: ['port', 'endPort', 'protocol'] });
  if (map === undefined) return undefined;
  const protocols = readProtocol(map, reader);
  const entry = map.entries.get('port');
  if (entry === undefined) {
    return reader.fail(map.place, 'missing-field', 'port must be specified; write port: "443", or "0" for every port');
  }
  const first = readNumber(entry.value, 'port', reader);
  const endPort = map.entries.get('endPort');
  const last = endPort === undefined ? first : readNumber(endPort.value, 'endPort', reader);
  if (first === undefined || last === undefined || protocols === undefined) return undefined;
  if (endPort !== undefined && first === 0) {
    return reader.fail(endPort.place, 'bad-port', 'Remove "endPort": port "0" is every port already');
  }
  if (endPort !== undefined && last < first) {
    const message = `Cannot use endPort ${last}: it is less than port ${first}; exchange the two`;
    return reader.fail(endPort.value.place, 'bad-port', message);
  }
  return { place: entry.value.place, first, last, protocols };
}

function readProtocol(map: MapNode, reader: FieldReader): readonly PortProtocol[] | undefined {
  const entry = map.entries.get('protocol');
  if (entry === undefined) return ALL_PROTOCOLS;
  const text = reader.text(entry.value, 'protocol');
  if (text === undefined) return undefined;
  const known = PROTOCOLS.get(text);
  if (known !== undefined) return known;
  const names = [...PROTOCOLS.keys()];
  const near = nearest(text, names);
  const hint = near === undefined ? `write one of ${names.join(', ')}` : `did you mean "${near}"?`;
  return reader.fail(entry.value.place, 'bad-protocol', `Cannot use protocol ${JSON.stringify(text)}: ${hint}`);
}

/** As number or as text; a leading zero is refused, because Cilium reads `010` as 8. */
function readNumber(node: Node, field: 'port' | 'endPort', reader: FieldReader): number | undefined {
  const written = node.kind === 'scalar' ? node.value : undefined;
  if (node.kind !== 'scalar' || (typeof written !== 'string' && typeof written !== 'number')) {
    reader.text(node, field);
    return undefined;
  }
  const text = typeof written === 'string' ? written : node.source;
  const isDecimal = text.length <= 5 && /^(?:0|[1-9][0-9]*)$/.test(text);
  if (isDecimal && Number(text) <= LAST_PORT) return Number(text);
  const isNumber = /^[-+]?[0-9]/.test(text);
  const hint = isNumber
    ? `write a decimal number from 0 to ${LAST_PORT}`
    : 'a named port belongs to a pod, and the ports of pods are not known; write its number';
  return reader.fail(node.place, 'bad-port', `Cannot use ${field} ${JSON.stringify(text)}: ${hint}`);
}
