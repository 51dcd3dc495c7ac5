// The reference, by tables: ClusterNetworkPolicy with the example of the standard (standards §3.4), its tiers, order and peers.
import { describe, expect, test } from 'vitest';
import { cilium, cluster, networkPolicy, verdictOf, WORLD } from './policy-reference/example.ts';
import type { Pod, World } from './policy-reference/world.ts';

type Row = readonly [why: string, policies: string, question: string, verdict: string];

function judge(rows: readonly Row[], pod?: Pod, world?: World): void {
  test.each(rows)('%s', (_why, policies, question, verdict) =>
    expect(verdictOf(policies, question, pod, world)).toBe(verdict),
  );
}

describe('ClusterNetworkPolicy: the example of the standard', () => {
  const head = 'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy';
  const allowDns = `---
${head}
metadata: {name: payments-allow-dns}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: payments}}}
  egress:
  - name: dns-to-cluster-resolver
    action: Accept
    to:
    - pods:
        namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
        podSelector: {matchLabels: {k8s-app: kube-dns}}
    protocols:
    - udp: {destinationPort: {number: 53}}
    - tcp: {destinationPort: {number: 53}}
`;
  const names = `
  - name: card-processors
    action: Accept
    to:
    - domainNames: ["api.cardhost.example", "*.ledger.example"]
    protocols:
    - tcp: {destinationPort: {number: 443}}
  - name: monitoring-range
    action: Accept
    to:
    - domainNames: ["metrics.vendor.example."]
    protocols:
    - tcp: {destinationPort: {range: {start: 4317, end: 4318}}}`;
  const rest = `
  - name: in-cluster
    action: Pass
    to:
    - namespaces: {}`;
  const deny = `
  - name: everything-else
    action: Deny
    to:
    - networks: ["0.0.0.0/0", "::/0"]`;
  const allowlist = (...egress: string[]): string => `---
${head}
metadata: {name: payments-egress-allowlist}
spec:
  tier: Admin
  priority: 20
  subject:
    pods:
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: payments}}
      podSelector: {matchLabels: {app: checkout}}
  egress:${egress.join('')}
`;
  const example = allowDns + allowlist(names, rest, deny);
  const early = (cidr: string): string =>
    allowDns + allowlist(deny.replace('"0.0.0.0/0", "::/0"', `"${cidr}"`), names, rest, deny);
  const checkout: Pod = { namespace: 'payments', name: 'c', labels: { app: 'checkout' }, addresses: ['10.1.0.9'] };
  const other: Pod = { ...checkout, name: 'o', labels: { app: 'other' }, addresses: ['10.1.0.10'] };
  const world: World = { ...WORLD, pods: [...WORLD.pods, checkout, other] };
  judge(
    [
      ['any name may be asked', example, 'ask udp wikipedia.example', 'allow'],
      ['over TCP, too', example, 'ask tcp api.cardhost.example', 'allow'],
      [
        'without the policy of the DNS: its pods are passed with the others',
        allowlist(names, rest, deny),
        'ask udp a.example',
        'allow',
      ],
      [
        'without that either, no name may, not one that is accepted',
        allowlist(names, deny),
        'ask udp api.cardhost.example',
        'deny',
      ],
      ['the pods of the DNS', example, 'udp 10.1.0.53 53', 'allow'],
      ['the name on its port', example, 'tcp 192.0.2.1 443 api.cardhost.example', 'allow'],
      ['the name on another port', example, 'tcp 192.0.2.1 80 api.cardhost.example', 'deny'],
      ['without a lookup', example, 'tcp 192.0.2.1 443', 'deny'],
      ['a wildcard, one label', example, 'tcp 192.0.2.1 443 eu.ledger.example', 'allow'],
      ['a wildcard, three labels', example, 'tcp 192.0.2.1 443 a.b.eu.ledger.example', 'allow'],
      ['a wildcard, the apex', example, 'tcp 192.0.2.1 443 ledger.example', 'deny'],
      ['a final dot, first port', example, 'tcp 192.0.2.1 4317 metrics.vendor.example', 'allow'],
      ['a final dot, last port', example, 'tcp 192.0.2.1 4318 metrics.vendor.example', 'allow'],
      ['before the first port', example, 'tcp 192.0.2.1 4316 metrics.vendor.example', 'deny'],
      ['after the last port', example, 'tcp 192.0.2.1 4319 metrics.vendor.example', 'deny'],
      ['IPv6', example, 'tcp 2001:db8:f::1 443 api.cardhost.example', 'allow'],
      ['everything else in IPv6', example, 'tcp 2001:db8:f::1 443', 'deny'],
      ['pods are left to NetworkPolicy, and there is none', example, 'tcp 10.1.0.3 80', 'allow'],
      [
        'pods are left to NetworkPolicy, which denies',
        example + networkPolicy('podSelector: {}, policyTypes: [Egress]').replace('shop', 'payments'),
        'tcp 10.1.0.3 80',
        'deny',
      ],
      [
        'the name is accepted before NetworkPolicy denies',
        example + networkPolicy('podSelector: {}, policyTypes: [Egress]').replace('shop', 'payments'),
        'tcp 192.0.2.1 443 api.cardhost.example',
        'allow',
      ],
      ['a Deny of everything denies the node itself', example, 'tcp 10.9.0.1 80', 'deny'],
      ['a name opens no metadata address', example, 'tcp 169.254.169.254 443 api.cardhost.example', 'deny'],
      [
        'a Deny of the range before the Accept of the name',
        early('192.0.2.0/24'),
        'tcp 192.0.2.1 443 api.cardhost.example',
        'deny',
      ],
      [
        'beside that range the name is accepted',
        early('192.0.2.0/24'),
        'tcp 198.51.100.1 443 api.cardhost.example',
        'allow',
      ],
      ['after the Accept it loses', allowlist(names, deny), 'tcp 192.0.2.1 443 api.cardhost.example', 'allow'],
    ],
    checkout,
    world,
  );
  judge(
    [
      ['other pods of the namespace: only the DNS policy is theirs', example, 'tcp 192.0.2.1 443', 'allow'],
      ['and they ask', example, 'ask udp wikipedia.example', 'allow'],
    ],
    other,
    world,
  );
});

