// What policies are compiled for: the pods that they may select, and whatever else they may name. Pure data; sources fill it.
import type { Node, Pod, Service } from '../pods/pod.ts';
import type { LabelRequirement, PodSelector } from './policy.ts';
import { selects } from './select.ts';

export interface World {
  readonly pods: readonly Pod[];
  /** `pods` are all that there are. Else a selector of destinations opens nothing, and one that is denied denies every destination. */
  readonly knowsAllPods: boolean;
  /** Undefined: not known. Then whoever names some opens nothing, and denies every destination. */
  readonly nodes: readonly Node[] | undefined;
  readonly services: readonly Service[] | undefined;
  /** Canonical text: whom pods ask, which is us. */
  readonly dnsServers: readonly string[];
  /** They are pods of the cluster, behind a Service: for Cilium no CIDR means them. */
  readonly areDnsServersInside: boolean;
  /** Labels of the namespace that the cluster's DNS is in, beside its name; undefined: none are known. */
  readonly dnsNamespaceLabels?: Readonly<Record<string, string>>;
  /** CIDRs and addresses that no range opens that is not wholly inside one of them. */
  readonly protectedRanges: readonly string[];
}

export const EMPTY_WORLD: World = {
  pods: [],
  knowsAllPods: false,
  nodes: undefined,
  services: undefined,
  dnsServers: [],
  areDnsServersInside: false,
  protectedRanges: [],
};

/** Stands for the pods of the cluster's DNS, which need not be among those that are known. */
export const DNS_POD: Pod = {
  uid: '',
  namespace: 'kube-system',
  name: 'kube-dns',
  labels: { 'k8s-app': 'kube-dns' },
  namespaceLabels: { 'kubernetes.io/metadata.name': 'kube-system' },
  addresses: [],
  ports: [
    { name: 'dns', port: 53, protocol: 'udp' },
    { name: 'dns-tcp', port: 53, protocol: 'tcp' },
  ],
};

/** Nodes have labels, and neither namespace nor namespace labels. */
export function selectsNode(requirements: readonly LabelRequirement[], { name, labels }: Node): boolean {
  return selects({ requirements }, { uid: '', namespace: '', name, labels, addresses: [] });
}

export interface ServicePeer {
  readonly namespace?: string;
  readonly name?: string;
  readonly requirements: readonly LabelRequirement[];
}

export function selectsService({ namespace, name, requirements }: ServicePeer, service: Service): boolean {
  if (name !== undefined && name !== service.name) return false;
  const selector: PodSelector = namespace === undefined ? { requirements } : { namespace, requirements };
  return selects(selector, { uid: '', ...service });
}

/** The pods that it sends to, as a selector of them; undefined for one that lists addresses. */
export function podsOfService({ namespace, selector }: Service): PodSelector | undefined {
  if (selector === undefined) return undefined;
  const requirements = Object.entries(selector).map(([key, value]): LabelRequirement => ({
    subject: { kind: 'label', key },
    operator: 'In',
    values: [value],
  }));
  return { namespace, requirements };
}
