// The documents as `yaml` parses them: the fields that mean something here. They are taken as valid; what is refused is not in these types.

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface NameSelector {
  readonly matchName?: string;
  readonly matchPattern?: string;
}

export interface CiliumPort {
  readonly port: string | number;
  readonly endPort?: number;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP' | 'ANY';
}

export interface ToPorts {
  readonly ports: readonly CiliumPort[];
  readonly rules?: { readonly dns: readonly NameSelector[] };
}

export interface IcmpField {
  readonly family?: 'IPv4' | 'IPv6';
  readonly type: string | number;
}

export interface ToService {
  readonly k8sService?: { readonly serviceName: string; readonly namespace?: string };
  readonly k8sServiceSelector?: { readonly selector: LabelSelector; readonly namespace?: string };
}

/** An item of `egress`, or of `egressDeny`, which has neither names nor rules. One kind of destination at most. */
export interface CiliumEgress {
  readonly toFQDNs?: readonly NameSelector[];
  readonly toEndpoints?: readonly LabelSelector[];
  readonly toCIDR?: readonly string[];
  readonly toCIDRSet?: readonly { readonly cidr: string; readonly except?: readonly string[] }[];
  readonly toEntities?: readonly string[];
  readonly toServices?: readonly ToService[];
  readonly toNodes?: readonly LabelSelector[];
  readonly toPorts?: readonly ToPorts[];
  readonly icmps?: readonly { readonly fields: readonly IcmpField[] }[];
}

export interface CiliumRule {
  readonly endpointSelector: LabelSelector;
  readonly egress?: readonly CiliumEgress[];
  readonly egressDeny?: readonly CiliumEgress[];
  readonly ingress?: readonly unknown[];
  readonly enableDefaultDeny?: { readonly egress?: boolean; readonly ingress?: boolean };
}

export interface CiliumPolicy {
  readonly apiVersion: 'cilium.io/v2';
  readonly kind: 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy';
  readonly metadata: Metadata;
  readonly spec?: CiliumRule;
  readonly specs?: readonly CiliumRule[];
}

export interface NetworkPolicyPeer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
}

export interface NetworkPolicyPort {
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly port?: number | string;
  readonly endPort?: number;
}

export interface NetworkPolicyEgress {
  readonly to?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface NetworkPolicy {
  readonly apiVersion: 'networking.k8s.io/v1';
  readonly kind: 'NetworkPolicy';
  readonly metadata: Metadata;
  readonly spec: {
    readonly podSelector: LabelSelector;
    readonly policyTypes?: readonly ('Ingress' | 'Egress')[];
    readonly ingress?: readonly unknown[];
    readonly egress?: readonly NetworkPolicyEgress[];
  };
}

export interface ClusterPods {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

/** One of these. */
export interface ClusterPeer {
  readonly namespaces?: LabelSelector;
  readonly pods?: ClusterPods;
  readonly nodes?: LabelSelector;
  readonly networks?: readonly string[];
  readonly domainNames?: readonly string[];
}

export interface PortMatch {
  readonly destinationPort: {
    readonly number?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
}

/** One of these. */
export interface ClusterProtocol {
  readonly tcp?: PortMatch;
  readonly udp?: PortMatch;
  readonly sctp?: PortMatch;
  readonly destinationNamedPort?: string;
}

export interface ClusterEgress {
  readonly name?: string;
  readonly action: 'Accept' | 'Deny' | 'Pass';
  readonly to: readonly ClusterPeer[];
  readonly protocols?: readonly ClusterProtocol[];
}

export type Tier = 'Admin' | 'Baseline';

export interface ClusterNetworkPolicy {
  readonly apiVersion: 'policy.networking.k8s.io/v1alpha2';
  readonly kind: 'ClusterNetworkPolicy';
  readonly metadata: Metadata;
  readonly spec: {
    readonly tier: Tier;
    readonly priority: number;
    readonly subject: { readonly namespaces?: LabelSelector; readonly pods?: ClusterPods };
    readonly ingress?: readonly unknown[];
    readonly egress?: readonly ClusterEgress[];
  };
}

export type PolicyDocument = CiliumPolicy | NetworkPolicy | ClusterNetworkPolicy;

export function isAudited({ metadata }: PolicyDocument): boolean {
  return metadata.annotations?.['namewall.io/mode'] === 'audit';
}
