// What a clients file lists beside clients, for policies that name it: labels of namespaces, nodes, Services. None of it is judged.
import type { MapNode, Node as YamlNode } from '../../../policy/dialects/document.ts';
import { isDnsLabel, isDnsSubdomain } from '../../../policy/dialects/kubernetes-names.ts';
import { NAMESPACE_NAME_LABEL } from '../../../policy/dialects/kubernetes-selectors.ts';
import type { Node, Pod, Service } from '../../pod.ts';
import { NAMESPACE_RULE, NAME_RULE, type EntryReader } from './entries.ts';

const NAMESPACE = { what: 'a namespace', known: ['name', 'labels'] };
const NODE = { what: 'a node', known: ['name', 'labels', 'addresses', 'local'] };
const SERVICE = { what: 'a service', known: ['namespace', 'name', 'labels', 'selector', 'addresses'] };
const NODE_ADDRESSES = {
  what: 'a node',
  example: '192.0.2.1',
  instead: 'a node is known by its addresses; write one, or remove the node',
};
const SERVICE_ADDRESSES = {
  what: 'a service',
  example: '192.0.2.9',
  instead: 'a service without pods has addresses; write one, or remove the service',
};
const IS_LABEL = { isValid: isDnsLabel, rule: NAMESPACE_RULE };
const IS_NAME = { isValid: isDnsSubdomain, rule: NAME_RULE };

type Labels = NonNullable<Pod['namespaceLabels']>;

/** By name, what is listed of them. */
export function readNamespaces(file: MapNode, entries: EntryReader): ReadonlyMap<string, Labels> {
  const found = new Map<string, Labels>();
  for (const item of entries.items(file, 'namespaces')) {
    const map = entries.fields.map(item, NAMESPACE);
    if (map === undefined) continue;
    const nameEntry = entries.fields.required(map, 'name', NAMESPACE.what, 'name: shop');
    const name = nameEntry && entries.checked(map, 'name', IS_LABEL);
    const labels = entries.labels(map);
    if (nameEntry === undefined || name === undefined || !entries.once('namespace', name, nameEntry.value)) continue;
    const own = labels[NAMESPACE_NAME_LABEL];
    if (own !== undefined && own !== name) {
      const message = `Remove label "${NAMESPACE_NAME_LABEL}": it is always the namespace's own name, "${name}"`;
      entries.fields.fail(map.entries.get('labels')?.value.place ?? map.place, 'bad-label', message);
    }
    found.set(name, labels);
  }
  return found;
}

/** Known of every namespace: the label that Kubernetes sets, and what is listed. */
export function namespaceLabels(namespace: string, listed: ReadonlyMap<string, Labels>): Labels {
  return { ...listed.get(namespace), [NAMESPACE_NAME_LABEL]: namespace };
}

export function readNodes(file: MapNode, entries: EntryReader): Node[] {
  let local: string | undefined;
  return entries.items(file, 'nodes').flatMap((item) => {
    const map = entries.fields.map(item, NODE);
    if (map === undefined) return [];
    const nameEntry = entries.fields.required(map, 'name', NODE.what, 'name: node-1');
    const name = nameEntry && entries.checked(map, 'name', IS_NAME);
    const labels = entries.labels(map);
    const addresses = entries.addresses(map, NODE_ADDRESSES);
    const localEntry = map.entries.get('local');
    const isLocal = localEntry !== undefined && entries.fields.flag(localEntry.value, 'local') === true;
    if (localEntry !== undefined && isLocal) {
      if (local !== undefined) {
        const message = `Remove "local": the node at ${local} is the one that namewall runs on`;
        entries.fields.fail(localEntry.place, 'duplicate-local', message);
      }
      local ??= map.place.at;
    }
    if (nameEntry === undefined || name === undefined || !entries.once('node', name, nameEntry.value)) return [];
    return [{ name, labels, addresses, isLocal }];
  });
}

export function readServices(file: MapNode, entries: EntryReader): Service[] {
  return entries.items(file, 'services').flatMap((item) => readService(item, entries) ?? []);
}

function readService(item: YamlNode, entries: EntryReader): Service | undefined {
  const map = entries.fields.map(item, SERVICE);
  if (map === undefined) return undefined;
  const namespace = map.entries.has('namespace') ? entries.checked(map, 'namespace', IS_LABEL) : 'default';
  const nameEntry = entries.fields.required(map, 'name', SERVICE.what, 'name: db');
  const name = nameEntry && entries.checked(map, 'name', IS_LABEL);
  const labels = entries.labels(map);
  const behind = readBehind(map, item.place.at, entries);
  if (nameEntry === undefined || namespace === undefined || name === undefined || behind === undefined)
    return undefined;
  if (!entries.once('service', `${namespace}/${name}`, nameEntry.value)) return undefined;
  return { namespace, name, labels, ...behind };
}

/** `scope` is the service: two of them may lead to the same address. */
function readBehind(
  map: MapNode,
  scope: string,
  entries: EntryReader,
): Pick<Service, 'selector' | 'addresses'> | undefined {
  const selector = map.entries.get('selector');
  const listed = map.entries.get('addresses');
  if (selector !== undefined && listed !== undefined) {
    const message = 'Remove "addresses": those of the pods that "selector" selects are known';
    return entries.fields.fail(listed.place, 'bad-value', message);
  }
  if (selector === undefined && listed === undefined) {
    const message = 'Add "selector" or "addresses" to a service: write selector: {app: db} for its pods';
    return entries.fields.fail(map.place, 'missing-field', message);
  }
  if (selector === undefined) return { addresses: entries.addresses(map, SERVICE_ADDRESSES, scope) };
  const labels = entries.labels(map, 'selector');
  if (selector.value.kind === 'map' && selector.value.entries.size === 0) {
    const message = 'Cannot use an empty selector: in Kubernetes it selects no pod; list addresses instead';
    return entries.fields.fail(selector.value.place, 'bad-value', message);
  }
  return { selector: labels, addresses: [] };
}
