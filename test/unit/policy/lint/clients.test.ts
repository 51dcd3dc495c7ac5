import { expect, test } from 'vitest';
import type { LintWorld } from '../../../../src/policy/lint.ts';
import { cilium, codes, networkPolicy, ordered, warnings } from './linted.ts';

const world = (app: string): LintWorld => ({
  pods: [{ uid: '1', name: 'c', namespace: 'shop', labels: { app }, addresses: ['10.0.1.7'] }],
  nodes: [{ name: 'n', labels: { zone: 'a' }, addresses: ['192.0.2.1'], isLocal: false }],
  services: [],
});

test('a selector that selects nobody, where it is known who there is', () => {
  const rule = cilium('egress: [{}]');
  expect(warnings(rule, world('cart'))).toEqual([]);
  expect(warnings(rule)).toEqual([]);
  expect(warnings(rule, world('desk'))).toEqual([
    {
      at: 'p.yaml:4:7',
      code: 'selects-nobody',
      message: 'selects none of the clients: look at its labels and its namespace',
    },
  ]);
});

test.each<[why: string, text: string, code: string | undefined]>([
  ['pods that there are not', networkPolicy('{to: [{podSelector: {matchLabels: {app: none}}}]}'), 'reaches-nobody'],
  ['pods that there are', networkPolicy('{to: [{podSelector: {matchLabels: {app: cart}}}]}'), undefined],
  [
    'the cluster DNS is always there',
    networkPolicy('{to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]}'),
    undefined,
  ],
  ['nodes that there are not', ordered('{action: Deny, to: [{nodes: {matchLabels: {zone: b}}}]}'), 'reaches-nobody'],
  ['nodes that there are', ordered('{action: Deny, to: [{nodes: {matchLabels: {zone: a}}}]}'), undefined],
])('%s', (_why, text, code) => {
  expect(codes(text, world('cart')).filter((each) => each !== 'no-dns')).toEqual(code === undefined ? [] : [code]);
});
