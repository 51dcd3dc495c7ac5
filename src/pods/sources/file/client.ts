// One item of `clients`: who has which addresses, and whose they are not.
import type { MapNode, Node } from '../../../policy/dialects/document.ts';
import { isDnsLabel, isDnsSubdomain } from '../../../policy/dialects/kubernetes-names.ts';
import { isPortName, PORT_NAME_RULE, readPortNumber, readProtocol } from '../../../policy/dialects/port-fields.ts';
import type { NamedContainerPort, Pod } from '../../pod.ts';
import { NAMESPACE_RULE, NAME_RULE, type EntryReader } from './entries.ts';

const MAX_INTERFACE = 15; // IFNAMSIZ less the final NUL
const MAX_UID = 253;
const CLIENT = {
  what: 'a client',
  known: ['namespace', 'name', 'labels', 'addresses', 'interface', 'mac', 'uid', 'ports'],
};
const ADDRESSES = {
  what: 'a client',
  example: '192.0.2.7',
  instead: 'a client is known by its addresses; write one, or remove the client',
};
const PORT = { what: "a client's port", known: ['name', 'port', 'protocol'] };

const NAMESPACE = { isValid: isDnsLabel, rule: NAMESPACE_RULE };
const NAME = { isValid: isDnsSubdomain, rule: NAME_RULE };
const INTERFACE = {
  isValid: isInterfaceName,
  rule: `1 to ${MAX_INTERFACE} of a-z, A-Z, 0-9, "-", "_", ".", "@", "+"`,
};
const MAC = {
  isValid: (text: string) => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text),
  rule: 'six pairs of hexadecimal digits, such as 02:00:00:00:00:07',
};
const UID = {
  isValid: (text: string) => text !== '' && text.length <= MAX_UID,
  rule: `1 to ${MAX_UID} characters`,
};

/** The labels of its namespace are somebody else's to add. */
export function readClient(node: Node, entries: EntryReader): Pod | undefined {
  const map = entries.fields.map(node, CLIENT);
  if (map === undefined) return undefined;
  const namespace = map.entries.has('namespace') ? entries.checked(map, 'namespace', NAMESPACE) : 'default';
  const nameEntry = entries.fields.required(map, 'name', 'a client', 'name: web');
  const name = nameEntry && entries.checked(map, 'name', NAME);
  const labels = entries.labels(map);
  const addresses = entries.addresses(map, ADDRESSES);
  const link = entries.checked(map, 'interface', INTERFACE);
  const mac = entries.checked(map, 'mac', MAC);
  const givenUid = entries.checked(map, 'uid', UID);
  const ports = readPorts(map, entries);
  if (nameEntry === undefined || namespace === undefined || name === undefined) return undefined;
  const isNew = entries.once('client', `${namespace}/${name}`, nameEntry.value);
  const uid = givenUid ?? `${namespace}/${name}`;
  if (isNew) entries.once('uid', uid, map.entries.get('uid')?.value ?? nameEntry.value);
  return {
    uid,
    namespace,
    name,
    labels,
    addresses,
    ...(link === undefined ? {} : { interface: link }),
    ...(ports.length === 0 ? {} : { ports }),
    ...(mac === undefined ? {} : { mac: mac.toLowerCase() }),
  };
}

function readPorts(map: MapNode, entries: EntryReader): NamedContainerPort[] {
  const names = new Set<string>();
  return entries.items(map, 'ports').flatMap((item) => {
    const port = readPort(item, entries);
    if (port === undefined) return [];
    const key = `${port.name}/${port.protocol}`;
    if (!names.has(key)) {
      names.add(key);
      return [port];
    }
    const message = `Remove or change port "${port.name}": the client has it already for ${port.protocol.toUpperCase()}`;
    return entries.fields.fail(item.place, 'duplicate-port', message) ?? [];
  });
}

function readPort(node: Node, entries: EntryReader): NamedContainerPort | undefined {
  const map = entries.fields.map(node, PORT);
  if (map === undefined) return undefined;
  const nameEntry = entries.fields.required(map, 'name', PORT.what, 'name: https');
  const name = nameEntry && entries.checked(map, 'name', { isValid: isPortName, rule: PORT_NAME_RULE });
  const portEntry = entries.fields.required(map, 'port', PORT.what, 'port: 8443');
  const port = portEntry && readPortNumber(portEntry.value, 'port', entries.fields);
  const protocol = readProtocol(map, entries.fields);
  if (name === undefined || port === undefined || protocol === undefined) return undefined;
  return { name, port, protocol };
}

/** What the kernel's dev_valid_name accepts, in ASCII; a quote could otherwise end the text of an nft rule. */
function isInterfaceName(text: string): boolean {
  return text.length <= MAX_INTERFACE && text !== '.' && text !== '..' && /^[-A-Za-z0-9_.@+]+$/.test(text);
}
