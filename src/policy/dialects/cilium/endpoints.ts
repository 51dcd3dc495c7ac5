// toEndpoints: pods as destinations, the cluster's DNS among them, which stands for the configured DNS servers. Where pods come from the
// API server only those of this node are known, so other selectors are refused there: an allow would work on some nodes, a denial fail on some.
import type { Peer, PodSelector } from '../../policy.ts';
import type { Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import type { Scope } from './scope.ts';
import { isClusterDns, readDestinationSelector } from './selectors.ts';

export interface ReadEndpoints {
  readonly to: readonly Peer[];
  /** All of them are the cluster's DNS. */
  readonly isClusterDns: boolean;
}

export function readEndpoints(node: Node, { namespace }: Scope, reader: FieldReader): ReadEndpoints {
  const instead = 'it selects nothing; list at least one, or remove the rule';
  const items = reader.fullList(node, 'toEndpoints', instead) ?? [];
  const selectors = items.flatMap((item): PodSelector[] => {
    const selector = readDestinationSelector(item, namespace, reader);
    if (selector === undefined) return [];
    if (!isClusterDns(selector) && !reader.knowsAllPods) refuseInCluster(item, reader);
    return [selector];
  });
  return {
    to: selectors.map((selector) => ({ kind: 'pods', selector })),
    isClusterDns: selectors.length > 0 && selectors.every(isClusterDns),
  };
}

function refuseInCluster({ place }: Node, reader: FieldReader): void {
  const message =
    'Cannot enforce this toEndpoints selector: the pods of other nodes are not known; only the cluster DNS is supported in a cluster, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns';
  reader.fail(place, 'not-supported', message);
}
