// toServices: Services by name, or by their labels. The Service of the cluster's DNS stands for the configured DNS servers, as its pods do.
import type { Peer } from '../../policy.ts';
import { DNS_POD } from '../../world.ts';
import type { MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { isDnsLabel } from '../kubernetes-names.ts';
import { readLabelSelector } from '../label-selectors.ts';
import { plainLabels } from './plain-labels.ts';

const ITEM_FIELDS = { what: 'an item of toServices', known: ['k8sService', 'k8sServiceSelector'] };
const NAME_FIELDS = { what: 'k8sService', known: ['serviceName', 'namespace'] };
const SELECTOR_FIELDS = { what: 'k8sServiceSelector', known: ['selector', 'namespace'] };
const NAME_EXAMPLE = 'serviceName: my-service';
const DNS_SERVICES = ['kube-dns', 'coredns'];
const readServiceLabel = plainLabels('Services', []);

type ServicePeer = Extract<Peer, { kind: 'services' }>;

/** What stands for the pods of the cluster's DNS: their Service need not be among those that are known. */
const DNS_PODS: Peer = {
  kind: 'pods',
  selector: {
    namespace: DNS_POD.namespace,
    requirements: Object.entries(DNS_POD.labels).map(([key, value]) => ({
      subject: { kind: 'label', key },
      operator: 'In',
      values: [value],
    })),
  },
};

export interface ReadServices {
  readonly to: readonly Peer[];
  /** All of them are the cluster's DNS. */
  readonly isClusterDns: boolean;
}

export function readServices(node: Node, reader: FieldReader): ReadServices {
  const instead = 'it selects nothing; list at least one, or remove the rule';
  const items = reader.fullList(node, 'toServices', instead) ?? [];
  const peers = items.flatMap((item) => {
    const peer = readService(item, reader);
    if (peer !== undefined && !isDnsService(peer) && !reader.knowsAllPods) refuseInCluster(item, reader);
    return peer ?? [];
  });
  const to = peers.flatMap((peer) => (isDnsService(peer) ? [peer, DNS_PODS] : [peer]));
  return { to, isClusterDns: peers.length > 0 && peers.every(isDnsService) };
}

function isDnsService({ namespace, name }: ServicePeer): boolean {
  return namespace === DNS_POD.namespace && DNS_SERVICES.some((each) => each === name);
}

function refuseInCluster({ place }: Node, reader: FieldReader): void {
  const message =
    'Cannot enforce toServices: the pods of other nodes are not known; only the cluster DNS is supported in a cluster, as k8sService {serviceName: kube-dns, namespace: kube-system}';
  reader.fail(place, 'not-supported', message);
}

function readService(node: Node, reader: FieldReader): ServicePeer | undefined {
  const map = reader.map(node, ITEM_FIELDS);
  if (map === undefined) return undefined;
  const byName = map.entries.get('k8sService');
  const byLabels = map.entries.get('k8sServiceSelector');
  if (byName !== undefined && byLabels !== undefined) {
    const message = 'Remove "k8sService": Cilium does not look at it beside k8sServiceSelector; write two items';
    return reader.fail(byName.place, 'bad-rule', message);
  }
  if (byName !== undefined) return readByName(byName.value, reader);
  if (byLabels !== undefined) return readByLabels(byLabels.value, reader);
  if (map.entries.size > 0) return undefined; // a misspelt field, reported above
  const message = 'Add k8sService or k8sServiceSelector to an item of toServices: without them it selects nothing';
  return reader.fail(map.place, 'missing-field', message);
}

function readByName(node: Node, reader: FieldReader): ServicePeer | undefined {
  const map = reader.map(node, NAME_FIELDS);
  const entry = map && reader.required(map, 'serviceName', NAME_FIELDS.what, NAME_EXAMPLE);
  const name = entry && readLabel(entry.value, 'serviceName', reader);
  const namespace = map && readNamespace(map, reader);
  return name === undefined ? undefined : { kind: 'services', ...namespace, name, requirements: [] };
}

function readByLabels(node: Node, reader: FieldReader): ServicePeer | undefined {
  const map = reader.map(node, SELECTOR_FIELDS);
  const entry = map && reader.required(map, 'selector', SELECTOR_FIELDS.what, 'selector: {matchLabels: {app: web}}');
  const parts = entry && readLabelSelector(entry.value, 'a Service selector', readServiceLabel, reader);
  const namespace = map && readNamespace(map, reader);
  return parts && { kind: 'services', ...namespace, requirements: parts.map(({ requirement }) => requirement) };
}

/** Left out or empty: every namespace, as in Cilium, whatever the policy's own is. */
function readNamespace(map: MapNode, reader: FieldReader): { readonly namespace?: string } {
  const entry = map.entries.get('namespace');
  if (entry === undefined || (entry.value.kind === 'scalar' && entry.value.value === '')) return {};
  const namespace = readLabel(entry.value, 'namespace', reader);
  return namespace === undefined ? {} : { namespace };
}

function readLabel(node: Node, field: string, reader: FieldReader): string | undefined {
  const text = reader.text(node, field);
  if (text === undefined || isDnsLabel(text)) return text;
  const rule = 'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit';
  return reader.fail(node.place, 'bad-value', `Cannot use ${JSON.stringify(text)} as ${field}: ${rule}`);
}
