// Watches: where they start, what they tell, how they end.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { ApiServer } from './api-server.ts';
import { node, pod, policy } from './objects.ts';
import { ask, watch } from './plain-client.ts';
import type { WatchReader } from './plain-client.ts';

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

const versionOf = async (path = '/api/v1/pods'): Promise<string> =>
  (await ask(server, path)).body.metadata.resourceVersion ?? '';

async function watchFromNow(query = '', path = '/api/v1/pods'): Promise<WatchReader> {
  return watch(server, `${path}?watch=true&resourceVersion=${await versionOf(path)}${query}`);
}

async function sees(reader: WatchReader, want: readonly (string | RegExp)[]): Promise<void> {
  const patterns = want.map((each) => (typeof each === 'string' ? each : expect.stringMatching(each)));
  await eventually(() => expect(reader.summary).toEqual(patterns), 2_000);
}

test('additions, changes and removals come with their versions; a removal shows the last state under a new one', async () => {
  const reader = await watchFromNow();
  const first = Number(server.put(pod('a')).metadata.resourceVersion);
  server.put(pod('a', { labels: { app: 'cart' } }));
  server.remove('Pod', 'shop', 'a');
  await sees(reader, [`ADDED a ${first}`, `MODIFIED a ${first + 1}`, `DELETED a ${first + 2}`]);
  expect(reader.events[2]?.object).toMatchObject({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { labels: { app: 'cart' } },
  });
});

test('the headers come before any event', async () => {
  const reader = await watchFromNow();
  expect([reader.state, reader.chunks]).toEqual(['open', []]);
});

test.each(['watch=1', 'watch=true', 'watch'])('%s is a watch', async (flag) => {
  await (await watch(server, `/api/v1/pods?${flag}`)).close();
  expect(server.requests.at(-1)?.verb).toBe('watch');
});

test.each(['watch=0', 'watch=false'])('%s is a list', async (flag) => {
  expect((await ask(server, `/api/v1/pods?${flag}`)).body.kind).toBe('PodList');
});

