import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../../../src/cli/run.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-run-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Only ways that end before anything is touched: what runs needs a kernel (test/netns). */
async function runCommand(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test.each([['--help'], ['-h']])('%s tells the options, the privileges and the exit codes', async (option) => {
  const { code, out, err } = await runCommand(option);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^Usage: namewall run --config FILE\n/);
  for (const words of ['--config FILE', '--cleanup', 'CAP_NET_ADMIN', 'Exit codes:']) expect(out).toContain(words);
});

test('without a configuration it is wrong usage', async () => {
  expect(await runCommand()).toEqual({
    code: 2,
    out: '',
    err: 'namewall run: --config FILE is missing; see namewall run --help\n',
  });
});

test.each([
  ['an unknown option', ['--configuration', 'x']],
  ['--config without FILE', ['--config']],
  ['a word that is no option', ['namewall.yaml']],
])('%s is wrong usage', async (_why, argv) => {
  const { code, out, err } = await runCommand(...argv);
  expect([code, out]).toEqual([2, '']);
  expect(err).toMatch(/^namewall run: .*see namewall run --help\n$/s);
});

test('a wrong configuration: every problem at its place, one a line, and nothing is started', async () => {
  const file = join(folder, 'namewall.yaml');
  await writeFile(file, 'clients: clients.yaml\npolicies: []\ndns: {servers: x, upstreams: 192.0.2.53}\npolicy: y\n');
  const { code, out, err } = await runCommand('--config', file);
  expect([code, out]).toEqual([2, '']);
  expect(err.split('\n').map((line) => line.split(': ', 2).join(': '))).toEqual([
    `${file}:2:11: error[bad-value]`,
    `${file}:3:16: error[bad-value]`,
    `${file}:4:1: error[unknown-field]`,
    '',
  ]);
});

test('a configuration that is not there is named', async () => {
  const file = join(folder, 'none.yaml');
  const { code, err } = await runCommand('-c', file);
  expect(code).toBe(2);
  expect(err).toMatch(`${file}:1:1: error[unreadable]: Cannot read the configuration: `);
});

test('a wrong configuration stops a clean-up, too: it would look for the wrong mark', async () => {
  const file = join(folder, 'namewall.yaml');
  await writeFile(file, 'mark: 3\n');
  const { code, err } = await runCommand('--cleanup', '--config', file);
  expect(code).toBe(2);
  expect(err).toContain(`${file}:1:7: error[bad-value]: mark is 3`);
});
