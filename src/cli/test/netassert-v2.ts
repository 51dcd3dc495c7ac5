// netassert's second format: a list of tests, each with a source and a destination in the cluster. Read more strictly than netassert
// reads it: a key that nobody knows is a slip, and a slip in an assertion is one that never fails.
import type { Entry, ListNode, MapNode, Node } from '../../policy/dialects/document.ts';
import type { FieldReader } from '../../policy/dialects/fields.ts';
import { WORKLOAD_KINDS, type Check, type TestCase, type Workload, type Target } from './case.ts';
import { integer, nameOrAddress, PORTS, word } from './field-values.ts';
import { readDnsChecks } from './x-dns.ts';

const CONNECT_FIELDS = ['dst', 'targetPort', 'protocol', 'exitCode'];
/** What netassert parses for its own reports; ignored. */
const RESULT_FIELDS = ['pass', 'failureReason'];
const TEST_FIELDS = ['name', 'type', 'src', ...CONNECT_FIELDS, 'timeoutSeconds', 'attempts', 'x-dns', ...RESULT_FIELDS];
const MAX_TIMEOUT_SECONDS = 3600;
const MAX_ATTEMPTS = 1000;

export function readV2(list: ListNode, reader: FieldReader, defaultTimeoutMs: number): TestCase[] {
  return list.items.flatMap((item) => readTest(item, reader, defaultTimeoutMs) ?? []);
}

function readTest(node: Node, reader: FieldReader, defaultTimeoutMs: number): TestCase | undefined {
  const map = reader.map(withoutExtensions(node, reader), { what: 'a test', known: TEST_FIELDS });
  if (map === undefined) return undefined;
  const name = readName(map, reader);
  const type = reader.required(map, 'type', 'a test', 'type: k8s');
  if (type !== undefined) word(reader, type.value, 'type', ['k8s']);
  const source = readSource(map, reader);
  const timeoutSeconds = unsetAtZero(map, 'timeoutSeconds', MAX_TIMEOUT_SECONDS, reader);
  const attempts = unsetAtZero(map, 'attempts', MAX_ATTEMPTS, reader) ?? 3;
  const checks = readChecks(map, reader);
  if (name === undefined || source === undefined || checks.length === 0) return undefined;
  const timeoutMs = timeoutSeconds === undefined ? defaultTimeoutMs : timeoutSeconds * 1000;
  return { name, at: map.place.at, source, checks, attempts, timeoutMs };
}

/** `x-` is where other programs put theirs; one that we do not know may be an assertion that we would not make. */
function withoutExtensions(node: Node, reader: FieldReader): Node {
  if (node.kind !== 'map') return node;
  const isForeign = (key: string): boolean => key.startsWith('x-') && key !== 'x-dns';
  for (const [key, { place }] of node.entries) {
    if (!isForeign(key)) continue;
    reader.fail(place, 'unknown-extension', `Remove ${JSON.stringify(key)}: unknown extension; there is "x-dns" alone`);
  }
  return { ...node, entries: new Map([...node.entries].filter(([key]) => !isForeign(key))) };
}

