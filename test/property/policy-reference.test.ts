// The reference itself, by tables of what Cilium's documents and policies/README.md say.
import { describe, expect, test } from 'vitest';
import { cilium, cluster, clusterwide, documentsOf, podOf, verdictOf, WORLD } from './policy-reference/example.ts';
import { isJudged } from './policy-reference/reference.ts';

type Row = readonly [why: string, policies: string, question: string, verdict: string];

function judge(rows: readonly Row[]): void {
  test.each(rows)('%s', (_why, policies, question, verdict) => expect(verdictOf(policies, question)).toBe(verdict));
}

const PORT = (port: string, protocol = 'TCP'): string =>
  `toPorts: [{ports: [{port: '${port}', protocol: ${protocol}}]}]`;
const NAMES = `toFQDNs: [{matchName: example.org}], ${PORT('443')}`;
const CLUSTER_DNS =
  "toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system, 'k8s:k8s-app': kube-dns}}]";
const OPENED = ", annotations: {'namewall.io/allow-answer-ranges': '10.20.0.0/16'}";
const WEB_HOST = 'tcp 192.0.2.1 443';

describe('which queries may be asked: the full path, of one view of the DNS', () => {
  const dns = (items: string): string => cilium(`egress: [{${CLUSTER_DNS}, toPorts: [${items}]}]`);
  const one = dns(
    "{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '*.example.org'}, {matchName: example.net}]}}," +
      "{ports: [{port: '53', protocol: TCP}], rules: {dns: [{matchName: sub.example.org}]}}",
  );
  const three = dns(
    "{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '*'}]}}," +
      "{ports: [{port: '53', protocol: TCP}], rules: {dns: [{matchName: example.com}]}}",
  );
  const four = dns("{ports: [{port: '53', protocol: UDP}]}");
  judge([
    ['a pattern over UDP', one, 'ask udp www.example.org', 'allow'],
    ['a name over UDP', one, 'ask udp example.net', 'allow'],
    ['what is said of UDP is not said of TCP', one, 'ask tcp www.example.org', 'deny'],
    ['a name over TCP', one, 'ask tcp sub.example.org', 'allow'],
    ['another name', one, 'ask udp example.com', 'deny'],
    ['whoever has a policy without DNS asks nothing', cilium('egress: [{}]'), 'ask udp www.example.org', 'deny'],
    ['every name', three, 'ask udp anything.at.all', 'allow'],
    ['every name, the root included', three, 'ask udp .', 'allow'],
    ['every name, odd ones included', three, 'ask udp a!b.example.org', 'allow'],
    ['every name over UDP is not every name over TCP', three, 'ask tcp example.net', 'deny'],
    ['one name over TCP', three, 'ask tcp example.com', 'allow'],
    ['no list of names is every name', four, 'ask udp example.org', 'allow'],
    ['of its protocol', four, 'ask tcp example.org', 'deny'],
    ['asking opens no address, not of the DNS itself', four, 'udp 10.1.0.53 53', 'deny'],
    ['an empty list is every name', dns('{ports: [{port: 53}], rules: {dns: []}}'), 'ask tcp example.org', 'allow'],
  ]);
});

