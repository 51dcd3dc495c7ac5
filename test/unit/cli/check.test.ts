import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../../../src/cli/check.ts';

const policy = (name: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\nspec: {endpointSelector: {}, egress: [{}]}\n`;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-check-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function check(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test('a folder of good policies and clients', async () => {
  await writeFile(join(folder, 'a.yaml'), `${policy('a')}---\n${policy('b')}`);
  await writeFile(join(folder, 'clients.yaml'), 'clients: [{name: web, addresses: [192.0.2.7]}]\n');
  expect(await check(folder)).toEqual({ code: 0, out: '2 files, 2 policies, 1 client, no problems\n', err: '' });
});

test('every problem of every file, one a line', async () => {
  await writeFile(join(folder, 'a.yaml'), policy('a').replace('egress', 'egres'));
  await writeFile(join(folder, 'clients.yaml'), 'clients: [{name: web, addresses: []}]\n');
  const { code, out, err } = await check(folder, join(folder, 'none.yaml'));
  expect(code).toBe(1);
  expect(out).toBe('2 files, 0 clients, 3 problems\n');
  expect(err.split('\n')).toEqual([
    `${folder}/none.yaml:1:1: error[bad-path]: Cannot read "${folder}/none.yaml": there is no such file or folder`,
    `${folder}/a.yaml:4:30: error[unknown-field]: Cannot use field "egres" in a spec: it is unknown; did you mean "egress"?`,
    `${folder}/clients.yaml:1:34: error[empty-list]: Cannot use an empty list for addresses: a client is known by its addresses; write one, or remove the client`,
    '',
  ]);
});

test('a policy that stands in two files', async () => {
  await writeFile(join(folder, 'a.yaml'), policy('a'));
  await writeFile(join(folder, 'b.yaml'), policy('a'));
  const { code, err } = await check(join(folder, '*.yaml'));
  expect(code).toBe(1);
  expect(err).toContain(`${folder}/b.yaml:1:1: error[duplicate-policy]: `);
});

const WIDE = policy('wide').replace('[{}]', '[{toFQDNs: [{matchPattern: "*ok.com"}]}]');

test('what may be meant otherwise is a warning, and no failure', async () => {
  await writeFile(join(folder, 'a.yaml'), WIDE);
  await writeFile(join(folder, 'clients.yaml'), 'clients: [{name: web, addresses: [192.0.2.7]}]\n');
  const { code, out, err } = await check(folder);
  expect([code, out.split('\n').map((line) => line.split(': ')[1] ?? line)]).toEqual([
    0,
    ['note[implied-dns]', '2 files, 1 policy, 1 client, no problems, 2 warnings, 1 note', ''],
  ]);
  expect(err.split('\n').map((line) => line.split(': ')[1])).toEqual([
    'warning[no-dot-boundary]',
    'warning[all-ports]',
    undefined,
  ]);
});

test('-o json: one array of errors and warnings, and the same exit code', async () => {
  await writeFile(join(folder, 'a.yaml'), WIDE);
  const found = await check('-o', 'json', folder);
  expect([found.code, found.err]).toEqual([0, '']);
  expect(JSON.parse(found.out)).toMatchObject([
    { level: 'warning', code: 'no-dot-boundary', at: `${folder}/a.yaml:4:65` },
    { level: 'warning', code: 'all-ports' },
    { level: 'note', code: 'implied-dns' },
  ]);
  await writeFile(join(folder, 'b.yaml'), 'kind: x\n');
  const wrong = await check('--output=json', folder);
  expect(wrong.code).toBe(1);
  expect(JSON.parse(wrong.out)).toMatchObject([{ level: 'error' }]);
});

test.each([
  ['another output', ['-o', 'yaml', 'x']],
  ['no path', []],
  ['an unknown option', ['--strict', 'x']],
])('refuses %s', async (_why, argv) => {
  const found = await check(...argv);
  expect(found).toMatchObject({ code: 2, out: '' });
  expect(found.err).toContain('namewall check --help');
});

test('--help prints to standard output', async () => {
  const { code, out } = await check('--help');
  expect(code).toBe(0);
  for (const part of ['Usage:', 'Options:', 'Exit codes:', 'Examples:']) expect(out).toContain(part);
});
