import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { NodeConfig } from '../../../src/agent/config.ts';
import { ClusterSource, inputsOf } from '../../../src/agent/inputs-cluster.ts';
import type { Inputs } from '../../../src/agent/inputs.ts';
import { ResolvConfFile } from '../../../src/agent/resolv-conf-file.ts';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import type { ClusterView } from '../../../src/kubernetes/cluster.ts';
import type { Pod } from '../../../src/pods/pod.ts';
import { eventually } from '../../support/eventually.ts';
import { furnished, kubeconfigFile } from '../../support/kubernetes-cluster.ts';
import { recordedLog } from './recorded-log.ts';

const CONFIG: NodeConfig = {
  mode: 'node',
  kubernetes: {
    nodeName: 'worker-1',
    dnsService: { namespace: 'kube-system', name: 'kube-dns' },
    clusterZones: ['cluster.local', 'in-addr.arpa'],
    unknownPods: 'deny',
    podRanges: 'node',
  },
  dnsServers: 'cluster',
  zones: [],
  upstreams: 'cluster',
  whenDown: 'closed',
  denial: 'nxdomain',
  queriesPerSecond: 20_000,
  newNamesPerSecond: 2_000,
  hints: 'grant',
  maxAddresses: 256,
  enforce: ['cilium', 'networkPolicy', 'clusterNetworkPolicy'],
  intercept: 'namespaces',
  lifetimes: { minTtlMs: 5_000, maxTtlMs: 3_600_000, graceMs: 60_000 },
  protect: { ranges: [], cidrs: [] },
  internalZones: [],
  verdict: 'reject',
  mark: 0x100000,
  routingTable: 5310,
  refresh: 'auto',
  audit: 'stdout',
  connections: 'all',
  logGroup: 5310,
  onRevoke: 'cut',
  maxConnectionMs: 0,
  state: 'off',
  logLevel: 'info',
  health: 'off',
};

const pod = (name: string, ...addresses: readonly string[]): Pod => ({
  uid: name,
  namespace: 'shop',
  name,
  labels: {},
  addresses,
});
const endpoint = (text: string, port = 53) => ({ address: parseAddress(text) ?? expect.fail(text), port });
const textOf = ({ address, port }: { address: Uint8Array; port: number }): string =>
  `${formatAddress(address)} ${port}`;

const VIEW: ClusterView = {
  pods: [pod('cart', '10.244.1.7', '2001:db8:1::7')],
  leftOut: [],
  policies: [],
  problems: [],
  dnsServers: ['10.96.0.10', 'fd00:96::a'],
  dnsEndpoints: [endpoint('10.244.2.2'), endpoint('10.244.3.3')],
  podRanges: ['10.244.1.0/24', '2001:db8:1::/64'],
  isStale: false,
};

function ofView(
  view: Partial<ClusterView>,
  config: Partial<NodeConfig> = {},
  kubernetes: Partial<NodeConfig['kubernetes']> = {},
) {
  const whole = { ...VIEW, ...view };
  const merged = { ...CONFIG, ...config, kubernetes: { ...CONFIG.kubernetes, ...kubernetes } };
  return inputsOf(whole, merged, { dnsServers: whole.dnsServers, podRanges: whole.podRanges });
}

test('pods ask the addresses of the DNS Service, unless the configuration names others', () => {
  expect(ofView({}).dnsServers).toEqual(['10.96.0.10', 'fd00:96::a']);
  expect(ofView({}, { dnsServers: ['169.254.20.10'] }).dnsServers).toEqual(['169.254.20.10']);
});

test('all names are asked of its endpoints; or only those of the cluster', () => {
  const endpoints = ['10.244.2.2 53', '10.244.3.3 53'];
  const zonesOf = (config: Partial<NodeConfig>) =>
    ofView({}, config).zones.map(({ zone, servers }) => [zone, servers.map(textOf).toSorted()]);
  expect(zonesOf({})).toEqual([
    ['cluster.local', endpoints],
    ['in-addr.arpa', endpoints],
    ['.', endpoints],
  ]);
  expect(zonesOf({ upstreams: [endpoint('192.0.2.53', 5353)] })).toEqual([
    ['cluster.local', endpoints],
    ['in-addr.arpa', endpoints],
    ['.', ['192.0.2.53 5353']],
  ]);
});

test('zones of the configuration are added to those of the cluster, and stand before one of the same name', () => {
  const zones = [
    { zone: 'corp.example', servers: [endpoint('192.0.2.61')] },
    { zone: 'in-addr.arpa', servers: [endpoint('192.0.2.62')] },
  ];
  const endpoints = ['10.244.2.2 53', '10.244.3.3 53'];
  expect(ofView({}, { zones }).zones.map(({ zone, servers }) => [zone, servers.map(textOf).toSorted()])).toEqual([
    ['corp.example', ['192.0.2.61 53']],
    ['in-addr.arpa', ['192.0.2.62 53']],
    ['cluster.local', endpoints],
    ['.', endpoints],
  ]);
});

