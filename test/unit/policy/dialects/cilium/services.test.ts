import { describe, expect, test } from 'vitest';
import { CLUSTERWIDE, egressOf, inCluster, refused } from '../cilium-documents.ts';

const services = (item: string, more = '') => `{toServices: [${item}]${more}}`;
const label = (key: string, ...values: string[]) => ({ subject: { kind: 'label', key }, operator: 'In', values });

describe('toServices', () => {
  test.each<[why: string, item: string, peer: object]>([
    [
      'a Service by its name and namespace',
      '{k8sService: {serviceName: web, namespace: shop}}',
      { kind: 'services', namespace: 'shop', name: 'web', requirements: [] },
    ],
    [
      'a Service by its name in every namespace',
      '{k8sService: {serviceName: web}}',
      { kind: 'services', name: 'web', requirements: [] },
    ],
    [
      'an empty namespace is every one',
      '{k8sService: {serviceName: web, namespace: ""}}',
      { kind: 'services', name: 'web', requirements: [] },
    ],
    [
      'Services by their labels',
      '{k8sServiceSelector: {selector: {matchLabels: {app: web}}, namespace: shop}}',
      { kind: 'services', namespace: 'shop', requirements: [label('app', 'web')] },
    ],
    [
      'in every namespace',
      '{k8sServiceSelector: {selector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}}}',
      { kind: 'services', requirements: [label('app', 'a', 'b')] },
    ],
    [
      'all Services of a namespace',
      '{k8sServiceSelector: {selector: {}, namespace: shop}}',
      { kind: 'services', namespace: 'shop', requirements: [] },
    ],
  ])('%s', (_why, item, peer) => {
    for (const kind of ['CiliumNetworkPolicy', CLUSTERWIDE]) {
      expect(egressOf(services(item), kind)).toMatchObject([{ kind: 'reach', to: [peer], traffic: 'all' }]);
      expect(egressOf(services(item), kind)[0]).toHaveProperty('to', [peer]);
    }
  });

  test('with ports, which may have names', () => {
    const ports = ', toPorts: [{ports: [{port: https, protocol: TCP}]}]';
    expect(egressOf(services('{k8sService: {serviceName: web}}', ports))).toMatchObject([
      { namedPorts: [{ name: 'https', protocols: ['tcp'] }] },
    ]);
  });

  test('several add up', () => {
    const item = '{k8sService: {serviceName: a}}, {k8sService: {serviceName: b}}';
    expect(egressOf(services(item))).toMatchObject([{ to: [{ name: 'a' }, { name: 'b' }] }]);
  });

  test.each<[why: string, item: string, message: string]>([
    ['neither name nor labels', '{}', 'Add k8sService or k8sServiceSelector to an item of toServices'],
    [
      'name and labels',
      '{k8sService: {serviceName: a}, k8sServiceSelector: {selector: {}}}',
      'Remove "k8sService": Cilium does not look at it beside k8sServiceSelector; write two items',
    ],
    ['no name', '{k8sService: {namespace: shop}}', 'Add "serviceName" to k8sService: it is missing'],
    ['an empty name', '{k8sService: {serviceName: ""}}', 'Cannot use "" as serviceName'],
    ['a name that is none', '{k8sService: {serviceName: a.b}}', 'Cannot use "a.b" as serviceName'],
    ['a namespace that is none', '{k8sService: {serviceName: a, namespace: A}}', 'Cannot use "A" as namespace'],
    ['no selector', '{k8sServiceSelector: {namespace: shop}}', 'Add "selector" to k8sServiceSelector: it is missing'],
    ['a selector without a value', '{k8sServiceSelector: {selector: }}', 'Cannot use no value for a Service selector'],
    ['a misspelt field', '{k8sServices: {serviceName: a}}', 'did you mean "k8sService"?'],
    [
      'a label of pods',
      '{k8sServiceSelector: {selector: {matchLabels: {io.kubernetes.pod.namespace: shop}}}}',
      'Cannot select Services by label "io.kubernetes.pod.namespace"',
    ],
    [
      'a label with a source',
      '{k8sServiceSelector: {selector: {matchLabels: {"k8s:app": a}}}}',
      'Cannot use "k8s:app" as a label',
    ],
  ])('%s is refused', (_why, item, message) => {
    expect(refused(services(item))).toEqual([expect.stringContaining(message)]);
  });

  test.each(['egress', 'egressDeny'])(
    'in a cluster they are refused in %s: the pods of other nodes are not known',
    (list) => {
      const { messages } = inCluster(
        `{endpointSelector: {}, ${list}: [${services('{k8sService: {serviceName: a}}')}]}`,
      );
      expect(messages).toEqual([
        expect.stringContaining('Cannot enforce toServices: the pods of other nodes are not known'),
      ]);
    },
  );
});
