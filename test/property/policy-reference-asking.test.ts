// The reference, by tables: who may ask the configured DNS servers because of addresses and ports, and what audit mode lets pass.
import { describe, expect, test } from 'vitest';
import { cilium, cluster, networkPolicy, podOf, verdictOf, WORLD } from './policy-reference/example.ts';
import type { Pod } from './policy-reference/world.ts';

type Row = readonly [why: string, policies: string, question: string, verdict: string];

function judge(rows: readonly Row[]): void {
  test.each(rows)('%s', (_why, policies, question, verdict) => expect(verdictOf(policies, question)).toBe(verdict));
}

const ASK = 'ask udp example.org';
const AUDIT = ", annotations: {'namewall.io/mode': audit}";
const NAMED_DNS: Pod = {
  ...podOf('data/db'),
  ports: [{ name: 'names', port: 53, protocol: 'UDP' }],
};
const EVERYBODY = '[{networks: [0.0.0.0/0, "::/0"]}]';

// The servers are 10.96.0.10 and 2001:db8:96::a; the pod with k8s-app=kube-dns has another address.
describe('a destination that holds the DNS servers', () => {
  const open = (entry: string): string => cilium(`egress: [{${entry}}]`);
  const close = (entry: string): string =>
    cilium(
      `enableDefaultDeny: {egress: false}, egress: [{toFQDNs: [{matchName: example.org}]}], egressDeny: [{${entry}}]`,
    );
  const dnsPods = '{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}';
  judge([
    ['all', open('toEntities: [all]'), ASK, 'allow'],
    ['all, on another port', open("toEntities: [all], toPorts: [{ports: [{port: '80'}]}]"), ASK, 'deny'],
    [
      'all, over the other protocol',
      open("toEntities: [all], toPorts: [{ports: [{port: '53', protocol: TCP}]}]"),
      ASK,
      'deny',
    ],
    [
      'all, of a range of ports',
      open("toEntities: [all], toPorts: [{ports: [{port: '1', endPort: 1023}]}]"),
      ASK,
      'allow',
    ],
    ['all, of ICMP', open('icmps: [{fields: [{type: 53}]}]'), ASK, 'deny'],
    ['host', open('toEntities: [host]'), ASK, 'deny'],
    ['world', open('toEntities: [world]'), ASK, 'allow'],
    ['world of one family', open('toEntities: [world-ipv6]'), ASK, 'allow'],
    ['cluster: the pods of the DNS', open('toEntities: [cluster]'), ASK, 'allow'],
    ['nodes', open('toEntities: [remote-node]'), ASK, 'deny'],
    ['a range with one of them', open('toCIDR: [10.96.0.0/16]'), ASK, 'allow'],
    ['a range without', open('toCIDR: [10.97.0.0/16]'), ASK, 'deny'],
    [
      'a range with one of them, excepted',
      open('toCIDRSet: [{cidr: 10.96.0.0/16, except: [10.96.0.10/32]}]'),
      ASK,
      'deny',
    ],
    [
      'pods that the DNS is among',
      open('toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system}}]'),
      ASK,
      'allow',
    ],
    [
      'by the labels of their namespace',
      open('toEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: ops}}]'),
      ASK,
      'allow',
    ],
    ['pods of the own namespace', open('toEndpoints: [{}]'), ASK, 'deny'],
    [
      'the Service of the DNS',
      open('toServices: [{k8sService: {serviceName: kube-dns, namespace: kube-system}}]'),
      ASK,
      'allow',
    ],
    ['another Service', open('toServices: [{k8sService: {serviceName: cache, namespace: data}}]'), ASK, 'deny'],
    [
      'a named port that is 53 there',
      open(
        `toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: dns}]}]`,
      ),
      ASK,
      'allow',
    ],
    [
      'a named port over the other protocol',
      open(
        `toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: dns}]}]`,
      ),
      'ask tcp example.org',
      'deny',
    ],
    ['denied to all: names of toFQDNs neither', close('toEntities: [all]'), ASK, 'deny'],
    ['denied on port 53', close("toPorts: [{ports: [{port: '53', protocol: UDP}]}]"), ASK, 'deny'],
    [
      'denied on port 53 of the other protocol',
      close("toPorts: [{ports: [{port: '53', protocol: TCP}]}]"),
      ASK,
      'allow',
    ],
    ['denied in a range of one of them', close('toCIDR: [0.0.0.0/0]'), ASK, 'allow'],
    ['denied in ranges of both', close('toCIDR: [0.0.0.0/0, "2001:db8:96::/48"]'), ASK, 'deny'],
    ['denied to the world', close('toEntities: [world]'), ASK, 'deny'],
    [
      'denied in ranges of both, one excepted',
      close('toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.96.0.10/32]}, {cidr: "::/0"}]'),
      ASK,
      'allow',
    ],
    ['denied at the DNS by its labels', close(`toEndpoints: [${dnsPods}]`), ASK, 'deny'],
    [
      'a NetworkPolicy with one of them',
      networkPolicy(
        'podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.96.0.10/32}}], ports: [{protocol: UDP, port: 53}]}]',
      ),
      ASK,
      'allow',
    ],
    [
      'a NetworkPolicy of TCP, which is meant without a word',
      networkPolicy('podSelector: {}, egress: [{ports: [{port: 53}]}]'),
      ASK,
      'deny',
    ],
    ['a NetworkPolicy of everything', networkPolicy('podSelector: {}, egress: [{}]'), ASK, 'allow'],
    [
      'Accept of one of them',
      cluster('Admin 1', '[{action: Accept, to: [{networks: [10.96.0.10/32]}]}]') + cilium('egress: [{}]'),
      ASK,
      'allow',
    ],
    [
      'Pass of one of them',
      cluster('Admin 1', `[{action: Pass, to: [{networks: [10.96.0.10/32]}]}, {action: Deny, to: ${EVERYBODY}}]`),
      ASK,
      'deny',
    ],
    [
      'Pass of both',
      cluster(
        'Admin 1',
        `[{action: Pass, to: [{networks: [10.96.0.10/32]}, {networks: ["2001:db8:96::a/128"]}]}, {action: Deny, to: ${EVERYBODY}}]`,
      ),
      ASK,
      'allow',
    ],
    [
      'a domain name is not asked',
      cluster('Admin 1', `[{action: Accept, to: [{domainNames: [example.org]}]}, {action: Deny, to: ${EVERYBODY}}]`),
      ASK,
      'deny',
    ],
    [
      'Accept by the labels of the DNS, before Deny',
      cluster(
        'Admin 1',
        `[{action: Accept, to: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}, {action: Deny, to: ${EVERYBODY}}]`,
      ),
      ASK,
      'allow',
    ],
    [
      'Deny before what toFQDNs lets ask',
      cluster('Admin 1', `[{action: Deny, to: ${EVERYBODY}}]`) +
        cilium('egress: [{toFQDNs: [{matchName: example.org}]}]'),
      ASK,
      'deny',
    ],
    [
      'a Deny of Baseline comes too late for a name',
      cluster('Baseline 1', `[{action: Deny, to: ${EVERYBODY}}]`) +
        cilium('egress: [{toFQDNs: [{matchName: example.org}]}]'),
      ASK,
      'allow',
    ],
    [
      'a Deny of Baseline where nothing else is said',
      cluster('Baseline 1', `[{action: Deny, to: ${EVERYBODY}}]`),
      ASK,
      'deny',
    ],
    ['nobody is selected', '', ASK, 'allow'],
  ]);

  test('where no server is configured no range of Cilium’s means one', () => {
    const world = { ...WORLD, dnsServers: [] };
    expect(verdictOf(open('toCIDR: [0.0.0.0/0]'), ASK, undefined, world)).toBe('deny');
    expect(verdictOf(close('toEntities: [world]'), ASK, undefined, world)).toBe('allow');
    expect(verdictOf(open('toEntities: [all]'), ASK, undefined, world)).toBe('allow');
  });

  test('a known pod with the address of a server is the DNS, and so is a node', () => {
    const own = { ...WORLD, dnsServers: ['10.1.0.2'] };
    expect(verdictOf(open('toEndpoints: [{}]'), ASK, undefined, own)).toBe('allow');
    expect(verdictOf(open('toEndpoints: [{}], toPorts: [{ports: [{port: sql}]}]'), ASK, undefined, own)).toBe('deny');
    const cache = { ...WORLD, dnsServers: ['10.1.0.4'], pods: [...WORLD.pods.slice(0, 3), NAMED_DNS] };
    expect(verdictOf(open('toEntities: [cluster], toPorts: [{ports: [{port: names}]}]'), ASK, undefined, cache)).toBe(
      'allow',
    );
    const service = { ...WORLD, dnsServers: ['192.0.2.20'] };
    expect(verdictOf(open('toServices: [{k8sService: {serviceName: outside}}]'), ASK, undefined, service)).toBe(
      'allow',
    );
    const node = { ...WORLD, dnsServers: ['10.9.0.2'] };
    expect(verdictOf(open('toEntities: [remote-node]'), ASK, undefined, node)).toBe('allow');
    expect(verdictOf(open('toEntities: [host]'), ASK, undefined, { ...WORLD, dnsServers: ['10.9.0.1'] })).toBe('deny');
  });
});

