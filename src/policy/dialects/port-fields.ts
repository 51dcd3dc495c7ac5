// Ports as Kubernetes writes them, in NetworkPolicy and in clients files: numbers, names of container ports, protocols.
import type { PortProtocol } from '../compiled.ts';
import { quote } from '../name-syntax.ts';
import { LAST_PORT } from '../ports.ts';
import type { MapNode, Node } from './document.ts';
import { nearest, type FieldReader } from './fields.ts';

const PROTOCOLS = new Map<string, PortProtocol>([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
]);
const DEFAULT_PROTOCOL = 'tcp';
const MAX_NAME = 15;

export const PORT_NAME_RULE = `a name is at most ${MAX_NAME} of a-z, 0-9 and single "-" between them, at least one a letter`;

/** The field `protocol`. */
export function readProtocol(map: MapNode, reader: FieldReader): PortProtocol | undefined {
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

/** A leading zero is refused: some readers of YAML take `010` for 8. */
export function readPortNumber(node: Node, field: 'port' | 'endPort', reader: FieldReader): number | undefined {
  const isDecimal = node.kind === 'scalar' && typeof node.value === 'number' && /^[1-9][0-9]{0,4}$/.test(node.source);
  if (isDecimal && Number(node.source) <= LAST_PORT) return Number(node.source);
  const several = node.kind === 'list' ? ', and an item of ports for each' : '';
  const message = `Cannot use ${shown(node)} as ${field}: write a decimal number from 1 to ${LAST_PORT}${several}`;
  return reader.fail(node.place, 'bad-port', message);
}

/** RFC 6335 §5.1, as Kubernetes checks it: lower case. */
export function isPortName(text: string): boolean {
  if (text.length > MAX_NAME || !/[a-z]/.test(text)) return false;
  return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text);
}

function shown(node: Node): string {
  if (node.kind !== 'scalar') return `a ${node.kind === 'map' ? 'mapping' : 'list'}`;
  if (node.value === null) return 'no value';
  return typeof node.value === 'string' ? quote(node.value) : node.source;
}
