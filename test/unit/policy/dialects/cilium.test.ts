import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../../src/pods/pod.ts';
import { Verdicts } from '../../../support/policy-verdicts.ts';
import { read } from './cilium-documents.ts';

const policy = (name: string, rest: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\n${rest}\n`;

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
spec: {endpointSelector: {}, enableDefaultDeny: {egress: true, ingress: false}, labels: [{key: a}], log: {value: x}, egress: [{}]}
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

describe('what decides', () => {
  const pod = (name: string, address: string, labels: Record<string, string>, ports: Pod['ports'] = []): Pod => ({
    uid: name,
    namespace: 'shop',
    name,
    labels,
    addresses: [address],
    ports,
  });
  const DB_PORTS = [{ name: 'sql', port: 5432, protocol: 'tcp' as const }];
  const PODS = [
    pod('web', '10.0.0.1', { app: 'web' }),
    pod('db', '10.0.0.2', { app: 'db' }, DB_PORTS),
    pod('db-2', '10.0.0.3', { app: 'db' }, [{ name: 'sql', port: 15432, protocol: 'tcp' }]),
    { ...pod('kube-dns', '10.0.0.53', { 'k8s-app': 'kube-dns' }), namespace: 'kube-system' },
  ];
  const WORLD = {
    nodes: [
      { name: 'here', labels: { zone: 'a' }, addresses: ['172.16.0.1'], isLocal: true },
      { name: 'there', labels: { zone: 'b' }, addresses: ['172.16.0.2'], isLocal: false },
    ],
    services: [
      { namespace: 'shop', name: 'db', labels: { tier: 'data' }, selector: { app: 'db' }, addresses: ['10.96.0.2'] },
      { namespace: 'infra', name: 'mail', labels: { tier: 'out' }, addresses: ['198.51.100.25'] },
    ],
    dnsServers: ['10.96.0.10'],
    areDnsServersInside: true,
    protectedRanges: ['10.0.0.0/8'],
  };
  const DNS = 'toEndpoints: [{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}]';
  const DNS_SERVICE = 'toServices: [{k8sService: {serviceName: kube-dns, namespace: kube-system}}]';
  const DB = 'toServices: [{k8sService: {serviceName: db, namespace: shop}}]';
  const ALL = 'egress: [{toEntities: [all]}, {toEntities: [cluster]}]';
  const OFF = 'enableDefaultDeny: {egress: false}';
  const ports = (port: string, protocol = 'TCP') => `toPorts: [{ports: [{port: ${port}, protocol: ${protocol}}]}]`;

  /** Each of `rules` is a policy; `audit ` before it makes it one that only audits. */
  function verdicts(...rules: string[]): Verdicts {
    const documents = rules.map((rule, i) => {
      const mode = rule.startsWith('audit ') ? 'audit' : 'enforce';
      const metadata = `{name: p${i}, namespace: shop, annotations: {namewall.io/mode: ${mode}}}`;
      const spec = `{endpointSelector: {matchLabels: {app: web}}, ${rule.replace(/^audit /, '')}}`;
      return `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: ${metadata}\nspec: ${spec}\n`;
    });
    return new Verdicts(read(documents.join('---\n')), PODS, WORLD);
  }

  test.each<[why: string, rules: string[], packet: string, verdict: 'allow' | 'deny' | 'would-deny']>([
    ['a Service is the pods that it selects', [`egress: [{${DB}}]`], 'tcp 10.0.0.2 5432', 'allow'],
    ['and not its own address, which no packet goes to', [`egress: [{${DB}}]`], 'tcp 10.96.0.2 5432', 'deny'],
    ['nor other pods', [`egress: [{${DB}}]`], 'tcp 10.0.0.53 53', 'deny'],
    [
      'one without selector is its addresses',
      ['egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {tier: out}}}}]}]'],
      'tcp 198.51.100.25 25',
      'allow',
    ],
    [
      'one that does not exist is nobody',
      ['egress: [{toServices: [{k8sService: {serviceName: none}}]}]'],
      'tcp 10.0.0.2 5432',
      'deny',
    ],
    ['a Service that is denied beats what is allowed', [ALL, `egressDeny: [{${DB}}]`], 'tcp 10.0.0.2 5432', 'deny'],
    ['on its ports', [ALL, `egressDeny: [{${DB}, ${ports('5432')}}]`], 'tcp 10.0.0.2 5433', 'allow'],

    ['a node by a label', ['egress: [{toNodes: [{matchLabels: {zone: b}}]}]'], 'tcp 172.16.0.2 9100', 'allow'],
    ['not another', ['egress: [{toNodes: [{matchLabels: {zone: b}}]}]'], 'tcp 172.16.0.1 9100 host', 'deny'],
    ['this one by its label', ['egress: [{toNodes: [{matchLabels: {zone: a}}]}]'], 'tcp 172.16.0.1 9100 host', 'allow'],
    [
      'a node that is denied beats what is allowed',
      [ALL, 'egressDeny: [{toNodes: [{}]}]'],
      'tcp 172.16.0.2 9100',
      'deny',
    ],
    ['this one is denied among them', [ALL, 'egressDeny: [{toNodes: [{}]}]'], 'tcp 172.16.0.1 9100 host', 'deny'],
    [
      'and not among remote nodes',
      [ALL, 'egressDeny: [{toEntities: [remote-node]}]'],
      'tcp 172.16.0.1 9100 host',
      'allow',
    ],

    ['the cluster is its pods', ['egress: [{toEntities: [cluster]}]'], 'tcp 10.0.0.2 1', 'allow'],
    ['its nodes', ['egress: [{toEntities: [cluster]}]'], 'tcp 172.16.0.2 1', 'allow'],
    ['this one', ['egress: [{toEntities: [cluster]}]'], 'tcp 172.16.0.1 1 host', 'allow'],
    ['and nobody outside', ['egress: [{toEntities: [cluster]}]'], 'tcp 203.0.113.1 1', 'deny'],
    [
      'the cluster that is denied leaves the world',
      ['egress: [{toEntities: [all]}], egressDeny: [{toEntities: [cluster]}]'],
      'tcp 203.0.113.1 1',
      'allow',
    ],
    [
      'and not its pods',
      ['egress: [{toEntities: [all]}], egressDeny: [{toEntities: [cluster]}]'],
      'tcp 10.0.0.2 1',
      'deny',
    ],

    ['a named port is another of each pod', [`egress: [{${DB}, ${ports('sql')}}]`], 'tcp 10.0.0.2 5432', 'allow'],
    ['of each', [`egress: [{${DB}, ${ports('sql')}}]`], 'tcp 10.0.0.3 15432', 'allow'],
    ['and not the other’s', [`egress: [{${DB}, ${ports('sql')}}]`], 'tcp 10.0.0.3 5432', 'deny'],
    ['of its protocol', [`egress: [{${DB}, ${ports('sql', 'UDP')}}]`], 'udp 10.0.0.2 5432', 'deny'],
    ['of any destination', [`egress: [{${ports('sql')}}]`], 'tcp 10.0.0.2 5432', 'allow'],
    ['which is pods', [`egress: [{${ports('sql')}}]`], 'tcp 203.0.113.1 5432', 'deny'],
    ['of the pods in a range', [`egress: [{toCIDR: [10.0.0.2/32], ${ports('sql')}}]`], 'tcp 10.0.0.3 15432', 'deny'],
    [
      'one that is denied beats what is allowed',
      [ALL, `egressDeny: [{toEntities: [cluster], ${ports('sql')}}]`],
      'tcp 10.0.0.2 5432',
      'deny',
    ],
    [
      'and denies nothing else',
      [ALL, `egressDeny: [{toEntities: [cluster], ${ports('sql')}}]`],
      'tcp 10.0.0.3 5432',
      'allow',
    ],

    [
      'who does not deny by default leaves everything open',
      [`egress: [{toCIDR: [192.0.2.0/24]}], ${OFF}`],
      'tcp 203.0.113.1 1',
      'allow',
    ],
    ['but for what it denies', [`egressDeny: [{toCIDR: [192.0.2.0/24]}], ${OFF}`], 'tcp 192.0.2.1 1', 'deny'],
    [
      'and allows where another denies by default',
      [`egress: [{toCIDR: [192.0.2.0/24]}], ${OFF}`, 'egress: [{}]'],
      'tcp 192.0.2.1 1',
      'allow',
    ],
    [
      'which one policy is enough for',
      [`egress: [{toCIDR: [192.0.2.0/24]}], ${OFF}`, 'egress: [{}]'],
      'tcp 203.0.113.1 1',
      'deny',
    ],
    [
      'also one of ingress that says so',
      ['ingress: [{}], enableDefaultDeny: {egress: true}'],
      'tcp 203.0.113.1 1',
      'deny',
    ],
    ['ingress alone leaves everything open', ['ingress: [{}]'], 'tcp 203.0.113.1 1', 'allow'],

    ['one that audits tells what it would deny', ['audit egress: [{}]'], 'tcp 203.0.113.1 1', 'would-deny'],
    ['and what it denies', [ALL, 'audit egressDeny: [{toCIDR: [203.0.113.0/24]}]'], 'tcp 203.0.113.1 1', 'would-deny'],
    ['its allow rules count', ['audit egress: [{toCIDR: [192.0.2.0/24]}]', 'egress: [{}]'], 'tcp 192.0.2.1 1', 'allow'],
    ['one that does not audit decides', ['audit egress: [{}]', 'egress: [{}]'], 'tcp 203.0.113.1 1', 'deny'],

    ['metrics of the cluster DNS', [`egress: [{${DNS}, ${ports('9153')}}]`], 'tcp 10.0.0.53 9153', 'allow'],
    ['by its Service', [`egress: [{${DNS_SERVICE}, ${ports('9153')}}]`], 'tcp 10.0.0.53 9153', 'allow'],
    ['and no other port of it', [`egress: [{${DNS}, ${ports('9153')}}]`], 'tcp 10.0.0.53 9154', 'deny'],
    ['all of it', [`egress: [{${DNS}}]`], 'udp 10.0.0.53 9154', 'allow'],
    ['what may be asked opens no address', [`egress: [{${DNS}, ${ports('53')}}]`], 'tcp 10.0.0.53 53', 'deny'],
  ])('%s', (_why, rules, packet, verdict) => expect(verdicts(...rules).packet('shop/web', packet)).toBe(verdict));

  const asked = (protocol: string) => `{${DNS}, ${ports('53', protocol)}}`;
  const NAMES = '{toFQDNs: [{matchName: a.example.org}]}';

  test.each<[why: string, rules: string[], over: string]>([
    ['port 53 of the cluster DNS is every name', [`egress: [${asked('UDP')}]`], 'udp'],
    ['of its Service, too', [`egress: [{${DNS_SERVICE}, ${ports('53', 'TCP')}}]`], 'tcp'],
    ['all of it is, too', [`egress: [{${DNS}}]`], 'udp,tcp'],
    ['all of its Service, too', [`egress: [{${DNS_SERVICE}}]`], 'udp,tcp'],
    ['its metrics are not', [`egress: [{${DNS}, ${ports('9153')}}]`], ''],
    [
      'a range around it is',
      [`egress: [{${DNS}, toPorts: [{ports: [{port: 1, endPort: 99, protocol: TCP}]}]}]`],
      'tcp',
    ],
    ['its port by name is', [`egress: [{${DNS}, ${ports('dns', 'UDP')}}]`], 'udp'],
    ['the cluster is', ['egress: [{toEntities: [cluster]}]'], 'udp,tcp'],
    ['denied, no name may be asked, not even those of toFQDNs', [`egress: [${NAMES}], egressDeny: [{${DNS}}]`], ''],
    ['its Service denied, neither', [`egress: [${NAMES}], egressDeny: [{${DNS_SERVICE}}]`], ''],
    ['over the protocol that is denied', [`egress: [${NAMES}], egressDeny: [${asked('UDP')}]`], 'tcp'],
    ['whatever another policy lets be asked', [`egress: [${asked('ANY')}]`, `egressDeny: [${asked('TCP')}]`], 'udp'],
    ['its metrics denied changes nothing', [`egress: [${NAMES}], egressDeny: [{${DNS}, ${ports('9153')}}]`], 'udp,tcp'],
    ['the cluster denied does', [`egress: [${NAMES}], egressDeny: [{toEntities: [cluster]}]`], ''],
    ['who does not deny by default lets all be asked', [`egress: [${NAMES}], ${OFF}`], 'udp,tcp'],
    ['but for what it denies', [`egressDeny: [${asked('UDP')}], ${OFF}`], 'tcp'],
    ['who audits lets all be asked', ['audit egress: [{}]'], 'udp,tcp'],
    ['ingress alone does', ['ingress: [{}]'], 'udp,tcp'],
  ])('of names: %s', (_why, rules, over) => expect(verdicts(...rules).asks('shop/web', 'a.example.org')).toBe(over));
});
