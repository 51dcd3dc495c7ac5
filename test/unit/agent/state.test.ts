import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfig, type HostConfig } from '../../../src/agent/config.ts';
import { readFiles } from '../../../src/agent/inputs-files.ts';
import {
  inheritedAddresses,
  interceptedAddresses,
  newAddresses,
  rulesetPods,
  snapshotOf,
  stateOf,
  unboundClients,
  type State,
} from '../../../src/agent/state.ts';
import type { Parsed } from '../../../src/base/errors.ts';
import { formatAddress } from '../../../src/base/ip.ts';
import { MAX_PODS } from '../../../src/bridge/snapshot.ts';
import { PodTable } from '../../../src/datapath/state/pod-table.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';

const CLIENTS = `clients:
  - {namespace: shop, name: cart, labels: {app: cart}, addresses: [192.0.2.1, "2001:db8::1"], interface: veth1}
  - {namespace: shop, name: idle, addresses: [192.0.2.2]}
  - {namespace: other, name: tool, addresses: [192.0.2.3]}
`;
const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: egress, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress:
    - toFQDNs: [{matchName: api.example.org}]
      toPorts: [{ports: [{port: "443", protocol: TCP}]}]
`;
const CLUSTERWIDE = POLICY.replace('CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy').replace(
  ', namespace: shop',
  '',
);
const INGRESS_ONLY = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ingress, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
`;
const NONE: ReadonlySet<string> = new Set();

let folder = '';
let config: HostConfig;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-state-'));
  mkdirSync(join(folder, 'policies'));
  write(
    'namewall.yaml',
    'clients: clients.yaml\npolicies: policies\ndns: {servers: 10.96.0.10, upstreams: 192.0.2.53}\n',
  );
  write('clients.yaml', CLIENTS);
  write('policies/shop.yaml', POLICY);
  const read = readConfig(join(folder, 'namewall.yaml'));
  config = read.ok && read.value.mode === 'host' ? read.value : expect.fail('the configuration is wrong');
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

async function tryLoad(before?: State): Promise<Parsed<State>> {
  const read = await readFiles(config);
  return read.ok
    ? stateOf({ ...read.value, zones: [], problems: [] }, before?.registry ?? EMPTY_REGISTRY, {
        protect: { ranges: [], cidrs: [] },
      })
    : read;
}

async function load(before?: State): Promise<State> {
  const loaded = await tryLoad(before);
  return loaded.ok ? loaded.value : expect.fail(JSON.stringify(loaded.problems));
}

const OWNER: unknown = expect.stringMatching(/^[0-9a-f]{32}$/);

test('what the data plane is told: who the pods are and what they may ask', async () => {
  const snapshot = snapshotOf(await load());
  expect(snapshot).toMatchObject({
    generation: 1,
    pods: [
      { id: 1, program: 0 },
      { id: 2, program: -1 },
      { id: 3, program: -1 },
    ],
    classIds: ['tcp443'],
  });
  expect(snapshot.pods.map(({ addresses }) => addresses.map((bytes) => formatAddress(bytes)))).toEqual([
    ['192.0.2.1', '2001:db8::1'],
    ['192.0.2.2'],
    ['192.0.2.3'],
  ]);
  expect(snapshot.programs).toHaveLength(1);
  expect(snapshot.programs[0]?.names).toMatchObject([
    { match: 'name', text: 'api.example.org', classes: [0], rule: 0 },
  ]);
  expect(structuredClone(snapshot)).toEqual(snapshot); // it is posted between threads
});

test('what the kernel is told: which chain judges each pod, and where it is plugged in', async () => {
  const state = await load();
  expect(rulesetPods(state, NONE, new Map())).toEqual([
    {
      addresses: ['192.0.2.1', '2001:db8::1'],
      interface: 'veth1',
      programId: state.compiled.programs[0]?.id,
      isClosed: false,
      owner: OWNER,
    },
    { addresses: ['192.0.2.2'], isClosed: false, owner: OWNER },
    { addresses: ['192.0.2.3'], isClosed: false, owner: OWNER },
  ]);
  expect(rulesetPods(state, new Set(['192.0.2.2', '192.0.2.250']), new Map()).map(({ isClosed }) => isClosed)).toEqual([
    false,
    true,
    false,
  ]);
});

