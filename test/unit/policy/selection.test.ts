import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import type { EgressRule, Policy, PolicyRule } from '../../../src/policy/policy.ts';
import { Selection } from '../../../src/policy/selection.ts';

const pod = (namespace: string, app: string, team?: string): Pod => ({
  uid: `${namespace}/${app}`,
  namespace,
  name: app,
  labels: { app },
  ...(team === undefined ? {} : { namespaceLabels: { team } }),
  addresses: ['10.0.0.1'],
});
const nobody: EgressRule = { kind: 'reach', verdict: 'allow', to: [], traffic: 'all', at: 'p.yaml:1:1' };
const ruleOf = (selector: PolicyRule['selector'], egress: readonly EgressRule[] = []): PolicyRule => ({
  at: 'p.yaml:1:1',
  selector,
  isolates: true,
  egress,
});
const policy = (name: string, ...rules: readonly PolicyRule[]): Policy => ({
  kind: 'CiliumNetworkPolicy',
  namespace: 'shop',
  name,
  at: 'p.yaml:1:1',
  rules,
});
const inShop = ruleOf({ namespace: 'shop', requirements: [] });
const everywhere = ruleOf({ requirements: [] });
const ofTeam = ruleOf({
  requirements: [{ subject: { kind: 'namespace-label', key: 'team' }, operator: 'In', values: ['a'] }],
});

const namesOf = (selecting: ReturnType<Selection['of']>) =>
  selecting.map((rules) => rules.map((each) => each.policy.name));

test('a pod has the rules of its namespace and of the whole cluster, sorted by policy', () => {
  const all = [policy('b', inShop), policy('a', everywhere), policy('c', ofTeam)];
  const pods = [pod('shop', 'x', 'b'), pod('shop', 'x', 'b'), pod('data', 'x', 'a')];
  expect(namesOf(new Selection().of(all, pods))).toEqual([
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'c'],
  ]);
});

test('rules of one policy count the egress rules before them', () => {
  const three = policy(
    'a',
    ruleOf(everywhere.selector, [nobody, nobody]),
    everywhere,
    ruleOf(everywhere.selector, [nobody]),
  );
  const [selecting = []] = new Selection().of(
    [policy('0', ruleOf(everywhere.selector, [nobody])), three],
    [pod('shop', 'x')],
  );
  expect(selecting.map(({ order, firstItem }) => [order, firstItem])).toEqual([
    [0, 0],
    [1, 0],
    [2, 2],
    [3, 2],
  ]);
});

describe('what changes', () => {
  test('labels of a namespace select its pods anew', () => {
    const [selection, all] = [new Selection(), [policy('a', ofTeam)]];
    const found = ['b', 'a', undefined].map((team) => namesOf(selection.of(all, [pod('shop', 'x', team)])));
    expect(found).toEqual([[[]], [['a']], [[]]]);
  });

  test('a policy that is replaced by one of its name is another', () => {
    const selection = new Selection();
    expect(namesOf(selection.of([policy('a', inShop)], [pod('shop', 'x')]))).toEqual([['a']]);
    expect(namesOf(selection.of([policy('a', ofTeam)], [pod('shop', 'x')]))).toEqual([[]]);
  });
});
