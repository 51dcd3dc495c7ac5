// One small world for tables, and questions in one line: `tcp 192.0.2.1 443 example.org` (of shop/web, the names that it resolved to that
// address), `icmp 192.0.2.1 8`, `tcp host:10.1.0.254 80` (an address of the node that no list has), `ask udp example.org`.
import { parseAllDocuments } from 'yaml';
import { isSameAddress } from './addresses.ts';
import type { PolicyDocument } from './documents.ts';
import { ask, connect, type Verdict } from './reference.ts';
import type { Destination, Pod, World } from './world.ts';

export const WORLD: World = {
  pods: [
    { namespace: 'shop', name: 'web', labels: { app: 'web' }, addresses: ['10.1.0.1', '2001:db8:1::1'] },
    {
      namespace: 'shop',
      name: 'db',
      labels: { app: 'db' },
      addresses: ['10.1.0.2', '2001:db8:1::2'],
      ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    },
    {
      namespace: 'data',
      name: 'cache',
      labels: { app: 'cache', tier: 'a' },
      addresses: ['10.1.0.3'],
      ports: [
        { name: 'sql', port: 6432, protocol: 'TCP' },
        { name: 'stats', port: 8125, protocol: 'UDP' },
      ],
    },
    { namespace: 'data', name: 'db', labels: { app: 'db' }, addresses: ['10.1.0.4'] },
    {
      namespace: 'kube-system',
      name: 'dns',
      labels: { 'k8s-app': 'kube-dns' },
      addresses: ['10.1.0.53'],
      ports: [{ name: 'dns', port: 53, protocol: 'UDP' }],
    },
  ],
  namespaces: [
    { name: 'shop', labels: { team: 'a' } },
    { name: 'data', labels: { team: 'b' } },
    { name: 'kube-system', labels: { team: 'ops' } },
  ],
  nodes: [
    { name: 'n1', labels: { zone: 'a' }, addresses: ['10.9.0.1', '203.0.113.9'], isLocal: true },
    { name: 'n2', labels: { zone: 'b' }, addresses: ['10.9.0.2'], isLocal: false },
  ],
  services: [
    { namespace: 'data', name: 'cache', labels: { kind: 'store' }, selector: { app: 'cache' } },
    { namespace: 'data', name: 'db', labels: { kind: 'other' }, selector: { app: 'db' } },
    { namespace: 'data', name: 'outside', labels: { kind: 'store' }, addresses: ['192.0.2.20'] },
    { namespace: 'shop', name: 'outside', labels: { kind: 'other' }, addresses: ['192.0.2.21'] },
    { namespace: 'kube-system', name: 'kube-dns', labels: {}, selector: { 'k8s-app': 'kube-dns' } },
  ],
  dnsServers: ['10.96.0.10', '2001:db8:96::a'],
  protectedRanges: {
    everywhere: ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '::/96', 'fe80::/10'],
    cluster: ['10.96.0.0/16', '10.9.0.0/24'],
    configured: ['10.20.0.0/16'],
  },
};

export const WEB: Pod = podOf('shop/web');

export function podOf(name: string, { pods }: World = WORLD): Pod {
  const pod = pods.find((each) => `${each.namespace}/${each.name}` === name);
  if (pod === undefined) throw new Error(`No pod ${name}`);
  return pod;
}

export function documentsOf(text: string): PolicyDocument[] {
  return parseAllDocuments(text).map((document) => document.toJS() as PolicyDocument);
}

/** `spec` in flow style or indented. `metadata` continues the mapping: `, annotations: {…}`. */
export function cilium(spec: string, metadata = ''): string {
  const head = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop${metadata}}`;
  return `---\n${head}\nspec: {endpointSelector: {}, ${spec}}\n`;
}

export function clusterwide(spec: string): string {
  const head = 'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}';
  return `---\n${head}\nspec: {endpointSelector: {}, ${spec}}\n`;
}

export function networkPolicy(spec: string, metadata = ''): string {
  const head = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop${metadata}}`;
  return `---\n${head}\nspec: {${spec}}\n`;
}

/** Of every pod; `place` is the tier and the priority: `Admin 10`. */
export function cluster(place: string, egress: string, metadata = ''): string {
  const [tier = '', priority = ''] = place.split(' ');
  const head = `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p${metadata}}`;
  return `---\n${head}\nspec: {tier: ${tier}, priority: ${priority}, subject: {namespaces: {}}, egress: ${egress}}\n`;
}

export function verdictOf(policies: string, question: string, pod = WEB, world = WORLD): Verdict {
  const [what = '', second = '', third = '', ...names] = question.split(' ');
  const documents = documentsOf(policies);
  if (what === 'ask') return ask(documents, world, pod, third, second === 'udp' ? 'udp' : 'tcp');
  const address = second.replace('host:', '');
  const isOfLocal = world.nodes.some(
    (node) => node.isLocal && node.addresses.some((each) => isSameAddress(each, address)),
  );
  return connect(documents, world, pod, {
    address,
    protocol: protocolOf(what),
    port: Number(third),
    isHost: isOfLocal || address !== second,
    names,
  });
}

function protocolOf(text: string): Destination['protocol'] {
  const known = (['tcp', 'udp', 'sctp', 'icmp', 'icmpv6'] as const).find((each) => each === text);
  return known ?? Number(text);
}