function readName(map: MapNode, reader: FieldReader): string | undefined {
  const entry = reader.required(map, 'name', 'a test', 'name: cart-can-reach-api');
  const name = entry && reader.text(entry.value, 'name');
  if (entry === undefined || name === undefined || isOneLine(name)) return name;
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(name)} as name: write one line`);
}

function readSource(map: MapNode, reader: FieldReader): Workload | undefined {
  const example = 'src: {k8sResource: {kind: deployment, name: cart, namespace: shop}}';
  const entry = reader.required(map, 'src', 'a test', example);
  const source = entry && reader.map(entry.value, { what: 'src', known: ['k8sResource'] });
  const resource = source && reader.required(source, 'k8sResource', 'src', example);
  return resource && readWorkload(resource.value, reader);
}

function readWorkload(node: Node, reader: FieldReader): Workload | undefined {
  const map = reader.map(node, { what: 'k8sResource', known: ['kind', 'name', 'namespace'] });
  if (map === undefined) return undefined;
  const field = (key: string, example: string): Entry | undefined => reader.required(map, key, 'k8sResource', example);
  const kindEntry = field('kind', 'kind: deployment');
  const nameEntry = field('name', 'name: cart');
  const namespaceEntry = field('namespace', 'namespace: shop');
  const kind = kindEntry && word(reader, kindEntry.value, 'kind', WORKLOAD_KINDS);
  const name = nameEntry && reader.text(nameEntry.value, 'name');
  const namespace = namespaceEntry && reader.text(namespaceEntry.value, 'namespace');
  if (kind === undefined || name === undefined || namespace === undefined) return undefined;
  return { kind, namespace, name };
}

function readChecks(map: MapNode, reader: FieldReader): Check[] {
  const dns = map.entries.get('x-dns');
  const asks = dns === undefined ? [] : readDnsChecks(reader, dns.value);
  const isConnecting = CONNECT_FIELDS.some((key) => map.entries.has(key));
  return isConnecting || dns === undefined ? [...asks, ...readConnect(map, reader)] : asks;
}

function readConnect(map: MapNode, reader: FieldReader): Check[] {
  const portEntry = reader.required(map, 'targetPort', 'a test', 'targetPort: 443');
  const port = portEntry && integer(reader, portEntry.value, 'targetPort', PORTS);
  const protocolEntry = map.entries.get('protocol');
  const protocol = protocolEntry === undefined ? 'tcp' : word(reader, protocolEntry.value, 'protocol', ['tcp', 'udp']);
  const exitEntry = map.entries.get('exitCode');
  const exitCode = exitEntry === undefined ? 0 : integer(reader, exitEntry.value, 'exitCode', { least: 0, most: 255 });
  const to = readDestination(map, protocol, reader);
  if (port === undefined || protocol === undefined || exitCode === undefined || to === undefined) return [];
  return [{ kind: 'connect', to, protocol, port, expect: exitCode === 0 ? 'allowed' : 'blocked' }];
}

function readDestination(map: MapNode, protocol: string | undefined, reader: FieldReader): Target | undefined {
  const entry = reader.required(map, 'dst', 'a test', 'dst: {host: {name: api.example.org}}');
  const dst = entry && reader.map(entry.value, { what: 'dst', known: ['host', 'k8sResource'] });
  if (dst === undefined) return undefined;
  const host = dst.entries.get('host');
  const resource = dst.entries.get('k8sResource');
  if (host !== undefined && resource !== undefined) {
    return reader.fail(dst.place, 'bad-value', 'Remove host or k8sResource: dst has one of them');
  }
  if (resource !== undefined) return readWorkload(resource.value, reader);
  if (host === undefined) {
    return reader.fail(dst.place, 'missing-field', 'Add host or k8sResource to dst: without one nothing is tested');
  }
  if (protocol === 'udp') {
    const why = 'whether a datagram arrived is seen only where a listener can be put';
    return reader.fail(host.place, 'bad-value', `Write k8sResource instead of host with protocol udp: ${why}`);
  }
  const hostMap = reader.map(host.value, { what: 'host', known: ['name'] });
  const nameEntry = hostMap && reader.required(hostMap, 'name', 'host', 'name: api.example.org');
  const name = nameEntry && reader.text(nameEntry.value, 'name');
  return nameEntry && name !== undefined ? nameOrAddress(reader, nameEntry.value.place, name) : undefined;
}

/** TAP is made of lines. */
function isOneLine(text: string): boolean {
  return text !== '' && Array.from(text).every((character) => character >= ' ' && character !== '\u007f');
}

/** netassert takes 0 for "as if it were not there". */
function unsetAtZero(map: MapNode, key: string, most: number, reader: FieldReader): number | undefined {
  const entry = map.entries.get(key);
  const value = entry && integer(reader, entry.value, key, { least: 0, most });
  return value === 0 ? undefined : value;
}
