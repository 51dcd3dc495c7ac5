// The agent's view of the cluster against the stand-in: when there is one, what is in it, and what stays when the API server is away.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { formatAddress } from '../../src/base/ip.ts';
import { Cluster, type ClusterView } from '../../src/kubernetes/cluster.ts';
import type { PolicyRule } from '../../src/policy/policy.ts';
import { eventually } from '../support/eventually.ts';
import {
  QUICK,
  furnished,
  kubeconfigFile,
  readableLog,
  startCluster,
  startServer,
  temporaryFolder,
} from '../support/kubernetes-cluster.ts';
import { DNS_SERVICE, NODE, namespace, pod, policy, slice } from '../support/kubernetes-objects.ts';
import type { ApiServer } from './api-server.ts';

const DEADLINE_MS = 5000;

/** What a person would call the view. */
function shown(view: ClusterView) {
  return {
    pods: view.pods.map(({ name }) => name),
    policies: view.policies.map(({ name }) => name),
    dns: view.dnsServers,
    endpoints: view.dnsEndpoints.map(({ address, port }) => `${formatAddress(address)}:${port}`),
    ranges: view.podRanges,
  };
}

const FURNISHED = {
  pods: ['web'],
  policies: ['q', 'p'],
  dns: ['10.96.0.10'],
  endpoints: ['10.0.2.5:53'],
  ranges: ['10.0.1.0/24'],
};

const clusterAt = async (
  path: string,
  patienceMs: number,
  signal?: AbortSignal,
  stateFolder?: string,
): Promise<Cluster> => {
  const options = {
    kubeconfig: path,
    nodeName: NODE,
    dnsService: DNS_SERVICE,
    ...(stateFolder !== undefined && { stateFolder }),
  };
  return Cluster.start(options, { changed: () => undefined, log: readableLog().log }, signal, { ...QUICK, patienceMs });
};

test('the view has what the server has', async () => {
  const { cluster } = await startCluster(await furnished());
  expect(shown(cluster.view())).toEqual(FURNISHED);
  expect(cluster.view()).toMatchObject({ leftOut: [], problems: [], isStale: false });
});

test('of an empty cluster there is a view, too', async () => {
  const { cluster, lines } = await startCluster(await startServer());
  expect(shown(cluster.view())).toEqual({ pods: [], policies: [], dns: [], endpoints: [], ranges: [] });
  expect(lines.map(({ msg }) => msg)).toContain('The DNS Service cannot be used: it is missing');
});

test('pods of other nodes and endpoints of other Services are not asked for', async () => {
  const server = await furnished();
  server.put(pod('far', { node: 'worker-2', ips: ['10.0.9.9'] }));
  const other = slice('b', [{ addresses: ['10.0.2.9'] }]);
  server.put({ ...other, metadata: { ...other.metadata, labels: { 'kubernetes.io/service-name': 'other' } } });
  const { cluster } = await startCluster(server);
  expect(shown(cluster.view())).toEqual(FURNISHED);
});

test('until every source was listed there is no view', async () => {
  const server = await furnished();
  server.faults.silence(true, 'namespaces');
  let isStarted = false;
  const starting = startCluster(server).finally(() => (isStarted = true));
  await sleep(300);
  expect(isStarted).toBe(false);
  server.faults.silence(false, 'namespaces');
  expect(shown((await starting).cluster.view())).toEqual(FURNISHED);
});

