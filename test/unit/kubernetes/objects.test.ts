import { describe, expect, test } from 'vitest';
import {
  keepEndpointSlice,
  keepNamespace,
  keepNode,
  keepPod,
  keepPolicy,
  keepService,
} from '../../../src/kubernetes/objects.ts';
import { namespace, node, pod, policy, service, slice } from '../../support/kubernetes-objects.ts';

const keepCilium = keepPolicy('cilium.io/v2', 'CiliumNetworkPolicy');

test.each<[why: string, raw: unknown]>([
  ['nothing', undefined],
  ['a text', 'pod'],
  ['a list', [pod('web')]],
  ['no metadata', { spec: {} }],
  ['no name', { metadata: { uid: 'u' } }],
  ['no uid', { metadata: { name: 'web' } }],
  ['a uid that is no text', { metadata: { name: 'web', uid: 7 } }],
])('%s is no object', (_why, raw) => {
  for (const keep of [keepPod, keepNamespace, keepNode, keepService, keepEndpointSlice, keepCilium]) {
    expect(keep(raw)).toBeUndefined();
  }
});

test.each([
  ['a pod', keepPod, pod('web', { ips: ['10.0.1.7', '2001:db8::7'], hostNetwork: true })],
  ['a namespace', keepNamespace, namespace('shop', { team: 'a' })],
  ['a node', keepNode, node(['10.0.1.0/24'])],
  ['a service', keepService, service(['10.96.0.10'])],
  ['a slice', keepEndpointSlice, slice('a', [{ addresses: ['10.0.2.5'], conditions: { ready: false } }])],
  ['a policy', keepCilium, policy('p', ['a.example.org'])],
])('%s that was kept is kept as it is: the last state is read back like the API server', (_why, keep, raw) => {
  const kept = keep(raw);
  expect(kept).toBeDefined();
  expect(keep(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
});

describe('a pod', () => {
  test('keeps nothing of a heartbeat', () => {
    const raw = pod('web');
    const managed = { ...raw, metadata: { ...raw.metadata, resourceVersion: '8', managedFields: [{}] } };
    const status = { ...(raw['status'] as object), conditions: [{ lastProbeTime: 'now' }] };
    expect(keepPod({ ...managed, status })).toEqual(keepPod(raw));
  });

  test('of an old kubelet has one address', () => {
    const kept = keepPod({ ...pod('web'), status: { phase: 'Running', podIP: '10.0.1.7' } });
    expect(kept?.status.podIPs).toEqual([{ ip: '10.0.1.7' }]);
  });

  test('without addresses has none', () => {
    expect(keepPod({ ...pod('web'), status: { phase: 'Pending' } })?.status.podIPs).toEqual([]);
  });
});

test('an endpoint whose readiness nobody knows counts as ready', () => {
  const kept = keepEndpointSlice(slice('a', [{ addresses: ['10.0.2.5'] }, { addresses: [], conditions: {} }]));
  expect(kept?.endpoints.map(({ conditions }) => conditions.ready)).toEqual([true, true]);
});

test('a port without protocol is TCP, and one without number is none', () => {
  expect(keepService(service([], [{ name: 'x' }]))?.spec.ports).toEqual([{ name: 'x', protocol: 'TCP', port: 0 }]);
});

describe('a policy', () => {
  const raw = policy('p', ['a.example.org']);

  test('loses what the API server and kubectl wrote', () => {
    const kept = keepCilium({
      ...raw,
      metadata: {
        ...raw.metadata,
        deletionTimestamp: '2026-01-01T00:00:00Z',
        managedFields: [{}],
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
      },
      status: { conditions: [] },
    });
    expect(kept).toEqual({ ...raw, metadata: { ...raw.metadata, annotations: {} } });
  });

  test('keeps annotations that are addressed to namewall: one that is not understood must be refused', () => {
    const annotations = { 'namewall.io/allow-answer-ranges': '10.0.0.0/8', other: 'x' };
    const kept = keepCilium({ ...raw, metadata: { ...raw.metadata, annotations } });
    expect(kept?.metadata).toMatchObject({ annotations: { 'namewall.io/allow-answer-ranges': '10.0.0.0/8' } });
  });

  test('keeps fields that nobody knows: an ignored restriction is a hole', () => {
    expect(keepCilium({ ...raw, extra: 1 })).toMatchObject({ extra: 1 });
  });

  test('has the kind of its source: items of a list may come without', () => {
    const { apiVersion: _apiVersion, kind: _kind, ...item } = raw;
    expect(keepCilium(item)).toMatchObject({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy' });
  });
});
