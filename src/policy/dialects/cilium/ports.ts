// toPorts[].ports: numbers, ranges, names of container ports, and protocols. Protocols without ports are refused.
import type { PortProtocol } from '../../compiled.ts';
import { LAST_PORT } from '../../ports.ts';
import type { Entry, MapNode, Node, Place } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

interface PortHead {
  readonly place: Place;
  readonly protocols: readonly PortProtocol[];
}

/** One item of `ports`. `first` 0 stands for every port. */
export type PortItem =
  | (PortHead & { readonly kind: 'number'; readonly first: number; readonly last: number })
  | (PortHead & { readonly kind: 'name'; readonly name: string });

const MAX_PORTS = 40; // Cilium: maxPorts
const ALL_PROTOCOLS: readonly PortProtocol[] = ['tcp', 'udp', 'sctp'];
const PROTOCOLS = new Map<string, readonly PortProtocol[]>([
  ['TCP', ['tcp']],
  ['UDP', ['udp']],
  ['SCTP', ['sctp']],
  ['ANY', ALL_PROTOCOLS],
]);
const ICMP = 'ICMP has types, not ports; write icmps: [{fields: [{type: EchoRequest}]}] instead of toPorts';
const EXTENDED =
  'Cilium takes it with --enable-extended-ip-protocols only, and namewall has no rules for it; write the destination without toPorts for every protocol';
const REFUSED_PROTOCOLS = new Map([
  ...['ICMP', 'ICMPv6'].map((each) => [each, ICMP] as const),
  ...['VRRP', 'IGMP', 'GRE', 'IPIP', 'IPV6', 'ESP', 'AH'].map((each) => [each, EXTENDED] as const),
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
  const port = readNumberOrName(entry.value, reader);
  const endPort = map.entries.get('endPort');
  if (port === undefined || protocols === undefined) {
    if (endPort !== undefined) readEndPort(endPort, reader);
    return undefined;
  }
  const head = { place: entry.value.place, protocols };
  if (typeof port === 'number') return readRange(port, endPort, head, reader);
  if (endPort === undefined) return { ...head, kind: 'name', name: port };
  return reader.fail(endPort.place, 'bad-port', `Remove "endPort": port "${port}" is a name, and a range has numbers`);
}

function readRange(
  first: number,
  endPort: Entry | undefined,
  head: PortHead,
  reader: FieldReader,
): PortItem | undefined {
  if (endPort === undefined) return { ...head, kind: 'number', first, last: first };
  const last = readEndPort(endPort, reader);
  if (last === undefined) return undefined;
  if (first === 0) {
    return reader.fail(endPort.place, 'bad-port', 'Remove "endPort": port "0" is every port already');
  }
  if (last >= first) return { ...head, kind: 'number', first, last };
  const message = `Cannot use endPort ${last}: it is less than port ${first}; exchange the two`;
  return reader.fail(endPort.value.place, 'bad-port', message);
}

function readProtocol(map: MapNode, reader: FieldReader): readonly PortProtocol[] | undefined {
  const entry = map.entries.get('protocol');
  if (entry === undefined) return ALL_PROTOCOLS;
  const text = reader.text(entry.value, 'protocol');
  if (text === undefined) return undefined;
  const known = PROTOCOLS.get(text);
  if (known !== undefined) return known;
  const why = REFUSED_PROTOCOLS.get(text);
  const names = [...PROTOCOLS.keys()];
  const near = nearest(text, names);
  const hint = why ?? (near === undefined ? `write one of ${names.join(', ')}` : `did you mean "${near}"?`);
  return reader.fail(entry.value.place, 'bad-protocol', `Cannot use protocol ${JSON.stringify(text)}: ${hint}`);
}

const HOW_NUMBERS_ARE_WRITTEN = `write a decimal number from 0 to ${LAST_PORT}`;
const HOW_NAMES_ARE_WRITTEN = 'or the name of a container port: at most 15 of a-z, 0-9 and single "-", with a letter';

/** Names are compared in lower case. */
function readNumberOrName(node: Node, reader: FieldReader): number | string | undefined {
  const text = writtenIn(node, 'port', reader);
  if (text === undefined) return undefined;
  const number = decimalIn(text);
  if (number !== undefined) return number;
  // Another reader may take them for numbers: 010 for 8, 0x50 for 80.
  const isNumber = node.kind === 'scalar' && (typeof node.value === 'number' || /^[-+]?(?:[0-9]+$|0[xob])/i.test(text));
  if (!isNumber && isServiceName(text)) return text.toLowerCase();
  const hint = isNumber ? HOW_NUMBERS_ARE_WRITTEN : `${HOW_NUMBERS_ARE_WRITTEN}, ${HOW_NAMES_ARE_WRITTEN}`;
  return reader.fail(node.place, 'bad-port', `unable to parse port ${JSON.stringify(text)}; ${hint}`);
}

function readEndPort({ value }: Entry, reader: FieldReader): number | undefined {
  const text = writtenIn(value, 'endPort', reader);
  const number = text === undefined ? undefined : decimalIn(text);
  if (text === undefined || number !== undefined) return number;
  const message = `Cannot use endPort ${JSON.stringify(text)}: ${HOW_NUMBERS_ARE_WRITTEN}`;
  return reader.fail(value.place, 'bad-port', message);
}

/** As number or as text. */
function writtenIn(node: Node, field: string, reader: FieldReader): string | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'string') return node.value;
  if (node.kind === 'scalar' && typeof node.value === 'number') return node.source;
  return reader.text(node, field);
}

/** Without leading zeros. */
function decimalIn(text: string): number | undefined {
  const isDecimal = text.length <= 5 && /^(?:0|[1-9][0-9]*)$/.test(text);
  return isDecimal && Number(text) <= LAST_PORT ? Number(text) : undefined;
}

/** RFC 6335 §5.1: IANA service names, which Kubernetes takes for names of container ports. */
function isServiceName(text: string): boolean {
  return text.length <= 15 && /^[a-z0-9]+(?:-[a-z0-9]+)*$/i.test(text) && /[a-z]/i.test(text);
}
