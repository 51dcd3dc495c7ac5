import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../../src/cli/test.ts';

const TESTS = `
- {name: allowed, type: k8s, targetPort: 443, dst: {host: {name: api.example.org}}, ${src()}}
- {name: blocked, type: k8s, targetPort: 80, exitCode: 1, dst: {host: {name: api.example.org}}, ${src()}}
- {name: asked, type: k8s, x-dns: {name: www.example.org, expect: denied}, ${src()}}
`;
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress: [{toFQDNs: [{matchName: api.example.org}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}]
`;

function src(): string {
  return 'src: {k8sResource: {kind: pod, name: cart, namespace: shop}}';
}

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-test-'));
  await write('clients.yaml', 'clients: [{namespace: shop, name: cart, labels: {app: cart}, addresses: [10.0.1.7]}]\n');
  await write('policy.yaml', POLICY);
  await write('tests.yaml', TESTS);
  const dns = 'dns: {servers: [10.96.0.10], upstreams: [192.0.2.53]}';
  await write('namewall.yaml', `clients: clients.yaml\npolicies: [policy.yaml]\n${dns}\n`);
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
const write = (name: string, text: string): Promise<void> => writeFile(at(name), text);

async function command(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

const offline = (...argv: string[]) =>
  command('--offline', '--clients', at('clients.yaml'), '--policies', at('policy.yaml'), ...argv);

const ALL_PASS = 'TAP version 14\n1..3\nok 1 - allowed\nok 2 - blocked\nok 3 - asked\n';

describe('offline', () => {
  test('tests that hold pass', async () => {
    expect(await offline(at('tests.yaml'))).toEqual({ code: 0, out: ALL_PASS, err: '' });
  });

  test('clients and policies may come from the configuration of the agent', async () => {
    expect(await command('--offline', '-c', at('namewall.yaml'), '-f', at('tests.yaml'))).toMatchObject({
      code: 0,
      out: ALL_PASS,
    });
  });

  test('a policy that opens too much fails the test that says so', async () => {
    await write('policy.yaml', POLICY.replace("port: '443'", "port: '80'"));
    const { code, out } = await offline(at('tests.yaml'));
    expect(code).toBe(1);
    expect(out).toContain('not ok 1 - allowed\n  ---\n  reason: "tcp api.example.org port 443: ');
    expect(out).toContain('not ok 2 - blocked\n');
    expect(out).toContain('ok 3 - asked\n');
  });

  test('a summary stays on standard output when TAP goes into a file', async () => {
    const { code, out } = await offline(at('tests.yaml'), '--tap', at('results.tap'));
    expect([code, out]).toEqual([0, `3 tests, 0 failed; see ${at('results.tap')}\n`]);
    expect(await readFile(at('results.tap'), 'utf8')).toBe(ALL_PASS);
  });

  test('problems of all files are told at once, with their places', async () => {
    await write('tests.yaml', '- {name: a}\n');
    await write('policy.yaml', POLICY.replace('egress', 'egres'));
    await write('clients.yaml', 'clients: [{}]\n');
    const { code, out, err } = await offline(at('tests.yaml'));
    expect([code, out]).toEqual([2, '']);
    for (const file of ['tests.yaml', 'policy.yaml', 'clients.yaml']) expect(err).toMatch(`${at(file)}:`);
  });
});

test.each([
  ['no test file', ['--clients', 'c.yaml', '--server', '192.0.2.1'], 'write at least one test file'],
  ['nobody to test', ['t.yaml'], 'write --config FILE, or --clients FILE'],
  ['two lists of clients', ['t.yaml', '--config', 'n.yaml', '--clients', 'c.yaml'], 'not both'],
  ['offline without policies', ['t.yaml', '--offline', '--clients', 'c.yaml'], 'add --policies PATH'],
  [
    'policies beside packets',
    ['t.yaml', '--clients', 'c.yaml', '--policies', 'p'],
    'remove --policies, or add --offline',
  ],
  ['a server that is a name', ['t.yaml', '--clients', 'c.yaml', '--server', 'dns'], '--server takes an IPv4'],
  ['a namespace without client', ['t.yaml', '--clients', 'c.yaml', '--netns', '/run/netns/a'], '--netns takes'],
  ['no time', ['t.yaml', '--clients', 'c.yaml', '--timeout', '0'], '--timeout takes'],
  ['no parallelism', ['t.yaml', '--clients', 'c.yaml', '--parallel', '0'], '--parallel takes'],
  ['an unknown option', ['t.yaml', '--input-dir', 'x'], "Unknown option '--input-dir'"],
])('wrong usage: %s', async (_why, argv, message) => {
  const { code, out, err } = await command(...argv);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(message);
  expect(err).toContain('see namewall test --help');
});

test('whom clients ask must be known before anything is probed', async () => {
  const { code, err } = await command(at('tests.yaml'), '--clients', at('clients.yaml'));
  expect(code).toBe(2);
  expect(err).toContain('add --server ADDRESS');
});

test('in mode node the clients must be listed', async () => {
  await write('namewall.yaml', 'mode: node\nkubernetes: {nodeName: n1}\n');
  const { code, err } = await command('--offline', '--config', at('namewall.yaml'), at('tests.yaml'));
  expect(code).toBe(2);
  expect(err).toContain(`${at('namewall.yaml')}:1:1: error[wrong-mode]`);
});

test('a TAP file that cannot be written is said', async () => {
  const { code, err } = await offline(at('tests.yaml'), '--tap', at('none/results.tap'));
  expect(code).toBe(2);
  expect(err).toContain('results.tap');
});

test('--help prints to standard output', async () => {
  const { code, out } = await command('--help');
  expect(code).toBe(0);
  for (const part of ['Usage:', 'Options:', 'Exit codes:', 'x-dns']) expect(out).toContain(part);
});
