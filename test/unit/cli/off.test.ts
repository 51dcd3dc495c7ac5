import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Reply } from '../../../src/agent/audit-orders.ts';
import { ControlSocket, controlPath } from '../../../src/agent/control-socket.ts';
import { callerUid, OPEN_NODE } from '../../../src/cli/ask-agent.ts';
import { run as off } from '../../../src/cli/off.ts';
import { run as on } from '../../../src/cli/on.ts';
import type { CliIo } from '../../../src/cli/io.ts';

const NOTHING = 'nothing is off: what policy does not allow is refused\n';
const SINCE = { since: '2026-11-22T12:00:00Z', uid: 0 };

let folder = '';
let socket: ControlSocket | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-off-'));
});
afterEach(() => {
  socket?.close();
  rmSync(folder, { recursive: true });
});

/** An agent that answers `reply`; what it was asked. */
async function agent(reply: Reply = { ok: true, off: [] }): Promise<unknown[]> {
  const requests: unknown[] = [];
  socket = await ControlSocket.open(controlPath(folder), (request) => {
    requests.push(request);
    return Promise.resolve(reply);
  });
  return requests;
}

async function said(run: (argv: readonly string[], io: CliIo) => Promise<number>, ...argv: string[]) {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

const uid = callerUid();
const NODE = { kind: 'node' };
const SHOP = { kind: 'namespace', namespace: 'shop' };
const CART = { kind: 'pod', namespace: 'shop', name: 'cart' };

test.each([
  ['off', off, [], { kind: 'off', scope: NODE, forMs: null, uid }],
  ['off for a time', off, ['--for', '30m'], { kind: 'off', scope: NODE, forMs: 1_800_000, uid }],
  ['off for a namespace', off, ['-n', 'shop', '--for=500ms'], { kind: 'off', scope: SHOP, forMs: 500, uid }],
  ['off for a pod', off, ['--pod', 'shop/cart'], { kind: 'off', scope: CART, forMs: null, uid }],
  ['off --status', off, ['--status'], { kind: 'status' }],
  ['on', on, [], { kind: 'on', scope: NODE, uid }],
  ['on for a namespace', on, ['--namespace', 'shop'], { kind: 'on', scope: SHOP, uid }],
  ['on for a pod', on, ['--pod', 'shop/cart'], { kind: 'on', scope: CART, uid }],
])('%s asks the agent, and prints what is off then', async (_why, run, argv, request) => {
  const requests = await agent();
  expect(await said(run, ...argv, '--state', folder)).toEqual({ code: 0, out: NOTHING, err: '' });
  expect(requests).toEqual([request]);
});

test('what is off, since when, until when and by whom', async () => {
  await agent({
    ok: true,
    off: [
      { scope: 'node', until: '2026-11-22T13:30:05Z', leftSeconds: 5_405, ...SINCE },
      { scope: 'namespace', namespace: 'shop', until: null, leftSeconds: null, ...SINCE },
      { scope: 'pod', namespace: 'shop', name: 'cart', until: '2026-11-22T12:00:00Z', leftSeconds: 0, ...SINCE },
    ],
  });
  const by = '(since 2026-11-22T12:00:00Z, by uid 0)';
  expect((await said(off, '--status', '--state', folder)).out).toBe(
    `off: the whole node for 1h 30m 5s, until 2026-11-22T13:30:05Z ${by}\n` +
      `off: namespace shop until "namewall on" ${by}\n` +
      `off: pod shop/cart for 0s, until 2026-11-22T12:00:00Z ${by}\n`,
  );
});

test('the same as JSON', async () => {
  const note = { scope: 'namespace', namespace: 'shop', until: null, leftSeconds: null, ...SINCE } as const;
  await agent({ ok: true, off: [note] });
  const { code, out } = await said(off, '--status', '-o', 'json', '--state', folder);
  expect([code, JSON.parse(out)]).toEqual([0, [note]]);
});

test('what the agent says no to is an error', async () => {
  await agent({ ok: false, error: 'Cannot find a client for namespace shops' });
  const error = 'Cannot find a client for namespace shops\n';
  expect(await said(off, '-n', 'shops', '--state', folder)).toEqual({ code: 1, out: '', err: error });
});

test('a warning of the agent is told, and no failure', async () => {
  await agent({ ok: true, off: [], warning: 'Cannot write' });
  expect(await said(on, '--state', folder)).toEqual({ code: 0, out: NOTHING, err: 'warning: Cannot write\n' });
});

test.each([
  ['off', off],
  ['on', on],
])('%s without an agent says where it looked, and what opens the node', async (_why, run) => {
  const { code, out, err } = await said(run, '--state', folder);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(`no answer from ${controlPath(folder)}: connect ENOENT`);
  expect(err).toContain(`\n  ${OPEN_NODE}\n`);
});

test.each([
  ['two selectors', off, ['--pod', 'shop/cart', '-n', 'shop']],
  ['a pod without namespace', off, ['--pod', 'cart']],
  ['a pod of three parts', on, ['--pod', 'a/b/c']],
  ['an empty namespace, which is not the whole node', off, ['-n', '']],
  ['a word beside', off, ['shop']],
  ['an unknown option', on, ['--for', '5s']],
  ['a time without a unit', off, ['--for', '30']],
  ['no time at all', off, ['--for', '0s']],
  ['a time longer than thirty days', off, ['--for', '721h']],
  ['another output', off, ['--status', '-o', 'yaml']],
  ['--status with a selector', off, ['--status', '-n', 'shop']],
])('wrong usage: %s', async (_why, run, argv) => {
  const requests = await agent();
  const { code, out, err } = await said(run, ...argv, '--state', folder);
  expect([code, out, requests]).toEqual([2, '', []]);
  expect(err).toMatch(/^namewall (off|on): .*; see namewall (off|on) --help\n$/s);
});

test.each([
  ['off', off],
  ['on', on],
])('%s --help tells of every option and exit code', async (name, run) => {
  const { code, out } = await said(run, '--help');
  expect([code, out.startsWith(`Usage: namewall ${name}`)]).toEqual([0, true]);
  for (const word of ['--pod', '--namespace', '--state', 'Exit codes']) expect(out).toContain(word);
});
