// Random worlds: the same few addresses, with other owners, labels and roles.
import * as fc from 'fast-check';
import {
  labels,
  NAMED_PORTS,
  NAMESPACE_LABELS,
  NAMESPACES,
  NODE_LABELS,
  POD_LABELS,
  SERVICE_LABELS,
} from './generate-parts.ts';
import type { Pod, Service, World } from './world.ts';

const POD_ADDRESSES = [
  ['10.1.0.1', '2001:db8:1::1'],
  ['10.1.0.2'],
  ['10.1.0.3', '2001:db8:1::3'],
  ['2001:db8:1::4'],
  // One of SERVERS: a pod that is asked, although not the cluster's DNS.
  ['10.1.0.5', '192.0.2.53'],
];
const DNS_POD_ADDRESSES = ['10.1.0.53', '2001:db8:1::53'];
export const HOST_ADDRESSES = ['10.9.0.1', '2001:db8:9::1'];
/** Of the node, too, but of no list of addresses. */
export const BRIDGE_ADDRESS = '10.1.0.254';
const NODES = [
  { name: 'n1', addresses: HOST_ADDRESSES, isLocal: true },
  { name: 'n2', addresses: ['10.9.0.2'], isLocal: false },
  { name: 'n3', addresses: ['10.9.0.3', '2001:db8:9::3'], isLocal: false },
];
const SERVERS = ['10.96.0.10', '2001:db8:96::a', '192.0.2.53', '10.1.0.53', '10.9.0.2', '169.254.20.10'];
const SERVICE_ADDRESSES = ['192.0.2.20', '10.20.3.4', '2001:db8:f::9', '10.9.0.1'];
export const SERVICE_NAMES = ['cache', 'gate'];

/** Everything that has an owner here. */
export const OWNED_ADDRESSES: readonly string[] = [
  ...POD_ADDRESSES.flat(),
  ...DNS_POD_ADDRESSES,
  BRIDGE_ADDRESS,
  ...NODES.flatMap(({ addresses }) => addresses),
  ...SERVERS,
  ...SERVICE_ADDRESSES,
];

const ports = fc.uniqueArray(fc.constantFrom(...NAMED_PORTS), { maxLength: 3, selector: ({ name }) => name });

function podAt(addresses: readonly string[], i: number): fc.Arbitrary<Pod> {
  return fc.record(
    {
      namespace: fc.constantFrom('shop', 'shop', 'data', 'default'),
      name: fc.constant(`pod-${i}`),
      labels: labels({ app: POD_LABELS.app, tier: POD_LABELS.tier }),
      addresses: fc.constant(addresses),
      ports,
    },
    { requiredKeys: ['namespace', 'name', 'labels', 'addresses'] },
  );
}

const dnsPod: fc.Arbitrary<Pod> = fc.record(
  {
    namespace: fc.constant('kube-system'),
    name: fc.constant('dns'),
    labels: fc.oneof({ weight: 3, arbitrary: fc.constant({ 'k8s-app': 'kube-dns' }) }, labels(POD_LABELS)),
    addresses: fc.constant(DNS_POD_ADDRESSES),
    ports,
  },
  { requiredKeys: ['namespace', 'name', 'labels', 'addresses'] },
);

const pods: fc.Arbitrary<readonly Pod[]> = fc
  .tuple(
    podAt(POD_ADDRESSES[0] ?? [], 0),
    ...POD_ADDRESSES.slice(1).map((addresses, i) => fc.option(podAt(addresses, i + 1), { nil: undefined })),
    fc.option(dnsPod, { nil: undefined }),
  )
  .map((all) => all.filter((pod) => pod !== undefined));

/** Where one of them lives now, with what it is now: labels, ports, and one of its addresses or another one. */
export const otherPods: fc.Arbitrary<Pod> = fc.oneof(
  ...POD_ADDRESSES.map((addresses, i) =>
    fc
      .constantFrom(
        addresses,
        addresses,
        addresses.slice(0, 1),
        [`10.1.0.${i + 65}`],
        [`10.1.0.${i + 65}`, ...addresses],
      )
      .chain((some) => podAt(some, i)),
  ),
  dnsPod,
);
export const POD_NAMES: readonly string[] = [...POD_ADDRESSES.map((_, i) => `pod-${i}`), 'dns'];

const service: fc.Arbitrary<Service> = fc
  .tuple(
    fc.record({
      namespace: fc.constantFrom(...NAMESPACES),
      name: fc.constantFrom(...SERVICE_NAMES),
      labels: labels(SERVICE_LABELS),
    }),
    fc.oneof(
      fc.record({
        selector: fc.constantFrom<Readonly<Record<string, string>>[]>(
          { app: 'web' },
          { tier: 'a' },
          { 'k8s-app': 'kube-dns' },
        ),
      }),
      fc.record({ addresses: fc.subarray(SERVICE_ADDRESSES, { minLength: 1 }) }),
    ),
  )
  .map(([head, backends]) => ({ ...head, ...backends }));

/** Every namespace that a pod may live in is listed: whether one that is not has labels is another question. */
const namespaces = fc
  .tuple(...NAMESPACES.map((name) => labels(NAMESPACE_LABELS).map((each) => ({ name, labels: each }))))
  .map((all) => [...all]);

const nodes = fc
  .tuple(
    ...NODES.map((node) =>
      fc.option(
        labels(NODE_LABELS).map((each) => ({ ...node, labels: each })),
        { nil: undefined },
      ),
    ),
  )
  .map((all) => all.filter((node) => node !== undefined));

export const worlds: fc.Arbitrary<World> = fc.record({
  pods,
  namespaces,
  nodes,
  services: fc.uniqueArray(service, { maxLength: 3, selector: ({ namespace, name }) => `${namespace}/${name}` }),
  dnsServers: fc.subarray(SERVERS, { maxLength: 3 }),
  protectedRanges: fc.record({
    // The true list is longer (kernel/protected.ts); no address of the others is ever drawn.
    everywhere: fc.constant([
      '0.0.0.0/8',
      '127.0.0.0/8',
      '169.254.0.0/16',
      '224.0.0.0/4',
      '240.0.0.0/4',
      '::/96',
      'fe80::/10',
    ]),
    cluster: fc.subarray(['10.96.0.0/16', '10.9.0.0/24', '2001:db8:96::/48', '10.1.0.0/24']),
    configured: fc.subarray(['10.20.0.0/16', '198.51.100.64/26', '2001:db8:f::/48']),
  }),
});
