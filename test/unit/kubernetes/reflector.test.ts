import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ApiClient } from '../../../src/kubernetes/client.ts';
import { Reflector } from '../../../src/kubernetes/reflector.ts';
import { sourcesOf } from '../../../src/kubernetes/sources.ts';
import type { Timing } from '../../../src/kubernetes/timing.ts';
import type { ApiServer } from '../../kubernetes/api-server.ts';
import { eventually } from '../../support/eventually.ts';
import { kubeconfigFile, QUICK, readableLog, startServer } from '../../support/kubernetes-cluster.ts';
import { DNS_SERVICE, namespace, NODE, policy } from '../../support/kubernetes-objects.ts';

const DEADLINE_MS = 5000;
const sources = sourcesOf(NODE, DNS_SERVICE);

function reflect(server: ApiServer, kind: 'namespaces' | 'policies' = 'namespaces', timing: Partial<Timing> = {}) {
  const { log, lines } = readableLog();
  let changes = 0;
  const client = ApiClient.open(kubeconfigFile(server.kubeconfig()));
  const parts = { client, timing: { ...QUICK, ...timing }, log, changed: () => (changes += 1) };
  const reflector =
    kind === 'policies' ? new Reflector(sources.policies, parts) : new Reflector(sources.namespaces, parts);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  void reflector.run(stop.signal);
  const names = (): string[] =>
    reflector
      .objects()
      .map(({ metadata }) => metadata.name)
      .toSorted();
  const isWatching = (times: number): Promise<void> =>
    eventually(() => expect(requestsOf(server, 'watch').length).toBeGreaterThanOrEqual(times), DEADLINE_MS);
  const has = (...wanted: string[]): Promise<void> => eventually(() => expect(names()).toEqual(wanted), DEADLINE_MS);
  return { reflector, names, has, isWatching, lines, changes: () => changes };
}

function requestsOf(server: ApiServer, verb: string): URLSearchParams[] {
  return server.requests.filter((request) => request.verb === verb).map(({ query }) => query);
}

const warnings = (lines: readonly { level: number; msg: string }[]): string[] =>
  lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);

describe('a source', () => {
  test('is listed, then watched from there', async () => {
    const server = await startServer();
    server.put(namespace('a'));
    const { has, reflector, isWatching } = reflect(server);
    await has('a');
    expect(reflector.isListed).toBe(true);
    await isWatching(1);
    server.put(namespace('b'));
    await has('a', 'b');
    server.remove('Namespace', undefined, 'a');
    await has('b');
    expect(requestsOf(server, 'list')).toHaveLength(1);
  });

  test('of many objects is listed in chunks', async () => {
    const server = await startServer();
    for (let i = 0; i < 1200; i++) server.put(namespace(`n${i}`));
    const { names, isWatching } = reflect(server);
    await isWatching(1);
    server.faults.expireWatches(); // the first list comes from the cache, which sends it whole
    await isWatching(2);
    expect(names()).toHaveLength(1200);
    expect(requestsOf(server, 'list').map((query) => query.has('continue'))).toEqual([false, false, true, true]);
  });

  test('that did not change says nothing when it is listed again', async () => {
    const server = await startServer();
    server.put(namespace('a'));
    const { has, isWatching, changes } = reflect(server);
    await has('a');
    await isWatching(1);
    server.faults.expireWatches();
    await isWatching(2);
    expect(changes()).toBe(1);
  });
});

