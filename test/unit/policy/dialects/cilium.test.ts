import { describe, expect, test } from 'vitest';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';
import type { EgressRule, Policy, PolicyRule } from '../../../../src/policy/policy.ts';

function read(text: string): readonly Policy[] {
  const policies = readPolicies(text, 'p.yaml');
  if (!policies.ok) throw new Error(policies.problems.map(({ at, message }) => `${at}: ${message}`).join('\n'));
  return policies.value;
}

function ruleOf(spec: string, kind = 'CiliumNetworkPolicy'): PolicyRule {
  const [policy] = read(`apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: {name: p}\nspec: ${spec}\n`);
  const rule = policy?.rules[0];
  if (rule === undefined) throw new Error('No rule');
  return rule;
}

function egressOf(item: string): readonly EgressRule[] {
  return ruleOf(`{endpointSelector: {}, egress: [${item}]}`).egress;
}

const named = (text: string) => expect.objectContaining({ match: 'name', text }) as unknown;
const pattern = (text: string) => expect.objectContaining({ match: 'pattern', text }) as unknown;

const requirements = (selector: string, kind?: string) =>
  ruleOf(`{endpointSelector: ${selector}, egress: [{}]}`, kind).selector;

const policy = (name: string, rest: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\n${rest}\n`;

test.each(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'])(
  'allow-answer-ranges of a %s is about every name that it lets connect to, and about nothing else',
  (kind) => {
    const text = `apiVersion: cilium.io/v2
kind: ${kind}
metadata: {name: p, annotations: {namewall.io/allow-answer-ranges: "192.168.7.0/24,10.20.0.0/16, cgnat", other: x}}
specs:
  - {endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.org}]}, {toCIDR: [192.0.2.0/24]}]}
  - {endpointSelector: {}, egress: [{toFQDNs: [{matchName: b.org}]}]}
`;
    const egress = read(text).flatMap(({ rules }) => rules.flatMap((rule) => rule.egress));
    const answerRanges = ['10.20.0.0/16', '100.64.0.0/10', '192.168.7.0/24'];
    const expected = [{ kind: 'connect', answerRanges }, { kind: 'reach' }, { kind: 'connect', answerRanges }];
    expect(egress).toMatchObject(expected);
    expect(egress[1]).not.toHaveProperty('answerRanges');
  },
);

describe('egress', () => {
  test.each<[why: string, item: string, rules: unknown[]]>([
    ['an empty item allows nothing', '{}', []],
    [
      'names alone open every port',
      '{toFQDNs: [{matchName: a.org}]}',
      [{ kind: 'connect', names: [named('a.org')], ports: 'all' }],
    ],
    [
      'a port without protocol is of all three',
      '{toFQDNs: [{matchName: a.org}], toPorts: [{ports: [{port: 80}]}]}',
      [
        {
          kind: 'connect',
          names: [named('a.org')],
          ports: ['tcp', 'udp', 'sctp'].map((protocol) => ({ protocol, first: 80, last: 80 })),
        },
      ],
    ],
    [
      'port 0 is every port of the protocol',
      '{toFQDNs: [{matchPattern: "*.a.org"}], toPorts: [{ports: [{port: "0", protocol: UDP}]}]}',
      [{ kind: 'connect', names: [pattern('*.a.org')], ports: [{ protocol: 'udp', first: 1, last: 65535 }] }],
    ],
    [
      'items of toPorts add up',
      '{toFQDNs: [{matchName: a.org}], toPorts: [{ports: [{port: 1, endPort: 3, protocol: TCP}]}, {ports: [{port: "9", protocol: SCTP}]}]}',
      [
        {
          kind: 'connect',
          names: [named('a.org')],
          ports: [
            { protocol: 'tcp', first: 1, last: 3 },
            { protocol: 'sctp', first: 9, last: 9 },
          ],
        },
      ],
    ],
    [
      'rules.dns may be asked over its protocol',
      '{toPorts: [{ports: [{port: "53", protocol: UDP}], rules: {dns: [{matchName: a.org}]}}]}',
      [{ kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: false }],
    ],
    [
      'an empty rules.dns is every name',
      '{toPorts: [{ports: [{port: 53, protocol: TCP}], rules: {dns: []}}]}',
      [{ kind: 'ask', names: [pattern('*')], overUdp: false, overTcp: true }],
    ],
    [
      'endPort that says the same is no range',
      '{toPorts: [{ports: [{port: 53, endPort: 53}], rules: {dns: [{matchName: a.org}]}}]}',
      [{ kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: true }],
    ],
    [
      'each item of toPorts has its own names, and one without any opens the port',
      '{toPorts: [{ports: [{port: 53, protocol: UDP}], rules: {dns: [{matchName: a.org}]}}, {ports: [{port: 53, protocol: TCP}]}]}',
      [
        { kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: false },
        {
          kind: 'reach',
          verdict: 'allow',
          to: [{ kind: 'any' }],
          traffic: { ports: [{ protocol: 'tcp', first: 53, last: 53 }], icmp: [] },
          at: expect.stringMatching(/^p\.yaml:4:/) as unknown,
        },
      ],
    ],
  ])('%s', (_why, item, rules) => expect(egressOf(item)).toEqual(rules));

  test.each([
    ['k8s:io.kubernetes.pod.namespace', 'k8s-app'],
    ['io.kubernetes.pod.namespace', 'k8s:k8s-app'],
    ['any:io.kubernetes.pod.namespace', 'any:k8s-app'],
    ['k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name', 'k8s-app'],
  ])('the cluster DNS as %s and %s', (namespace, app) => {
    const labels = `{"${namespace}": kube-system, "${app}": kube-dns}`;
    const item = `{toEndpoints: [{matchLabels: ${labels}}], toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]}`;
    expect(egressOf(item)).toEqual([{ kind: 'ask', names: [pattern('*')], overUdp: true, overTcp: true }]);
  });
});

test('in a policy of kube-system, kube-dns needs no namespace', () => {
  const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: kube-system}
spec:
  endpointSelector: {}
  egress: [{toEndpoints: [{matchLabels: {k8s-app: kube-dns}}], toPorts: [{ports: [{port: 53}]}]}]
`;
  expect(read(text)[0]?.rules[0]?.egress).toHaveLength(1);
});

