// protocols: which packets to a peer a rule takes, by protocol and destination port.
import type { PortProtocol, PortRange } from '../../compiled.ts';
import type { NamedPort } from '../../policy.ts';
import { LAST_PORT } from '../../ports.ts';
import type { Entry, Node, Place } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readItems, readNumber, readOneOf } from './values.ts';

export interface Protocols {
  readonly ports: readonly PortRange[];
  readonly namedPorts: readonly (NamedPort & { readonly place: Place })[];
}

const PROTOCOLS: readonly PortProtocol[] = ['tcp', 'udp', 'sctp'];
const ITEM_FIELDS = { what: 'an item of protocols', known: [...PROTOCOLS, 'destinationNamedPort'] };
const PORT_FIELDS = { what: 'destinationPort', known: ['number', 'range'] };
const RANGE_FIELDS = { what: 'range', known: ['start', 'end'] };
const EVERY_PORT = { first: 1, last: LAST_PORT };
const PORT_NAME = /^(?!.*--)(?=.*[a-z])[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/; // RFC 6335 §5.1, as Kubernetes checks it of pods
const MAX_PORT_NAME = 15;

export function readProtocols(node: Node, reader: FieldReader): Protocols {
  const items = readItems(node, 'protocols', 'remove protocols if every protocol is meant', reader);
  const ports: PortRange[] = [];
  const namedPorts: Protocols['namedPorts'][number][] = [];
  for (const item of items) {
    const one = readOneOf(item, ITEM_FIELDS, reader);
    if (one === undefined) continue;
    const protocol = PROTOCOLS.find((each) => each === one.field);
    if (protocol === undefined) namedPorts.push(...(readName(one.entry, reader) ?? []));
    else ports.push(...(readRange(protocol, one.entry.value, reader) ?? []));
  }
  return { ports, namedPorts };
}

function readName({ place, value }: Entry, reader: FieldReader): Protocols['namedPorts'] | undefined {
  const name = reader.text(value, 'destinationNamedPort');
  if (name === undefined) return undefined;
  if (name.length <= MAX_PORT_NAME && PORT_NAME.test(name)) return [{ name, protocols: PROTOCOLS, place }];
  const rule = 'the name of a container port has at most 15 of a-z, 0-9 and single "-" inside, one letter among them';
  const shown = JSON.stringify(name.slice(0, MAX_PORT_NAME * 2));
  return reader.fail(value.place, 'bad-port', `Cannot use ${shown} for destinationNamedPort: ${rule}`);
}

/** Without destinationPort, every port of the protocol. */
function readRange(protocol: PortProtocol, node: Node, reader: FieldReader): PortRange[] | undefined {
  const map = reader.map(node, { what: protocol, known: ['destinationPort'] });
  if (map === undefined) return undefined;
  const entry = map.entries.get('destinationPort');
  if (entry === undefined) return [{ protocol, ...EVERY_PORT }];
  const one = readOneOf(entry.value, PORT_FIELDS, reader);
  if (one === undefined) return undefined;
  if (one.field === 'number') {
    const number = readPort(one.entry.value, 'number', reader);
    return number === undefined ? undefined : [{ protocol, first: number, last: number }];
  }
  const range = reader.map(one.entry.value, RANGE_FIELDS);
  const start = range && reader.required(range, 'start', RANGE_FIELDS.what, 'start: 8000');
  const end = range && reader.required(range, 'end', RANGE_FIELDS.what, 'end: 8999');
  const first = start && readPort(start.value, 'start', reader);
  const last = end && readPort(end.value, 'end', reader);
  if (end === undefined || first === undefined || last === undefined) return undefined;
  if (first < last) return [{ protocol, first, last }];
  const instead = first === last ? `write number: ${first}` : 'exchange the two';
  const why = `Start port must be less than End port; ${instead}`;
  return reader.fail(end.value.place, 'bad-port', `Cannot use end ${last} with start ${first}: ${why}`);
}

function readPort(node: Node, field: string, reader: FieldReader): number | undefined {
  return readNumber(node, { field, least: 1, most: LAST_PORT }, reader);
}
