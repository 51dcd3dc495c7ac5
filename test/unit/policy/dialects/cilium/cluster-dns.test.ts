import { describe, expect, test } from 'vitest';
import { Verdicts } from '../../../../support/policy-verdicts.ts';
import { CLUSTER_DNS, denyOf, egressOf, inCluster, named, pattern, read, refused } from '../cilium-documents.ts';

const PODS = `toEndpoints: [${CLUSTER_DNS}]`;
const SERVICE = 'toServices: [{k8sService: {serviceName: kube-dns, namespace: kube-system}}]';
const item = (peer: string, ports: string, rules = '') => `{${peer}, toPorts: [{ports: [${ports}]${rules}}]}`;
const EVERY_NAME = { kind: 'ask', names: [pattern('*')], overUdp: true, overTcp: true };
const tcp = (first: number, last = first) => ({ ports: [{ protocol: 'tcp', first, last }], icmp: [] });

describe.each([
  ['its pods', PODS],
  ['its Service', SERVICE],
  ['its Service by its other name', SERVICE.replace('kube-dns', 'coredns')],
])('the cluster DNS as %s', (_as, peer) => {
  test('names that may be asked', () => {
    const rules = ', rules: {dns: [{matchName: a.org}]}';
    expect(egressOf(item(peer, '{port: "53", protocol: UDP}', rules))).toEqual([
      { kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: false },
    ]);
  });

  test('without rules every name may be', () => {
    expect(egressOf(item(peer, '{port: "53", protocol: ANY}'))).toEqual([EVERY_NAME]);
  });

  test('another port is one of its pods', () => {
    expect(egressOf(item(peer, '{port: 9153, protocol: TCP}'))).toMatchObject([
      { kind: 'reach', verdict: 'allow', traffic: tcp(9153) },
    ]);
  });

  test('both', () => {
    expect(egressOf(item(peer, '{port: 53}, {port: 9153, protocol: TCP}'))).toMatchObject([
      EVERY_NAME,
      { kind: 'reach', traffic: tcp(9153) },
    ]);
  });

  test('a range around its port is one of its pods', () => {
    expect(egressOf(item(peer, '{port: 1, endPort: 99, protocol: TCP}'))).toMatchObject([{ traffic: tcp(1, 99) }]);
  });

  test('the name of a port is', () => {
    expect(egressOf(item(peer, '{port: metrics, protocol: TCP}'))).toMatchObject([
      { traffic: { ports: [], icmp: [] }, namedPorts: [{ name: 'metrics', protocols: ['tcp'] }] },
    ]);
  });

  test('without ports everything is', () =>
    expect(egressOf(`{${peer}}`)).toMatchObject([{ kind: 'reach', traffic: 'all' }]));

  test('ICMP is', () => {
    expect(egressOf(`{${peer}, icmps: [{fields: [{type: 8}]}]}`)).toMatchObject([
      { kind: 'reach', traffic: { ports: [], icmp: [{ family: 4, type: 8 }] } },
    ]);
  });

  test('denied is a rule like others', () => {
    expect(denyOf(item(peer, '{port: 53, protocol: TCP}'))).toMatchObject([{ verdict: 'deny', traffic: tcp(53) }]);
    expect(denyOf(`{${peer}}`)).toMatchObject([{ verdict: 'deny', traffic: 'all' }]);
  });

  test('its pods stand for it, whether the Service is known or not', () => {
    const [rule] = denyOf(`{${peer}}`);
    const pods = rule?.kind === 'reach' ? rule.to.filter(({ kind }) => kind === 'pods') : [];
    expect(pods).toHaveLength(1);
  });

  describe('in a cluster, where its pods are not known', () => {
    const spec = (list: string, rule: string) => `{endpointSelector: {}, ${list}: [${rule}]}`;

    test('names may be asked', () => {
      expect(inCluster(spec('egress', item(peer, '{port: 53}'))).policy?.rules).toMatchObject([
        { egress: [EVERY_NAME] },
      ]);
    });

    test('port 53 may be denied: no name may be asked then, and nobody else’s port 53 be reached', () => {
      const { policy, messages } = inCluster(spec('egressDeny', item(peer, '{port: 53}')));
      expect(messages).toEqual([]);
      const web = { uid: 'w', namespace: 'default', name: 'web', labels: {}, addresses: ['10.0.0.1'] };
      const open = inCluster('{endpointSelector: {}, egress: [{toEntities: [all]}]}').policy;
      const policies = [policy, open].flatMap((each, i) => (each === undefined ? [] : [{ ...each, name: `p${i}` }]));
      const verdicts = new Verdicts(policies, [web], { knowsAllPods: false });
      expect(verdicts.asks('default/web', 'a.example.org')).toBe('');
      expect(verdicts.packet('default/web', 'udp 192.0.2.53 53')).toBe('deny');
      expect(verdicts.packet('default/web', 'udp 192.0.2.53 54')).toBe('allow');
    });

    test.each<[why: string, list: string, rule: string, message: string]>([
      ['other ports', 'egress', item(peer, '{port: 9153}'), 'Cannot open port "9153" of the cluster DNS'],
      ['a range', 'egress', item(peer, '{port: 1, endPort: 99}'), 'Cannot open ports 1 to 99 of the cluster DNS'],
      ['the name of a port', 'egress', item(peer, '{port: metrics}'), 'Cannot open port "metrics" of the cluster DNS'],
      ['all of them', 'egress', `{${peer}}`, 'Add "toPorts" with port "53" to this egress rule'],
      [
        'ICMP',
        'egress',
        `{${peer}, icmps: [{fields: [{type: 8}]}]}`,
        'Add "toPorts" with port "53" to this egress rule',
      ],
      ['a denial of all of it', 'egressDeny', `{${peer}}`, 'Cannot deny more than port "53" of the cluster DNS'],
      [
        'a denial of others',
        'egressDeny',
        item(peer, '{port: 9153}'),
        'Cannot deny more than port "53" of the cluster DNS',
      ],
      [
        'a denial of a named port',
        'egressDeny',
        item(peer, '{port: dns}'),
        'Cannot use port "dns": the ports of pods on other nodes are not known',
      ],
    ])('%s is refused', (_why, list, rule, message) => {
      expect(inCluster(spec(list, rule)).messages).toEqual([expect.stringContaining(message)]);
    });
  });
});