describe('start', () => {
  test('gives up when it is told to', async () => {
    const server = await furnished();
    server.faults.authFailure(true);
    const path = kubeconfigFile(server.kubeconfig());
    await expect(clusterAt(path, 50, AbortSignal.timeout(100))).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('gives up while it reads the last state', async () => {
    const stop = new AbortController();
    const path = kubeconfigFile((await furnished()).kubeconfig());
    const starting = clusterAt(path, 50, stop.signal, temporaryFolder());
    stop.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
  });

  test('rejects without a kubeconfig', async () => {
    await expect(clusterAt(join(temporaryFolder(), 'none'), 50)).rejects.toMatchObject({ code: 'bad-config' });
  });

  test('waits as long as it takes for an API server, when there is no last state', async () => {
    const server = await furnished();
    await server.faults.refuse(true);
    const starting = startCluster(server, { stateFolder: temporaryFolder() }, { patienceMs: 20 });
    await sleep(100);
    await server.faults.refuse(false);
    const { cluster, lines } = await starting;
    expect(shown(cluster.view())).toEqual(FURNISHED);
    expect(lines.map(({ msg }) => msg)).toContain(
      'The API server does not answer and there is no last state: waiting for it',
    );
  });
});

describe('a change', () => {
  test('of labels moves a pod in', async () => {
    const server = await furnished();
    const { cluster, changes } = await startCluster(server);
    server.put(pod('web', { labels: { app: 'db' } }));
    await eventually(() => expect(cluster.view().pods[0]?.labels).toEqual({ app: 'db' }), DEADLINE_MS);
    expect(changes()).toBe(1);
  });

  test('that is none for us is none', async () => {
    const server = await furnished();
    const { cluster, changes } = await startCluster(server);
    const before = cluster.view();
    const web = pod('web', { labels: { app: 'web' } });
    server.put({ ...web, status: { ...(web['status'] as object), conditions: [{ type: 'Ready' }] } });
    server.put(namespace('elsewhere'));
    server.put(pod('pending', { ips: [] }));
    server.put(policy('p2', ['a.example.org']));
    await eventually(() => expect(cluster.view().policies).toHaveLength(3), DEADLINE_MS);
    expect(changes()).toBe(1);
    expect(cluster.view().pods).toEqual(before.pods);
  });

  test('of hundreds of objects at once is one, or few', async () => {
    const server = await furnished();
    const { cluster, changes } = await startCluster(server, {}, { gatherMs: 50 });
    for (let i = 0; i < 500; i++) server.put(policy(`p${i}`, ['a.example.org']));
    await eventually(() => expect(cluster.view().policies).toHaveLength(502), DEADLINE_MS);
    expect(changes()).toBeLessThan(10);
  });

  test('of a policy to a wrong one leaves the good one in force, and says so', async () => {
    const server = await furnished();
    const { cluster } = await startCluster(server);
    server.put(policy('p', ['a..b']));
    await eventually(() => expect(cluster.view().problems).toHaveLength(2), DEADLINE_MS);
    expect(cluster.view().policies.map(({ rules }) => firstName(rules))).toEqual(['b.example.org', 'a.example.org']);
  });

  test('of a pod to one with the same address is a pod with another uid', async () => {
    const server = await furnished();
    const { cluster } = await startCluster(server);
    const [old] = cluster.view().pods;
    server.remove('Pod', 'shop', 'web');
    const { metadata, ...rest } = pod('web', { created: 1 });
    server.put({ ...rest, metadata: { ...metadata, uid: 'another' } });
    await eventually(() => expect(cluster.view().pods[0]?.uid).toBe('another'), DEADLINE_MS);
    expect(cluster.view().pods[0]?.addresses).toEqual(old?.addresses);
  });

  test('of a pod to its end takes its address away', async () => {
    const server = await furnished();
    const { cluster } = await startCluster(server);
    server.put(pod('web', { phase: 'Succeeded' }));
    await eventually(() => expect(cluster.view().pods).toEqual([]), DEADLINE_MS);
    expect(cluster.view().leftOut).toEqual([{ pod: 'shop/web', reason: 'terminal' }]);
  });
});

test('pods of a namespace that is not known yet are closed, and opened when it comes', async () => {
  const server = await furnished();
  server.put(pod('early', { namespace: 'new', ips: ['10.0.1.8'] }));
  const { cluster } = await startCluster(server);
  expect(cluster.view().policies.at(-1)).toMatchObject({ kind: 'Namespace', name: 'new', rules: [{ egress: [] }] });
  expect(cluster.view().problems).toMatchObject([{ at: 'Namespace new' }]);
  server.put(namespace('new'));
  await eventually(() => expect(cluster.view().problems).toEqual([]), DEADLINE_MS);
  expect(shown(cluster.view()).policies).toEqual(FURNISHED.policies);
});

describe('without the API server', () => {
  test('what was known stays in force, and becomes stale', async () => {
    const server = await furnished();
    const { cluster, changes, lines } = await startCluster(server, {}, { staleMs: 200 });
    await server.faults.refuse(true);
    server.remove('Pod', 'shop', 'web');
    await eventually(() => expect(cluster.view().isStale).toBe(true), DEADLINE_MS);
    expect(shown(cluster.view())).toEqual(FURNISHED);
    await eventually(() => expect(changes()).toBe(1), DEADLINE_MS);
    await server.faults.refuse(false);
    await eventually(() => expect(cluster.view()).toMatchObject({ isStale: false, pods: [] }), DEADLINE_MS);
    await eventually(
      () => expect(lines.map(({ msg }) => msg)).toContain('Up to date with the API server again'),
      DEADLINE_MS,
    );
  });

  test('one silent source makes it stale', async () => {
    const server = await furnished();
    const { cluster } = await startCluster(server, {}, { staleMs: 200 });
    server.faults.silence(true, 'ciliumnetworkpolicies');
    await eventually(() => expect(cluster.view().isStale).toBe(true), DEADLINE_MS);
  });

  test('a quiet cluster is not stale: bookmarks come', async () => {
    const { cluster } = await startCluster(await furnished(), {}, { staleMs: 200 });
    await sleep(500);
    expect(cluster.view().isStale).toBe(false);
  });
});

describe('the last state', () => {
  async function saved(server: ApiServer): Promise<string> {
    const stateFolder = temporaryFolder();
    const { cluster } = await startCluster(server, { stateFolder });
    await eventually(
      () => expect(readFileSync(join(stateFolder, 'cluster.json'), 'utf8')).toContain('"web"'),
      DEADLINE_MS,
    );
    cluster.close();
    return stateFolder;
  }

  test('is taken when the API server does not answer, and replaced as a whole when it does', async () => {
    const server = await furnished();
    const stateFolder = await saved(server);
    await server.faults.refuse(true);
    server.remove('Pod', 'shop', 'web');
    server.put(pod('new'));
    const { cluster, changes } = await startCluster(server, { stateFolder });
    expect(shown(cluster.view())).toEqual(FURNISHED);
    expect(cluster.view().isStale).toBe(true);
    await server.faults.refuse(false);
    await eventually(() => expect(shown(cluster.view()).pods).toEqual(['new']), DEADLINE_MS);
    expect(cluster.view().isStale).toBe(false);
    expect(changes()).toBeGreaterThan(0);
  });

  test('stays in force as a whole while one source is missing', async () => {
    const server = await furnished();
    const stateFolder = await saved(server);
    server.remove('Pod', 'shop', 'web');
    server.faults.silence(true, 'services');
    const { cluster } = await startCluster(server, { stateFolder });
    await sleep(100);
    expect(shown(cluster.view())).toEqual(FURNISHED);
    server.faults.silence(false, 'services');
    await eventually(() => expect(shown(cluster.view()).pods).toEqual([]), DEADLINE_MS);
  });

  test('is not taken from an API server that answers in time', async () => {
    const server = await furnished();
    const stateFolder = await saved(server);
    server.remove('Pod', 'shop', 'web');
    const { cluster } = await startCluster(server, { stateFolder });
    expect(cluster.view()).toMatchObject({ pods: [], isStale: false });
  });

  test('holds the good version of a policy that was changed to a wrong one since', async () => {
    const server = await furnished();
    const stateFolder = await saved(server);
    server.put(policy('p', ['a..b']));
    const { cluster } = await startCluster(server, { stateFolder });
    const found = cluster.view().policies.find(({ name }) => name === 'p');
    expect(firstName(found?.rules ?? [])).toBe('a.example.org');
  });

  test('that is broken is no last state', async () => {
    const server = await furnished();
    const stateFolder = await saved(server);
    writeFileSync(join(stateFolder, 'cluster.json'), 'x');
    const { cluster } = await startCluster(server, { stateFolder });
    expect(shown(cluster.view())).toEqual(FURNISHED);
  });
});

test('after close nothing is asked and nothing is said', async () => {
  const server = await furnished();
  const { cluster, changes } = await startCluster(server);
  cluster.close();
  server.put(pod('late', { ips: ['10.0.1.9'] }));
  await sleep(50);
  const requests = server.requests.length;
  await sleep(50);
  expect(server.requests).toHaveLength(requests);
  expect(changes()).toBe(0);
});

function firstName(rules: readonly PolicyRule[]): string | undefined {
  const [rule] = rules[0]?.egress ?? [];
  return rule === undefined || rule.kind === 'reach' ? undefined : rule.names[0]?.text;
}
