// Objects of a cluster as kubectl would show them, short to write in tests.
import type { KubernetesObject } from '../kubernetes/api-server.ts';

export const NODE = 'worker-1';
export const DNS_SERVICE = { namespace: 'kube-system', name: 'kube-dns' };

type Labels = Record<string, string>;

export interface PodShape {
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly ips?: readonly string[];
  readonly node?: string;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  /** Seconds after some midnight. */
  readonly created?: number;
}

export function pod(name: string, shape: PodShape = {}): KubernetesObject {
  const { labels = {}, ips = ['10.0.1.7'], phase = 'Running' } = shape;
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1, 0, 0, shape.created ?? 0)).toISOString();
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: shape.namespace ?? 'shop', uid: `uid-of-${name}`, labels, creationTimestamp },
    spec: { nodeName: shape.node ?? NODE, ...(shape.hostNetwork === true && { hostNetwork: true }) },
    status: { phase, podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  };
}

export function namespace(name: string, labels: Labels = {}): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, uid: `uid-of-${name}`, labels } };
}

export function node(podCIDRs: readonly string[], name = NODE): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: `uid-of-${name}` }, spec: { podCIDRs } };
}

const DNS_PORTS = [
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'dns-tcp', port: 53, protocol: 'TCP' },
];

export function service(clusterIPs: readonly string[], ports: readonly object[] = DNS_PORTS): KubernetesObject {
  const metadata = { ...DNS_SERVICE, uid: 'uid-of-kube-dns' };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: clusterIPs[0], clusterIPs, ports } };
}

export function slice(
  name: string,
  endpoints: readonly object[],
  ports: readonly object[] = DNS_PORTS,
): KubernetesObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: DNS_SERVICE.namespace,
      uid: `uid-of-${name}`,
      labels: { 'kubernetes.io/service-name': DNS_SERVICE.name },
    },
    addressType: 'IPv4',
    endpoints,
    ports,
  };
}

/** `egress` allows the names; `selector` is matchLabels. */
export function policy(
  name: string,
  names: readonly string[],
  selector: Labels = {},
  place = 'shop',
): KubernetesObject {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: place, uid: `uid-of-${name}` },
    spec: {
      endpointSelector: { matchLabels: selector },
      egress: [{ toFQDNs: names.map((matchName) => ({ matchName })) }],
    },
  };
}

export function clusterPolicy(name: string, names: readonly string[], selector: Labels = {}): KubernetesObject {
  const { spec } = policy(name, names, selector);
  const metadata = { name, uid: `uid-of-${name}` };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata, spec };
}
