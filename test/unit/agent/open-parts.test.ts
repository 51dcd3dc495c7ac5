import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../src/agent/config.ts';
import { settingsOf } from '../../../src/agent/open-parts.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import type { DatapathSettings } from '../../../src/datapath/settings.ts';
import { inputs } from './inputs.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-open-parts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function settings(dns: string): DatapathSettings {
  const file = join(folder, 'namewall.yaml');
  writeFileSync(file, `clients: c.yaml\npolicies: p\ndns: {servers: 10.96.0.10, upstreams: 192.0.2.53${dns}}\n`);
  const config = readConfig(file);
  const zones = [{ zone: 'corp.example', servers: [] }];
  return settingsOf(config.ok ? config.value : expect.fail('refused'), 'update', inputs({ zones }));
}

test('the data plane listens where pods ask, and asks whom the inputs name', () => {
  expect(settings('')).toMatchObject({
    listen: [{ address: parseAddress('10.96.0.10'), port: 53 }],
    upstreams: [{ zone: 'corp.example', servers: [] }],
    strategy: 'update',
  });
});

test.each([
  ['queriesPerSecond', 20_000, 7],
  ['newNamesPerSecond', 1_000, 7],
  ['hints', 'grant', 'strip'],
  ['maxAddresses', 256, 1_000],
  ['denial', 'nxdomain', 'drop'],
] as const)('%s is handed to the data plane: %s, or %s where the configuration says so', (key, usual, said) => {
  expect(settings('')[key]).toBe(usual);
  expect(settings(`, ${key === 'denial' ? 'denied' : key}: ${said}`)[key]).toBe(said);
});
