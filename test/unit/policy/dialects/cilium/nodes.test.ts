import { describe, expect, test } from 'vitest';
import { egressOf, inCluster, refused } from '../cilium-documents.ts';

describe('toNodes', () => {
  test.each<[why: string, selector: string, requirements: object[]]>([
    ['all of them', '{}', []],
    [
      'by a label',
      '{matchLabels: {node-role.kubernetes.io/control-plane: ""}}',
      [{ subject: { kind: 'label', key: 'node-role.kubernetes.io/control-plane' }, operator: 'In', values: [''] }],
    ],
    ['by one with a source', '{matchLabels: {"node:zone": a}}', [{ subject: { kind: 'label', key: 'zone' } }]],
    ['by expressions', '{matchExpressions: [{key: gpu, operator: DoesNotExist}]}', [{ operator: 'DoesNotExist' }]],
  ])('%s', (_why, selector, requirements) => {
    expect(egressOf(`{toNodes: [${selector}]}`)).toMatchObject([
      { kind: 'reach', to: [{ kind: 'nodes', requirements }], traffic: 'all' },
    ]);
  });

  test('this node is one of them', () => {
    expect(egressOf('{toNodes: [{}]}')).not.toMatchObject([{ to: [{ isRemote: true }] }]);
  });

  test('on their ports', () => {
    expect(egressOf('{toNodes: [{}], toPorts: [{ports: [{port: 9100, protocol: TCP}]}]}')).toMatchObject([
      { traffic: { ports: [{ protocol: 'tcp', first: 9100, last: 9100 }] } },
    ]);
  });

  test.each<[why: string, item: string, message: string]>([
    [
      'a label of pods',
      '{toNodes: [{matchLabels: {io.cilium.k8s.policy.cluster: a}}]}',
      'Cannot select nodes by label',
    ],
    [
      'the name of a port',
      '{toNodes: [{}], toPorts: [{ports: [{port: http}]}]}',
      'Cannot use port "http": nodes have no container ports; write its number',
    ],
    [
      'what is no selector',
      '{toNodes: [web]}',
      'Cannot use the text "web" for a toNodes selector: it must be a mapping',
    ],
  ])('%s is refused', (_why, item, message) => expect(refused(item)).toEqual([expect.stringContaining(message)]));

  test.each(['egress', 'egressDeny'])('in a cluster it is refused in %s', (list) => {
    expect(inCluster(`{endpointSelector: {}, ${list}: [{toNodes: [{}]}]}`).messages).toEqual([
      expect.stringContaining('Cannot enforce toNodes: other nodes are not known in a cluster'),
    ]);
  });
});
