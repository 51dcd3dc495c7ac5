// `ports` of an egress rule: numbers, ranges, names that each destination pod has its own number for, or every port of a protocol.
import type { PortProtocol, PortRange, Traffic } from '../../compiled.ts';
import { quote } from '../../name-syntax.ts';
import type { NamedPort } from '../../policy.ts';
import { LAST_PORT, mergePorts } from '../../ports.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

const WHAT = 'an item of ports';
const PROTOCOLS = new Map<string, PortProtocol>([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
]);
const DEFAULT_PROTOCOL = 'tcp';
const MAX_NAME = 15;

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
  const map = reader.map(node, { what: WHAT, known: ['port', 'endPort', 'protocol'] });
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
  const last = endPort === undefined ? first : readNumber(endPort.value, 'endPort', reader);
  if (first === undefined || last === undefined || protocol === undefined) return undefined;
  if (endPort === undefined || last >= first) return { protocol, first, last };
  const message = `Cannot use endPort ${last}: must be greater than or equal to port, which is ${first}`;
  return reader.fail(endPort.value.place, 'bad-port', message);
}

function readProtocol(map: MapNode, reader: FieldReader): PortProtocol | undefined {
  const entry = map.entries.get('protocol');
  if (entry === undefined) return DEFAULT_PROTOCOL;
  const text = reader.text(entry.value, 'protocol');
  if (text === undefined) return undefined;
  const known = PROTOCOLS.get(text);
  if (known !== undefined) return known;
  const names = [...PROTOCOLS.keys()];
  const near = nearest(text, names);
  const hint = near === undefined ? `write one of ${names.join(', ')}` : `did you mean "${near}"?`;
  return reader.fail(entry.value.place, 'bad-protocol', `Cannot use protocol ${quote(text)}: ${hint}`);
}

function readNumberOrName(node: Node, reader: FieldReader): number | string | undefined {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') return readNumber(node, 'port', reader);
  if (isServiceName(node.value)) return node.value;
  const isNumber = /^[0-9]+$/.test(node.value);
  const hint = isNumber
    ? 'a text is the name of a port; write the number without quotes'
    : `a name is at most ${MAX_NAME} of a-z, 0-9 and single "-" between them, at least one a letter`;
  return reader.fail(node.place, 'bad-port', `Cannot use port ${quote(node.value)}: ${hint}`);
}

/** A leading zero is refused: some readers of YAML take `010` for 8. */
function readNumber(node: Node, field: 'port' | 'endPort', reader: FieldReader): number | undefined {
  const isDecimal = node.kind === 'scalar' && typeof node.value === 'number' && /^[1-9][0-9]{0,4}$/.test(node.source);
  if (isDecimal && Number(node.source) <= LAST_PORT) return Number(node.source);
  const message = `Cannot use ${shown(node)} as ${field}: write a decimal number from 1 to ${LAST_PORT}`;
  return reader.fail(node.place, 'bad-port', message);
}

/** RFC 6335 §5.1, as Kubernetes checks it: lower case. */
function isServiceName(text: string): boolean {
  if (text.length > MAX_NAME || !/[a-z]/.test(text)) return false;
  return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text);
}

function shown(node: Node): string {
  if (node.kind !== 'scalar') return `a ${node.kind === 'map' ? 'mapping' : 'list'}`;
  if (node.value === null) return 'no value';
  return typeof node.value === 'string' ? quote(node.value) : node.source;
}
