// policy.networking.k8s.io ClusterNetworkPolicy, egress: rules in an order, in two tiers.
import { takesNamedPort } from './cilium-traffic.ts';
import { isAudited, type ClusterEgress, type ClusterNetworkPolicy, type ClusterPeer } from './documents.ts';
import type { ClusterProtocol, PolicyDocument, Tier } from './documents.ts';
import { matchesDomainName } from './names.ts';
import { takesEverything, type Packet, type Place, type Rule } from './rule.ts';
import { selectsLabels, selectsNamespacedPod } from './select.ts';
import { namespaceLabels, type Pod, type World } from './world.ts';

export interface OrderedRule extends Rule {
  readonly action: ClusterEgress['action'];
  readonly isAudited: boolean;
}

/** Of the policies of the tier that select the pod, in the order in which they are asked. */
export function orderedRules(
  documents: readonly PolicyDocument[],
  tier: Tier,
  world: World,
  pod: Pod,
): readonly OrderedRule[] {
  return documents
    .filter((document) => document.kind === 'ClusterNetworkPolicy')
    .filter(({ spec }) => spec.tier === tier && isSubject(spec.subject, world, pod))
    .toSorted(byPriority)
    .flatMap((document) => (document.spec.egress ?? []).map((entry) => orderedRule(entry, document, world)));
}

function byPriority(a: ClusterNetworkPolicy, b: ClusterNetworkPolicy): number {
  if (a.spec.priority !== b.spec.priority) return a.spec.priority - b.spec.priority;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function isSubject({ namespaces, pods }: ClusterNetworkPolicy['spec']['subject'], world: World, pod: Pod): boolean {
  if (namespaces !== undefined) return selectsLabels(namespaces, namespaceLabels(world, pod.namespace));
  return pods !== undefined && selectsNamespacedPod(pods, pod, world);
}

function orderedRule(
  { action, to, protocols }: ClusterEgress,
  document: ClusterNetworkPolicy,
  world: World,
): OrderedRule {
  return {
    action,
    isAudited: isAudited(document),
    places: to.flatMap((peer) => placesOf(peer, world)),
    takes:
      protocols === undefined ? takesEverything : (packet) => protocols.some((each) => takesProtocol(each, packet)),
  };
}

function placesOf({ namespaces, pods, nodes, networks, domainNames }: ClusterPeer, world: World): Place[] {
  if (namespaces !== undefined) {
    const selects = (pod: { namespace: string }): boolean =>
      selectsLabels(namespaces, namespaceLabels(world, pod.namespace));
    return [{ kind: 'pods', selects }];
  }
  if (pods !== undefined) return [{ kind: 'pods', selects: (pod) => selectsNamespacedPod(pods, pod, world) }];
  if (nodes !== undefined) return [{ kind: 'nodes', selects: (node) => selectsLabels(nodes, node.labels) }];
  if (networks !== undefined) return networks.map((cidr) => ({ kind: 'range', cidr, except: [] }));
  if (domainNames === undefined) throw new Error('A peer of a ClusterNetworkPolicy without a kind');
  const selects = (labels: readonly string[]): boolean => domainNames.some((each) => matchesDomainName(each, labels));
  return [{ kind: 'names', selects, answerRanges: [] }];
}

function takesProtocol({ tcp, udp, sctp, destinationNamedPort }: ClusterProtocol, packet: Packet): boolean {
  if (destinationNamedPort !== undefined) return takesNamedPort(destinationNamedPort, packet);
  const match = { tcp, udp, sctp }[String(packet.protocol)];
  if (match === undefined) return false;
  const { number, range } = match.destinationPort;
  if (range !== undefined) return range.start <= packet.port && packet.port <= range.end;
  return number === packet.port;
}