describe('audit mode', () => {
  const audited = (spec: string): string => cilium(spec, AUDIT);
  const names = 'egress: [{toFQDNs: [{matchName: example.org}]}]';
  const to = (cidr: string): string => `egress: [{toCIDR: [${cidr}]}]`;
  const deny = (place: string, metadata = ''): string =>
    cluster(place, '[{action: Deny, to: [{networks: [192.0.2.0/24]}]}]', metadata);
  const accept = cluster('Admin 5', '[{action: Accept, to: [{networks: [192.0.2.0/25]}]}]');
  const packet = 'tcp 192.0.2.1 443';
  judge([
    ['isolated by audited policies alone', audited(names), packet, 'would-deny'],
    ['isolated by audited policies alone: asking', audited(names), 'ask udp example.net', 'would-deny'],
    ['what they allow is not told', audited(names), `${packet} example.org`, 'allow'],
    ['what they let ask neither', audited(names), ASK, 'allow'],
    ['isolated by one enforced policy', audited(names) + cilium('egress: [{}]'), packet, 'deny'],
    ['what an audited policy allows counts', audited(to('192.0.2.0/24')) + cilium('egress: [{}]'), packet, 'allow'],
    ['what an enforced policy allows counts', audited('egress: [{}]') + cilium(to('192.0.2.0/24')), packet, 'allow'],
    [
      'an audited denial, allowed by another',
      audited('egressDeny: [{toEntities: [all]}]') + cilium(to('192.0.2.0/24')),
      packet,
      'would-deny',
    ],
    [
      'an audited denial, not allowed by another',
      audited('egressDeny: [{toEntities: [all]}]') + cilium('egress: [{}]'),
      packet,
      'deny',
    ],
    [
      'an enforced denial beside it',
      audited('egressDeny: [{toEntities: [all]}]') + cilium('egressDeny: [{toEntities: [all]}]'),
      packet,
      'deny',
    ],
    [
      'a denial of others',
      audited('enableDefaultDeny: {egress: false}, egressDeny: [{toCIDR: [10.0.0.0/8]}]'),
      packet,
      'allow',
    ],
    ['mode: enforce', cilium(names, AUDIT.replace('audit', 'enforce')), packet, 'deny'],
    ['a NetworkPolicy', networkPolicy('podSelector: {}, policyTypes: [Egress]', AUDIT), packet, 'would-deny'],
    [
      'a NetworkPolicy beside an enforced one',
      networkPolicy('podSelector: {}, policyTypes: [Egress]', AUDIT) + cilium(names),
      packet,
      'deny',
    ],
    ['a Deny of Admin', deny('Admin 1', AUDIT), packet, 'would-deny'],
    ['a Deny of Admin, accepted later', deny('Admin 1', AUDIT) + accept, packet, 'would-deny'],
    ['a Deny of Admin, accepted before', deny('Admin 9', AUDIT) + accept, packet, 'allow'],
    [
      'a Deny of Admin, denied later',
      deny('Admin 1', AUDIT) + deny('Admin 2').replace('name: p', 'name: q'),
      packet,
      'deny',
    ],
    ['a Deny of Admin, denied by the end', deny('Admin 1', AUDIT) + cilium('egress: [{}]'), packet, 'deny'],
    ['a Deny of Baseline', deny('Baseline 1', AUDIT), packet, 'would-deny'],
    [
      'a Deny of Baseline that is never reached',
      deny('Baseline 1', AUDIT) + cilium(to('192.0.2.0/24')),
      packet,
      'allow',
    ],
    ['what audited isolation lets pass goes on to Baseline', audited(names) + deny('Baseline 1'), packet, 'deny'],
    [
      'an audited Accept is an Accept',
      cluster('Admin 1', '[{action: Accept, to: [{networks: [192.0.2.0/24]}]}]', AUDIT) + deny('Admin 2'),
      packet,
      'allow',
    ],
    [
      'an audited Pass is a Pass',
      cluster('Admin 1', '[{action: Pass, to: [{networks: [192.0.2.0/24]}]}]', AUDIT) + deny('Admin 2'),
      packet,
      'allow',
    ],
  ]);
});
