import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from '../../src/base/ip.ts';
import { readClients } from '../../src/pods/sources/file.ts';
import { compile } from '../../src/policy/compile.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import { staticVerdict } from '../../src/policy/static-match.ts';

const good = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  endpointSelector:
    matchLabels: {app: web}
    matchExpressions: [{key: tier, operator: In, values: [a]}]
  egress:
    - toFQDNs: [{matchName: a.org}, {matchPattern: "*.b.org"}]
      toPorts: [{ports: [{port: "443", protocol: TCP, endPort: 444}]}]
    - toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}]
      icmps: [{fields: [{family: IPv4, type: EchoRequest}]}]
    - toEntities: [world, host]
    - toEndpoints: [{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}]
      toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]
    - toServices: [{k8sService: {serviceName: db, namespace: shop}}, {k8sServiceSelector: {selector: {matchLabels: {a: b}}}}]
      toPorts: [{ports: [{port: sql, protocol: TCP}]}]
    - toNodes: [{matchLabels: {zone: a}}]
    - toCIDRSet: [{cidrGroupRef: partners}, {cidrGroupSelector: {matchLabels: {role: partner}}}]
  egressDeny:
    - toCIDR: [198.51.100.0/24]
      toPorts: [{ports: [{port: 25}]}]
  ingress: [{}]
  enableDefaultDeny: {egress: true, ingress: false}
  labels: [{key: team, value: a, source: k8s}]
  log: {value: x}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners, labels: {role: partner}}
spec: {externalCIDRs: [192.0.2.0/24]}
`;
const ordered = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: p, annotations: {namewall.io/mode: audit}}
spec:
  tier: Admin
  priority: 10
  subject: {pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: In, values: [a]}]}}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
  egress:
    - {name: n, action: Accept, to: [{domainNames: [a.org, "*.b.org."]}], protocols: [{tcp: {destinationPort: {number: 443}}}]}
    - {action: Pass, to: [{namespaces: {matchLabels: {a: b}}}], protocols: [{destinationNamedPort: web}]}
    - {action: Deny, to: [{networks: ["::/0"]}, {nodes: {}}], protocols: [{udp: {destinationPort: {range: {start: 1, end: 9}}}}]}
`;
const goodNetworkPolicy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop, annotations: {namewall.io/mode: audit}}
spec:
  podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [a]}]}
  policyTypes: [Ingress, Egress]
  ingress: [{}]
  egress:
    - to: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {}}, {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/28]}}]
      ports: [{port: 80, endPort: 90}, {port: dns-tcp}, {protocol: SCTP}]
`;
const goodClients = `clients:
  - {namespace: shop, name: w, labels: {app: web}, addresses: [10.0.0.1], ports: [{name: http, port: 80}]}