describe('deny, names, addresses: order of rules and policies means nothing (§2.4)', () => {
  const allow = `{toCIDR: [192.0.2.0/24], ${PORT('443')}}`;
  const plain = "{toPorts: [{ports: [{port: '53'}]}]}";
  const filtered = "{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: example.org}]}}]}";
  judge([
    ['allowed', cilium(`egress: [${allow}]`), WEB_HOST, 'allow'],
    ['a broader deny', cilium(`egress: [${allow}], egressDeny: [{toCIDR: [0.0.0.0/0]}]`), WEB_HOST, 'deny'],
    ['a deny of the port', cilium(`egress: [${allow}], egressDeny: [{${PORT('443', 'ANY')}}]`), WEB_HOST, 'deny'],
    ['a deny of another port', cilium(`egress: [${allow}], egressDeny: [{${PORT('80')}}]`), WEB_HOST, 'allow'],
    [
      'a deny of another policy, before or after',
      cilium('egressDeny: [{toEntities: [world]}]') + cilium(`egress: [${allow}]`),
      WEB_HOST,
      'deny',
    ],
    [
      'a deny beats a name',
      cilium(`egress: [{${NAMES}}], egressDeny: [{toCIDR: [192.0.2.1/32]}]`),
      `${WEB_HOST} example.org`,
      'deny',
    ],
    ['allow and allow', cilium(`egress: [{}]`) + cilium(`egress: [${allow}]`), WEB_HOST, 'allow'],
    ['an empty item denies everything else', cilium('egress: [{}]'), WEB_HOST, 'deny'],
    [
      'rules.dns beside the same port without: every name',
      cilium(`egress: [${filtered}, ${plain}]`),
      'ask udp a.net',
      'allow',
    ],
    [
      'in one item too',
      cilium(
        'egress: [{toPorts: [{ports: [{port: 53, protocol: TCP}]}, {ports: [{port: 53}], rules: {dns: [{matchName: a.org}]}}]}]',
      ),
      'ask tcp b.org',
      'allow',
    ],
    ['rules.dns opens port 53 of nobody', cilium(`egress: [${filtered}]`), 'udp 192.0.2.53 53', 'deny'],
    ['the same port without rules opens it of everybody', cilium(`egress: [${plain}]`), 'udp 192.0.2.53 53', 'allow'],
    [
      'a name and a range: the port of the name',
      cilium(`egress: [{${NAMES}}, {toCIDR: [192.0.2.0/24], ${PORT('80')}}]`),
      `${WEB_HOST} example.org`,
      'allow',
    ],
    [
      'a name and a range: the port of the range',
      cilium(`egress: [{${NAMES}}, {toCIDR: [192.0.2.0/24], ${PORT('80')}}]`),
      'tcp 192.0.2.1 80 example.org',
      'allow',
    ],
    [
      'a name and a range: ports are not mixed',
      cilium(`egress: [{${NAMES}}, {toCIDR: [198.51.100.0/24], ${PORT('80')}}]`),
      'tcp 192.0.2.1 80 example.org',
      'deny',
    ],
  ]);
});

describe('default deny (§2.5)', () => {
  const off = 'enableDefaultDeny: {egress: false}';
  const ingress = 'ingress: [{}]';
  judge([
    ['no policy', '', WEB_HOST, 'allow'],
    ['a policy of another namespace', cilium('egress: [{}]').replace('shop', 'data'), WEB_HOST, 'allow'],
    ['a list of what is denied closes the rest', cilium('egressDeny: [{toCIDR: [198.51.100.0/24]}]'), WEB_HOST, 'deny'],
    ['ingress alone', cilium(ingress), WEB_HOST, 'allow'],
    [
      'ingress alone, egress denied in words',
      cilium(`${ingress}, enableDefaultDeny: {egress: true}`),
      WEB_HOST,
      'deny',
    ],
    [
      'ingress alone, ingress denied in words',
      cilium(`${ingress}, enableDefaultDeny: {ingress: true}`),
      WEB_HOST,
      'allow',
    ],
    ['beside egress, ingress means nothing', cilium(`${ingress}, egress: [{}]`), WEB_HOST, 'deny'],
    ['without default deny', cilium(`${off}, egress: [{${NAMES}}]`), WEB_HOST, 'allow'],
    [
      'without default deny, the metadata address',
      cilium(`${off}, egress: [{${NAMES}}]`),
      'tcp 169.254.169.254 80',
      'allow',
    ],
    [
      'without default deny, what is denied is',
      cilium(`${off}, egressDeny: [{toCIDR: [192.0.2.0/24]}]`),
      WEB_HOST,
      'deny',
    ],
    ['without default deny, names are asked', cilium(`${off}, egress: [{${NAMES}}]`), 'ask udp example.net', 'allow'],
    ['one rule with it is enough', cilium(`${off}, egress: [{}]`) + cilium('egress: [{}]'), WEB_HOST, 'deny'],
    [
      'and then the other still allows',
      cilium(`${off}, egress: [{toCIDR: [192.0.2.0/24]}]`) + cilium('egress: [{}]'),
      WEB_HOST,
      'allow',
    ],
  ]);

  test.each([
    ['egress', cilium('egress: [{}]'), true],
    ['egress without default deny', cilium(`${off}, egress: [{}]`), true],
    ['ingress', cilium(ingress), false],
    ['ingress, and egress denied in words', cilium(`${ingress}, enableDefaultDeny: {egress: true}`), true],
    ['ingress, and egress left open in words', cilium(`${ingress}, ${off}`), false],
  ])('whoever is selected for %s is judged: %s', (_why, policies, want) => {
    expect(isJudged(documentsOf(policies), WORLD, podOf('shop/web'))).toBe(want);
    expect(isJudged(documentsOf(policies), WORLD, podOf('data/db'))).toBe(false);
  });

  test.each(['Admin', 'Baseline'])('whoever is the subject of a policy of tier %s is judged', (tier) => {
    const policy = documentsOf(cluster(`${tier} 1`, '[{action: Pass, to: [{networks: [0.0.0.0/0]}]}]'));
    expect(isJudged(policy, WORLD, podOf('shop/web'))).toBe(true);
    expect(isJudged(documentsOf(cluster(`${tier} 1`, '[]')), WORLD, podOf('shop/web'))).toBe(false);
  });

  test('each of specs selects its own pods', () => {
    const policy =
      cilium('egress: [{}]').replace(/spec: .*/, '') +
      [
        'spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDR: [192.0.2.1/32]}]}',
        'specs: [{endpointSelector: {matchLabels: {app: db}}, egress: [{toCIDR: [192.0.2.2/32]}]}]',
      ].join('\n');
    const verdicts = ['shop/web', 'shop/db'].map((pod) =>
      ['tcp 192.0.2.1 1', 'tcp 192.0.2.2 1'].map((question) => verdictOf(policy, question, podOf(pod))),
    );
    expect(verdicts).toEqual([
      ['allow', 'deny'],
      ['deny', 'allow'],
    ]);
  });
});