describe('endpointSelector', () => {
  test('a policy selects in its own namespace', () => {
    expect(requirements('{}')).toEqual({ namespace: 'default', requirements: [] });
  });

  test('a clusterwide policy selects in all', () => {
    expect(requirements('{}', 'CiliumClusterwideNetworkPolicy')).toEqual({ requirements: [] });
  });

  test('sources of labels are left out, and the own namespace says nothing new', () => {
    const labels = '{matchLabels: {"k8s:app": web, "any:tier": a, "k8s:io.kubernetes.pod.namespace": default}}';
    expect(requirements(labels)).toEqual({
      namespace: 'default',
      requirements: [
        { subject: { kind: 'label', key: 'app' }, operator: 'In', values: ['web'] },
        { subject: { kind: 'label', key: 'tier' }, operator: 'In', values: ['a'] },
      ],
    });
  });

  test('the namespace is a label of a clusterwide policy', () => {
    const expression = '{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [a, b]}]}';
    expect(requirements(expression, 'CiliumClusterwideNetworkPolicy')).toEqual({
      requirements: [{ subject: { kind: 'namespace' }, operator: 'NotIn', values: ['a', 'b'] }],
    });
  });
});

describe('documents', () => {
  const allowNothing = '{endpointSelector: {}, egress: [{}]}';

  test('a file holds several, and empty ones between them are nothing', () => {
    const text = `---\n${policy('a', `spec: ${allowNothing}`)}---\n# gap\n---\n${policy('b', `spec: ${allowNothing}`)}---\n`;
    expect(read(text).map(({ name, at }) => [name, at])).toEqual([
      ['a', 'p.yaml:2:1'],
      ['b', 'p.yaml:9:1'],
    ]);
  });

  test('spec and specs add up', () => {
    const [found] = read(policy('a', `spec: ${allowNothing}\nspecs: [${allowNothing}, ${allowNothing}]`));
    expect(found?.rules).toHaveLength(3);
  });

  test('what kubectl and the API server add is let through', () => {
    const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  creationTimestamp: null
  generation: 1
  labels: {team: shop}
  name: a
  resourceVersion: "7"
  uid: 0b1c
spec: {endpointSelector: {}, enableDefaultDeny: {egress: true, ingress: false}, labels: [{key: a}], egress: [{}]}
status: {conditions: []}
`;
    expect(read(text)).toHaveLength(1);
  });

  test('JSON is YAML', () => {
    const document = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'a' },
      spec: { endpointSelector: {}, egress: [{ toFQDNs: [{ matchName: 'a.org' }] }] },
    };
    expect(read(JSON.stringify(document, null, '\t'))).toHaveLength(1);
  });

  test('anchors and aliases are read, and the place is the anchor', () => {
    const text = policy(
      'a',
      'spec:\n  endpointSelector: {}\n  egress: [{toFQDNs: &names [{matchName: a.org}]}, {toFQDNs: *names}]',
    );
    const [found] = read(text);
    const names = { names: [{ at: 'p.yaml:6:42' }] };
    expect(found?.rules[0]?.egress).toMatchObject([names, names]);
  });
});