describe('a start', () => {
  beforeEach(() => {
    server.put(pod('a'));
    server.put(pod('b'));
    server.remove('Pod', 'shop', 'b');
  });

  test.each(['', '&resourceVersion=0'])('without a version (%j) tells first what is there', async (query) => {
    const reader = await watch(server, `/api/v1/pods?watch=1${query}`);
    server.put(pod('c'));
    await sees(reader, [/^ADDED a/, /^ADDED c/]);
  });

  test('from a version tells what it missed', async () => {
    const { resourceVersion } = server.put(pod('c')).metadata;
    server.put(pod('d'));
    const reader = await watch(server, `/api/v1/pods?watch=1&resourceVersion=${resourceVersion}`);
    server.put(pod('e'));
    await sees(reader, [/^ADDED d/, /^ADDED e/]);
  });

  test('from a version of the future is silent until then', async () => {
    const soon = Number(await versionOf()) + 1;
    const reader = await watch(server, `/api/v1/pods?watch=1&resourceVersion=${soon}`);
    server.put(pod('c'));
    server.put(pod('d'));
    await sees(reader, [/^ADDED d/]);
  });

  test('from a compacted version is an ERROR 410 inside a 200 stream, and its end', async () => {
    const old = await versionOf();
    server.put(pod('c'));
    server.faults.compact();
    const reader = await watch(server, `/api/v1/pods?watch=1&resourceVersion=${old}`);
    await eventually(() => expect(reader.state).toBe('ended'), 2_000);
    expect(reader.events).toMatchObject([
      { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', status: 'Failure' } },
    ]);
  });

  test('from the version of the compaction itself goes well', async () => {
    server.faults.compact();
    const reader = await watchFromNow();
    server.put(pod('c'));
    await sees(reader, [/^ADDED c/]);
  });

  test('from a version after which only others changed is 410, too: what bookmarks are for', async () => {
    const old = await versionOf();
    server.put(node('worker-1'));
    server.faults.compact();
    await sees(await watch(server, `/api/v1/pods?watch=1&resourceVersion=${old}`), ['ERROR 410']);
  });

  test('from a compacted version is HTTP 410 where that is switched on', async () => {
    const old = await versionOf();
    server.put(pod('c'));
    server.faults.compact();
    server.faults.watchExpiry = 'http';
    const { status, body } = await ask(server, `/api/v1/pods?watch=1&resourceVersion=${old}`);
    expect([status, body.reason]).toEqual([410, 'Expired']);
  });
});

describe('a selection', () => {
  test('is one namespace', async () => {
    const reader = await watchFromNow('', '/api/v1/namespaces/shop/pods');
    server.put(pod('a', { namespace: 'bank' }));
    server.put(pod('b'));
    await sees(reader, [/^ADDED b/]);
  });

  test('is one resource', async () => {
    const reader = await watchFromNow();
    server.put(policy('p'));
    server.put(pod('b'));
    await sees(reader, [/^ADDED b/]);
  });

  test('an object that leaves it is DELETED with what it was and a new version, one that comes is ADDED', async () => {
    server.put(pod('a', { labels: { app: 'cart' } }));
    const reader = await watchFromNow('&labelSelector=app=cart');
    const { resourceVersion } = server.put(pod('a', { labels: { app: 'till' } })).metadata;
    server.put(pod('a', { labels: { app: 'other' } }));
    server.put(pod('a', { labels: { app: 'cart' } }));
    server.put(pod('a', { labels: { app: 'cart', tier: '1' } }));
    await sees(reader, [`DELETED a ${resourceVersion}`, /^ADDED a/, /^MODIFIED a/]);
    expect(reader.events[0]?.object).toMatchObject({ metadata: { labels: { app: 'cart' } } });
  });

  test('by field: a pod that is scheduled to the node is ADDED', async () => {
    const reader = await watchFromNow('&fieldSelector=spec.nodeName=worker-1');
    server.put(pod('a', { nodeName: '' }));
    server.put(pod('a', { nodeName: 'worker-1' }));
    server.put(pod('b', { nodeName: 'worker-2' }));
    server.put(pod('c', { nodeName: 'worker-1' }));
    await sees(reader, [/^ADDED a/, /^ADDED c/]);
  });

  test('what the server does not know is refused before the stream', async () => {
    expect((await ask(server, '/api/v1/pods?watch=1&fieldSelector=spec.x=1')).status).toBe(400);
  });
});

describe('bookmarks', () => {
  test('come by themselves to who allows them, with a version and almost nothing else', async () => {
    server.faults.bookmarkEveryMs = 10;
    const reader = await watchFromNow('&allowWatchBookmarks=true');
    server.put(node('worker-1'));
    const resourceVersion = await versionOf();
    await eventually(() => expect(reader.events.at(-1)?.object.metadata.resourceVersion).toBe(resourceVersion), 2_000);
    expect(reader.events.at(-1)).toEqual({
      type: 'BOOKMARK',
      object: { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion, creationTimestamp: null } },
    });
  });

  test('come at once when the test wants it, and not to who does not allow them', async () => {
    const [allowing, other] = [await watchFromNow('&allowWatchBookmarks=1'), await watchFromNow()];
    server.faults.sendBookmarks();
    server.put(pod('a'));
    await sees(allowing, [/^BOOKMARK/, /^ADDED a/]);
    await sees(other, [/^ADDED a/]);
  });

  test('can be switched off', async () => {
    const reader = await watchFromNow('&allowWatchBookmarks=1');
    server.faults.bookmarks(false, 'pods');
    server.faults.sendBookmarks();
    server.put(pod('a'));
    await sees(reader, [/^ADDED a/]);
  });
});

describe('an end', () => {
  test('comes after timeoutSeconds, cleanly, and two seconds before it a bookmark', async () => {
    const announced = await watchFromNow('&timeoutSeconds=3&allowWatchBookmarks=1');
    const brief = await watchFromNow('&timeoutSeconds=1');
    await eventually(() => expect(brief.state).toBe('ended'), 2_500);
    expect([brief.lines, announced.state]).toEqual([[], 'open']);
    await eventually(() => expect(announced.state).toBe('ended'), 5_000);
    expect(announced.summary).toEqual([expect.stringMatching(/^BOOKMARK/)]);
  });

  test('a timeout beyond what a timer can hold is no end', async () => {
    const reader = await watchFromNow('&timeoutSeconds=99999999');
    server.put(pod('a'));
    await sees(reader, [/^ADDED a/]);
    expect(reader.state).toBe('open');
  });

  test('comes with the definition of the resource, after its objects are DELETED', async () => {
    const path = '/apis/cilium.io/v2/ciliumnetworkpolicies';
    server.put(policy('p'));
    const reader = await watchFromNow('', path);
    server.uninstall('ciliumnetworkpolicies');
    await eventually(() => expect(reader.state).toBe('ended'), 2_000);
    expect(reader.summary).toEqual([expect.stringMatching(/^DELETED p/)]);
  });
});

test('a stream is compressed when the client accepts it, and each event comes at once', async () => {
  for (const encoding of ['gzip', 'identity']) {
    const reader = await watch(server, '/api/v1/pods?watch=1', { headers: { 'accept-encoding': encoding } });
    server.put(pod('a'));
    await eventually(() => expect(reader.summary.at(-1)).toMatch(/a \d+$/), 2_000);
    expect(reader.encoding).toBe(encoding === 'gzip' ? 'gzip' : null);
    await reader.close();
  }
});
