// Lists: selectors, pieces and versions.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApiServer } from './api-server.ts';
import { node, pod, policy } from './objects.ts';
import { ask, names } from './plain-client.ts';

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

test('a list says its kind and version', async () => {
  const { metadata } = server.put(pod('a'));
  expect((await ask(server, '/api/v1/pods')).body).toMatchObject({
    kind: 'PodList',
    apiVersion: 'v1',
    metadata: { resourceVersion: metadata.resourceVersion },
  });
});

test('items of built-in resources lack kind and apiVersion, custom ones have them', async () => {
  server.put(pod('a'));
  server.put(policy('p'));
  const [item] = (await ask(server, '/api/v1/pods')).body.items ?? [];
  expect([item?.kind, item?.apiVersion, item?.metadata.name]).toEqual([undefined, undefined, 'a']);
  const { body } = await ask(server, '/apis/cilium.io/v2/ciliumnetworkpolicies');
  expect(body.items).toMatchObject([{ kind: 'CiliumNetworkPolicy', apiVersion: 'cilium.io/v2' }]);
});

test('all namespaces or one, in the order of namespace and name', async () => {
  for (const [name, namespace] of [
    ['b', 'shop'],
    ['a', 'shop'],
    ['c', 'bank'],
  ] as const)
    server.put(pod(name, { namespace }));
  expect(await names(server, '/api/v1/pods')).toEqual(['c', 'a', 'b']);
  expect(await names(server, '/api/v1/namespaces/shop/pods')).toEqual(['a', 'b']);
  expect(await names(server, '/api/v1/namespaces/empty/pods')).toEqual([]);
});

describe('selectors', () => {
  beforeEach(() => {
    server.put(pod('a', { nodeName: 'worker-1', labels: { app: 'cart', tier: '1' } }));
    server.put(pod('b', { nodeName: 'worker-2', labels: { app: 'till', tier: '2' } }));
    server.put(pod('c', { namespace: 'bank', nodeName: 'worker-1', labels: { 'example.org/team': 'x', empty: '' } }));
  });

  test.each([
    ['one node', 'spec.nodeName=worker-1', 'ca'],
    ['==', 'spec.nodeName==worker-2', 'b'],
    ['!=', 'spec.nodeName!=worker-2', 'ca'],
    ['two terms', 'spec.nodeName=worker-1,metadata.namespace=shop', 'a'],
    ['a name', 'metadata.name=b', 'b'],
    ['a phase', 'status.phase=Running', 'cab'],
    ['an absent field is empty', 'status.podIP=', 'cab'],
    ['no term', '', 'cab'],
  ])('fields: %s', async (_why, selector, want) => {
    expect((await names(server, `/api/v1/pods?fieldSelector=${encodeURIComponent(selector)}`)).join('')).toBe(want);
  });

  test.each([
    ['=', 'app=cart', 'a'],
    ['==', 'app==cart', 'a'],
    ['!= holds without the label', 'app!=cart', 'cb'],
    ['in', 'app in (cart,till)', 'ab'],
    ['notin holds without the label', 'app notin (cart, till)', 'c'],
    ['exists', 'app', 'ab'],
    ['does not exist', '!app', 'c'],
    ['a prefix in the key', 'example.org/team=x', 'c'],
    ['an empty value', 'empty=', 'c'],
    ['two requirements', 'app in (cart,till),tier=2', 'b'],
    ['more than', 'tier>1', 'b'],
    ['less than', 'tier<2', 'a'],
  ])('labels: %s', async (_why, selector, want) => {
    expect((await names(server, `/api/v1/pods?labelSelector=${encodeURIComponent(selector)}`)).join('')).toBe(want);
  });

  test.each([
    ['a field that is not selectable', 'pods', 'fieldSelector=spec.priority=1'],
    ['a field of another resource', 'nodes', 'fieldSelector=spec.nodeName=worker-1'],
    ['the namespace of a cluster-scoped resource', 'nodes', 'fieldSelector=metadata.namespace=shop'],
    ['no operator', 'pods', 'fieldSelector=metadata.name'],
    ['no label key', 'pods', 'labelSelector==x'],
    ['no label value', 'pods', 'labelSelector=a=b_'],
    ['an unknown operator', 'pods', 'labelSelector=a~b'],
    ['a set without parentheses', 'pods', 'labelSelector=a in b'],
    ['a word that only ends in an operator', 'pods', 'labelSelector=main (b)'],
    ['a requirement that is missing', 'pods', 'labelSelector=a,,b'],
    ['a comparison with no integer', 'pods', 'labelSelector=a>b'],
    ['a version that is no number', 'pods', 'resourceVersion=abc'],
    ['a limit that is no number', 'pods', 'limit=-1'],
  ])('%s is refused with 400', async (_why, resource, query) => {
    const { body } = await ask(server, `/api/v1/${resource}?${query}`);
    expect(body).toMatchObject({ kind: 'Status', reason: 'BadRequest', code: 400 });
  });
});