describe('names in toFQDNs', () => {
  const names = cilium(`egress: [{${NAMES}}]`);
  const wide = cilium("egress: [{toFQDNs: [{matchPattern: '*'}]}]");
  judge([
    ['its port', names, `${WEB_HOST} example.org`, 'allow'],
    ['among other names of the address', names, `${WEB_HOST} example.net example.org`, 'allow'],
    ['what it did not resolve to', names, WEB_HOST, 'deny'],
    ['another name', names, `${WEB_HOST} www.example.org`, 'deny'],
    ['another port', names, 'tcp 192.0.2.1 80 example.org', 'deny'],
    ['another protocol', names, 'udp 192.0.2.1 443 example.org', 'deny'],
    ['asked over UDP, whatever its ports', names, 'ask udp example.org', 'allow'],
    ['asked over TCP', names, 'ask tcp EXAMPLE.org', 'allow'],
    ['no other name is asked', names, 'ask udp www.example.org', 'deny'],
    ['without ports every protocol', wide, 'icmp 192.0.2.1 8 example.org', 'allow'],
    ['a private address', wide, 'tcp 10.1.0.3 443 example.org', 'allow'],
    ['a link-local one', wide, 'tcp 169.254.169.254 80 example.org', 'deny'],
    ['the same behind NAT64', wide, 'tcp 64:ff9b::a9fe:a9fe 80 example.org', 'deny'],
    ['one of the cluster', wide, 'tcp 10.96.0.1 443 example.org', 'deny'],
    ['one that the configuration protects', wide, 'tcp 10.20.0.1 443 example.org', 'deny'],
    ['the node itself', wide, 'tcp 10.9.0.1 443 example.org', 'deny'],
    ['the node itself by an address that nothing protects', wide, 'tcp 203.0.113.9 443 example.org', 'deny'],
    ['an odd name is none', wide, 'tcp 192.0.2.1 443 a!b.example.org', 'deny'],
    ['opened by the annotation', cilium(`egress: [{${NAMES}}]`, OPENED), 'tcp 10.20.0.1 443 example.org', 'allow'],
    [
      'opened by the annotation of another policy',
      names + cilium('egress: [{}]', OPENED),
      'tcp 10.20.0.1 443 example.org',
      'deny',
    ],
    [
      'the annotation opens nothing of the cluster',
      cilium(`egress: [{${NAMES}}]`, OPENED.replace('10.20', '10.96')),
      'tcp 10.96.0.1 443 example.org',
      'deny',
    ],
  ]);
});