describe('after', () => {
  test('a lost connection it goes on from the last version, without a list', async () => {
    const server = await startServer();
    const { has, isWatching } = reflect(server);
    await isWatching(1);
    server.faults.dropConnections();
    server.put(namespace('a'));
    await has('a');
    expect(requestsOf(server, 'list')).toHaveLength(1);
  });

  test('the end that it asked for it watches again, from the version of a bookmark', async () => {
    const server = await startServer();
    server.faults.bookmarkEveryMs = 20;
    const { isWatching } = reflect(server, 'namespaces', { watchSeconds: { least: 1, most: 1 }, settledMs: 0 });
    await isWatching(1);
    server.put(policy('p', ['a.example.org'])); // another resource: it moves the version only
    await isWatching(2);
    const [first, second] = requestsOf(server, 'watch').map((query) => query.get('resourceVersion'));
    expect(Number(second)).toBeGreaterThan(Number(first));
  });

  test('a silence it gives the connection up and watches again', async () => {
    const server = await startServer();
    const { has, isWatching } = reflect(server, 'namespaces', { watchSilenceMs: 100, listSilenceMs: 100 });
    await isWatching(1);
    server.faults.silence(true);
    server.put(namespace('a'));
    await isWatching(3);
    server.faults.silence(false);
    await has('a');
  });

  test.each([
    ['inside the stream', 'in-stream'],
    ['as a status', 'http'],
  ] as const)('410 %s it lists again, and no older than what it knew', async (_why, expiry) => {
    const server = await startServer();
    server.faults.watchExpiry = expiry;
    server.put(namespace('a'));
    const { has, isWatching } = reflect(server);
    await isWatching(1);
    server.faults.silence(true); // so that the watch cannot see what follows
    server.remove('Namespace', undefined, 'a');
    server.put(namespace('b'));
    server.faults.compact();
    server.faults.dropConnections();
    server.faults.silence(false);
    await has('b');
    const lists = requestsOf(server, 'list').map((query) => Object.fromEntries(query));
    expect(lists[0]).toEqual({ limit: '500', resourceVersion: '0' });
    expect(lists[1]).toMatchObject({ resourceVersionMatch: 'NotOlderThan' });
  });

  test('a version that the server does not have any more it takes the newest list there is', async () => {
    const server = await startServer();
    const { has, isWatching } = reflect(server);
    await isWatching(1);
    server.faults.failNext(1, 504);
    server.faults.expireWatches();
    server.put(namespace('a'));
    await has('a');
    expect(requestsOf(server, 'list').at(-1)?.has('resourceVersion')).toBe(false);
  });

  test.each([
    ['a line that does not parse', (server: ApiServer) => server.faults.corruptNext()],
    ['a line that is cut', (server: ApiServer) => server.faults.closeMidEvent()],
  ])('%s it lists again: an event is lost', async (_why, breakIt) => {
    const server = await startServer();
    const { has, isWatching } = reflect(server);
    await isWatching(1);
    breakIt(server);
    server.put(namespace('a'));
    await has('a');
    expect(requestsOf(server, 'list')).toHaveLength(2);
  });

  test.each([
    ['429', 429],
    ['500', 500],
    ['503', 503],
  ])('%s it tries again, from where it was', async (_why, status) => {
    const server = await startServer();
    const { has, isWatching } = reflect(server);
    await isWatching(1);
    server.faults.failNext(2, status);
    server.faults.dropConnections();
    server.put(namespace('a'));
    await has('a');
    expect(requestsOf(server, 'list')).toHaveLength(1);
  });

  test('Retry-After it comes no sooner', async () => {
    const server = await startServer();
    server.faults.failNext(1, 429, { retryAfterSeconds: 1 });
    const startedMs = performance.now();
    const { isWatching } = reflect(server);
    await isWatching(1);
    expect(performance.now() - startedMs).toBeGreaterThan(990);
  });

  test('a server that was away it is the same as the server', async () => {
    const server = await startServer();
    server.put(namespace('a'));
    const { has, isWatching, reflector } = reflect(server);
    await isWatching(1);
    await server.faults.refuse(true);
    server.remove('Namespace', undefined, 'a');
    server.put(namespace('b'));
    await sleep(50);
    expect(reflector.objects()).toHaveLength(1);
    await server.faults.refuse(false);
    await has('b');
  });
});

test('until a new list is complete the old objects stay in force', async () => {
  const server = await startServer();
  server.put(namespace('a'));
  const { has, isWatching, names } = reflect(server);
  await isWatching(1);
  server.remove('Namespace', undefined, 'a');
  await has();
  server.put(namespace('b'));
  await has('b');
  server.faults.failNext(5, 500);
  server.faults.expireWatches();
  const seen = new Set<string>();
  const watching = setInterval(() => seen.add(names().join()), 1);
  await isWatching(2);
  clearInterval(watching);
  expect([...seen]).toEqual(['b']);
});

