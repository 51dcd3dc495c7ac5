import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig, type HostConfig } from '../../../src/agent/config.ts';
import { FileSource, readFiles } from '../../../src/agent/inputs-files.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { eventually } from '../../support/eventually.ts';
import { recordedLog } from './recorded-log.ts';

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: egress, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress:
    - toFQDNs: [{matchName: api.example.org}]
`;

let folder = '';
let config: HostConfig;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-inputs-'));
  mkdirSync(join(folder, 'policies'));
  write(
    'namewall.yaml',
    'clients: clients.yaml\npolicies: policies\ndns: {servers: 10.96.0.10, upstreams: 192.0.2.53}\n',
  );
  write('clients.yaml', 'clients: [{namespace: shop, name: cart, labels: {app: cart}, addresses: [10.0.1.7]}]\n');
  write('policies/shop.yaml', POLICY);
  const read = readConfig(join(folder, 'namewall.yaml'));
  config = read.ok && read.value.mode === 'host' ? read.value : expect.fail('the configuration is wrong');
});
afterEach(() => rmSync(folder, { recursive: true }));

const server = (text: string) => ({ address: parseAddress(text) ?? expect.fail(text), port: 53 });
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

async function withSource<T>(use: (source: FileSource, changes: () => number) => Promise<T>): Promise<T> {
  let changes = 0;
  const source = await FileSource.open(config, () => changes++, recordedLog().log);
  return use(source, () => changes).finally(() => source.close());
}

test('clients and policies are those of the files; servers and upstreams those of the configuration', async () => {
  expect(await withSource((source) => source.read())).toMatchObject({
    ok: true,
    value: {
      pods: [{ namespace: 'shop', name: 'cart', addresses: ['10.0.1.7'] }],
      knowsAllPods: true,
      nodes: [],
      services: [],
      areDnsServersInside: false,
      podsAt: `${join(folder, 'clients.yaml')}:1:1`,
      policies: [{ kind: 'CiliumNetworkPolicy', name: 'egress' }],
      dnsServers: ['10.96.0.10'],
      zones: [{ zone: '.', servers: [server('192.0.2.53')] }],
      guardedRanges: [],
      protectedRanges: [],
      problems: [],
    },
  });
});

test('nodes and Services are those that the clients file lists', async () => {
  write(
    'clients.yaml',
    `clients: []
