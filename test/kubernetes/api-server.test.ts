// The stand-in's objects, paths, refusals and encodings.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ApiServer } from './api-server.ts';
import { node, pod, policy } from './objects.ts';
import { ask, names } from './plain-client.ts';

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

describe('objects', () => {
  test('one counter gives every write its resourceVersion', () => {
    const first = Number(server.put(pod('a')).metadata.resourceVersion);
    const second = Number(server.put(node('worker-1')).metadata.resourceVersion);
    server.remove('Pod', 'shop', 'a');
    const fourth = Number(server.put(pod('a')).metadata.resourceVersion);
    expect([second - first, fourth - first]).toEqual([1, 3]);
  });

  test('a replaced object keeps uid and creationTimestamp, one of the same name after a removal does not', () => {
    const birth = '2026-01-02T03:04:05Z';
    const { uid } = server.put({ ...pod('a'), metadata: { ...pod('a').metadata, creationTimestamp: birth } }).metadata;
    expect(server.put(pod('a')).metadata).toMatchObject({ uid, creationTimestamp: birth });
    server.remove('Pod', 'shop', 'a');
    const { metadata } = server.put(pod('a'));
    expect([metadata.uid === uid, metadata['creationTimestamp'] === birth]).toEqual([false, false]);
  });

  test('what is put in is copied', () => {
    const mine = pod('a', { labels: { app: 'cart' } });
    server.put(mine);
    mine.metadata.labels = {};
    expect(server.objects('Pod')).toMatchObject([{ metadata: { labels: { app: 'cart' } } }]);
  });

  test.each([
    ['an unknown kind', { ...pod('a'), kind: 'Secret' }, 'Cannot find kind "Secret"'],
    ['another version', { ...policy('a'), apiVersion: 'cilium.io/v1' }, 'apiVersion "cilium.io/v1"'],
    ['a namespaced object without a namespace', { ...pod('a'), metadata: { name: 'a' } }, 'namespace "undefined"'],
    ['a cluster-scoped one with one', { ...node('a'), metadata: { name: 'a', namespace: 'b' } }, 'namespace "b"'],
  ])('%s is not put', (_why, object, message) => {
    expect(() => server.put(object)).toThrow(message);
  });

  test('an object with another uid does not replace: its predecessor is removed first', () => {
    server.put(pod('a', { uid: 'u1' }));
    expect(() => server.put(pod('a', { uid: 'u2' }))).toThrow('Cannot replace pods "shop/a" by uid "u2": it is "u1"');
  });

  test('what is not there is not removed', () => {
    expect(() => server.remove('Pod', 'shop', 'a')).toThrow('Cannot remove pods "shop/a"');
  });
});

describe('paths', () => {
  test.each([
    ['core, namespaced', '/api/v1/namespaces/shop/pods/a', 200],
    ['core, cluster-scoped', '/api/v1/nodes/worker-1', 200],
    ['a group', '/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/p', 200],
    ['a namespaced object without its namespace', '/api/v1/pods/a', 404],
    ['a cluster-scoped one in a namespace', '/api/v1/namespaces/shop/nodes/worker-1', 404],
    ['an object that is not there', '/api/v1/namespaces/shop/pods/b', 404],
    ['a resource that is not there', '/api/v1/secrets', 404],
    ['another version', '/apis/cilium.io/v1/ciliumnetworkpolicies', 404],
    ['a group without a resource', '/apis/cilium.io/v2', 404],
    ['no API', '/metrics', 404],
    ['an empty part', '/api/v1//pods', 404],
    ['what is no UTF-8', '/api/v1/namespaces/%ff/pods', 404],
  ])('%s: %s is %i', async (_why, path, status) => {
    server.put(pod('a'));
    server.put(node('worker-1'));
    server.put(policy('p'));
    const answer = await ask(server, path);
    expect([answer.status, answer.body.kind === 'Status']).toEqual([status, status !== 200]);
  });

  test('an object says its kind', async () => {
    server.put(pod('a'));
    expect((await ask(server, '/api/v1/namespaces/shop/pods/a')).body).toMatchObject({ kind: 'Pod', apiVersion: 'v1' });
  });

  test('a namespace is an object and a place', async () => {
    server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    server.put(pod('a'));
    expect((await ask(server, '/api/v1/namespaces/shop')).body.kind).toBe('Namespace');
    expect((await ask(server, '/api/v1/namespaces/shop/pods')).body.kind).toBe('PodList');
  });

  test('a definition that is not installed is 404, and comes with its resource when it is', async () => {
    server.put(policy('p'));
    server.uninstall('cilium.io');
    const answer = await ask(server, '/apis/cilium.io/v2/ciliumnetworkpolicies');
    expect(answer.body).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
    });
    expect(() => server.put(policy('q'))).toThrow('not installed');
    server.install('cilium.io');
    expect(await names(server, '/apis/cilium.io/v2/ciliumnetworkpolicies')).toEqual([]);
  });

  test('one resource of a group can be missing alone', async () => {
    server.uninstall('ciliumclusterwidenetworkpolicies');
    expect((await ask(server, '/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies')).status).toBe(404);
    expect((await ask(server, '/apis/cilium.io/v2/ciliumnetworkpolicies')).status).toBe(200);
  });

  test.each([
    ['PATCH', '/api/v1/nodes/worker-1'],
    ['PUT', '/api/v1/nodes/worker-1'],
    ['DELETE', '/api/v1/namespaces/shop/pods/a'],
    ['POST', '/api/v1/namespaces/shop/pods'],
    ['GET', '/api/v1/namespaces/shop/pods/a/status'],
  ])('%s %s is not imitated, and says so', async (method, path) => {
    const { status, body } = await ask(server, path, { method });
    expect([status, body.message]).toEqual([501, expect.stringContaining('does not imitate')]);
  });

  test('requests are remembered with their verbs', async () => {
    await ask(server, '/api/v1/pods?limit=1');
    await ask(server, '/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/p');
    expect(server.requests).toMatchObject([
      { method: 'GET', path: '/api/v1/pods', verb: 'list', group: '', resource: 'pods' },
      { verb: 'get', group: 'cilium.io', resource: 'ciliumnetworkpolicies', namespace: 'shop', name: 'p' },
    ]);
    expect(server.requests[0]?.query.get('limit')).toBe('1');
  });
});