test.each([
  ['selected', 'policy of a namespace', POLICY, ['192.0.2.1', '2001:db8::1']],
  ['namespaces', 'policy of a namespace', POLICY, ['192.0.2.1', '2001:db8::1', '192.0.2.2']],
  ['all', 'policy of a namespace', POLICY, ['192.0.2.1', '2001:db8::1', '192.0.2.2', '192.0.2.3']],
  ['selected', 'policy of the cluster', CLUSTERWIDE, ['192.0.2.1', '2001:db8::1']],
  ['namespaces', 'policy of the cluster', CLUSTERWIDE, ['192.0.2.1', '2001:db8::1', '192.0.2.2', '192.0.2.3']],
  ['namespaces', 'policy that says nothing of egress', INGRESS_ONLY, []],
] as const)('intercept %s, a %s', async (intercept, _why, policy, want) => {
  write('policies/shop.yaml', policy);
  expect(interceptedAddresses(await load(), intercept)).toEqual(want);
});

test('a pod keeps its number while it lives; one that comes back elsewhere is another', async () => {
  const first = await load();
  write('clients.yaml', CLIENTS.replace('192.0.2.3', '192.0.2.9'));
  const second = await load(first);
  expect(second.registry.pods.map(({ id }) => id)).toEqual([1, 2, 4]);
});

test('an address that changes hands is told from one that comes, goes or stays', async () => {
  const first = await load();
  write('clients.yaml', CLIENTS.replace('name: idle', 'name: fresh').replace('192.0.2.3', '192.0.2.9'));
  const second = await load(first);
  expect(inheritedAddresses(first, first)).toEqual(NONE);
  expect(inheritedAddresses(first, second)).toEqual(new Set(['192.0.2.2']));
});

test('two pods that swap their addresses inherit both', async () => {
  const first = await load();
  write(
    'clients.yaml',
    CLIENTS.replace('192.0.2.2', '192.0.2.99').replace('192.0.2.3', '192.0.2.2').replace('192.0.2.99', '192.0.2.3'),
  );
  const second = await load(first);
  expect(inheritedAddresses(first, second)).toEqual(new Set(['192.0.2.2', '192.0.2.3']));
});

test('addresses of pods that were not there before, all of them, and no others', async () => {
  const first = await load();
  expect(newAddresses(first, first)).toEqual(NONE);
  write('clients.yaml', CLIENTS.replace('name: cart', 'name: cart2').replace('192.0.2.3', '192.0.2.9'));
  const second = await load(first);
  expect(newAddresses(first, second)).toEqual(new Set(['192.0.2.1', '2001:db8::1', '192.0.2.9']));
});

test('a pod that is absent for now is left out of the snapshot whole, and nobody else takes its place or program', async () => {
  const state = await load();
  const snapshot = snapshotOf(state, new Set(['2001:db8::1']));
  expect(snapshot.pods.map(({ id, program }) => [id, program])).toEqual([
    [2, -1],
    [3, -1],
  ]);
  expect(snapshotOf(state, new Set(['192.0.2.2'])).pods.map(({ id, program }) => [id, program])).toEqual([
    [1, 0],
    [3, -1],
  ]);
});

/** `count` clients; `generation` makes all of them others. */
const manyClients = (count: number, generation = 1): string =>
  `clients:\n${Array.from(
    { length: count },
    (_, i) => `  - {name: c${i}, addresses: [10.${generation}.${i >> 8}.${i & 255}]}\n`,
  ).join('')}`;

test('a client too many is a problem at its place, not the end of the process', async () => {
  const before = await load();
  write('clients.yaml', manyClients(MAX_PODS + 1));
  const loaded = await tryLoad(before);
  const problems = loaded.ok ? [] : loaded.problems;
  expect(problems).toEqual([
    {
      code: 'too-many-clients',
      at: `${join(folder, 'clients.yaml')}:1:1`,
      message: `Remove clients: ${MAX_PODS + 1} are listed, at most ${MAX_PODS} are served`,
    },
  ]);
});

test('every state that is accepted fits into the data plane, also when all clients are others at once', async () => {
  const table = new PodTable();
  let state: State | undefined;
  for (const generation of [1, 2]) {
    write('clients.yaml', manyClients(MAX_PODS, generation));
    state = await load(state);
    table.replace(snapshotOf(state), () => generation === 1); // the second time: everybody who is gone keeps the index
  }
  for (const { id } of state?.registry.pods ?? []) expect(table.ids[table.indexOfId(id)]).toBe(id);
});

test('clients that a policy selects and that have no interface are known by name', async () => {
  write('policies/shop.yaml', POLICY.replace('{matchLabels: {app: cart}}', '{}'));
  expect(unboundClients(await load())).toEqual(['shop/idle']);
});