test('nodes begin with different endpoints, and each with the same one again', () => {
  const dnsEndpoints = Array.from({ length: 8 }, (_, i) => endpoint(`10.244.9.${i}`));
  const firstOf = (nodeName: string, endpoints = dnsEndpoints): string => {
    const [server] = ofView({ dnsEndpoints: endpoints }, {}, { nodeName }).zones[0]?.servers ?? [];
    return server === undefined ? 'none' : textOf(server);
  };
  const firsts = Array.from({ length: 64 }, (_, i) => firstOf(`worker-${i}`));
  expect(new Set(firsts).size).toBe(8);
  expect(firstOf('worker-1', dnsEndpoints.toReversed())).toBe(firstOf('worker-1'));
});

test('an endpoint that is one of our own listeners is left out, and said', () => {
  const dnsEndpoints = [endpoint('10.96.0.10'), endpoint('10.244.2.2'), endpoint('10.96.0.10', 5353)];
  const { zones, problems } = ofView({ dnsEndpoints });
  expect(zones[0]?.servers.map(textOf).toSorted()).toEqual(['10.244.2.2 53', '10.96.0.10 5353']);
  expect(problems).toEqual([
    {
      code: 'own-listener',
      at: 'Service kube-system/kube-dns',
      message: 'Cannot ask endpoint 10.96.0.10: namewall answers there, and would ask itself',
    },
  ]);
});

test('the addresses of the DNS Service and the pod ranges are never granted', () => {
  expect(ofView({}).protectedRanges).toEqual([
    { cidr: '10.244.1.0/24', reason: 'pod-range' },
    { cidr: '2001:db8:1::/64', reason: 'pod-range' },
    { cidr: '10.96.0.10', reason: 'service-address' },
    { cidr: 'fd00:96::a', reason: 'service-address' },
  ]);
});

test('problems of policies are passed on, and refuse nothing', () => {
  const problems = [{ code: 'bad-pattern', at: 'CiliumNetworkPolicy shop/a: spec', message: 'm' }];
  expect(ofView({ problems })).toMatchObject({ problems, pods: VIEW.pods });
});

test.each([
  ['the ranges of the Node', {}, {}, ['10.244.1.0/24', '2001:db8:1::/64'], 0],
  ['unknownPods: allow', {}, { unknownPods: 'allow' }, [], 0],
  ['the ranges of the configuration', {}, { podRanges: ['10.99.0.0/24'] }, ['10.99.0.0/24'], 0],
  ['a node without pods', { pods: [] }, {}, ['10.244.1.0/24', '2001:db8:1::/64'], 0],
  [
    'a network plugin that takes no addresses from there',
    { pods: [pod('a', '10.99.0.7')] },
    {},
    ['2001:db8:1::/64'],
    1,
  ],
  ['over IPv6 it takes others', { pods: [pod('a', '10.244.1.7', '2001:db8:9::7')] }, {}, ['10.244.1.0/24'], 1],
] as const)('where unknown pods are closed: %s', (_why, view, kubernetes, want, problemCount) => {
  const { guardedRanges, problems } = ofView(view, {}, kubernetes);
  expect(guardedRanges).toEqual(want);
  expect(problems.map(({ code }) => code)).toEqual(Array(problemCount).fill('pods-outside-range'));
});

test('a Node without ranges closes nothing, and that is said, pods or none', () => {
  for (const view of [{ podRanges: [] }, { podRanges: [], pods: [] }]) {
    const { guardedRanges, problems } = ofView(view, {}, {});
    expect(guardedRanges).toEqual([]);
    expect(problems.map(({ code }) => code)).toEqual(['no-pod-range']);
  }
});

/** A source whose cluster shows the views one after the other. */
function sourceOf(...views: readonly Partial<ClusterView>[]) {
  const recorded = recordedLog();
  let current: ClusterView = VIEW;
  let isClosed = false;
  const cluster = { view: () => current, close: () => void (isClosed = true) };
  const source = new ClusterSource(CONFIG, cluster, recorded.log);
  const read = async () => {
    const found = [];
    for (const view of views) {
      current = { ...VIEW, ...view };
      const inputs = await source.read();
      found.push(inputs.ok ? inputs.value : expect.fail('refused'));
    }
    return found;
  };
  return { source, read, recorded, isClosed: () => isClosed };
}

test('a Service or Node that was deleted leaves its last addresses and ranges in force', async () => {
  const { read } = sourceOf({}, { dnsServers: [], podRanges: [] }, { dnsServers: ['10.96.0.11'] });
  const found = await read();
  expect(found.map(({ dnsServers }) => dnsServers)).toEqual([
    ['10.96.0.10', 'fd00:96::a'],
    ['10.96.0.10', 'fd00:96::a'],
    ['10.96.0.11'],
  ]);
  expect(found[1]?.guardedRanges).toEqual(VIEW.podRanges);
});

