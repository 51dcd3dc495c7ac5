import { describe, expect, test } from 'vitest';
import { denyOf, egressOf, inCluster, refused } from '../cilium-documents.ts';

const cidr = (text: string) => ({ kind: 'cidr', cidr: text, except: [], isOutside: true });
const EVERY_POD = { kind: 'pods', selector: { requirements: [] } };

describe('toEntities', () => {
  test.each<[entities: string, to: object[]]>([
    ['all', [{ kind: 'any' }]],
    ['world', [cidr('0.0.0.0/0'), cidr('::/0')]],
    ['world-ipv4', [cidr('0.0.0.0/0')]],
    ['world-ipv6', [cidr('::/0')]],
    ['host', [{ kind: 'host' }]],
    ['cluster', [EVERY_POD, { kind: 'nodes', requirements: [] }, { kind: 'host' }]],
    ['remote-node', [{ kind: 'nodes', requirements: [], isRemote: true }]],
    ['none', []],
    ['none, host', [{ kind: 'host' }]],
  ])('%s', (entities, to) => {
    expect(egressOf(`{toEntities: [${entities}]}`)[0]).toHaveProperty('to', to);
    expect(denyOf(`{toEntities: [${entities}]}`)[0]).toHaveProperty('to', to);
  });

  test.each(['cluster-mesh', 'kube-apiserver', 'health', 'ingress', 'init', 'unmanaged'])('%s is refused', (entity) => {
    expect(refused(`{toEntities: [${entity}]}`)).toEqual([
      expect.stringContaining(`Cannot enforce entity "${entity}": `),
    ]);
  });

  test.each([
    ['World', 'unsupported entity: "World"; did you mean "world"?'],
    [
      'internet',
      'unsupported entity: "internet"; write one of all, world, world-ipv4, world-ipv6, cluster, host, remote-node, none',
    ],
  ])('%s does not exist', (entity, message) => expect(refused(`{toEntities: [${entity}]}`)).toEqual([message]));

  test.each(['cluster', 'remote-node'])('%s is refused in a cluster, also as a denial', (entity) => {
    for (const list of ['egress', 'egressDeny']) {
      expect(inCluster(`{endpointSelector: {}, ${list}: [{toEntities: [${entity}]}]}`).messages).toEqual([
        expect.stringContaining(`Cannot enforce entity "${entity}"`),
      ]);
    }
  });

  test.each(['all', 'world', 'host', 'none'])('%s is known in a cluster, too', (entity) => {
    expect(inCluster(`{endpointSelector: {}, egress: [{toEntities: [${entity}]}]}`).messages).toEqual([]);
  });
});