describe('addresses', () => {
  const world = cilium('egress: [{toEntities: [world]}]');
  const all = cilium('egress: [{toEntities: [all]}]');
  const port = cilium(`egress: [{${PORT('80')}}]`);
  const hole = cilium('egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [169.254.169.254/32]}]}]');
  const ranges = cilium('egress: [{toCIDR: [10.9.0.0/24, 192.0.2.77/25]}]');
  const denied = cilium('enableDefaultDeny: {egress: false}, egressDeny: [{toCIDR: [10.0.0.0/8]}]');
  judge([
    ['the world', world, WEB_HOST, 'allow'],
    [
      'the world of IPv4 is not that of IPv6',
      cilium('egress: [{toEntities: [world-ipv4]}]'),
      'tcp 2001:db8::9 443',
      'deny',
    ],
    ['pods are in the world', world, 'tcp 10.1.0.3 443', 'allow'],
    ['the metadata address is not', world, 'tcp 169.254.169.254 80', 'deny'],
    ['nor is it behind NAT64', world, 'tcp 64:ff9b::a9fe:a9fe 80', 'deny'],
    [
      'a range behind NAT64 that lies in a protected one is meant',
      cilium('egress: [{toCIDR: ["64:ff9b::a9fe:0/112"]}]'),
      'tcp 64:ff9b::a9fe:a9fe 80',
      'allow',
    ],
    ["nor is what is the cluster's own", world, 'tcp 10.96.0.1 80', 'deny'],
    ['nor what the configuration protects', world, 'tcp 10.20.0.1 80', 'deny'],
    ['nor the node itself', world, 'tcp 10.9.0.1 80', 'deny'],
    ['exceptions do not make a piece meant', hole, 'tcp 169.254.170.2 80', 'deny'],
    [
      'a range inside a protected one is meant',
      cilium('egress: [{toCIDR: [169.254.169.254/32]}]'),
      'tcp 169.254.169.254 80',
      'allow',
    ],
    ['one around it is not', cilium('egress: [{toCIDR: [169.254.0.0/15]}]'), 'tcp 169.254.169.254 80', 'deny'],
    ['bits behind the prefix', ranges, 'tcp 192.0.2.1 80', 'allow'],
    ['past the prefix', ranges, 'tcp 192.0.2.128 80', 'deny'],
    ['a range of nodes, another node', ranges, 'tcp 10.9.0.2 80', 'allow'],
    ['a range of nodes, this node', ranges, 'tcp 10.9.0.1 80', 'deny'],
    [
      'an exception',
      cilium('egress: [{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}]}]'),
      'tcp 192.0.2.15 1',
      'deny',
    ],
    [
      'that another item names',
      cilium('egress: [{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}, {cidr: 192.0.2.8/29}]}]'),
      'tcp 192.0.2.15 1',
      'allow',
    ],
    ['all: what the configuration protects', all, 'tcp 10.20.0.1 80', 'allow'],
    ["all: the cluster's own", all, 'tcp 10.96.0.1 443', 'allow'],
    ['all: the node itself', all, 'tcp 10.9.0.1 80', 'allow'],
    ['all: not the metadata address', all, 'tcp 169.254.169.254 80', 'deny'],
    ['a port of everybody', port, 'tcp 10.9.0.1 80', 'allow'],
    ['a port of everybody: not the metadata address', port, 'tcp 169.254.169.254 80', 'deny'],
    ['a port of everybody: only that', port, 'tcp 192.0.2.1 81', 'deny'],
    ['host is the node itself', cilium('egress: [{toEntities: [host]}]'), 'tcp 10.9.0.1 80', 'allow'],
    ['host is no other node', cilium('egress: [{toEntities: [host]}]'), 'tcp 10.9.0.2 80', 'deny'],
    ['remote-node is', cilium('egress: [{toEntities: [remote-node]}]'), 'tcp 10.9.0.2 80', 'allow'],
    ['remote-node is not this one', cilium('egress: [{toEntities: [remote-node]}]'), 'tcp 10.9.0.1 80', 'deny'],
    ['cluster: nodes', cilium('egress: [{toEntities: [cluster]}]'), 'tcp 10.9.0.2 80', 'allow'],
    ['cluster: this node', cilium('egress: [{toEntities: [cluster]}]'), 'tcp 10.9.0.1 80', 'allow'],
    [
      'cluster: this node by another address',
      cilium('egress: [{toEntities: [cluster]}]'),
      'tcp host:10.1.0.254 80',
      'allow',
    ],
    ['cluster: pods', cilium('egress: [{toEntities: [cluster]}]'), 'tcp 10.1.0.4 80', 'allow'],
    ['cluster: nothing else', cilium('egress: [{toEntities: [cluster]}]'), WEB_HOST, 'deny'],
    ['none', cilium('egress: [{toEntities: [none]}]'), WEB_HOST, 'deny'],
    ['a denied range has no gaps', denied, 'tcp 10.20.0.1 80', 'deny'],
    ['a denied range is the node itself, too', denied, 'tcp 10.9.0.1 80', 'deny'],
    ['and nothing else', denied, 'tcp 169.254.169.254 80', 'allow'],
    [
      'nobody is denied by none',
      cilium('enableDefaultDeny: {egress: false}, egressDeny: [{toEntities: [none]}]'),
      WEB_HOST,
      'allow',
    ],
    [
      'all is denied everything',
      cilium('enableDefaultDeny: {egress: false}, egressDeny: [{toEntities: [all]}]'),
      'tcp 127.0.0.1 1',
      'deny',
    ],
  ]);
});