test('a Service that was never there gives no server', async () => {
  const [first] = await sourceOf({ dnsServers: [], dnsEndpoints: [] }).read();
  expect(first).toMatchObject({ dnsServers: [], zones: [{ servers: [] }, { servers: [] }, { servers: [] }] });
});

test('what is wrong with the source warns, as long as it is', async () => {
  const { source, read } = sourceOf({
    isStale: true,
    dnsEndpoints: [],
    problems: [{ code: 'c', at: 'a', message: 'm' }],
  });
  expect(source.warnings()).toEqual([]);
  await read();
  expect(source.warnings()).toEqual([
    'the API server does not answer: pods and policies are as they were last',
    'no endpoint of kube-system/kube-dns is ready',
    'problems of policies or of the cluster, 1: see the log',
  ]);
});

test('pods that run and are not enforced are named once; those that have ended are not', async () => {
  const hostPod = { pod: 'kube-system/proxy', reason: 'host-network' } as const;
  const done = { pod: 'shop/job', reason: 'terminal' } as const;
  const shared = { pod: 'shop/old', reason: 'address-shared' } as const;
  const { read, recorded } = sourceOf(
    { leftOut: [done] },
    { leftOut: [hostPod] },
    { leftOut: [hostPod, done] },
    { leftOut: [hostPod, shared] },
  );
  await read();
  expect(recorded.fields).toEqual([
    { hostNetwork: ['kube-system/proxy'], addressShared: [] },
    { hostNetwork: ['kube-system/proxy'], addressShared: ['shop/old'] },
  ]);
});

describe('upstreams from a resolv.conf', () => {
  let folder = '';
  let file = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'namewall-inputs-cluster-'));
    file = join(folder, 'resolv.conf');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function reading<T>(text: string, use: (source: ClusterSource) => Promise<T>): Promise<T> {
    writeFileSync(file, text);
    const { log } = recordedLog();
    const resolvConf = await ResolvConfFile.open(file, () => undefined, log);
    const source = new ClusterSource({ ...CONFIG, upstreams: { file } }, { view: () => VIEW, close }, log, resolvConf);
    return use(source).finally(() => source.close());
  }
  const close = (): void => undefined;
  const othersOf = (inputs: Inputs): string[] => (inputs.zones.at(-1)?.servers ?? []).map(textOf);

  test('they are asked for what is not in a zone of the cluster; an address of the DNS Service is none', async () => {
    const read = await reading('nameserver 10.96.0.10\nnameserver 192.0.2.53\n', (source) => source.read());
    const inputs = read.ok ? read.value : expect.fail(JSON.stringify(read));
    expect(inputs.zones.map(({ zone }) => zone)).toEqual(['cluster.local', 'in-addr.arpa', '.']);
    expect(othersOf(inputs)).toEqual(['192.0.2.53 53']);
    expect(inputs.problems.map(({ code, at }) => [code, at])).toEqual([['own-listener', `${file}:1:1`]]);
  });

  test('a change of the file is told and read, as one of the cluster is', async () => {
    writeFileSync(file, 'nameserver 192.0.2.53\n');
    const kubeconfig = kubeconfigFile((await furnished()).kubeconfig());
    const config = { ...CONFIG, upstreams: { file }, kubernetes: { ...CONFIG.kubernetes, kubeconfig } };
    const changed = vi.fn<() => void>();
    const { log } = recordedLog();
    const source = await ClusterSource.open(config, changed, log, new AbortController().signal);
    const othersNow = async (): Promise<string[]> => {
      const read = await source.read();
      return read.ok ? othersOf(read.value) : expect.fail(JSON.stringify(read));
    };
    try {
      expect(await othersNow()).toEqual(['192.0.2.53 53']);
      changed.mockClear();
      writeFileSync(file, 'nameserver 192.0.2.54\n');
      await eventually(() => expect(changed).toHaveBeenCalled(), 5_000);
      expect(await othersNow()).toEqual(['192.0.2.54 53']);
    } finally {
      source.close();
    }
  });

  test('a file that never had a server is a problem; one that has lost them warns', async () => {
    await reading('', async (source) => {
      expect(await source.read()).toMatchObject({ ok: false, problems: [{ code: 'no-nameserver' }] });
    });
    await reading('nameserver 192.0.2.53\n', async (source) => {
      await source.read();
      writeFileSync(file, '');
      const read = await source.read();
      expect(read.ok ? othersOf(read.value) : read).toEqual(['192.0.2.53 53']);
      expect(source.warnings()).toEqual([`${file} names no server that can be asked: its last ones are`]);
    });
  });
});

test('closing the source closes the cluster', () => {
  const { source, isClosed } = sourceOf();
  source.close();
  expect(isClosed()).toBe(true);
});
