// Random documents of the two standards of Kubernetes.
import * as fc from 'fast-check';
import type { ClusterEgress, ClusterNetworkPolicy, ClusterPeer, ClusterProtocol, NetworkPolicy } from './documents.ts';
import type { NetworkPolicyEgress, NetworkPolicyPeer, NetworkPolicyPort, PortMatch } from './documents.ts';
import { annotations, CIDRS, DOMAIN_NAMES, exceptedRange, NAMESPACE_LABELS, NAMESPACES } from './generate-parts.ts';
import { NODE_LABELS, POD_LABELS, PORT_NAMES, portSpan, selector } from './generate-parts.ts';

const podSelector = selector(POD_LABELS);
const namespaceSelector = selector({ ...NAMESPACE_LABELS, 'kubernetes.io/metadata.name': NAMESPACES });

const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ ipBlock: exceptedRange(CIDRS) }),
  fc.record({ podSelector }),
  fc.record({ namespaceSelector }),
  fc.record({ podSelector, namespaceSelector }),
);

const protocol = fc.constantFrom('TCP' as const, 'UDP', 'SCTP');
const port: fc.Arbitrary<NetworkPolicyPort> = fc
  .tuple(
    fc.record({ protocol }, { requiredKeys: [] }),
    fc.oneof(
      { weight: 4, arbitrary: portSpan },
      { weight: 2, arbitrary: fc.record({ port: fc.constantFrom(...PORT_NAMES) }) },
      fc.constant({}),
    ),
  )
  .map(([head, rest]) => ({ ...head, ...rest }));

const entry: fc.Arbitrary<NetworkPolicyEgress> = fc.record(
  { to: fc.array(peer, { maxLength: 2 }), ports: fc.array(port, { maxLength: 2 }) },
  { requiredKeys: [] },
);

export const networkPolicies: fc.Arbitrary<NetworkPolicy> = fc
  .tuple(
    fc.constantFrom('shop', 'shop', 'data', undefined),
    annotations(),
    fc.record(
      {
        podSelector,
        policyTypes: fc.constantFrom<('Ingress' | 'Egress')[][]>(
          ['Egress'],
          ['Egress'],
          ['Ingress', 'Egress'],
          ['Ingress'],
        ),
        ingress: fc.constant([{}]),
        egress: fc.array(entry, { maxLength: 3 }),
      },
      { requiredKeys: ['podSelector'] },
    ),
  )
  // Refused: Kubernetes takes it for no policy about egress, and its author hardly does.
  .filter(([, , { egress, policyTypes }]) => egress?.length !== 0 || policyTypes !== undefined)
  .map(([namespace, more, spec]) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p', ...(namespace !== undefined && { namespace }), ...more },
    spec,
  }));

const subjectPods = fc.record({ namespaceSelector, podSelector });
const podPeer: fc.Arbitrary<ClusterPeer> = fc.oneof(
  fc.record({ namespaces: namespaceSelector }),
  fc.record({ pods: subjectPods }),
);
const networks: fc.Arbitrary<ClusterPeer> = fc.record({
  networks: fc.uniqueArray(fc.constantFrom(...CIDRS), { minLength: 1, maxLength: 3 }),
});
const nodes: fc.Arbitrary<ClusterPeer> = fc.record({ nodes: selector(NODE_LABELS) });
const domainNames: fc.Arbitrary<ClusterPeer> = fc.record({
  domainNames: fc.uniqueArray(fc.constantFrom(...DOMAIN_NAMES), { minLength: 1, maxLength: 2 }),
});

const portMatch: fc.Arbitrary<PortMatch> = portSpan.map(({ port: number, endPort }) => ({
  destinationPort: endPort === undefined ? { number } : { range: { start: number, end: endPort } },
}));
const numbered: fc.Arbitrary<ClusterProtocol> = fc
  .tuple(fc.constantFrom('tcp', 'tcp', 'udp', 'sctp'), portMatch)
  .map(([name, match]) => ({ [name]: match }));
const named: fc.Arbitrary<ClusterProtocol> = fc.record({ destinationNamedPort: fc.constantFrom(...PORT_NAMES) });

const everybody: fc.Arbitrary<ClusterPeer> = fc.constant({ networks: ['0.0.0.0/0', '::/0'] });

const rule: fc.Arbitrary<ClusterEgress> = fc.oneof(
  ruleOf(fc.constantFrom('Accept' as const, 'Deny', 'Pass'), podPeer, fc.oneof(numbered, named)),
  {
    weight: 2,
    arbitrary: ruleOf(
      fc.constantFrom('Accept' as const, 'Deny', 'Deny', 'Pass'),
      fc.oneof(podPeer, nodes, { weight: 3, arbitrary: networks }),
      numbered,
    ),
  },
  {
    weight: 2,
    arbitrary: ruleOf(
      fc.constant('Accept' as const),
      fc.oneof({ weight: 3, arbitrary: domainNames }, networks, podPeer),
      numbered,
    ),
  },
  { weight: 2, arbitrary: ruleOf(fc.constantFrom('Deny' as const, 'Deny', 'Pass'), everybody, numbered) },
);

function ruleOf(
  action: fc.Arbitrary<ClusterEgress['action']>,
  peers: fc.Arbitrary<ClusterPeer>,
  protocols: fc.Arbitrary<ClusterProtocol>,
): fc.Arbitrary<ClusterEgress> {
  return fc.record(
    {
      name: fc.constant('a rule'),
      action,
      to: fc.array(peers, { minLength: 1, maxLength: 2 }),
      protocols: fc.array(protocols, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: ['action', 'to'] },
  );
}

export const clusterNetworkPolicies: fc.Arbitrary<ClusterNetworkPolicy> = fc
  .tuple(
    annotations(),
    fc.record(
      {
        tier: fc.constantFrom('Admin' as const, 'Admin', 'Baseline'),
        priority: fc.constantFrom(0, 9, 10, 10, 1000),
        subject: fc.oneof(fc.record({ namespaces: namespaceSelector }), fc.record({ pods: subjectPods })),
        ingress: fc.constant([{ action: 'Accept', from: [{ namespaces: {} }] }]),
        egress: fc.array(rule, { minLength: 1, maxLength: 4 }),
      },
      { requiredKeys: ['tier', 'priority', 'subject', 'egress'] },
    ),
  )
  .map(([more, spec]) => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'p', ...more },
    spec,
  }));
