import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';
import type { EgressRule, Policy, PolicyRule } from '../../../../src/policy/policy.ts';

const HEAD = 'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n';
const EVERYBODY = 'tier: Admin, priority: 1, subject: {namespaces: {}}';

function read(text: string): readonly Policy[] {
  const policies = readPolicies(text, 'p.yaml');
  if (!policies.ok) throw new Error(policies.problems.map(({ at, message }) => `${at}: ${message}`).join('\n'));
  return policies.value;
}

function policyOf(spec: string, metadata = '{name: p}'): Policy {
  return read(`${HEAD}metadata: ${metadata}\nspec: {${spec}}\n`)[0] ?? expect.fail();
}

function egressOf(...rules: readonly string[]): readonly EgressRule[] {
  return ruleOf(policyOf(`${EVERYBODY}, egress: [${rules.join(', ')}]`)).egress;
}

const ruleOf = ({ rules: [rule] }: Policy): PolicyRule => rule ?? expect.fail();
const subjectOf = (subject: string) =>
  ruleOf(policyOf(`tier: Admin, priority: 1, subject: ${subject}, egress: [${accept('{namespaces: {}}')}]`)).selector;
const accept = (peers: string, more = '') => `{action: Accept, to: [${peers}]${more}}`;
const label = (key: string, ...values: string[]) => ({ subject: { kind: 'label', key }, operator: 'In', values });
const ofNamespace = (key: string, ...values: string[]) => ({
  subject: { kind: 'namespace-label', key },
  operator: 'In',
  values,
});
const port = (protocol: string, first: number, last = first) => ({ protocol, first, last });
const domain = (text: string) => expect.objectContaining({ match: 'domain', text }) as unknown;

test('a document is one policy with one rule that takes nobody’s open egress', () => {
  const text = `${HEAD}metadata: {name: guard, labels: {team: a}, annotations: {example.org/why: audit}}
spec:
  tier: Baseline
  priority: 1000
  subject: {namespaces: {}}
  egress:
    - {name: a rule, action: Deny, to: [{networks: [192.0.2.0/24]}]}
status: {conditions: []}
`;
  expect(read(text)).toEqual([
    {
      kind: 'ClusterNetworkPolicy',
      namespace: '',
      name: 'guard',
      at: 'p.yaml:1:1',
      tier: { name: 'baseline', priority: 1000 },
      rules: [
        {
          at: 'p.yaml:5:3',
          selector: { requirements: [] },
          isolates: false,
          egress: [
            {
              kind: 'reach',
              verdict: 'deny',
              to: [{ kind: 'cidr', cidr: '192.0.2.0/24', except: [] }],
              traffic: 'all',
              at: 'p.yaml:9:7',
            },
          ],
        },
      ],
    },
  ]);
});

test.each([
  ['the first', 'Admin', 0, 'admin'],
  ['the last', 'Admin', 1000, 'admin'],
  ['after all others', 'Baseline', 7, 'baseline'],
])('tier and priority: %s', (_why, tier, priority, name) => {
  expect(policyOf(`tier: ${tier}, priority: ${priority}, subject: {namespaces: {}}`).tier).toEqual({ name, priority });
});

describe('subject', () => {
  test.each<[why: string, subject: string, requirements: unknown[]]>([
    ['every pod', '{namespaces: {}}', []],
    ['pods of namespaces', '{namespaces: {matchLabels: {team: a}}}', [ofNamespace('team', 'a')]],
    [
      'pods of one namespace by its name',
      '{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}',
      [{ subject: { kind: 'namespace' }, operator: 'In', values: ['shop'] }],
    ],
    ['every pod, said twice', '{pods: {namespaceSelector: {}, podSelector: {}}}', []],
    ['pods of every namespace', '{pods: {podSelector: {matchLabels: {app: web}}}}', [label('app', 'web')]],
    [
      'pods by both',
      '{pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}}',
      [ofNamespace('team', 'a'), label('app', 'web')],
    ],
    [
      'by expressions',
      '{pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: tier, operator: DoesNotExist}]}}}',
      [label('app', 'a', 'b'), { subject: { kind: 'label', key: 'tier' }, operator: 'DoesNotExist' }],
    ],
  ])('%s', (_why, subject, requirements) => expect(subjectOf(subject)).toEqual({ requirements }));
});

