import { expect, test } from 'vitest';
import { SOURCES, sourcesOf } from '../../../src/kubernetes/sources.ts';

const sources = Object.values(sourcesOf('worker-1', { namespace: 'kube-system', name: 'kube-dns' }));

test('what a node reads, and no more', () => {
  expect(sources.map(({ path, selector }) => `${path}?${new URLSearchParams(selector).toString()}`)).toEqual([
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-1',
    '/api/v1/namespaces?',
    '/api/v1/nodes?fieldSelector=metadata.name%3Dworker-1',
    '/api/v1/namespaces/kube-system/services?fieldSelector=metadata.name%3Dkube-dns',
    '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns',
    '/apis/cilium.io/v2/ciliumnetworkpolicies?',
    '/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies?',
  ]);
});

test('the table has every source that is read', () => {
  expect(SOURCES.map(({ resource }) => resource)).toEqual(sources.map(({ resource }) => resource));
});

test('nothing is ever written', () => {
  expect(new Set(SOURCES.flatMap(({ verbs }) => verbs))).toEqual(new Set(['list', 'watch']));
});

test('what stands in one namespace is read there alone', () => {
  const ofNamespace = sources.filter(({ path }) => path.includes('/namespaces/'));
  expect(ofNamespace.map(({ resource }) => resource)).toEqual(
    SOURCES.filter(({ isOfDnsService }) => isOfDnsService).map(({ resource }) => resource),
  );
});

test('only what a CRD brings may be missing', () => {
  expect(SOURCES.filter(({ mayBeMissing }) => mayBeMissing).every(({ group }) => group === 'cilium.io')).toBe(true);
});