describe('a refusal', () => {
  test('is said once, and that it ended, too', async () => {
    const server = await startServer();
    server.faults.authFailure(true);
    const { isWatching, lines } = reflect(server);
    await eventually(() => expect(requestsOf(server, 'list').length).toBeGreaterThan(4), DEADLINE_MS);
    server.faults.authFailure(false);
    await isWatching(1);
    expect(warnings(lines)).toEqual([expect.stringContaining('401')]);
    expect(lines.map(({ msg }) => msg)).toContain('The API server answers again');
  });

  test('of one verb names the resource', async () => {
    const server = await startServer();
    server.faults.allow = (verb) => verb !== 'list';
    const { lines } = reflect(server);
    await eventually(() => expect(warnings(lines)).toHaveLength(1), DEADLINE_MS);
    expect(lines[0]).toMatchObject({ resource: 'namespaces', status: 403 });
  });
});

test('one lost connection is not worth a word', async () => {
  const server = await startServer();
  const { isWatching, lines } = reflect(server);
  await isWatching(1);
  server.faults.dropConnections();
  await isWatching(2);
  expect(warnings(lines)).toEqual([]);
});

describe('a CRD that is not installed', () => {
  test('is an empty source, said once', async () => {
    const server = await startServer();
    server.uninstall('cilium.io');
    const { reflector, lines } = reflect(server, 'policies');
    await eventually(() => expect(requestsOf(server, 'list').length).toBeGreaterThan(2), DEADLINE_MS);
    expect(reflector.isListed).toBe(true);
    expect(reflector.objects()).toEqual([]);
    expect(warnings(lines)).toEqual([expect.stringContaining('is its CRD installed')]);
  });

  test('is seen when it comes', async () => {
    const server = await startServer();
    server.uninstall('cilium.io');
    const { has } = reflect(server, 'policies');
    await eventually(() => expect(requestsOf(server, 'list')).not.toEqual([]), DEADLINE_MS);
    server.install('cilium.io');
    server.put(policy('p', ['a.example.org']));
    await has('p');
  });

  test('takes its objects with it', async () => {
    const server = await startServer();
    server.put(policy('p', ['a.example.org']));
    const { has } = reflect(server, 'policies');
    await has('p');
    server.uninstall('cilium.io');
    await has();
  });

  test('for a moment only forgets no policy: to forget one is to open its pods', async () => {
    const server = await startServer();
    server.put(policy('p', ['a.example.org']));
    const { has, isWatching, names } = reflect(server, 'policies');
    await has('p');
    await isWatching(1);
    const seen = new Set<string>();
    const watching = setInterval(() => seen.add(names().join()), 1);
    server.faults.failNext(1, 404);
    server.faults.dropConnections();
    await isWatching(3);
    clearInterval(watching);
    expect([...seen]).toEqual(['p']);
  });

  test('is a fault where no CRD is needed', async () => {
    const server = await startServer();
    server.put(namespace('a'));
    server.faults.failNext(2, 404);
    const { has, lines } = reflect(server);
    await has('a');
    expect(warnings(lines)).toEqual([expect.stringContaining('404')]);
  });
});

test('events that come twice, in pieces, in another order, change nothing', async () => {
  const server = await startServer();
  const { has, isWatching, changes } = reflect(server);
  await isWatching(1);
  server.faults.duplicate(true);
  server.faults.reorder(true);
  server.faults.splitChunks(7);
  for (const name of ['a', 'b', 'c']) server.put(namespace(name));
  server.remove('Namespace', undefined, 'b');
  await has('a', 'c');
  expect(changes()).toBe(5); // the first list, and four events
  expect(requestsOf(server, 'list')).toHaveLength(1);
});

test('it stops when it is told to', async () => {
  const server = await startServer();
  const client = ApiClient.open(kubeconfigFile(server.kubeconfig()));
  const stop = new AbortController();
  const parts = { client, timing: QUICK, log: readableLog().log, changed: () => undefined };
  const running = new Reflector(sources.namespaces, parts).run(stop.signal);
  await eventually(() => expect(requestsOf(server, 'watch')).toHaveLength(1), DEADLINE_MS);
  stop.abort();
  await running;
  server.faults.dropConnections();
  await sleep(30);
  expect(requestsOf(server, 'watch')).toHaveLength(1);
});