describe('pieces', () => {
  const list = async (query: string) => (await ask(server, `/api/v1/pods?${query}`)).body;
  const namesOf = (body: Awaited<ReturnType<typeof list>>) => (body.items ?? []).map(({ metadata }) => metadata.name);

  beforeEach(() => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) server.put(pod(name, { labels: { app: name } }));
  });

  test('follow each other and show one version, whatever is written meanwhile', async () => {
    const first = await list('limit=2');
    server.remove('Pod', 'shop', 'd');
    server.put(pod('f'));
    server.put(pod('c', { labels: { app: 'new' } }));
    const second = await list(`limit=2&continue=${first.metadata.continue}`);
    const third = await list(`limit=2&continue=${second.metadata.continue}`);
    expect([first, second, third].flatMap(namesOf)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(second.items?.[0]?.metadata.labels).toEqual({ app: 'c' });
    expect([first, second, third].map(({ metadata }) => metadata.remainingItemCount)).toEqual([3, 1, undefined]);
    expect(new Set([first, second, third].map(({ metadata }) => metadata.resourceVersion)).size).toBe(1);
    expect(third.metadata.continue).toBeUndefined();
  });

  test('with a selector the last can be empty, and what remains is not told', async () => {
    const first = await list('limit=1&labelSelector=app=a');
    const second = await list(`limit=1&labelSelector=app=a&continue=${first.metadata.continue}`);
    expect([namesOf(first), namesOf(second)]).toEqual([['a'], []]);
    expect([first.metadata.remainingItemCount, second.metadata.continue]).toEqual([undefined, undefined]);
  });

  test('there are none of resourceVersion 0: the limit is ignored', async () => {
    const body = await list('limit=2&resourceVersion=0');
    expect([namesOf(body).length, body.metadata.continue]).toEqual([5, undefined]);
  });

  test('a token from before a compaction is 410 Expired, and offers one that goes on inconsistently', async () => {
    const first = await list('limit=2');
    server.put(pod('f'));
    server.faults.compact();
    const expired = await list(`limit=2&continue=${first.metadata.continue}`);
    expect(expired).toMatchObject({ kind: 'Status', reason: 'Expired', code: 410 });
    expect(namesOf(await list(`continue=${expired.metadata.continue}`))).toEqual(['c', 'd', 'e', 'f']);
  });

  test.each([
    ['a token that is none', 'continue=xyz'],
    ['a version beside a token', 'continue=e30&resourceVersion=5'],
  ])('%s is refused', async (_why, query) => {
    expect(await list(query)).toMatchObject({ code: 400 });
  });
});

describe('versions', () => {
  const list = async (query: string) => (await ask(server, `/api/v1/pods?${query}`)).body;

  /** The version at which there was only `a`; now there are `a` and `b`. */
  function writeTwo(): string {
    const { resourceVersion = '' } = server.put(pod('a')).metadata;
    server.put(pod('b'));
    return resourceVersion;
  }

  test.each([
    ['unset: the present', () => '', 2],
    ['0: any', () => 'resourceVersion=0', 2],
    ['not older than it', (then: string) => `resourceVersion=${then}`, 2],
    ['the same, said', (then: string) => `resourceVersion=${then}&resourceVersionMatch=NotOlderThan`, 2],
    ['exactly it', (then: string) => `resourceVersion=${then}&resourceVersionMatch=Exact`, 1],
    ['exactly it, by the limit', (then: string) => `resourceVersion=${then}&limit=10`, 1],
  ])('%s', async (_why, query, count) => {
    const then = writeTwo();
    expect((await list(query(then))).items).toHaveLength(count);
  });

  test('a list of the past has the version of the past', async () => {
    const then = writeTwo();
    const { metadata } = await list(`resourceVersion=${then}&resourceVersionMatch=Exact`);
    expect(metadata.resourceVersion).toBe(then);
  });

  test('an exact version that is compacted is 410', async () => {
    const then = writeTwo();
    server.faults.compact();
    expect(await list(`resourceVersion=${then}&resourceVersionMatch=Exact`)).toMatchObject({
      code: 410,
      reason: 'Expired',
    });
  });

  test.each([['/api/v1/pods'], ['/api/v1/namespaces/shop/pods/a']])(
    '%s of the future is 504, too large',
    async (path) => {
      writeTwo();
      const { body } = await ask(server, `${path}?resourceVersion=1000`);
      expect(body).toMatchObject({ code: 504, details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
    },
  );

  test.each([
    ['a match without a version', 'resourceVersionMatch=Exact'],
    ['exactly any', 'resourceVersion=0&resourceVersionMatch=Exact'],
    ['an unknown match', 'resourceVersion=1&resourceVersionMatch=Newest'],
    ['a match with a token', 'resourceVersion=1&resourceVersionMatch=Exact&continue=x'],
    ['initial events, as an old server', 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'],
    ['a match for a watch', 'watch=1&resourceVersion=1&resourceVersionMatch=NotOlderThan'],
  ])('%s is refused with 422', async (_why, query) => {
    expect(await list(query)).toMatchObject({ kind: 'Status', reason: 'Invalid', code: 422 });
  });

  test('a write to another resource is a new version of every list', async () => {
    const before = (await list('')).metadata.resourceVersion;
    server.put(node('worker-1'));
    expect(Number((await list('')).metadata.resourceVersion)).toBe(Number(before) + 1);
  });
});
