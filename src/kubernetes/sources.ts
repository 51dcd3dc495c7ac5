// The table of what is read of the cluster: nothing else is ever asked for, and nothing is written. RBAC in deploy/ grants exactly this.
import {
  keepEndpointSlice,
  keepNamespace,
  keepNode,
  keepPod,
  keepPolicy,
  keepService,
  type Keep,
  type KubernetesObject,
} from './objects.ts';

interface Kind<T extends KubernetesObject> {
  /** Empty for the core API. */
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  /** Read in the namespace of the DNS Service alone: a Role there is enough. */
  readonly isOfDnsService: boolean;
  /** A CRD that may not be installed: then there are no objects. */
  readonly mayBeMissing: boolean;
  readonly keep: Keep<T>;
}

/** One kind, and which of its objects. */
export interface Source<T extends KubernetesObject> extends Kind<T> {
  readonly path: string;
  readonly selector: Readonly<Record<string, string>>;
}

const VERBS = ['list', 'watch'];
const CORE = { group: '', version: 'v1', verbs: VERBS, isOfDnsService: false, mayBeMissing: false };
const CILIUM = { group: 'cilium.io', version: 'v2', verbs: VERBS, isOfDnsService: false, mayBeMissing: true };
const DISCOVERY = { ...CORE, group: 'discovery.k8s.io', isOfDnsService: true };

const PODS = { ...CORE, resource: 'pods', keep: keepPod };
const NAMESPACES = { ...CORE, resource: 'namespaces', keep: keepNamespace };
const NODES = { ...CORE, resource: 'nodes', keep: keepNode };
const SERVICES = { ...CORE, resource: 'services', isOfDnsService: true, keep: keepService };
const SLICES = { ...DISCOVERY, resource: 'endpointslices', keep: keepEndpointSlice };
const POLICIES = {
  ...CILIUM,
  resource: 'ciliumnetworkpolicies',
  keep: keepPolicy('cilium.io/v2', 'CiliumNetworkPolicy'),
};
const CLUSTER_POLICIES = {
  ...CILIUM,
  resource: 'ciliumclusterwidenetworkpolicies',
  keep: keepPolicy('cilium.io/v2', 'CiliumClusterwideNetworkPolicy'),
};

export const SOURCES: readonly Omit<Kind<KubernetesObject>, 'keep'>[] = [
  PODS,
  NAMESPACES,
  NODES,
  SERVICES,
  SLICES,
  POLICIES,
  CLUSTER_POLICIES,
];

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

/** The sources of one node's agent, by the name that ClusterObjects gives them. */
export function sourcesOf(nodeName: string, { namespace, name }: ServiceName) {
  return {
    pods: source(PODS, { fieldSelector: `spec.nodeName=${nodeName}` }),
    namespaces: source(NAMESPACES, {}),
    nodes: source(NODES, { fieldSelector: `metadata.name=${nodeName}` }),
    services: source(SERVICES, { fieldSelector: `metadata.name=${name}` }, namespace),
    slices: source(SLICES, { labelSelector: `kubernetes.io/service-name=${name}` }, namespace),
    policies: source(POLICIES, {}),
    clusterPolicies: source(CLUSTER_POLICIES, {}),
  };
}

function source<T extends KubernetesObject>(
  kind: Kind<T>,
  selector: Record<string, string>,
  namespace?: string,
): Source<T> {
  const api = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const place = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return { ...kind, path: `${api}${place}/${kind.resource}`, selector };
}
