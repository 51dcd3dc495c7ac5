import { expect, test } from 'vitest';
import { DIALECTS, enforced } from '../../../src/policy/enforced.ts';
import type { Policy } from '../../../src/policy/policy.ts';

const of = (kind: string): Policy => ({ kind, namespace: 'shop', name: kind, at: `${kind}.yaml:1:1`, rules: [] });
const ALL = ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'NetworkPolicy', 'ClusterNetworkPolicy'].map(of);

test('every dialect that is listed', () => {
  expect(enforced(ALL, DIALECTS)).toEqual({ policies: ALL, problems: [] });
});

test('a policy of another dialect is left out, and said', () => {
  const { policies, problems } = enforced(ALL, ['cilium']);
  expect(policies.map(({ kind }) => kind)).toEqual(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy']);
  expect(problems).toEqual([
    {
      code: 'not-enforced',
      at: 'NetworkPolicy.yaml:1:1',
      message: 'Not enforced here: "enforce" of the configuration does not list networkPolicy',
    },
    expect.objectContaining({ at: 'ClusterNetworkPolicy.yaml:1:1' }),
  ]);
});

test('what stands for a namespace that is not known is always enforced', () => {
  expect(enforced([of('Namespace')], ['networkPolicy', 'cilium']).policies).toHaveLength(1);
});