describe('pods, nodes and Services', () => {
  const to = (selector: string): string => cilium(`egress: [{toEndpoints: [${selector}]}]`);
  const service = (text: string): string => cilium(`egress: [{toServices: [${text}]}]`);
  const nodes = (text: string): string => cilium(`egress: [{toNodes: [${text}]}]`);
  judge([
    ['every pod of the own namespace', to('{}'), 'tcp 10.1.0.2 1', 'allow'],
    ['by its other address', to('{}'), 'tcp 2001:db8:1:0::2 1', 'allow'],
    ['of no other namespace', to('{}'), 'tcp 10.1.0.4 1', 'deny'],
    ['clusterwide: of every namespace', clusterwide('egress: [{toEndpoints: [{}]}]'), 'tcp 10.1.0.4 1', 'allow'],
    ['a label of the own namespace', to('{matchLabels: {app: db}}'), 'tcp 10.1.0.4 1', 'deny'],
    [
      'another namespace by name',
      to("{matchLabels: {'any:app': db, io.kubernetes.pod.namespace: data}}"),
      'tcp 10.1.0.4 1',
      'allow',
    ],
    [
      'another namespace by its labels',
      to('{matchLabels: {io.cilium.k8s.namespace.labels.team: b}}'),
      'tcp 10.1.0.3 1',
      'allow',
    ],
    [
      'by an expression',
      to("{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: NotIn, values: [shop]}]}"),
      'tcp 10.1.0.53 1',
      'allow',
    ],
    [
      'NotIn holds without the label',
      to('{matchExpressions: [{key: tier, operator: NotIn, values: [a]}]}'),
      'tcp 10.1.0.2 1',
      'allow',
    ],
    ['Exists does not', to('{matchExpressions: [{key: tier, operator: Exists}]}'), 'tcp 10.1.0.2 1', 'deny'],
    ['DoesNotExist does', to('{matchExpressions: [{key: tier, operator: DoesNotExist}]}'), 'tcp 10.1.0.2 1', 'allow'],
    [
      'a Service by name: its pods',
      service('{k8sService: {serviceName: cache, namespace: data}}'),
      'tcp 10.1.0.3 1',
      'allow',
    ],
    [
      'a Service by name: no other pods',
      service('{k8sService: {serviceName: cache, namespace: data}}'),
      'tcp 10.1.0.4 1',
      'deny',
    ],
    [
      'a Service without a selector: its addresses',
      service('{k8sService: {serviceName: outside, namespace: data}}'),
      'tcp 192.0.2.20 1',
      'allow',
    ],
    [
      'a Service of no namespace: of every one',
      service('{k8sService: {serviceName: outside}}'),
      'tcp 192.0.2.21 1',
      'allow',
    ],
    [
      'Services by labels',
      service('{k8sServiceSelector: {selector: {matchLabels: {kind: store}}}}'),
      'tcp 192.0.2.20 1',
      'allow',
    ],
    [
      'Services by labels of a namespace',
      service('{k8sServiceSelector: {selector: {}, namespace: shop}}'),
      'tcp 192.0.2.20 1',
      'deny',
    ],
    ['a Service selects in its own namespace', service('{k8sService: {serviceName: db}}'), 'tcp 10.1.0.2 1', 'deny'],
    ['nobody else is', to('{}'), WEB_HOST, 'deny'],
    ['another node', nodes('{matchLabels: {zone: b}}'), 'tcp 10.9.0.2 1', 'allow'],
    ['not this one', nodes('{matchLabels: {zone: b}}'), 'tcp 10.9.0.1 1', 'deny'],
    ['this one', nodes('{matchLabels: {zone: a}}'), 'tcp 10.9.0.1 1', 'allow'],
    ['this one by another address', nodes('{matchLabels: {zone: a}}'), 'tcp host:10.1.0.254 1', 'allow'],
    [
      'more than the labels of the DNS are pods',
      cilium(
        `egress: [{toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}, matchExpressions: [{key: tier, operator: DoesNotExist}]}], ${PORT('53', 'UDP')}}]`,
      ),
      'udp 10.1.0.53 53',
      'allow',
    ],
    [
      'the labels of the DNS on another port are pods',
      cilium(`egress: [{${CLUSTER_DNS}, ${PORT('9153')}}]`),
      'tcp 10.1.0.53 9153',
      'allow',
    ],
  ]);
});

