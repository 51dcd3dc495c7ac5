import { describe, expect, test } from 'vitest';
import { keepNamespace, keepPod } from '../../../../src/kubernetes/objects.ts';
import { readPods } from '../../../../src/pods/sources/kubernetes.ts';
import type { KubernetesObject } from '../../../kubernetes/api-server.ts';
import { namespace, NODE, pod } from '../../../support/kubernetes-objects.ts';

const shop = namespace('shop', { team: 'a' });

/** Pods that arrived one after the other, unless `together`. */
function read(pods: readonly KubernetesObject[], namespaces = [shop], isTogether = false) {
  const seen = pods.flatMap((raw, i) => {
    const object = keepPod(raw);
    return object === undefined ? [] : [{ object, arrival: isTogether ? 0 : i }];
  });
  return readPods(
    seen,
    namespaces.flatMap((raw) => keepNamespace(raw) ?? []),
    NODE,
  );
}

const names = (pods: readonly KubernetesObject[], isTogether = false): string[] =>
  read(pods, [shop], isTogether).pods.map(({ name }) => name);

test('a pod has the uid, labels and addresses of its object, and the labels of its namespace', () => {
  const object = pod('web', { labels: { app: 'web' }, ips: ['10.0.1.7', '2001:DB8:0::7'] });
  expect(read([object]).pods).toEqual([
    {
      uid: 'uid-of-web',
      namespace: 'shop',
      name: 'web',
      labels: { app: 'web' },
      namespaceLabels: { team: 'a' },
      addresses: ['10.0.1.7', '2001:db8::7'],
    },
  ]);
});

test('a pod whose namespace is not there yet has no labels of it, not even none', () => {
  expect(read([pod('web', { namespace: 'new' })]).pods).not.toMatchObject([
    { namespaceLabels: expect.anything() as unknown },
  ]);
});

test('pods stand in the order of their names, whatever the order of events', () => {
  const [a, b] = [pod('a', { ips: ['10.0.1.1'] }), pod('b', { ips: ['10.0.1.2'] })];
  expect(read([b, a])).toEqual(read([a, b]));
});

describe('left out is', () => {
  test.each<[why: string, pod: KubernetesObject, reason: string]>([
    ['a pod of the host network', pod('web', { hostNetwork: true }), 'host-network'],
    ['a pod that ended well, although its address still stands there', pod('web', { phase: 'Succeeded' }), 'terminal'],
    ['a pod that failed', pod('web', { phase: 'Failed' }), 'terminal'],
  ])('%s', (_why, object, reason) => {
    const place = `${object.metadata.namespace}/web`;
    expect(read([object])).toEqual({ pods: [], leftOut: [{ pod: place, reason }] });
  });
});

describe('not there is', () => {
  test.each<[why: string, pod: KubernetesObject]>([
    ['a pod without addresses', pod('web', { ips: [] })],
    ['a pod of another node', pod('web', { node: 'worker-2' })],
    ['a pod with nothing but junk', pod('web', { ips: ['', 'x', '10.0.1.0/24', 'fe80::1%eth0'] })],
    [
      'a pod with addresses that no pod has',
      pod('web', { ips: ['0.0.0.0', '127.0.0.1', '224.0.0.1', '::', '::1', 'ff02::1'] }),
    ],
  ])('%s', (_why, object) => expect(read([object])).toEqual({ pods: [], leftOut: [] }));
});

test('a pod that is being deleted still runs', () => {
  const object = pod('web');
  const metadata = { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
  expect(names([{ ...object, metadata }])).toEqual(['web']);
});

describe('an address of two pods', () => {
  const old = pod('old', { created: 1 });
  const young = pod('young', { created: 2 });

  test.each([
    ['whose event came first', [old, young]],
    ['whose event came last', [young, old]],
  ])('is the newer one’s, %s', (_why, pods) => {
    const { pods: found, leftOut } = read(pods);
    expect(found.map(({ name }) => name)).toEqual(['young']);
    expect(leftOut).toEqual([{ pod: 'shop/old', reason: 'address-shared' }]);
  });

  test('made in one second is that of the one that arrived later', () => {
    expect(names([pod('a'), pod('b')])).toEqual(['b']);
    expect(names([pod('b'), pod('a')])).toEqual(['a']);
  });

  test('that came in one list and were made in one second is nobody’s', () => {
    expect(names([pod('a'), pod('b')], true)).toEqual([]);
  });

  test('whose age is not known is nobody’s', () => {
    const ageless = { ...young, metadata: { ...young.metadata, creationTimestamp: 'x' } };
    expect(names([old, ageless])).toEqual([]);
  });

  test('is not shared with a pod that has ended', () => {
    expect(names([pod('ended', { created: 3, phase: 'Succeeded' }), old])).toEqual(['old']);
  });

  test('is not given to a third that is older still, when the second lost it', () => {
    const first = pod('first', { created: 1, ips: ['10.0.1.1'] });
    const second = pod('second', { created: 2, ips: ['10.0.1.1', '10.0.1.2'] });
    const third = pod('third', { created: 3, ips: ['10.0.1.2'] });
    expect(names([first, second, third])).toEqual(['third']);
  });

  test('twice in one pod is one address', () => {
    expect(read([pod('web', { ips: ['10.0.1.7', '10.0.1.7'] })]).pods[0]?.addresses).toEqual(['10.0.1.7']);
  });
});