describe('ClusterNetworkPolicy: tiers, order, peers', () => {
  const packet = 'tcp 192.0.2.1 443';
  const rule = (action: string, peer = '{networks: [192.0.2.0/24]}', more = ''): string =>
    `{action: ${action}, to: [${peer}]${more}}`;
  const one = (place: string, ...rules: string[]): string => cluster(place, `[${rules.join()}]`);
  const named = (name: string, policy: string): string => policy.replace('name: p', `name: ${name}`);
  judge([
    ['the first rule that matches', one('Admin 1', rule('Accept'), rule('Deny')), packet, 'allow'],
    ['the first rule that matches, the other way', one('Admin 1', rule('Deny'), rule('Accept')), packet, 'deny'],
    [
      'the lower number first',
      one('Admin 2', rule('Deny')) + named('q', one('Admin 1', rule('Accept'))),
      packet,
      'allow',
    ],
    [
      'numbers are numbers',
      one('Admin 10', rule('Deny')) + named('q', one('Admin 9', rule('Accept'))),
      packet,
      'allow',
    ],
    [
      'equal numbers by name',
      named('b', one('Admin 1', rule('Deny'))) + named('a', one('Admin 1', rule('Accept'))),
      packet,
      'allow',
    ],
    ['Pass ends the tier', one('Admin 1', rule('Pass'), rule('Deny')), packet, 'allow'],
    [
      'Pass ends the tier for later policies',
      one('Admin 1', rule('Pass')) + named('q', one('Admin 2', rule('Deny'))),
      packet,
      'allow',
    ],
    ['Pass, then a policy in the middle', one('Admin 1', rule('Pass')) + cilium('egress: [{}]'), packet, 'deny'],
    ['Pass, then Baseline', one('Admin 1', rule('Pass')) + named('q', one('Baseline 1', rule('Deny'))), packet, 'deny'],
    [
      'Accept of Admin beats the middle',
      one('Admin 1', rule('Accept')) + cilium('egressDeny: [{toEntities: [all]}]'),
      packet,
      'allow',
    ],
    [
      'Deny of Admin beats the middle',
      one('Admin 1', rule('Deny')) + cilium('egress: [{toEntities: [all]}]'),
      packet,
      'deny',
    ],
    [
      'the middle is final for whom it isolates',
      one('Baseline 1', rule('Accept')) + cilium('egress: [{}]'),
      packet,
      'deny',
    ],
    [
      'what the middle allows is not asked of Baseline',
      one('Baseline 1', rule('Deny')) + cilium('egress: [{toCIDR: [192.0.2.0/24]}]'),
      packet,
      'allow',
    ],
    [
      'who is not isolated comes to Baseline',
      one('Baseline 1', rule('Deny')) + cilium('enableDefaultDeny: {egress: false}, egress: [{toCIDR: [10.0.0.0/8]}]'),
      packet,
      'deny',
    ],
    ['Pass of Baseline is the end', one('Baseline 1', rule('Pass'), rule('Deny')), packet, 'allow'],
    ['nothing matches', one('Admin 1', rule('Deny', '{networks: [198.51.100.0/24]}')), packet, 'allow'],
    [
      'a broad Accept leaves protected ranges to who comes after',
      one('Admin 1', rule('Accept', '{networks: [0.0.0.0/0]}'), rule('Deny', '{networks: [169.254.0.0/16]}')),
      'tcp 169.254.169.254 80',
      'deny',
    ],
    [
      'a broad Deny has no gaps',
      one('Admin 1', rule('Deny', '{networks: [0.0.0.0/0]}')),
      'tcp 169.254.169.254 80',
      'deny',
    ],
    [
      'a broad Pass neither',
      one('Admin 1', rule('Pass', '{networks: [0.0.0.0/0]}'), rule('Deny', '{networks: [0.0.0.0/0]}')),
      'tcp 169.254.169.254 80',
      'allow',
    ],
    [
      'an Accept of a range is not the node itself',
      one('Admin 1', rule('Accept', '{networks: [10.9.0.1/32]}'), rule('Deny', '{networks: [0.0.0.0/0]}')),
      'tcp 10.9.0.1 80',
      'deny',
    ],
    [
      'an Accept of this node is',
      one('Admin 1', rule('Accept', '{nodes: {matchLabels: {zone: a}}}'), rule('Deny', '{networks: [0.0.0.0/0]}')),
      'tcp 10.9.0.1 80',
      'allow',
    ],
    [
      'an Accept of other nodes is not',
      one('Admin 1', rule('Accept', '{nodes: {matchLabels: {zone: b}}}'), rule('Deny', '{networks: [0.0.0.0/0]}')),
      'tcp 10.9.0.1 80',
      'deny',
    ],
    [
      'a Deny of other nodes',
      one('Admin 1', rule('Deny', '{nodes: {matchExpressions: [{key: zone, operator: NotIn, values: [a]}]}}')),
      'tcp 10.9.0.2 80',
      'deny',
    ],
    [
      'a Deny of a namespace',
      one('Admin 1', rule('Deny', '{namespaces: {matchLabels: {team: b}}}')),
      'tcp 10.1.0.4 80',
      'deny',
    ],
    [
      'a Deny of a namespace is not of others',
      one('Admin 1', rule('Deny', '{namespaces: {matchLabels: {team: b}}}')),
      'tcp 10.1.0.2 80',
      'allow',
    ],
    [
      'a Deny of pods: both selectors',
      one(
        'Admin 1',
        rule('Deny', '{pods: {namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: db}}}}'),
      ),
      'tcp 10.1.0.3 80',
      'allow',
    ],
    [
      'two peers',
      one('Admin 1', rule('Deny', '{networks: [198.51.100.0/24]}, {namespaces: {}}')),
      'tcp 10.1.0.3 80',
      'deny',
    ],
    ['protocols left out are all', one('Admin 1', rule('Deny')), 'icmp 192.0.2.1 8', 'deny'],
    [
      'protocols',
      one('Admin 1', rule('Deny', undefined, ', protocols: [{udp: {destinationPort: {number: 443}}}]')),
      packet,
      'allow',
    ],
    [
      'a named port',
      one('Admin 1', rule('Deny', '{namespaces: {}}', ', protocols: [{destinationNamedPort: stats}]')),
      'udp 10.1.0.3 8125',
      'deny',
    ],
    [
      "a named port is nobody else's",
      one('Admin 1', rule('Deny', '{namespaces: {}}', ', protocols: [{destinationNamedPort: stats}]')),
      'udp 10.1.0.2 8125',
      'allow',
    ],
    [
      'subjects by namespace',
      one('Admin 1', rule('Deny')).replace('namespaces: {}}', 'namespaces: {matchLabels: {team: b}}}'),
      packet,
      'allow',
    ],
    [
      'ingress alone',
      one('Admin 1').replace('egress: []', 'ingress: [{action: Deny, from: [{namespaces: {}}]}]'),
      packet,
      'allow',
    ],
  ]);
});