test('cluster is this node, too, where no node is known', () => {
  const world = { ...WORLD, nodes: [] };
  const verdict = verdictOf(cilium('egress: [{toEntities: [cluster]}]'), 'tcp host:10.9.0.1 80', undefined, world);
  expect(verdict).toBe('allow');
});

describe('ports and types', () => {
  const ports = (text: string): string => cilium(`egress: [{toEntities: [all], toPorts: [{ports: [${text}]}]}]`);
  const icmps = (text: string): string => cilium(`egress: [{icmps: [{fields: [${text}]}]}]`);
  judge([
    ['a number', ports('{port: 443, protocol: TCP}'), WEB_HOST, 'allow'],
    ['left out is ANY', ports("{port: '443'}"), 'sctp 192.0.2.1 443', 'allow'],
    ['ANY is no ICMP', ports("{port: '0', protocol: ANY}"), 'icmp 192.0.2.1 8', 'deny'],
    ['ANY is no other protocol', ports("{port: '0'}"), '47 192.0.2.1 0', 'deny'],
    ['0 is every port', ports("{port: '0', protocol: UDP}"), 'udp 192.0.2.1 65535', 'allow'],
    ['0 is every port of the protocol', ports("{port: '0', protocol: UDP}"), WEB_HOST, 'deny'],
    ['endPort is inside', ports("{port: '440', endPort: 443}"), WEB_HOST, 'allow'],
    ['after endPort', ports("{port: '440', endPort: 442}"), WEB_HOST, 'deny'],
    ['no ports, no restriction', cilium('egress: [{toEntities: [all]}]'), '47 192.0.2.1 0', 'allow'],
    ['a named port is that of the pod', ports('{port: sql}'), 'tcp 10.1.0.2 5432', 'allow'],
    ['of each pod its own', ports('{port: sql}'), 'tcp 10.1.0.3 5432', 'deny'],
    ['with the protocol that it has there', ports('{port: stats}'), 'tcp 10.1.0.3 8125', 'deny'],
    ['and that the rule says', ports('{port: stats, protocol: TCP}'), 'udp 10.1.0.3 8125', 'deny'],
    ['nobody else has it', ports('{port: sql}'), 'tcp 192.0.2.1 5432', 'deny'],
    ['a type by number', icmps('{type: 8}'), 'icmp 192.0.2.1 8', 'allow'],
    ['a type by name', icmps('{type: EchoRequest, family: IPv6}'), 'icmpv6 2001:db8::9 128', 'allow'],
    ['of its family', icmps('{type: 8}'), 'icmpv6 2001:db8::9 8', 'deny'],
    ['another type', icmps('{type: 8}'), 'icmp 192.0.2.1 0', 'deny'],
    ['types are no ports', icmps('{type: 80}'), 'tcp 192.0.2.1 80', 'deny'],
  ]);
});
