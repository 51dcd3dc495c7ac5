// Parts of Cilium's documents: names, ports, types, selectors, Services.
import * as fc from 'fast-check';
import type { CiliumPort, IcmpField, LabelSelector, NameSelector, ToPorts, ToService } from './documents.ts';
import { MATCH_NAMES, MATCH_PATTERNS, NAMESPACE_LABELS, NAMESPACES, POD_LABELS, PORT_NAMES } from './generate-parts.ts';
import { portSpan, selector, SERVICE_LABELS } from './generate-parts.ts';
import { SERVICE_NAMES } from './generate-world.ts';

const NAMESPACE_KEY = 'io.kubernetes.pod.namespace';
const PREFIXES = ['', 'k8s:', 'any:'];

export const names: fc.Arbitrary<NameSelector> = fc.oneof(
  fc.constantFrom(...MATCH_NAMES).map((matchName) => ({ matchName })),
  fc.constantFrom(...MATCH_PATTERNS).map((matchPattern) => ({ matchPattern })),
);

const protocol = fc.constantFrom('TCP' as const, 'UDP', 'SCTP', 'ANY');
export const numericPort: fc.Arbitrary<CiliumPort> = fc
  .tuple(fc.oneof({ weight: 5, arbitrary: portSpan }, fc.constant({ port: 0 })), fc.boolean(), protocols())
  .map(([span, isText, more]) => ({ ...span, ...more, port: isText ? String(span.port) : span.port }));
export const namedPort: fc.Arbitrary<CiliumPort> = fc
  .tuple(fc.constantFrom(...PORT_NAMES), protocols())
  .map(([port, more]) => ({ port, ...more }));

function protocols(): fc.Arbitrary<{ protocol?: 'TCP' | 'UDP' | 'SCTP' | 'ANY' }> {
  return fc.oneof(fc.constant({}), fc.record({ protocol }));
}

export function plainPorts(port: fc.Arbitrary<CiliumPort>): fc.Arbitrary<ToPorts[]> {
  return fc.array(fc.record({ ports: list(port, 2) }), { minLength: 1, maxLength: 2 });
}

export const port53: fc.Arbitrary<CiliumPort> = fc.record(
  { port: fc.constantFrom('53', 53), protocol: fc.constantFrom('TCP', 'UDP', 'ANY') },
  { requiredKeys: ['port'] },
);
export const filtered: fc.Arbitrary<ToPorts> = fc.record({
  ports: list(port53, 2),
  rules: fc.record({ dns: fc.array(names, { maxLength: 2 }) }),
});

const icmp: fc.Arbitrary<IcmpField> = fc.oneof(
  fc.record(
    {
      family: fc.constantFrom('IPv4', 'IPv6'),
      type: fc.constantFrom<(string | number)[]>(0, 8, '53', 128, 'EchoRequest', 'TimeExceeded'),
    },
    { requiredKeys: ['type'] },
  ),
);
export const icmps = list(fc.record({ fields: list(icmp, 2) }), 1);

/** Keys with or without a source, and what Cilium makes labels of the namespace. */
export function withSources(plain: fc.Arbitrary<LabelSelector>): fc.Arbitrary<LabelSelector> {
  return fc.tuple(plain, fc.constantFrom(...PREFIXES)).map(([{ matchLabels, matchExpressions }, prefix]) => ({
    ...(matchLabels && {
      matchLabels: Object.fromEntries(Object.entries(matchLabels).map(([key, value]) => [prefix + key, value])),
    }),
    ...(matchExpressions && {
      matchExpressions: matchExpressions.map((each) => ({ ...each, key: prefix + each.key })),
    }),
  }));
}

export const OF_NAMESPACES = Object.fromEntries(
  Object.entries(NAMESPACE_LABELS).map(([key, values]) => [`io.cilium.k8s.namespace.labels.${key}`, values]),
);
export const OF_ALL = { ...POD_LABELS, ...OF_NAMESPACES, [NAMESPACE_KEY]: [...NAMESPACES] };

export const clusterDns: fc.Arbitrary<LabelSelector> = fc.constantFrom<LabelSelector[]>(
  { matchLabels: { 'k8s-app': 'kube-dns', [NAMESPACE_KEY]: 'kube-system' } },
  {
    matchLabels: { [`k8s:${NAMESPACE_KEY}`]: 'kube-system' },
    matchExpressions: [{ key: 'k8s:k8s-app', operator: 'In', values: ['kube-dns'] }],
  },
);
/** Never the cluster's DNS alone, which is another kind of rule. */
export const destination = withSources(fc.oneof(selector(POD_LABELS), selector(OF_ALL))).filter(
  ({ matchLabels = {}, matchExpressions = [] }) =>
    ![...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)].some((key) => key.endsWith('k8s-app')),
);

export const services: fc.Arbitrary<ToService> = fc.oneof(
  fc.record({
    k8sService: fc.record(
      { serviceName: fc.constantFrom(...SERVICE_NAMES), namespace: fc.constantFrom(...NAMESPACES) },
      { requiredKeys: ['serviceName'] },
    ),
  }),
  fc.record({
    k8sServiceSelector: fc.record(
      { selector: selector(SERVICE_LABELS), namespace: fc.constantFrom(...NAMESPACES) },
      { requiredKeys: ['selector'] },
    ),
  }),
);

export function list<T>(item: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> {
  return fc.array(item, { minLength: 1, maxLength });
}

export function joined<A, B>(a: fc.Arbitrary<A>, b: fc.Arbitrary<B>): fc.Arbitrary<A & B> {
  return fc.tuple(a, b).map(([one, other]) => ({ ...one, ...other }));
}