describe('access', () => {
  test.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer wrong' }],
  ])('%s instead of the token is 401', async (_why, headers) => {
    const response = await fetch(`${server.url}/api/v1/pods`, { headers });
    expect([response.status, await response.json()]).toMatchObject([401, { reason: 'Unauthorized', code: 401 }]);
  });

  test('what is not allowed is 403, per verb, resource and namespace', async () => {
    server.faults.allow = (verb, group, resource, namespace) =>
      verb === 'list' && group === '' && resource === 'services' && namespace === 'kube-system';
    const statusOf = async (path: string): Promise<number> => (await ask(server, path)).status;
    expect(await statusOf('/api/v1/namespaces/kube-system/services')).toBe(200);
    expect(await statusOf('/api/v1/services')).toBe(403);
    expect(await statusOf('/api/v1/namespaces/kube-system/services?watch=1')).toBe(403);
    expect((await ask(server, '/api/v1/nodes')).body).toMatchObject({ kind: 'Status', reason: 'Forbidden', code: 403 });
  });

  test('the kubeconfig leads to the server', async () => {
    const config = parse(server.kubeconfig()) as {
      clusters: { cluster: { server: string } }[];
      users: { user: { token: string } }[];
    };
    const authorization = `Bearer ${config.users[0]?.user.token}`;
    const response = await fetch(`${config.clusters[0]?.cluster.server}/api/v1/pods`, { headers: { authorization } });
    expect(response.status).toBe(200);
  });
});

describe('encoding', () => {
  test('an answer is compressed when the client accepts it', async () => {
    server.put(pod('a'));
    const path = '/api/v1/pods';
    const compressed = await ask(server, path, { headers: { 'accept-encoding': 'deflate, gzip;q=0.5' } });
    const plain = await ask(server, path, { headers: { 'accept-encoding': 'identity' } });
    expect([compressed, plain].map(({ headers }) => headers.get('content-encoding'))).toEqual(['gzip', null]);
    expect(compressed.text).toBe(plain.text);
  });
});

describe('events that are posted', () => {
  const event = {
    metadata: { generateName: 'web.' },
    involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web' },
    reason: 'PolicyRefused',
  };
  const post = (namespace: string, body: object) =>
    ask(server, `/api/v1/namespaces/${namespace}/events`, { method: 'POST', body: JSON.stringify(body) });

  test('are kept', async () => {
    expect((await post('shop', event)).status).toBe(201);
    expect(server.objects('Event')).toMatchObject([
      { metadata: { name: expect.stringMatching(/^web\..{5}$/), namespace: 'shop' }, reason: 'PolicyRefused' },
    ]);
    expect(server.requests.at(-1)).toMatchObject({ verb: 'create', resource: 'events' });
  });

  test.each([
    ['no name', 'shop', { ...event, metadata: {} }, 422],
    ['another namespace than the request', 'shop', { ...event, metadata: { name: 'a', namespace: 'b' } }, 400],
    ['another namespace than its object', 'kube-system', event, 422],
    ['about a cluster-scoped object, but not in default', 'shop', { ...event, involvedObject: { kind: 'Node' } }, 422],
    ['another kind', 'shop', { ...event, kind: 'Pod' }, 400],
  ])('%s: refused', async (_why, namespace, body, status) => {
    expect((await post(namespace, body)).status).toBe(status);
    expect(server.objects('Event')).toEqual([]);
  });

  test('a name is taken once', async () => {
    await post('shop', { ...event, metadata: { name: 'a' } });
    expect((await post('shop', { ...event, metadata: { name: 'a' } })).body).toMatchObject({ reason: 'AlreadyExists' });
  });
});
