// icmps: types of ICMP and ICMPv6 messages, as numbers or by the names that Cilium gives them. The same name is another number in the other
// family.
import type { IcmpType } from '../../compiled.ts';
import { quote } from '../../name-syntax.ts';
import type { MapNode, Node } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

const MAX_FIELDS = 40; // Cilium: maxICMPFields
const LAST_TYPE = 255;
const FIELD = 'an item of fields';

// IANA: ICMP Type Numbers.
const NAMES4: Readonly<Record<string, number>> = {
  EchoReply: 0,
  DestinationUnreachable: 3,
  Redirect: 5,
  Echo: 8,
  EchoRequest: 8,
  RouterAdvertisement: 9,
  RouterSelection: 10,
  TimeExceeded: 11,
  ParameterProblem: 12,
  Timestamp: 13,
  TimestampReply: 14,
  Photuris: 40,
  ExtendedEchoRequest: 42,
  ExtendedEchoReply: 43,
};
// IANA: ICMPv6 "type" Numbers.
const NAMES6: Readonly<Record<string, number>> = {
  DestinationUnreachable: 1,
  PacketTooBig: 2,
  TimeExceeded: 3,
  ParameterProblem: 4,
  EchoRequest: 128,
  EchoReply: 129,
  MulticastListenerQuery: 130,
  MulticastListenerReport: 131,
  MulticastListenerDone: 132,
  RouterSolicitation: 133,
  RouterAdvertisement: 134,
  NeighborSolicitation: 135,
  NeighborAdvertisement: 136,
  RedirectMessage: 137,
  RouterRenumbering: 138,
  ICMPNodeInformationQuery: 139,
  ICMPNodeInformationResponse: 140,
  InverseNeighborDiscoverySolicitation: 141,
  InverseNeighborDiscoveryAdvertisement: 142,
  HomeAgentAddressDiscoveryRequest: 144,
  HomeAgentAddressDiscoveryReply: 145,
  MobilePrefixSolicitation: 146,
  MobilePrefixAdvertisement: 147,
  DuplicateAddressRequestCodeSuffix: 157,
  DuplicateAddressConfirmationCodeSuffix: 158,
  ExtendedEchoRequest: 160,
  ExtendedEchoReply: 161,
};
const FAMILIES = { IPv4: { family: 4, names: NAMES4 }, IPv6: { family: 6, names: NAMES6 } } as const;

export function readIcmps(node: Node, reader: FieldReader): IcmpType[] {
  const items = reader.fullList(node, 'icmps', 'it selects no message; remove it if every protocol is meant') ?? [];
  return items.flatMap((item) => {
    const map = reader.map(item, { what: 'an item of icmps', known: ['fields'] });
    const entry = map && reader.required(map, 'fields', 'an item of icmps', 'fields: [{type: EchoRequest}]');
    return entry === undefined ? [] : readFields(entry.value, reader);
  });
}

function readFields(node: Node, reader: FieldReader): IcmpType[] {
  const items = reader.fullList(node, 'fields', 'it selects no message; list types') ?? [];
  if (items.length > MAX_FIELDS) {
    const message = `too many types, the max is ${MAX_FIELDS}; ${items.length} are listed: split the entry`;
    reader.fail(node.place, 'bad-icmp', message);
  }
  return items.flatMap((item) => readField(item, reader) ?? []);
}

function readField(node: Node, reader: FieldReader): IcmpType | undefined {
  const map = reader.map(node, { what: FIELD, known: ['family', 'type'] });
  const family = map && readFamily(map, reader);
  const entry = map && reader.required(map, 'type', FIELD, 'type: EchoRequest');
  if (family === undefined || entry === undefined) return undefined;
  const type = readType(entry.value, family, reader);
  return type === undefined ? undefined : { family: FAMILIES[family].family, type };
}

function readFamily(map: MapNode, reader: FieldReader): keyof typeof FAMILIES | undefined {
  const entry = map.entries.get('family');
  if (entry === undefined) return 'IPv4';
  const text = reader.text(entry.value, 'family');
  if (text === undefined || text === 'IPv4' || text === 'IPv6') return text;
  return reader.fail(entry.value.place, 'bad-icmp', `wrong family: ${quote(text)}; write IPv4 or IPv6`);
}

/** As number or as text; a leading zero is refused, as it is in ports. */
function readType(node: Node, family: keyof typeof FAMILIES, reader: FieldReader): number | undefined {
  const written = node.kind === 'scalar' ? node.value : undefined;
  if (node.kind !== 'scalar' || (typeof written !== 'string' && typeof written !== 'number')) {
    reader.text(node, 'type');
    return undefined;
  }
  const text = typeof written === 'string' ? written : node.source;
  if (/^(?:0|[1-9][0-9]{0,2})$/.test(text) && Number(text) <= LAST_TYPE) return Number(text);
  const { names } = FAMILIES[family];
  if (Object.hasOwn(names, text)) return names[text];
  const near = nearest(text, Object.keys(names));
  const hint = near === undefined ? `write a number from 0 to ${LAST_TYPE}` : `did you mean "${near}"?`;
  return reader.fail(node.place, 'bad-icmp', `Cannot use ICMP type ${quote(text)} of ${family}: ${hint}`);
}
