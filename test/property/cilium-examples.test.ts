// What the policies of test/support/policies/cilium-examples.yaml let pods do: the results that the documentation of Cilium names for policies of
// these shapes.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Node, Pod, Service } from '../../src/pods/pod.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import { Verdicts } from '../support/policy-verdicts.ts';

const FILE = new URL('../support/policies/cilium-examples.yaml', import.meta.url);
const read = readPolicies(readFileSync(FILE, 'utf8'), 'cilium-examples.yaml');
const policies = read.ok ? read.value : [];

function pod(namespace: string, name: string, address: string, labels: Record<string, string>): Pod {
  return { uid: `${namespace}/${name}`, namespace, name, labels, addresses: [address] };
}

const examples = policies.map(({ name }, i) => pod('demo', name, `10.1.0.${i + 1}`, { example: name }));
const PODS: readonly Pod[] = [
  ...examples,
  {
    ...pod('demo', 'backend', '10.0.0.20', { role: 'backend' }),
    ports: [{ name: 'http-web', port: 8080, protocol: 'tcp' }],
  },
  pod('demo', 'cache', '10.0.0.21', { role: 'cache' }),
  pod('demo', 'frontend', '10.0.0.22', { role: 'frontend' }),
  pod('payments', 'db', '10.0.0.30', { role: 'db' }),
  pod('locked', 'web', '10.0.0.40', {}),
  pod('kube-system', 'kube-dns', '10.0.0.53', { 'k8s-app': 'kube-dns' }),
];
const nodes: readonly Node[] = [
  { name: 'here', labels: {}, addresses: ['172.16.0.1'], isLocal: true },
  { name: 'there', labels: {}, addresses: ['172.16.0.2'], isLocal: false },
  { name: 'above', labels: { 'node-role.kubernetes.io/control-plane': '' }, addresses: ['172.16.0.3'], isLocal: false },
];
const services: readonly Service[] = [
  { namespace: 'demo', name: 'backend', labels: {}, selector: { role: 'backend' }, addresses: ['10.96.0.20'] },
  { namespace: 'infra', name: 'mail', labels: { external: 'yes' }, addresses: ['198.51.100.25'] },
];
const world = {
  nodes,
  services,
  dnsServers: ['10.96.0.10'],
  areDnsServersInside: true,
  protectedRanges: ['10.0.0.0/8'],
};
const verdicts = new Verdicts(policies, PODS, world);

test('every example is read', () => {
  expect(read).toMatchObject({ ok: true });
  expect(policies).toHaveLength(31);
});

test('each is asked about below', () => {
  const asked = new Set(TABLE.map(([name]) => name));
  expect(policies.map(({ name }) => name).filter((name) => !asked.has(name))).toEqual([]);
});

const BACKEND = 'tcp 10.0.0.20 8080';
const WORLD = 'tcp 203.0.113.1 443';
const HOST = 'tcp 172.16.0.1 9100 host';
const METADATA = 'tcp 169.254.169.254 80';

