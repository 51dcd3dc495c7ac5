// Random documents of Cilium that namewall takes.
import * as fc from 'fast-check';
import type { CiliumEgress, CiliumPolicy, CiliumPort, CiliumRule, LabelSelector, ToPorts } from './documents.ts';
import { clusterDns, destination, filtered, icmps, joined, list, namedPort, names } from './generate-cilium-parts.ts';
import {
  numericPort,
  OF_ALL,
  OF_NAMESPACES,
  plainPorts,
  port53,
  services,
  withSources,
} from './generate-cilium-parts.ts';
import { annotations, CIDRS, exceptedRange, NODE_LABELS, POD_LABELS, selector } from './generate-parts.ts';

/** Some with bits behind the prefix, which Cilium ignores. */
const CILIUM_CIDRS = [...CIDRS, '192.0.2.77/25', '2001:db8:f::f/125'];
const ENTITIES = ['all', 'world', 'world-ipv4', 'world-ipv6', 'host', 'remote-node', 'cluster', 'none'];

const peers: fc.Arbitrary<CiliumEgress> = fc.oneof(
  fc.record({ toCIDR: list(fc.constantFrom(...CILIUM_CIDRS), 2) }),
  fc.record({ toCIDRSet: list(exceptedRange(CILIUM_CIDRS), 2) }),
  fc.record({ toEntities: fc.uniqueArray(fc.constantFrom(...ENTITIES), { minLength: 1, maxLength: 2 }) }),
  fc.record({ toNodes: list(selector(NODE_LABELS), 2) }),
);
/** Of these a named port may be one. */
const podPeers: fc.Arbitrary<CiliumEgress> = fc.oneof(
  fc.record({ toEndpoints: list(destination, 2) }),
  fc.record({ toServices: list(services, 2) }),
);

const anyPort = fc.oneof({ weight: 3, arbitrary: numericPort }, namedPort);
const addresses: fc.Arbitrary<CiliumEgress> = fc.oneof(
  { weight: 4, arbitrary: joined(peers, traffic(numericPort)) },
  { weight: 2, arbitrary: joined(podPeers, traffic(anyPort)) },
  fc.record({ toPorts: plainPorts(anyPort) }),
  fc.record({ icmps }),
);

function traffic(port: fc.Arbitrary<CiliumPort>): fc.Arbitrary<CiliumEgress> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 3, arbitrary: fc.record({ toPorts: plainPorts(port) }) },
    fc.record({ icmps }),
  );
}

const egress: fc.Arbitrary<CiliumEgress> = fc.oneof(
  fc.constant({}),
  { weight: 5, arbitrary: addresses },
  { weight: 3, arbitrary: joined(fc.record({ toFQDNs: list(names, 2) }), toPorts(plainPorts(numericPort))) },
  {
    weight: 1,
    arbitrary: fc.record({ toPorts: list(fc.oneof(filtered, fc.record({ ports: list(numericPort, 2) })), 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      toEndpoints: list(clusterDns, 1),
      toPorts: list(fc.oneof(filtered, fc.record({ ports: list(port53, 1) })), 2),
    }),
  },
);
const egressDeny: fc.Arbitrary<CiliumEgress> = fc.oneof(
  { weight: 9, arbitrary: addresses },
  joined(fc.record({ toEndpoints: list(clusterDns, 1) }), toPorts(plainPorts(numericPort))),
);

function toPorts(items: fc.Arbitrary<ToPorts[]>): fc.Arbitrary<CiliumEgress> {
  return fc.record({ toPorts: items }, { requiredKeys: [] });
}

function ruleFor(endpointSelector: fc.Arbitrary<LabelSelector>): fc.Arbitrary<CiliumRule> {
  const defaults = fc.record({ egress: fc.boolean(), ingress: fc.boolean() }, { requiredKeys: [] });
  return fc
    .tuple(
      fc.record({ endpointSelector }),
      oneIn(1, list(egress, 3)),
      oneIn(2, list(egressDeny, 2)),
      oneIn(6, fc.constant([{ fromEndpoints: [{}] }])),
      oneIn(3, defaults),
    )
    .map(([head, allowed, denied, ingress, enableDefaultDeny]) => ({
      ...head,
      ...(allowed && { egress: allowed }),
      ...(denied && { egressDeny: denied }),
      ...(ingress && { ingress }),
      ...(enableDefaultDeny && { enableDefaultDeny }),
    }))
    .filter((rule) => 'egress' in rule || 'egressDeny' in rule || 'ingress' in rule);
}

function policy(kind: CiliumPolicy['kind'], namespace: string | undefined): fc.Arbitrary<CiliumPolicy> {
  const own = { ...POD_LABELS, ...OF_NAMESPACES };
  const rule = ruleFor(
    withSources(
      fc.oneof({ weight: 3, arbitrary: selector(POD_LABELS) }, selector(namespace === undefined ? OF_ALL : own)),
    ),
  );
  const specs = fc.oneof(
    { weight: 4, arbitrary: fc.record({ spec: rule }) },
    fc.record({ specs: list(rule, 2) }),
    fc.record({ spec: rule, specs: list(rule, 2) }),
  );
  const metadata = annotations({ 'namewall.io/allow-answer-ranges': '10.20.0.0/16, 2001:db8:f::/64' });
  return fc.tuple(metadata, specs).map(([more, spec]) => ({
    apiVersion: 'cilium.io/v2',
    kind,
    metadata: { name: 'p', ...(namespace !== undefined && { namespace }), ...more },
    ...spec,
  }));
}

export const ciliumDocuments: fc.Arbitrary<CiliumPolicy> = fc.oneof(
  { weight: 3, arbitrary: policy('CiliumNetworkPolicy', 'shop') },
  policy('CiliumNetworkPolicy', 'data'),
  policy('CiliumNetworkPolicy', 'kube-system'),
  { weight: 2, arbitrary: policy('CiliumClusterwideNetworkPolicy', undefined) },
);

/** Several sets of ports in each, of which pods have some in common. */
export const documentsOfNames: fc.Arbitrary<CiliumPolicy> = fc
  .record({
    endpointSelector: selector({ app: POD_LABELS.app }),
    egress: list(fc.record({ toFQDNs: list(names, 1), toPorts: plainPorts(numericPort) }), 3),
  })
  .map((spec) => ({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec,
  }));

/** Seldom none, for 1; else none as often as the number says. */
function oneIn<T>(often: number, some: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: often, arbitrary: fc.constant(undefined) },
    { weight: often === 1 ? 6 : 2, arbitrary: some },
  );
}
