import { expect, test } from 'vitest';
import { read } from '../cilium-documents.ts';

const withMetadata = (metadata: string, kind = 'CiliumNetworkPolicy') =>
  read(
    `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: {${metadata}}\nspec: {endpointSelector: {}, egress: [{}]}\n`,
  );

test.each<[why: string, metadata: string, kind: string, identity: object]>([
  ['a name and a namespace', 'name: p, namespace: shop', 'CiliumNetworkPolicy', { name: 'p', namespace: 'shop' }],
  ['no namespace is the default one', 'name: p', 'CiliumNetworkPolicy', { name: 'p', namespace: 'default' }],
  ['a clusterwide policy has none', 'name: p', 'CiliumClusterwideNetworkPolicy', { name: 'p', namespace: '' }],
  ['what the API server adds is let be', 'name: p, uid: a, resourceVersion: "1"', 'CiliumNetworkPolicy', { name: 'p' }],
])('%s', (_why, metadata, kind, identity) => expect(withMetadata(metadata, kind)).toMatchObject([identity]));

test.each<[why: string, metadata: string, kind: string, message: string]>([
  ['no name', 'namespace: shop', 'CiliumNetworkPolicy', 'Add "name" to metadata: it is missing; write name: my-policy'],
  ['a name that is none', 'name: My Policy', 'CiliumNetworkPolicy', 'Cannot use "My Policy" as a policy\'s name'],
  ['a namespace that is none', 'name: p, namespace: a.b', 'CiliumNetworkPolicy', 'Cannot use "a.b" as a namespace'],
  [
    'a namespace of a clusterwide policy',
    'name: p, namespace: shop',
    'CiliumClusterwideNetworkPolicy',
    'Remove "namespace": a CiliumClusterwideNetworkPolicy belongs to none',
  ],
  ['labels that are no texts', 'name: p, labels: {a: 1}', 'CiliumNetworkPolicy', 'Cannot use number 1 for label "a"'],
])('%s is refused', (_why, metadata, kind, message) => expect(() => withMetadata(metadata, kind)).toThrow(message));
