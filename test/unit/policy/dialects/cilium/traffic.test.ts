import { describe, expect, test } from 'vitest';
import { denyOf, egressOf, inCluster, refused } from '../cilium-documents.ts';

const NAMED = 'toPorts: [{ports: [{port: https, protocol: TCP}]}]';
const namedPorts = [{ name: 'https', protocols: ['tcp'] }];

describe('ports with a name', () => {
  test.each([
    ['pods', 'toEndpoints: [{}], '],
    ['Services', 'toServices: [{k8sService: {serviceName: web}}], '],
    ['the cluster', 'toEntities: [cluster], '],
    ['everything', 'toEntities: [all], '],
    ['any destination', ''],
    ['a CIDR, for the pods in it', 'toCIDR: [10.0.0.0/8], '],
    ['a CIDR set', 'toCIDRSet: [{cidr: 10.0.0.0/8}], '],
  ])('of %s, also as a denial', (_whose, peer) => {
    expect(egressOf(`{${peer}${NAMED}}`)).toMatchObject([{ verdict: 'allow', namedPorts }]);
    expect(denyOf(`{${peer}${NAMED}}`)).toMatchObject([{ verdict: 'deny', namedPorts }]);
  });

  test.each([
    ['names', 'toFQDNs: [{matchName: a.org}]', 'what a name resolves to has no container ports'],
    ['the world', 'toEntities: [world]', 'entity "world" has no container ports'],
    ['the node itself', 'toEntities: [cluster, host]', 'entity "host" has no container ports'],
    ['other nodes', 'toEntities: [remote-node]', 'entity "remote-node" has no container ports'],
    ['nodes', 'toNodes: [{}]', 'nodes have no container ports'],
  ])('of %s are refused', (_whose, peer, why) => {
    expect(refused(`{${peer}, ${NAMED}}`)).toEqual([`Cannot use port "https": ${why}; write its number`]);
  });

  test.each(['', 'toCIDR: [192.0.2.0/24], ', 'toEntities: [all], '])('in a cluster are refused: {%s…}', (peer) => {
    for (const list of ['egress', 'egressDeny']) {
      expect(inCluster(`{endpointSelector: {}, ${list}: [{${peer}${NAMED}}]}`).messages).toEqual([
        'Cannot use port "https": the ports of pods on other nodes are not known; write its number',
      ]);
    }
  });
});

test.each<[why: string, item: string, message: string]>([
  [
    'ICMP beside ports',
    '{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 80}]}], icmps: [{fields: [{type: 8}]}]}',
    'the ICMPs block may only be present without ToPorts; write two rules',
  ],
  [
    'of any destination, too',
    '{toPorts: [{ports: [{port: 80}]}], icmps: [{fields: [{type: 8}]}]}',
    'the ICMPs block may only be present without ToPorts; write two rules',
  ],
  ['an item without ports', '{toPorts: [{}]}', 'Add "ports" to an item of toPorts: it is missing'],
  [
    'an empty toPorts',
    '{toCIDR: [192.0.2.0/24], toPorts: []}',
    'Cannot use an empty list for toPorts: Cilium would open every port',
  ],
  [
    'toPorts without a value',
    '{toCIDR: [192.0.2.0/24], toPorts: }',
    'Cannot use no value for toPorts: it must be a list; list its items',
  ],
  [
    'ports without a value',
    '{toPorts: [{ports: }]}',
    'Cannot use no value for ports: it must be a list; list its items',
  ],
])('%s is refused', (_why, item, message) => expect(refused(item)).toEqual([expect.stringContaining(message)]));
