import { expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import { EMPTY_REGISTRY, updateRegistry } from '../../../src/pods/registry.ts';

function pod(name: string, changes: Partial<Pod> = {}): Pod {
  return {
    uid: name,
    namespace: 'shop',
    name,
    labels: { app: 'web' },
    addresses: ['192.0.2.1', '2001:db8::1'],
    ...changes,
  };
}

const first = updateRegistry(EMPTY_REGISTRY, [pod('a'), pod('b')]);

test('new pods are numbered from 1', () => {
  expect(first.added.map(({ id, pod: { name } }) => [id, name])).toEqual([
    [1, 'a'],
    [2, 'b'],
  ]);
  expect([first.removed, first.changed]).toEqual([[], []]);
});

test('the same list, in another order and with addresses in another order, changes nothing', () => {
  const again = updateRegistry(first.registry, [pod('b', { addresses: ['2001:db8::1', '192.0.2.1'] }), pod('a')]);
  expect([again.added, again.removed, again.changed]).toEqual([[], [], []]);
  expect(again.registry.pods.map(({ id }) => id)).toEqual([2, 1]);
});

test.each([
  ['labels', { labels: { app: 'db' } }],
  ['labels of the namespace', { namespaceLabels: { team: 'a' } }],
  ['a MAC address', { mac: '02:00:00:00:00:01' }],
  ['a name', { name: 'c' }],
])('other %s keep the number', (_why, changes) => {
  const next = updateRegistry(first.registry, [pod('a', changes), pod('b')]);
  expect(next.changed.map(({ before, after }) => [before.id, after.id])).toEqual([[1, 1]]);
  expect([next.added, next.removed]).toEqual([[], []]);
});

test.each([
  ['addresses', { addresses: ['192.0.2.9'] }],
  ['uid', { uid: 'new' }],
  ['interface', { interface: 'veth0' }],
])('other %s are another pod, with a number of its own', (_why, changes) => {
  const next = updateRegistry(first.registry, [pod('a', changes), pod('b')]);
  expect(next.removed.map(({ id }) => id)).toEqual([1]);
  expect(next.added.map(({ id }) => id)).toEqual([3]);
  expect(next.changed).toEqual([]);
});

test('a number is never used again, not even for the pod that had it', () => {
  const without = updateRegistry(first.registry, [pod('a')]);
  const again = updateRegistry(without.registry, [pod('a'), pod('b')]);
  expect(again.added.map(({ id }) => id)).toEqual([3]);
});

test('the registry that is passed in is not touched', () => {
  updateRegistry(first.registry, []);
  expect(first.registry.pods).toHaveLength(2);
});