namespaces: [{name: shop, labels: {team: a}}]
nodes: [{name: n, labels: {a: b}, addresses: [192.0.2.1], local: true}]
services: [{name: s, selector: {app: web}}, {namespace: shop, name: t, labels: {a: b}, addresses: [192.0.2.9]}]
`;
const webPod = { uid: 'u', namespace: 'shop', name: 'w', labels: { app: 'web', tier: 'a' }, addresses: ['192.0.2.1'] };

test('the text that is edited below is good', () => expect(readPolicies(good, 'f')).toMatchObject({ ok: true }));

test.each([
  ['a policy', good],
  ['a NetworkPolicy', goodNetworkPolicy],
  ['a ClusterNetworkPolicy', ordered],
  ['a clients file', goodClients],
])('no text throws, and what is refused says where: %s', (_what, whole) => {
  const edits = fc.array(fc.tuple(fc.nat(whole.length), fc.nat(8), fc.string({ maxLength: 6 })), { maxLength: 4 });
  const edited = edits.map((list) =>
    list.reduce((text, [at, length, insert]) => text.slice(0, at) + insert + text.slice(at + length), whole),
  );
  fc.assert(
    fc.property(fc.oneof(edited, fc.string({ unit: 'binary' })), (text) => {
      for (const read of [readPolicies(text, 'f'), readClients(text, 'f')]) {
        if (read.ok) continue;
        expect(read.problems.length).toBeGreaterThan(0);
        for (const { at } of read.problems) expect(at).toMatch(/^f:[1-9][0-9]*:[1-9][0-9]*$/);
      }
    }),
    { numRuns: 2000 },
  );
});

/** Replaces the value at the end of `path` (numbers taken modulo what is there) by `value`. */
function replaceAt(node: unknown, path: readonly number[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof node !== 'object' || node === null) return value;
  const entries = Object.entries(node);
  if (entries.length === 0) return value;
  const [key, child] = entries[step % entries.length] ?? ['', undefined];
  const replaced = replaceAt(child, rest, value);
  if (Array.isArray(node)) return node.map((item: unknown, i) => (String(i) === key ? replaced : item));
  return { ...node, [key]: replaced };
}

test('emptying any part of a policy never opens more than the whole did', () => {
  const json = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec: {
      endpointSelector: { matchLabels: { app: 'web' } },
      egress: [{ toFQDNs: [{ matchName: 'a.org' }], toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] }],
    },
  };
  fc.assert(
    fc.property(fc.array(fc.nat(5), { maxLength: 10 }), fc.constantFrom(null, [], {}), (path, empty) => {
      const read = readPolicies(JSON.stringify(replaceAt(json, path, empty)), 'f');
      if (!read.ok) return;
      const compiled = compile(read.value, [webPod]);
      const [program] = compiled.programs;
      // What remains accepted selects the pod still, or lies in another namespace by the document's own word.
      if (read.value[0]?.namespace === 'shop') expect(compiled.programOfPod).toEqual([0]);
      const opened = program?.classes.map((index) => compiled.classes[index]?.id) ?? [];
      expect(['', 'tcp443']).toContain(opened.join());
      expect(program?.names.every(({ text }) => text === 'a.org') ?? true).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('nor does emptying any part of a policy about addresses', () => {
  const ports = (port: string) => [{ ports: [{ port, protocol: 'TCP' }] }];
  const json = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec: {
      endpointSelector: { matchLabels: { app: 'web' } },
      egress: [
        { toCIDRSet: [{ cidr: '192.0.2.0/24', except: ['192.0.2.0/28'] }], toPorts: ports('443') },
        { toEntities: ['world'], toPorts: ports('80') },
        { toCIDR: ['198.51.100.0/24'], icmps: [{ fields: [{ family: 'IPv6', type: 8 }] }] },
      ],
      egressDeny: [{ toCIDR: ['198.51.100.0/24'], toPorts: ports('80') }],
    },
  };
  const packets = ['192.0.2.1', '192.0.2.99', '198.51.100.1', '203.0.113.1'].flatMap((text) =>
    [80, 443, 444].flatMap((port) =>
      (['tcp', 'udp'] as const).map((protocol) => ({ protocol, port, address: parseAddress(text) ?? expect.fail() })),
    ),
  );
  const allowedBy = (document: unknown): readonly string[] | undefined => {
    const read = readPolicies(JSON.stringify(document), 'f');
    if (!read.ok || read.value[0]?.namespace !== 'shop') return undefined;
    const compiled = compile(read.value, [webPod]);
    expect(compiled.programOfPod).toEqual([0]);
    const isAllowed = (packet: (typeof packets)[number]) =>
      staticVerdict(compiled, 0, { ...packet, isHost: false }, () => false).verdict === 'allow';
    return packets.filter(isAllowed).map((packet) => JSON.stringify(packet));
  };
  const whole = allowedBy(json) ?? expect.fail();
  expect(whole).toHaveLength(4); // one port of a range without its exception, another of two in the world
  fc.assert(
    fc.property(fc.array(fc.nat(5), { maxLength: 10 }), fc.constantFrom(null, [], {}), (path, empty) => {
      const allowed = allowedBy(replaceAt(json, path, empty)) ?? [];
      expect(allowed.filter((packet) => !whole.includes(packet))).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});
