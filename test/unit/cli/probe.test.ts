import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HealthSocket } from '../../../src/agent/health-socket.ts';
import type { HealthStatus } from '../../../src/agent/health.ts';
import { run } from '../../../src/cli/probe.ts';

const READY: HealthStatus = { live: true, ready: true, reasons: [], warnings: [] };

let folder = '';
let path = '';
let socket: HealthSocket | undefined;
let silent: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-probe-'));
  path = join(folder, 'health.sock');
});
afterEach(async () => {
  socket?.close();
  silent?.close();
  await rm(folder, { recursive: true });
});

async function probe(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test.each([
  ['ready', READY, 'ready', 0, ''],
  ['live', READY, 'live', 0, ''],
  [
    'not ready, with the reasons',
    { ...READY, ready: false, reasons: ['no DNS server known', 'table deleted'] },
    'ready',
    1,
    'not ready: no DNS server known\nnot ready: table deleted\n',
  ],
  ['not ready, and live', { ...READY, ready: false, reasons: ['starting'] }, 'live', 0, 'not ready: starting\n'],
  ['not live', { ...READY, live: false, ready: false }, 'live', 1, ''],
  ['ready, with a warning', { ...READY, warnings: ['the API is stale'] }, 'ready', 0, 'warning: the API is stale\n'],
] as const)('%s', async (_why, status: HealthStatus, question, code, out) => {
  socket = await HealthSocket.open(path, () => status);
  expect(await probe(question, '--socket', path)).toEqual({ code, out, err: '' });
});

test('nobody there is a no, with the path', async () => {
  const { code, out } = await probe('live', '--socket', path);
  expect(code).toBe(1);
  expect(out).toMatch(`no answer from ${path}: connect ENOENT`);
});

test('an agent that hangs is a no', { timeout: 10_000 }, async () => {
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent?.listen(path, resolve));
  expect(await probe('live', '--socket', path)).toEqual({
    code: 1,
    out: `no answer from ${path}: silent for 2 s\n`,
    err: '',
  });
});

test.each([
  ['no question', []],
  ['another question', ['healthy']],
  ['two', ['ready', 'live']],
  ['an unknown option', ['ready', '--path', 'x']],
])('wrong usage: %s', async (_why, argv) => {
  const { code, out, err } = await probe(...argv);
  expect([code, out]).toEqual([2, '']);
  expect(err).toMatch(/^namewall probe: .*see namewall probe --help\n$/s);
});
