import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
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

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

test('clients and policies are those of the files; servers and upstreams those of the configuration', async () => {
  expect(await readFiles(config)).toMatchObject({
    ok: true,
    value: {
      pods: [{ namespace: 'shop', name: 'cart', addresses: ['10.0.1.7'] }],
      knowsAllPods: true,
      podsAt: `${join(folder, 'clients.yaml')}:1:1`,
      policies: [{ kind: 'CiliumNetworkPolicy', name: 'egress' }],
      dnsServers: ['10.96.0.10'],
      zones: [{ zone: '.', servers: [{ address: parseAddress('192.0.2.53'), port: 53 }] }],
      guardedRanges: [],
      protectedRanges: [],
      problems: [],
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
  let changes = 0;
  const source = await FileSource.open(config, () => changes++, recordedLog().log);
  try {
    write(name, text);
    await eventually(() => expect(changes).toBeGreaterThan(0), 5_000);
    expect(await source.read()).toMatchObject({ ok: true, value: want });
  } finally {
    source.close();
  }
});
