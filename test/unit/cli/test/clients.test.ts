import { expect, test } from 'vitest';
import type { Workload } from '../../../../src/cli/test/case.ts';
import { findClient } from '../../../../src/cli/test/clients.ts';
import type { Pod } from '../../../../src/pods/pod.ts';

const client = (namespace: string, name: string, app: string): Pod => {
  return { uid: `${namespace}/${name}`, namespace, name, labels: { app }, addresses: ['10.0.1.7'] };
};
const CLIENTS = [
  client('ops', 'cart-0', 'ops'),
  client('shop', 'cart-7d9f-abcde', 'cart'),
  client('shop', 'cart-7d9f-fghij', 'cart'),
  client('shop', 'mail', 'mail'),
  client('shop', 'mail-relay', 'relay'),
  client('shop', 'web-1', 'web'),
  client('shop', 'web-admin-1', 'admin'),
];

const nameOf = (kind: Workload['kind'], name: string): string => {
  const found = findClient(CLIENTS, { kind, namespace: 'shop', name });
  return found.ok ? found.pod.name : found.why;
};

test.each([
  ['a pod is the client of that name', 'pod', 'mail', 'mail'],
  ['a pod has no prefix', 'pod', 'cart', 'no client is pod shop/cart'],
  ['a deployment is the first whose name begins with it', 'deployment', 'cart', 'cart-7d9f-abcde'],
  ['the whole name comes first', 'deployment', 'mail', 'mail'],
  ['a daemonset likewise', 'daemonset', 'web-admin', 'web-admin-1'],
  ['half a word is no prefix', 'statefulset', 'car', 'no client is statefulset shop/car'],
] as const)('%s', (_why, kind, name, want) => expect(nameOf(kind, name)).toBe(want));

test('clients of other labels are not taken for each other', () => {
  expect(nameOf('deployment', 'web')).toContain('could be "web-1" and "web-admin-1", which have other labels');
});
