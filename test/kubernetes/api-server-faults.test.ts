// Faults: what a client sees of each, and that it ends when it is switched off.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { ApiServer } from './api-server.ts';
import { pod, policy } from './objects.ts';
import { ask, names, watch } from './plain-client.ts';
import type { WatchReader } from './plain-client.ts';

const PODS = '/api/v1/pods';
const POLICIES = '/apis/cilium.io/v2/ciliumnetworkpolicies';

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

const watching = (path = PODS, init: RequestInit = {}): Promise<WatchReader> => watch(server, `${path}?watch=1`, init);

async function seesLines(reader: WatchReader, count: number): Promise<void> {
  await eventually(() => expect(reader.lines).toHaveLength(count), 2_000);
}

const order = (reader: WatchReader): string[] =>
  reader.events.map(({ type, object }) => `${type} ${object.metadata.name}`);

describe('connections', () => {
  test('are dropped, and new ones are served', async () => {
    const reader = await watching();
    server.faults.dropConnections();
    await eventually(() => expect(reader.state).toBe('broken'), 2_000);
    expect((await ask(server, PODS)).status).toBe(200);
  });

  test('are dropped for one resource alone', async () => {
    const [pods, policies] = [await watching(), await watching(POLICIES)];
    server.faults.dropConnections('pods');
    await eventually(() => expect(pods.state).toBe('broken'), 2_000);
    server.put(policy('p'));
    await seesLines(policies, 1);
    expect(policies.state).toBe('open');
  });

  test('are refused, open ones cut, and the server comes back on its port with its objects', async () => {
    server.put(pod('a'));
    const { url } = server;
    const reader = await watching();
    await server.faults.refuse(true);
    await eventually(() => expect(reader.state).toBe('broken'), 2_000);
    await expect(ask(server, PODS)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await server.faults.refuse(false);
    expect([server.url, await names(server, PODS)]).toEqual([url, ['a']]);
  });
});

describe('silence', () => {
  test('is no end of a stream: what waited comes after it', async () => {
    const reader = await watching();
    server.faults.silence(true);
    server.put(pod('a'));
    const other = ask(server, PODS);
    await eventually(() => expect(server.requests).toHaveLength(2), 2_000);
    expect([reader.state, reader.chunks]).toEqual(['open', []]);
    server.faults.silence(false);
    await seesLines(reader, 1);
    expect((await other).body.items).toHaveLength(1);
  });

  test('falls on one resource alone', async () => {
    server.faults.silence(true, 'pods');
    const hanging = ask(server, PODS, { signal: AbortSignal.timeout(100) });
    expect((await ask(server, POLICIES)).status).toBe(200);
    await expect(hanging).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('holds back the end of a stream, too', async () => {
    const reader = await watching(POLICIES);
    server.faults.silence(true, 'ciliumnetworkpolicies');
    server.uninstall('ciliumnetworkpolicies');
    for (let i = 0; i < 3; i += 1) await ask(server, PODS);
    expect(reader.state).toBe('open');
    server.faults.silence(false);
    await eventually(() => expect(reader.state).toBe('ended'), 2_000);
  });

  test('is survived by a client that has gone meanwhile', async () => {
    const reader = await watching();
    server.faults.silence(true);
    server.put(pod('a'));
    await reader.close();
    server.faults.silence(false);
    expect((await ask(server, PODS)).status).toBe(200);
  });
});

describe('failures', () => {
  test.each([
    ['too many requests, with a time and without a Status', 429, 'text/plain; charset=utf-8'],
    ['an internal error', 500, 'application/json'],
    ['an unavailable server', 503, 'application/json'],
  ])('%s', async (_why, status, type) => {
    server.faults.failNext(2, status, { retryAfterSeconds: 7 });
    for (let i = 0; i < 2; i += 1) {
      const answer = await ask(server, `${PODS}?watch=1`);
      expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('content-type')]).toEqual([
        status,
        '7',
        type,
      ]);
    }
    expect((await ask(server, PODS)).status).toBe(200);
  });

  test('of one resource leave the others alone', async () => {
    server.faults.failNext(1, 500, { resource: 'pods' });
    expect((await ask(server, POLICIES)).status).toBe(200);
    expect((await ask(server, PODS)).body).toMatchObject({ kind: 'Status', code: 500, reason: 'InternalError' });
  });

  test('of authentication are 401 whatever the token, and do not end open watches', async () => {
    const reader = await watching();
    server.faults.authFailure(true);
    expect((await ask(server, PODS)).status).toBe(401);
    server.put(pod('a'));
    await seesLines(reader, 1);
    server.faults.authFailure(false);
    expect((await ask(server, PODS)).status).toBe(200);
  });

  test('a rotated token is the only one that is good', async () => {
    const old = server.token;
    const token = server.faults.rotateToken();
    expect([token === old, server.token, server.kubeconfig().includes(token)]).toEqual([false, token, true]);
    expect((await ask(server, PODS, { headers: { authorization: `Bearer ${old}` } })).status).toBe(401);
    expect((await ask(server, PODS)).status).toBe(200);
  });
});

describe('events', () => {
  test('come twice', async () => {
    const reader = await watching();
    server.faults.duplicate(true);
    server.put(pod('a'));
    await seesLines(reader, 2);
    server.faults.duplicate(false);
    server.put(pod('b'));
    await seesLines(reader, 3);
    expect(order(reader)).toEqual(['ADDED a', 'ADDED a', 'ADDED b']);
  });

  test('of different objects change places', async () => {
    const reader = await watching();
    server.faults.reorder(true);
    for (const name of ['a', 'b', 'c', 'd']) server.put(pod(name));
    await seesLines(reader, 4);
    expect(order(reader)).toEqual(['ADDED b', 'ADDED a', 'ADDED d', 'ADDED c']);
  });

  test('of one object keep their order', async () => {
    const reader = await watching();
    server.faults.reorder(true);
    server.put(pod('a'));
    server.put(pod('a'));
    server.remove('Pod', 'shop', 'a');
    server.put(pod('b'));
    await seesLines(reader, 4);
    expect(order(reader)).toEqual(['ADDED a', 'MODIFIED a', 'ADDED b', 'DELETED a']);
  });

  test('that find nothing to change places with come alone, and never after a bookmark', async () => {
    const reader = await watch(server, `${PODS}?watch=1&allowWatchBookmarks=1`);
    server.faults.reorder(true);
    server.put(pod('a'));
    await seesLines(reader, 1);
    server.put(pod('b'));
    server.faults.sendBookmarks();
    await seesLines(reader, 3);
    expect(reader.events.map(({ type }) => type)).toEqual(['ADDED', 'ADDED', 'BOOKMARK']);
  });

  test.each(['gzip', 'identity'])('come in pieces of a few bytes (%s)', async (encoding) => {
    const reader = await watching(PODS, { headers: { 'accept-encoding': encoding } });
    server.faults.splitChunks(16);
    server.put(pod('a', { labels: { app: 'cart' } }));
    await seesLines(reader, 1);
    expect(reader.chunks.length).toBeGreaterThan(3);
    expect(order(reader)).toEqual(['ADDED a']);
  });

  test('can be one broken line, after which the stream goes on', async () => {
    const reader = await watching();
    server.faults.corruptNext();
    server.put(pod('a'));
    server.put(pod('b'));
    await seesLines(reader, 2);
    expect(() => JSON.parse(reader.lines[0] ?? '') as unknown).toThrow(SyntaxError);
    expect(JSON.parse(reader.lines[1] ?? '')).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'b' } } });
  });

  test('that are broken stay in their place while others change theirs', async () => {
    const reader = await watching();
    server.faults.reorder(true);
    server.faults.corruptNext();
    server.put(pod('a'));
    server.put(pod('b'));
    await seesLines(reader, 2);
    expect(reader.lines.map((line) => line.endsWith('}'))).toEqual([false, true]);
  });

  test('can end in the middle, and the stream with them', async () => {
    const reader = await watching();
    server.faults.closeMidEvent('pods');
    server.put(pod('a'));
    server.put(pod('b'));
    await eventually(() => expect(reader.state).toBe('ended'), 2_000);
    expect([reader.lines, reader.rest.startsWith('{"type":"ADDED"')]).toEqual([[], true]);
  });

  test('can be 410 in the middle of a watch', async () => {
    const reader = await watching();
    server.put(pod('a'));
    server.faults.expireWatches();
    await eventually(() => expect(reader.state).toBe('ended'), 2_000);
    expect(reader.events.map(({ type }) => type)).toEqual(['ADDED', 'ERROR']);
  });

  test('of other resources are not touched', async () => {
    const reader = await watching(POLICIES);
    server.faults.duplicate(true, 'pods');
    server.faults.corruptNext('pods');
    server.put(policy('p'));
    server.put(policy('q'));
    await seesLines(reader, 2);
    expect(order(reader)).toEqual(['ADDED p', 'ADDED q']);
  });
});
