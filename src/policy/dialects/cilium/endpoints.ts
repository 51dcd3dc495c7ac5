// toEndpoints: pods as destinations, and the cluster's DNS, which stands for the configured DNS servers. Where pods come from the API server
// only those of this node are known, so other selectors are refused there: an allow would work on some nodes, a denial fail on some.
import type { Traffic } from '../../compiled.ts';
import type { EgressRule, Peer, PodSelector } from '../../policy.ts';
import { takesPort } from '../../ports.ts';
import { selects } from '../../select.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readDnsServerItem } from './asking.ts';
import { isClusterDns, readDestinationSelector } from './selectors.ts';
import { readToPorts, readTraffic } from './traffic.ts';

const DNS_PORT = 53;
const NAMES_BESIDE_PODS =
  'Cannot filter what these pods are asked: only the cluster DNS is proxied, written as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns';
const DNS_POD = { uid: '', namespace: 'kube-system', name: '', labels: { 'k8s-app': 'kube-dns' }, addresses: [] };

interface Selected {
  readonly node: Node;
  readonly selector: PodSelector;
}

export function readEndpoints(
  map: MapNode,
  toEndpoints: Entry,
  namespace: string | undefined,
  reader: FieldReader,
): EgressRule[] {
  const selected = readSelectors(toEndpoints.value, namespace, reader);
  const dns = selected.filter(({ selector }) => isClusterDns(selector));
  if (selected.length === 0) return [];
  if (dns.length === selected.length) return readClusterDns(map, reader);
  for (const { node } of dns) {
    const message =
      'Cannot take the cluster DNS beside other pods: it stands for the DNS servers; write two egress rules';
    reader.fail(node.place, 'bad-rule', message);
  }
  refuseUnknown(selected, reader);
  const traffic = readTraffic(map, NAMES_BESIDE_PODS, reader);
  if (traffic === undefined) return [];
  return [{ kind: 'reach', verdict: 'allow', to: selected.map(podsOf), traffic, at: map.place.at }];
}

/** The configured DNS servers answer queries before the kernel's rules see them: a denial that includes them would not hold. */
export function readEndpointsDenied(
  toEndpoints: Entry,
  traffic: Traffic,
  namespace: string | undefined,
  reader: FieldReader,
): Peer[] {
  const selected = readSelectors(toEndpoints.value, namespace, reader);
  const isDns = takesPort(traffic, 'udp', DNS_PORT) || takesPort(traffic, 'tcp', DNS_PORT);
  for (const { node } of isDns ? selected.filter(includesDns) : []) {
    const message =
      'Cannot deny the cluster DNS: the names of toFQDNs may always be asked; leave rules.dns out, or deny port "53" without toEndpoints';
    reader.fail(node.place, 'not-supported', message);
  }
  refuseUnknown(selected, reader);
  return selected.map(podsOf);
}

function readSelectors(node: Node, namespace: string | undefined, reader: FieldReader): Selected[] {
  const instead = 'it selects nothing; list at least one, or remove the rule';
  const items = reader.fullList(node, 'toEndpoints', instead) ?? [];
  return items.flatMap((item) => {
    const selector = readDestinationSelector(item, namespace, reader);
    return selector === undefined ? [] : [{ node: item, selector }];
  });
}

function readClusterDns(map: MapNode, reader: FieldReader): EgressRule[] {
  const toPorts = map.entries.get('toPorts');
  const icmps = map.entries.get('icmps');
  if (icmps !== undefined) {
    reader.fail(icmps.place, 'not-supported', 'Remove "icmps": of the cluster DNS only port "53" is supported yet');
  }
  if (toPorts !== undefined)
    return readToPorts(toPorts.value, reader).flatMap((item) => readDnsServerItem(item, reader));
  const message =
    'Add "toPorts" with port "53" to this egress rule: only DNS to the cluster DNS is supported yet, not all of its ports';
  return reader.fail(map.place, 'missing-field', message) ?? [];
}

/** Labels of namespaces are known where pods come from the API server, which tells a node of its own pods alone. */
function refuseUnknown(selected: readonly Selected[], reader: FieldReader): void {
  if (reader.podKnowledge === 'own-labels') return;
  for (const { node } of selected.filter(({ selector }) => !isClusterDns(selector))) {
    const message =
      'Cannot enforce this toEndpoints selector: the pods of other nodes are not known; only the cluster DNS is supported in a cluster, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns';
    reader.fail(node.place, 'not-supported', message);
  }
}

function podsOf({ selector }: Selected): Peer {
  return { kind: 'pods', selector };
}

function includesDns({ selector }: Selected): boolean {
  return selects(selector, DNS_POD);
}