describe('egress', () => {
  const networks = '{networks: [192.0.2.0/24]}';

  test.each([
    ['Accept', 'allow'],
    ['Deny', 'deny'],
    ['Pass', 'pass'],
  ])('%s', (action, verdict) => {
    expect(egressOf(`{action: ${action}, to: [${networks}]}`)).toMatchObject([{ kind: 'reach', verdict }]);
  });

  test('rules keep their order', () => {
    const rules = ['Deny', 'Accept', 'Pass', 'Deny'].map((action) => `{action: ${action}, to: [${networks}]}`);
    expect(egressOf(...rules)).toMatchObject(['deny', 'allow', 'pass', 'deny'].map((verdict) => ({ verdict })));
  });

  test.each<[why: string, peers: string, to: unknown[]]>([
    ['all pods', '{namespaces: {}}', [{ kind: 'pods', selector: { requirements: [] } }]],
    [
      'pods of namespaces',
      '{namespaces: {matchLabels: {team: a}}}',
      [{ kind: 'pods', selector: { requirements: [ofNamespace('team', 'a')] } }],
    ],
    [
      'pods by both',
      '{pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: db}}}}',
      [{ kind: 'pods', selector: { requirements: [ofNamespace('team', 'a'), label('app', 'db')] } }],
    ],
    ['every node', '{nodes: {}}', [{ kind: 'nodes', requirements: [] }]],
    ['nodes', '{nodes: {matchLabels: {role: edge}}}', [{ kind: 'nodes', requirements: [label('role', 'edge')] }]],
    [
      'addresses, of the cluster or not',
      '{networks: [10.0.0.0/8, "2001:db8::/32"]}',
      ['10.0.0.0/8', '2001:db8::/32'].map((cidr) => ({ kind: 'cidr', cidr, except: [] })),
    ],
    [
      'several, any of which counts',
      `{nodes: {}}, {namespaces: {}}, ${networks}`,
      [{ kind: 'nodes' }, { kind: 'pods' }, { kind: 'cidr' }],
    ],
  ])('to %s', (_why, peers, to) => expect(egressOf(accept(peers))).toMatchObject([{ kind: 'reach', to }]));

  test.each<[why: string, protocols: string, ports: unknown[]]>([
    ['a number', '{tcp: {destinationPort: {number: 443}}}', [port('tcp', 443)]],
    ['a range', '{udp: {destinationPort: {range: {start: 1, end: 65535}}}}', [port('udp', 1, 65535)]],
    ['every port of a protocol', '{sctp: {}}', [port('sctp', 1, 65535)]],
    [
      'several, any of which counts',
      '{tcp: {destinationPort: {number: 80}}}, {tcp: {destinationPort: {number: 443}}}, {udp: {destinationPort: {number: 443}}}',
      [port('tcp', 80), port('tcp', 443), port('udp', 443)],
    ],
  ])('protocols: %s', (_why, protocols, ports) => {
    const [reach, connect] = egressOf(
      accept(`${networks}, {domainNames: [example.org]}`, `, protocols: [${protocols}]`),
    );
    expect(reach).toMatchObject({ kind: 'reach', traffic: { ports, icmp: [] } });
    expect(connect).toMatchObject({ kind: 'connect', ports });
  });

  test('without protocols all of them, ICMP included', () => {
    const [reach, connect] = egressOf(accept(`${networks}, {domainNames: [example.org]}`));
    expect(reach).toMatchObject({ traffic: 'all' });
    expect(connect).toMatchObject({ ports: 'all' });
  });

  test('a named port is of any protocol, beside numbers or alone', () => {
    const named = { name: 'web', protocols: ['tcp', 'udp', 'sctp'] };
    const rules = egressOf(
      accept('{namespaces: {}}', ', protocols: [{destinationNamedPort: web}]'),
      accept('{namespaces: {}}', ', protocols: [{destinationNamedPort: web}, {tcp: {destinationPort: {number: 1}}}]'),
    );
    expect(rules).toEqual([
      expect.objectContaining({ traffic: { ports: [], icmp: [] }, namedPorts: [named] }),
      expect.objectContaining({ traffic: { ports: [port('tcp', 1)], icmp: [] }, namedPorts: [named] }),
    ]);
  });

  test('domain names open no DNS, and stand in a rule of their own', () => {
    const rules = egressOf(accept('{domainNames: [example.org]}, {nodes: {}}, {domainNames: ["*.Example.org."]}'));
    expect(rules).toEqual([
      expect.objectContaining({ kind: 'reach', to: [{ kind: 'nodes', requirements: [] }] }),
      { kind: 'connect', names: [domain('example.org'), domain('*.Example.org.')], isSilent: true, ports: 'all' },
    ]);
  });

  test('25 rules, peers, networks, names and protocols are not too many', () => {
    const times = (item: (i: number) => string) => Array.from({ length: 25 }, (_, i) => item(i)).join(', ');
    const peers = [
      times(() => '{namespaces: {}}'),
      `{networks: [${times((i) => `192.0.2.${i}/32`)}]}`,
      `{domainNames: [${times((i) => `n${i}.example.org`)}]}`,
    ];
    const protocols = `, protocols: [${times((i) => `{tcp: {destinationPort: {number: ${i + 1}}}}`)}]`;
    const rule = `{name: ${'n'.repeat(100)}, action: Accept, to: [${peers[0] ?? ''}]}`;
    expect(egressOf(...Array.from({ length: 25 }, () => rule))).toHaveLength(25);
    expect(egressOf(accept(peers.slice(1).join(', '), protocols))).toHaveLength(2);
  });
});

