import { describe, expect, test } from 'vitest';
import type { AskCheck, ConnectCheck, Source } from '../../../../src/cli/test/case.ts';
import { PolicyProber } from '../../../../src/cli/test/offline.ts';
import { extraRanges, protectedRanges } from '../../../../src/kernel/protected.ts';
import { readClients } from '../../../../src/pods/sources/file.ts';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';

const CLIENTS = `
clients:
  - {namespace: shop, name: cart, labels: {app: cart}, addresses: [10.0.1.7]}
  - {namespace: shop, name: free, labels: {app: free}, addresses: [10.0.1.8], ports: [{name: http, port: 8080}]}
namespaces: [{name: shop, labels: {team: a}}]
nodes: [{name: n1, addresses: [192.0.2.7], local: true}, {name: n2, addresses: [192.0.2.8]}]
`;
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress:
    - toFQDNs: [{matchName: api.example.org}, {matchPattern: '*.cdn.example.org'}]
      toPorts: [{ports: [{port: '443', protocol: TCP}]}]
    - toFQDNs: [{matchName: all.example.org}]
    - toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system, k8s-app: kube-dns}}]
      toPorts: [{ports: [{port: '53', protocol: ANY}], rules: {dns: [{matchName: ask.example.org}]}}]
`;

function open(policy: string): PolicyProber {
  const clients = readClients(CLIENTS, 'clients.yaml');
  const policies = readPolicies(policy, 'policy.yaml');
  if (!clients.ok || !policies.ok) return expect.fail(JSON.stringify([clients, policies]));
  return new PolicyProber({
    clients: clients.value.pods,
    nodes: clients.value.nodes,
    services: clients.value.services,
    policies: policies.value,
    protectedRanges: protectedRanges(extraRanges([])),
    dnsServers: [],
  });
}

const pod = (name: string): Source => ({ kind: 'pod', namespace: 'shop', name });
const connect = (text: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): ConnectCheck => {
  const kind = /^[\d.]+$/.test(text) ? 'address' : 'name';
  return { kind: 'connect', to: { kind, text }, protocol, port, expect: 'allowed' };
};
const ask = (name: string, expected: AskCheck['expect']): AskCheck => {
  return { kind: 'ask', name, typeText: 'A', type: 1, expect: expected, addresses: [] };
};

describe('a name', () => {
  const prober = open(POLICY);
  test.each([
    ['a rule opens the port', 'api.example.org', 443, 'tcp', 'allowed'],
    ['in any case, with a final dot', 'API.Example.ORG.', 443, 'tcp', 'allowed'],
    ['a pattern counts', 'a.cdn.example.org', 443, 'tcp', 'allowed'],
    ['a star is one label', 'a.b.cdn.example.org', 443, 'tcp', 'blocked'],
    ['another port', 'api.example.org', 80, 'tcp', 'blocked'],
    ['another protocol', 'api.example.org', 443, 'udp', 'blocked'],
    ['a rule without ports opens all', 'all.example.org', 8125, 'udp', 'allowed'],
    ['a name that may only be asked', 'ask.example.org', 443, 'tcp', 'blocked'],
    ['a name of no rule', 'www.example.org', 443, 'tcp', 'blocked'],
  ] as const)('%s', async (_why, name, port, protocol, actual) => {
    expect(await prober.see(pod('cart'), connect(name, port, protocol))).toMatchObject({ kind: 'seen', actual });
  });
});

describe('a question', () => {
  const prober = open(POLICY);
  test.each([
    ['a granted name may be asked', 'api.example.org', 'answered', 'answered'],
    ['a name of rules.dns, too', 'ask.example.org', 'answered', 'answered'],
    ['any other is denied', 'www.example.org', 'answered', 'denied'],
  ] as const)('%s', async (_why, name, expected, actual) => {
    expect(await prober.see(pod('cart'), ask(name, expected))).toMatchObject({ kind: 'seen', actual });
  });

  test('what only the world knows is skipped', async () => {
    expect(await prober.see(pod('cart'), ask('api.example.org', 'nxdomain'))).toMatchObject({ kind: 'skipped' });
  });
});

test('a client that no policy selects reaches and asks everything', async () => {
  const prober = open(POLICY);
  expect(await prober.see(pod('free'), connect('192.0.2.1', 22))).toMatchObject({ actual: 'allowed' });
  expect(await prober.see(pod('free'), connect('www.example.org', 22))).toMatchObject({ actual: 'allowed' });
  expect(await prober.see(pod('free'), ask('www.example.org', 'denied'))).toMatchObject({ actual: 'answered' });
});

test('an address that no rule names is blocked, although a name may grant it', async () => {
  const seen = await open(POLICY).see(pod('cart'), connect('192.0.2.1', 443));
  expect(seen).toMatchObject({ kind: 'seen', actual: 'blocked' });
});

test('another client is its addresses', async () => {
  const check: ConnectCheck = { ...connect('-', 80), to: { kind: 'deployment', namespace: 'shop', name: 'free' } };
  expect(await open(POLICY).see(pod('cart'), check)).toMatchObject({ actual: 'blocked' });
  expect(await open(POLICY).see(pod('free'), check)).toMatchObject({ actual: 'allowed' });
});

test.each([
  ['source', pod('none'), connect('api.example.org', 443)],
  ['destination', pod('cart'), { ...connect('-', 80), to: { kind: 'pod' as const, namespace: 'shop', name: 'none' } }],
])('a %s that is no client is neither allowed nor blocked', async (_why, source, check) => {
  expect(await open(POLICY).see(source, check)).toEqual({ kind: 'unknown', detail: 'no client is pod shop/none' });
});

test('what the clients file says of namespaces, ports and nodes counts', async () => {
  const prober = open(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {team: a}}}]
      ports: [{port: http}]
    - to: [{ipBlock: {cidr: 192.0.2.0/24}}]
`);
  const actual = (address: string, port: number) => prober.see(pod('cart'), connect(address, port));
  expect(await actual('10.0.1.8', 8080)).toMatchObject({ actual: 'allowed' });
  expect(await actual('10.0.1.8', 8081)).toMatchObject({ actual: 'blocked' });
  expect(await actual('192.0.2.8', 443)).toMatchObject({ actual: 'allowed' });
  expect(await actual('192.0.2.7', 443)).toMatchObject({ actual: 'blocked' }); // the node itself is no address
});

