// The one table of what the stand-in serves. A resource that is not in it does not exist.

export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural in the path, which names the resource everywhere in the stand-in. */
  readonly resource: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
  /** Of a CustomResourceDefinition: it can be missing, and the items of its lists say their kind. */
  readonly isCustom: boolean;
  /** What a field selector may name; anything else is refused. */
  readonly fields: readonly string[];
}

const NAME = ['metadata.name'];
const NAMES = ['metadata.name', 'metadata.namespace'];

// Selectable fields: kubernetes/kubernetes pkg/apis/core/v1/conversion.go. A field with a default (spec.hostNetwork, spec.type …) is left
// out where the stand-in, which sets no defaults, would match it wrongly.
const POD_FIELDS = [...NAMES, 'spec.nodeName', 'status.phase', 'status.podIP', 'status.nominatedNodeName'];
const EVENT_FIELDS = [
  ...NAMES,
  ...['kind', 'namespace', 'name', 'uid', 'apiVersion'].map((field) => `involvedObject.${field}`),
  'reason',
  'type',
];

export const RESOURCES: readonly Resource[] = [
  builtIn('', 'v1', 'pods', 'Pod', POD_FIELDS),
  cluster(builtIn('', 'v1', 'namespaces', 'Namespace', [...NAME, 'status.phase'])),
  cluster(builtIn('', 'v1', 'nodes', 'Node', NAME)),
  builtIn('', 'v1', 'services', 'Service', [...NAMES, 'spec.clusterIP']),
  builtIn('', 'v1', 'events', 'Event', EVENT_FIELDS),
  builtIn('apps', 'v1', 'daemonsets', 'DaemonSet', NAMES),
  builtIn('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice', NAMES),
  builtIn('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy', NAMES),
  custom(builtIn('cilium.io', 'v2', 'ciliumnetworkpolicies', 'CiliumNetworkPolicy', NAMES)),
  custom(
    cluster(builtIn('cilium.io', 'v2', 'ciliumclusterwidenetworkpolicies', 'CiliumClusterwideNetworkPolicy', NAME)),
  ),
  custom(
    cluster(builtIn('policy.networking.k8s.io', 'v1alpha2', 'clusternetworkpolicies', 'ClusterNetworkPolicy', NAME)),
  ),
];

export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** For the tests' own calls: throws when the table has no such kind. */
export function resourceOfKind(kind: string): Resource {
  const resource = RESOURCES.find((each) => each.kind === kind);
  if (resource === undefined)
    throw new Error(`Cannot find kind "${kind}": add it to test/kubernetes/api-server/resources.ts`);
  return resource;
}

function builtIn(group: string, version: string, resource: string, kind: string, fields: readonly string[]): Resource {
  return { group, version, resource, kind, isNamespaced: true, isCustom: false, fields };
}

function cluster(resource: Resource): Resource {
  return { ...resource, isNamespaced: false };
}

function custom(resource: Resource): Resource {
  return { ...resource, isCustom: true };
}