test.each(['', ', egress: []'])('a policy without egress rules (%j) selects nobody', (egress) => {
  expect(policyOf(`${EVERYBODY}${egress}`)).toMatchObject({ rules: [] });
});

test.each([
  ['ingress alone', '', 0],
  ['ingress beside egress', `, egress: [${accept('{namespaces: {}}')}]`, 1],
])('%s is left to the CNI, and that is said', (_why, egress, rules) => {
  const policy = policyOf(`${EVERYBODY}, ingress: [{action: Deny, from: [{namespaces: {}}]}]${egress}`);
  expect(policy.rules).toHaveLength(rules);
  expect(policy.notes).toEqual([
    { code: 'left-to-cni', at: 'p.yaml:4:61', message: 'ingress is left to your CNI: namewall judges egress only' },
  ]);
});

test('no note is made of an ingress list without rules', () => {
  expect(policyOf(`${EVERYBODY}, ingress: []`)).not.toHaveProperty('notes');
});

describe('annotations', () => {
  const withAnnotation = (text: string) =>
    policyOf(
      `${EVERYBODY}, egress: [${accept('{domainNames: [example.org]}, {nodes: {}}')}]`,
      `{name: p, annotations: {${text}}}`,
    );

  test('mode: audit', () => {
    expect(withAnnotation('namewall.io/mode: audit').isAudited).toBe(true);
    expect(withAnnotation('namewall.io/mode: enforce')).not.toHaveProperty('isAudited');
  });

  test('allow-answer-ranges is about names, and about nothing else', () => {
    const { egress } = ruleOf(withAnnotation('namewall.io/allow-answer-ranges: "10.20.0.0/16,cgnat"'));
    expect(egress[0]).not.toHaveProperty('answerRanges');
    expect(egress[1]).toMatchObject({ kind: 'connect', answerRanges: ['10.20.0.0/16', '100.64.0.0/10'] });
  });
});

describe('what is refused, with every message and its place', () => {
  /** What begins with a dash is one rule of `egress`. */
  const RULES = `${HEAD}metadata: {name: p}\nspec:\n  tier: Admin\n  priority: 1\n  subject: {namespaces: {}}\n  egress:\n`;
  const table = readFileSync(new URL('cluster-network-policy/wrong-policies.txt', import.meta.url), 'utf8')
    .split(/^=== /m)
    .slice(1)
    .map((section) => {
      const whyEnd = section.indexOf('\n') + 1;
      const [text = '', expected = ''] = section.slice(whyEnd).split('--- refused with\n');
      return { why: section.slice(0, whyEnd - 1), text: text.startsWith('    - ') ? RULES + text : text, expected };
    });

  test('the table is all there', () => expect(table).toHaveLength(56));

  test.each(table)('$why', ({ text, expected }) => {
    const found = readPolicies(text, 'p.yaml');
    const problems = found.ok ? [] : found.problems;
    expect(problems.map(({ at, code, message }) => `${at}: ${code}: ${message}\n`).join('')).toBe(expected);
    expect(expected).not.toMatch(/\.$/m);
  });
});
