import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Reply } from '../../../src/agent/audit-orders.ts';
import { ControlSocket, controlPath } from '../../../src/agent/control-socket.ts';
import { eventually } from '../../support/eventually.ts';

const DONE: Reply = { ok: true, off: [] };

let folder = '';
let path = '';
let socket: ControlSocket | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-control-'));
  path = join(folder, 'run', 'control.sock');
});
afterEach(() => {
  socket?.close();
  rmSync(folder, { recursive: true });
});

/** Opens the socket; the requests that come are put into the list that is answered. */
async function opened(obey: () => Promise<Reply> = () => Promise.resolve(DONE)): Promise<unknown[]> {
  const requests: unknown[] = [];
  socket = await ControlSocket.open(path, (request) => {
    requests.push(request);
    return obey();
  });
  return requests;
}

function sent(line: string): Socket {
  const client = connect(path);
  client.write(line);
  return client;
}

test('a line is answered by a line', async () => {
  const requests = await opened();
  expect(await text(sent('{"kind":"status"}\n'))).toBe('{"ok":true,"off":[]}\n');
  expect(requests).toEqual([{ kind: 'status' }]);
});

test('only its own user may connect', async () => {
  await opened();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
});

test('a line that comes in pieces is one line, and what follows it is not read', async () => {
  const requests = await opened();
  const client = sent('{"kind":');
  client.write('"status"}\n{"kind":"off"}\n');
  await text(client);
  expect(requests).toEqual([{ kind: 'status' }]);
});

test('a client that has ended its side gets its answer', async () => {
  await opened();
  const client = sent('{}\n');
  client.end();
  expect(await text(client)).toBe('{"ok":true,"off":[]}\n');
});

test('what is no JSON is no request, and the agent is asked what it says to that', async () => {
  const requests = await opened();
  await text(sent('off!\n'));
  expect(requests).toEqual([undefined]);
});

test.each([
  ['a line without an end', 'x'.repeat(5_000)],
  ['half a line', '{"kind"'],
])('%s gets no answer', async (_why, line) => {
  const requests = await opened();
  const client = sent(line);
  client.end();
  expect(await text(client).catch(() => '')).toBe('');
  expect(requests).toEqual([]);
});

test('a slow client is cut off, and keeps nobody waiting', async () => {
  await opened();
  const slow = sent('{"kind"');
  slow.on('error', () => undefined);
  const asked = performance.now();
  expect(await text(sent('{}\n'))).toContain('ok');
  expect(performance.now() - asked).toBeLessThan(1_000);
  await eventually(() => expect(slow.closed).toBe(true), 4_000);
});

test('who asks later is not kept waiting by who asked before', async () => {
  const first = Promise.withResolvers<Reply>();
  let calls = 0;
  await opened(() => (++calls === 1 ? first.promise : Promise.resolve(DONE)));
  const slow = text(sent('1\n'));
  await eventually(() => expect(calls).toBe(1), 1_000);
  expect(await text(sent('2\n'))).toContain('ok');
  first.resolve(DONE);
  expect(await slow).toContain('ok');
});

test('closing cuts everybody off and removes the path', async () => {
  await opened();
  const waiting = sent('{"kind"');
  waiting.on('error', () => undefined);
  await eventually(() => expect(waiting.connecting).toBe(false), 1_000);
  socket?.close();
  await eventually(() => expect(waiting.closed).toBe(true), 1_000);
  expect(existsSync(path)).toBe(false);
});

test('each network namespace has a path of its own', () => {
  expect(controlPath('/run/namewall')).toBe(`/run/namewall/control-${statSync('/proc/self/ns/net').ino}.sock`);
});