nodes: [{name: n1, addresses: [192.0.2.1], local: true}]
services: [{namespace: shop, name: db, selector: {app: db}}]
`,
  );
  expect(await readFiles(config)).toMatchObject({
    ok: true,
    value: {
      pods: [],
      nodes: [{ name: 'n1', addresses: ['192.0.2.1'], isLocal: true }],
      services: [{ namespace: 'shop', name: 'db', selector: { app: 'db' } }],
    },
  });
});

test.each([
  ['clients', 'clients.yaml', 'clients: [{name: cart, addresses: [x]}]\n', 'clients.yaml:1:36'],
  ['clients, half written', 'clients.yaml', '', 'clients.yaml:1:1'],
  ['policies', 'policies/shop.yaml', POLICY.replace('matchName', 'matchNam'), 'policies/shop.yaml:7:18'],
  ['policies, one of two', 'policies/more.yaml', 'kind: Nonsense\n', 'policies/more.yaml:1:1'],
])('a wrong file refuses all of it, at its place: %s', async (_why, name, text, place) => {
  write(name, text);
  const read = await readFiles(config);
  expect(read.ok ? [] : read.problems.map(({ at }) => at)).toContain(join(folder, place));
});

test('the problems of both files are reported together', async () => {
  write('clients.yaml', 'clients: 7\n');
  write('policies/shop.yaml', 'kind: Nonsense\n');
  const read = await readFiles(config);
  const files = read.ok ? [] : read.problems.map(({ at }) => at.replace(/:\d+:\d+$/, ''));
  expect(new Set(files)).toEqual(new Set([join(folder, 'clients.yaml'), join(folder, 'policies/shop.yaml')]));
});

test.each([
  ['clients', 'clients.yaml', 'clients: []\n', { pods: [] }],
  ['policies', 'policies/shop.yaml', POLICY.replace('name: egress', 'name: other'), { policies: [{ name: 'other' }] }],
])('a change is told and read anew: %s', async (_why, name, text, want) => {
  await withSource(async (source, changes) => {
    write(name, text);
    await eventually(() => expect(changes()).toBeGreaterThan(0), 5_000);
    expect(await source.read()).toMatchObject({ ok: true, value: want });
  });
});

test('zones of the configuration stand beside the one for all other names', async () => {
  const corp = { zone: 'corp.example', servers: [server('192.0.2.61')] };
  config = { ...config, zones: [corp] };
  const read = await withSource((source) => source.read());
  expect(read).toMatchObject({ ok: true, value: { zones: [corp, { zone: '.', servers: [server('192.0.2.53')] }] } });
});

describe('upstreams from a resolv.conf', () => {
  beforeEach(() => {
    config = { ...config, upstreams: { file: join(folder, 'resolv.conf') } };
    write('resolv.conf', 'nameserver 192.0.2.53\n');
  });
  const zonesOf = (...addresses: readonly string[]) => [{ zone: '.', servers: addresses.map(server) }];

  test('are those of the file, and a change is told and read anew', async () => {
    await withSource(async (source, changes) => {
      expect(await source.read()).toMatchObject({ ok: true, value: { zones: zonesOf('192.0.2.53'), problems: [] } });
      write('resolv.conf', 'nameserver 192.0.2.54\nnameserver 2001:db8::54\n');
      await eventually(() => expect(changes()).toBeGreaterThan(0), 5_000);
      const want = { zones: zonesOf('192.0.2.54', '2001:db8::54'), problems: [] };
      expect(await source.read()).toMatchObject({ ok: true, value: want });
    });
  });

  test('without any at the start nothing starts, and the problems of all files are reported together', async () => {
    write('resolv.conf', '');
    write('clients.yaml', 'clients: 7\n');
    const read = await withSource((source) => source.read());
    expect(read.ok ? [] : read.problems.map(({ at, code }) => `${at.slice(folder.length + 1)} ${code}`)).toEqual([
      'resolv.conf:1:1 no-nameserver',
      'clients.yaml:1:10 wrong-type',
    ]);
  });

  test('that are ours are refused', async () => {
    write('resolv.conf', 'nameserver 10.96.0.10\n');
    expect(await withSource((source) => source.read())).toMatchObject({
      ok: false,
      problems: [{ code: 'own-listener' }],
    });
  });

  test('stay while the file names none, and that is a problem and a warning', async () => {
    await withSource(async (source) => {
      await source.read();
      expect(source.warnings()).toEqual([]);
      write('resolv.conf', '');
      const want = { zones: zonesOf('192.0.2.53'), problems: [{ code: 'no-nameserver' }] };
      expect(await source.read()).toMatchObject({ ok: true, value: want });
      expect(source.warnings()).toEqual([
        `${join(folder, 'resolv.conf')} names no server that can be asked: its last ones are`,
      ]);
    });
  });

  test('change while clients and policies cannot be read, which stay as they were', async () => {
    await withSource(async (source) => {
      await source.read();
      write('clients.yaml', 'clients: 7\n');
      expect(await source.read()).toMatchObject({ ok: false, problems: [{ code: 'wrong-type' }] });
      write('resolv.conf', 'nameserver 192.0.2.54\n');
      const want = { zones: zonesOf('192.0.2.54'), pods: [{ name: 'cart' }], problems: [{ code: 'wrong-type' }] };
      expect(await source.read()).toMatchObject({ ok: true, value: want });
      expect(await source.read()).toMatchObject({ ok: false });
      write('clients.yaml', 'clients: []\n');
      const mended = { zones: zonesOf('192.0.2.54'), pods: [], problems: [] };
      expect(await source.read()).toMatchObject({ ok: true, value: mended });
    });
  });
});