test('what policies that only audit would deny is allowed', async () => {
  const prober = open(
    POLICY.replace('{name: cart,', '{name: cart, annotations: {namewall.io/mode: audit},')
      .replace('cilium.io/v2', 'networking.k8s.io/v1')
      .replace('CiliumNetworkPolicy', 'NetworkPolicy')
      .replace(/spec:[^]*/, 'spec: {podSelector: {matchLabels: {app: cart}}, policyTypes: [Egress]}'),
  );
  expect(await prober.see(pod('cart'), connect('192.0.2.1', 443))).toMatchObject({ actual: 'allowed' });
  expect(await prober.see(pod('cart'), connect('api.example.org', 443))).toMatchObject({ actual: 'allowed' });
  expect(await prober.see(pod('cart'), ask('api.example.org', 'answered'))).toMatchObject({ actual: 'answered' });
});

test('without the policy, what it blocked is allowed', async () => {
  const other = POLICY.replace('matchLabels: {app: cart}', 'matchLabels: {app: other}');
  expect(await open(other).see(pod('cart'), connect('www.example.org', 443))).toMatchObject({ actual: 'allowed' });
});

const tier = (name: string, egress: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: all}
spec: {tier: ${name}, priority: 1, subject: {namespaces: {}}, egress: [${egress}]}
`;
const ALL = '{networks: [0.0.0.0/0, "::/0"]}';

describe('of a name, what is about all addresses', () => {
  test.each<[why: string, policy: string, actual: string]>([
    ['is denied', tier('Baseline', `{action: Deny, to: [${ALL}]}`), 'blocked'],
    ['one family of them is not all', tier('Baseline', '{action: Deny, to: [{networks: [0.0.0.0/0]}]}'), 'allowed'],
    [
      'is passed on to the next tier',
      tier('Admin', `{action: Pass, to: [${ALL}]}, {action: Deny, to: [${ALL}]}`),
      'allowed',
    ],
    [
      'is allowed, but for what no range opens',
      POLICY.replace(/egress:[^]*/, 'egress: [{toEntities: [world]}, {toPorts: [{ports: [{port: "53"}]}]}]'),
      'allowed',
    ],
    [
      'is of no use where the name may not be asked',
      `${tier('Admin', '{action: Accept, to: [{domainNames: [www.example.org]}]}')}---${POLICY}`,
      'blocked',
    ],
  ])('%s', async (_why, policy, actual) => {
    expect(await open(policy).see(pod('cart'), connect('www.example.org', 443))).toMatchObject({ actual });
  });
});