test.each([
  ['k8s:io.kubernetes.pod.namespace', 'k8s-app'],
  ['io.kubernetes.pod.namespace', 'k8s:k8s-app'],
  ['any:io.kubernetes.pod.namespace', 'any:k8s-app'],
  ['k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name', 'k8s-app'],
])('its pods as %s and %s', (namespace, app) => {
  const labels = `{"${namespace}": kube-system, "${app}": kube-dns}`;
  expect(egressOf(item(`toEndpoints: [{matchLabels: ${labels}}]`, '{port: 53}'))).toEqual([EVERY_NAME]);
});

test('in a policy of kube-system its pods need no namespace', () => {
  const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: kube-system}
spec:
  endpointSelector: {}
  egress: [{toEndpoints: [{matchLabels: {k8s-app: kube-dns}}], toPorts: [{ports: [{port: 53}]}]}]
`;
  expect(read(text)[0]?.rules[0]?.egress).toEqual([EVERY_NAME]);
});

test('a Service of its name in every namespace is another', () => {
  expect(
    egressOf(item('toServices: [{k8sService: {serviceName: kube-dns}}]', '{port: 53, protocol: TCP}')),
  ).toMatchObject([{ kind: 'reach', to: [{ kind: 'services', name: 'kube-dns' }] }]);
});

describe('beside other pods', () => {
  const both = `toEndpoints: [${CLUSTER_DNS}, {matchLabels: {app: db}}]`;

  test('it is one of them', () => {
    expect(egressOf(item(both, '{port: 53, protocol: TCP}'))).toMatchObject([
      { kind: 'reach', to: [{ kind: 'pods' }, { kind: 'pods' }], traffic: tcp(53) },
    ]);
  });

  test('names cannot be filtered', () => {
    expect(refused(item(both, '{port: 53}', ', rules: {dns: []}'))).toEqual([
      expect.stringContaining('only the cluster DNS is proxied, written alone'),
    ]);
  });
});
