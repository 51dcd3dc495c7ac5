import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HealthSocket } from '../../../src/agent/health-socket.ts';
import type { HealthStatus } from '../../../src/agent/health.ts';

const READY: HealthStatus = { live: true, ready: true, reasons: [], warnings: [] };

let folder = '';
let path = '';
const open: HealthSocket[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-health-'));
  path = join(folder, 'run', 'health.sock');
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
  rmSync(folder, { recursive: true });
});

async function opened(status: () => HealthStatus = () => READY): Promise<void> {
  open.push(await HealthSocket.open(path, status));
}

const modeOf = (file: string): number => statSync(file).mode & 0o777;

test('whoever connects gets one line, as things are at that moment', async () => {
  let status = READY;
  await opened(() => status);
  expect(await text(connect(path))).toBe('{"live":true,"ready":true,"reasons":[],"warnings":[]}\n');
  status = { live: true, ready: false, reasons: ['table deleted'], warnings: ['w'] };
  expect(JSON.parse(await text(connect(path)))).toEqual(status);
});

test('only its own user may connect', async () => {
  await opened();
  expect(modeOf(path)).toBe(0o600);
  expect(modeOf(join(folder, 'run'))).toBe(0o700);
});

test('what a killed agent left behind is replaced', async () => {
  const script = `require('node:fs').mkdirSync('${join(folder, 'run')}'); require('node:net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  expect(statSync(path).isSocket()).toBe(true);
  await opened();
  expect(await text(connect(path))).toContain('"ready":true');
});

test('another agent that answers there is left alone', async () => {
  await opened();
  await expect(HealthSocket.open(path, () => READY)).rejects.toMatchObject({
    code: 'in-use',
    message: `Cannot open "${path}": another agent answers there; set "health" to a path of its own`,
  });
  expect(await text(connect(path))).toContain('"ready":true');
});

test('a file that is no socket is never removed', async () => {
  path = join(folder, 'passwd');
  writeFileSync(path, 'root');
  await expect(opened()).rejects.toMatchObject({ code: 'unusable', message: expect.stringContaining('EADDRINUSE') });
  expect(existsSync(path)).toBe(true);
});

test('a path that the system does not take is said', async () => {
  path = join(folder, 'x'.repeat(200));
  await expect(opened()).rejects.toMatchObject({
    code: 'unusable',
    message: expect.stringMatching(/^Cannot open the/),
  });
});

test('closing removes the path', async () => {
  await opened();
  open.pop()?.close();
  expect(existsSync(path)).toBe(false);
});