const TABLE: readonly (readonly [policy: string, packet: string, verdict: 'allow' | 'deny'])[] = [
  ['deny-all', WORLD, 'deny'],
  ['deny-all', BACKEND, 'deny'],
  ['deny-all', HOST, 'deny'],
  ['allow-all', WORLD, 'allow'],
  ['allow-all', BACKEND, 'allow'],
  ['allow-all', HOST, 'allow'],
  ['allow-all', '47 203.0.113.1', 'allow'],
  ['to-backend', BACKEND, 'allow'],
  ['to-backend', 'udp 10.0.0.20 1', 'allow'],
  ['to-backend', 'tcp 10.0.0.22 8080', 'deny'],
  ['to-backend', WORLD, 'deny'],
  ['to-namespace', BACKEND, 'allow'],
  ['to-namespace', 'tcp 10.0.0.22 80', 'allow'],
  ['to-namespace', 'tcp 10.0.0.30 5432', 'deny'],
  ['to-other-namespace', 'tcp 10.0.0.30 5432', 'allow'],
  ['to-other-namespace', BACKEND, 'deny'],
  ['to-two-roles', BACKEND, 'allow'],
  ['to-two-roles', 'tcp 10.0.0.21 6379', 'allow'],
  ['to-two-roles', 'tcp 10.0.0.22 80', 'deny'],
  ['to-host', HOST, 'allow'],
  ['to-host', 'tcp 172.16.0.2 9100', 'deny'],
  ['to-host', WORLD, 'deny'],
  ['to-all-nodes', HOST, 'allow'],
  ['to-all-nodes', 'tcp 172.16.0.2 9100', 'allow'],
  ['to-all-nodes', BACKEND, 'deny'],
  ['to-control-plane', 'tcp 172.16.0.3 6443', 'allow'],
  ['to-control-plane', 'tcp 172.16.0.2 6443', 'deny'],
  ['to-control-plane', HOST, 'deny'],
  ['to-world', WORLD, 'allow'],
  ['to-world', 'tcp 2001:db8::1 443', 'allow'],
  ['to-world', BACKEND, 'deny'],
  ['to-world', HOST, 'deny'],
  ['to-cidr', WORLD, 'allow'],
  ['to-cidr', 'tcp 203.0.113.2 443', 'deny'],
  ['to-cidr', 'udp 198.18.0.1 1', 'allow'],
  ['to-cidr', 'udp 198.19.0.1 1', 'deny'],
  ['to-cidr-group', 'tcp 198.51.100.15 443', 'allow'],
  ['to-cidr-group', 'tcp 198.51.100.16 443', 'deny'],
  ['to-cidr-group', 'tcp 2001:db8:7::1 443', 'allow'],
  ['to-service', BACKEND, 'allow'],
  ['to-service', 'tcp 10.0.0.22 8080', 'deny'],
  ['to-service-labels', 'tcp 198.51.100.25 25', 'allow'],
  ['to-service-labels', BACKEND, 'deny'],
  ['to-name', 'tcp api.example.org 443', 'allow'],
  ['to-name', 'udp api.example.org 443', 'allow'],
  ['to-name', 'tcp www.example.org 443', 'deny'],
  ['to-name', WORLD, 'deny'],
  ['to-names-on-port', 'tcp example.org 80', 'allow'],
  ['to-names-on-port', 'tcp example.org 443', 'deny'],
  ['to-names-on-port', 'tcp www.example.org 80', 'deny'],
  ['to-names-on-port', 'tcp special-1-service.api.example.org 80', 'allow'],
  ['to-names-on-port', 'tcp special.service.api.example.org 80', 'deny'],
  ['to-names-of-any-depth', 'tcp a.b.c.example.org 443', 'allow'],
  ['to-names-of-any-depth', 'tcp example.org 443', 'deny'],
  ['to-port', 'tcp 203.0.113.1 80', 'allow'],
  ['to-port', 'tcp 203.0.113.1 81', 'deny'],
  ['to-port', 'udp 203.0.113.1 80', 'deny'],
  ['to-port', 'tcp 10.0.0.20 80', 'allow'],
  ['to-port-range', 'tcp 203.0.113.1 80', 'allow'],
  ['to-port-range', 'tcp 203.0.113.1 444', 'allow'],
  ['to-port-range', 'tcp 203.0.113.1 445', 'deny'],
  ['to-backend-port', 'tcp 10.0.0.20 80', 'allow'],
  ['to-backend-port', 'tcp 10.0.0.20 81', 'deny'],
  ['to-backend-port', 'tcp 10.0.0.22 80', 'deny'],
  ['to-named-port', BACKEND, 'allow'],
  ['to-named-port', 'tcp 10.0.0.20 80', 'deny'],
  ['to-cidr-port', 'tcp 192.0.2.9 80', 'allow'],
  ['to-cidr-port', 'tcp 192.0.2.9 443', 'deny'],
  ['to-cidr-port', 'tcp 203.0.113.1 80', 'deny'],
  ['to-ping', 'icmp 203.0.113.1 8', 'allow'],
  ['to-ping', 'icmpv6 2001:db8::1 128', 'allow'],
  ['to-ping', 'icmp 203.0.113.1 13', 'deny'],
  ['to-ping', WORLD, 'deny'],
  ['not-to-backend', BACKEND, 'deny'],
  ['not-to-backend', WORLD, 'allow'],
  ['not-to-backend', 'tcp 10.0.0.22 80', 'allow'],
  ['not-to-world', WORLD, 'deny'],
  ['not-to-world', HOST, 'deny'], // Cilium lets it pass: a denied range has no gaps here, whatever lies in it
  ['not-to-world', BACKEND, 'deny'], // the same
  ['see-dns', WORLD, 'allow'],
  ['see-dns', BACKEND, 'allow'],
  ['block-metadata', METADATA, 'deny'],
  ['block-metadata', WORLD, 'allow'],
  ['ingress-only', WORLD, 'allow'],
  ['application-without-egress', WORLD, 'deny'],
  ['application-without-egress', BACKEND, 'deny'],
  ['namespace-without-egress', WORLD, 'deny'],
  ['nothing-external', BACKEND, 'allow'],
  ['nothing-external', 'tcp 10.0.0.30 5432', 'allow'],
  ['nothing-external', HOST, 'allow'],
  ['nothing-external', 'tcp 172.16.0.2 9100', 'allow'],
  ['nothing-external', WORLD, 'deny'],
];

const podOf = (policy: string): string => (policy === 'namespace-without-egress' ? 'locked/web' : `demo/${policy}`);

test.each(TABLE)('%s: %s → %s', (policy, packet, verdict) => {
  expect(verdicts.packet(podOf(policy), packet)).toBe(verdict);
});

test.each<[policy: string, name: string, over: string]>([
  ['deny-all', 'api.example.org', ''],
  ['allow-all', 'api.example.org', 'udp,tcp'],
  ['to-backend', 'api.example.org', ''],
  ['to-world', 'api.example.org', ''],
  ['to-name', 'anything.example.net', 'udp,tcp'],
  ['to-names-on-port', 'www.example.org', 'udp,tcp'],
  ['to-names-on-port', 'a.api.example.org', 'udp,tcp'],
  ['to-names-on-port', 'example.net', ''],
  ['to-names-of-any-depth', 'a.b.example.org', 'udp,tcp'],
  ['to-names-of-any-depth', 'example.net', ''],
  ['to-port', 'api.example.org', ''],
  ['not-to-backend', 'api.example.org', 'udp,tcp'],
  ['not-to-world', 'api.example.org', 'udp,tcp'],
  ['see-dns', 'api.example.org', 'udp,tcp'],
  ['block-metadata', 'api.example.org', 'udp,tcp'],
  ['ingress-only', 'api.example.org', 'udp,tcp'],
  ['namespace-without-egress', 'api.example.org', ''],
  ['nothing-external', 'api.example.org', 'udp,tcp'],
])('%s may ask for %s over: %s', (policy, name, over) => {
  expect(verdicts.asks(podOf(policy), name)).toBe(over);
});
