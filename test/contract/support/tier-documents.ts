// Policies of all dialects for the pod payments/checkout, in a few words each.

interface About {
  readonly name?: string;
  readonly isAudited?: true;
}

const AUDIT = 'annotations: { namewall.io/mode: audit }, ';

export function admin(priority: number, rules: string, about: About = {}): string {
  return clusterPolicy({ tier: 'Admin', priority, rules, ...about });
}

export function baseline(rules: string, about: About = {}): string {
  return clusterPolicy({ tier: 'Baseline', priority: 100, rules, ...about });
}

interface ClusterPolicy extends About {
  readonly tier: string;
  readonly priority: number;
  readonly rules: string;
}

function clusterPolicy({ tier, priority, rules, name = `${tier}-${priority}`, isAudited }: ClusterPolicy): string {
  return `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { ${isAudited ? AUDIT : ''}name: ${name.toLowerCase()} }
spec:
  tier: ${tier}
  priority: ${priority}
  subject: { namespaces: { matchLabels: { team: money } } }
  egress: [${rules.replaceAll('\n', '\n    ')}]
`;
}

export function networkPolicy(rules: string, { name = 'network', isAudited }: About = {}): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { ${isAudited ? AUDIT : ''}name: ${name}, namespace: payments }
spec: { podSelector: {}, policyTypes: [Egress], egress: [${rules}] }
`;
}

export function cilium(lists: string, { isAudited }: About = {}): string {
  return `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { ${isAudited ? AUDIT : ''}name: cilium, namespace: payments }
spec: { endpointSelector: { matchLabels: { app: checkout } }, ${lists} }
`;
}

export const DENY_ALL = '{ action: Deny, to: [{ networks: ["0.0.0.0/0", "::/0"] }] }';
export const FIRST_NETS = '[{ networks: [192.0.2.0/24, "2001:db8:9::/64"] }]';
export const SECOND_NETS = '[{ networks: [198.51.100.0/24, "2001:db8:a::/64"] }]';
export const HTTPS = '[{ tcp: { destinationPort: { number: 443 } } }]';
