import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AuditMode } from '../../../src/agent/audit-mode.ts';
import type { Request } from '../../../src/agent/audit-orders.ts';
import type { EnforcementEvent } from '../../../src/audit/event.ts';
import { EMPTY_REGISTRY, updateRegistry } from '../../../src/pods/registry.ts';
import { recordedLog } from './recorded-log.ts';

const WALL_MS = Date.UTC(2026, 10, 22, 12, 0, 0);
const NODE = { kind: 'node' } as const;
const SHOP = { kind: 'namespace', namespace: 'shop' } as const;
const CART = { kind: 'pod', namespace: 'shop', name: 'cart' } as const;

let folder = '';
const open: AuditMode[] = [];
beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  folder = mkdtempSync(join(tmpdir(), 'namewall-audit-mode-'));
});
afterEach(() => {
  for (const mode of open.splice(0)) mode.close();
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const podsOf = (...names: readonly string[]) => {
  const pods = names.map((text, i) => {
    const [namespace = '', name = ''] = text.split('/');
    return { uid: text, namespace, name, labels: {}, addresses: [`10.0.1.${i + 1}`] };
  });
  return { registry: updateRegistry(EMPTY_REGISTRY, pods).registry };
};
const off = (scope: object, forMs: number | null = null): object => ({ kind: 'off', scope, forMs, uid: 7 });
const on = (scope: object): object => ({ kind: 'on', scope, uid: 8 });
const STATUS: Request = { kind: 'status' };

/** An agent with these pods that keeps its orders in the folder. */
async function started(state = podsOf('shop/cart', 'shop/mail', 'other/tool'), bootId = 'boot', place = folder) {
  const recorded = recordedLog();
  const world = { state, texts: [] as string[], changes: 0, isRefusing: false, events: [] as EnforcementEvent[] };
  const clock = { nowMs: () => Date.now(), wallMs: () => WALL_MS + Date.now(), bootId };
  const apply = (text: string): Promise<void> => {
    if (world.isRefusing) return Promise.reject(new Error('the kernel is busy'));
    world.texts.push(text);
    return Promise.resolve();
  };
  const mode = new AuditMode(place, { clock, log: recorded.log, apply });
  open.push(mode);
  const before = mode.podsBefore(world.state);
  const changed = (): Promise<void> => {
    world.changes++;
    return mode.put(world.state);
  };
  await mode.start({ state: () => world.state, tell: (event) => world.events.push(event), changed });
  const names = (): string[] => {
    const ids = mode.podsOf(world.state);
    return world.state.registry.pods.flatMap(({ id, pod }) => (ids.has(id) ? [`${pod.namespace}/${pod.name}`] : []));
  };
  return { mode, world, names, before, ...recorded };
}

test.each([
  ['the whole node', NODE, ['shop/cart', 'shop/mail', 'other/tool']],
  ['a namespace', SHOP, ['shop/cart', 'shop/mail']],
  ['a pod', CART, ['shop/cart']],
])('off for %s', async (_why, scope, want) => {
  const { mode, names } = await started();
  expect(await mode.obey(off(scope))).toMatchObject({ ok: true, off: [{ scope: scope.kind, until: null, uid: 7 }] });
  expect(names()).toEqual(want);
});

test('the kernel gets the end of each order, and hears nothing twice', async () => {
  const { mode, world } = await started();
  await mode.obey(off(CART, 1_500));
  expect(world.texts.at(-1)).toContain('add element inet namewall audited4 { 10.0.1.1 timeout 1s500ms }');
  const told = world.texts.length;
  await mode.put(world.state);
  expect(world.texts).toHaveLength(told);
  mode.distrust();
  await mode.put(world.state);
  expect(world.texts).toHaveLength(told + 1);
});

test('at the start the kernel is told even that there is nobody: it may have elements of orders that were lost', async () => {
  const { world } = await started();
  expect(world.texts).toEqual(['flush set inet namewall audited4\nflush set inet namewall audited6\n']);
});

test('of two orders about a pod the later end counts', async () => {
  const { mode, names } = await started();
  await mode.obey(off(CART, 10_000));
  await mode.obey(off(SHOP, 5_000));
  await vi.advanceTimersByTimeAsync(6_000);
  expect(names()).toEqual(['shop/cart']);
});

test('another order about the same replaces the first', async () => {
  const { mode } = await started();
  await mode.obey(off(CART));
  const reply = await mode.obey(off(CART, 60_000));
  expect(reply).toMatchObject({ off: [{ until: '2026-11-22T12:01:00Z', leftSeconds: 60 }] });
});

test('it ends by itself, at its time', async () => {
  const { mode, world, names, lines } = await started();
  await mode.obey(off(SHOP, 2_000));
  await vi.advanceTimersByTimeAsync(1_999);
  expect(names()).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(2);
  expect(names()).toEqual([]);
  expect(world.texts.at(-1)).not.toContain('add');
  const about = { scope: 'namespace', namespace: 'shop', until: '2026-11-22T12:00:02Z' };
  expect(world.events).toEqual([
    { time: '2026-11-22T12:00:00.000Z', event: 'enforcement.off', ...about, uid: 7 },
    { time: '2026-11-22T12:00:02.000Z', event: 'enforcement.on', ...about, uid: null },
  ]);
  expect(lines).toEqual(['warn Audit mode begins: nothing is refused', 'warn Audit mode has ended']);
});

test('on ends what lies within', async () => {
  const { mode, world, names } = await started();
  await mode.obey(off(CART));
  await mode.obey(off(SHOP));
  expect(await mode.obey(on(SHOP))).toEqual({ ok: true, off: [] });
  expect(names()).toEqual([]);
  expect(world.events.slice(2)).toMatchObject([
    { event: 'enforcement.on', scope: 'pod', uid: 8 },
    { event: 'enforcement.on', scope: 'namespace', uid: 8 },
  ]);
});

test('on for a part of what is off is an error that says what to run, and changes nothing', async () => {
  const { mode, names } = await started();
  await mode.obey(off(SHOP));
  const error = 'Cannot end it for pod shop/cart alone: namespace shop is off; run: namewall on --namespace shop';
  expect(await mode.obey(on(CART))).toEqual({ ok: false, error });
  expect(names()).toEqual(['shop/cart', 'shop/mail']);
});

test.each([
  ['off for a namespace', off({ kind: 'namespace', namespace: 'shops' }), 'Cannot find a client for namespace shops'],
  ['off for a pod', off({ ...CART, name: 'carts' }), 'Cannot find a client for pod shop/carts'],
  ['on for a pod', on({ ...CART, name: 'carts' }), 'Cannot find a client for pod shop/carts'],
])('%s that no client has is an error, and changes nothing', async (_why, request, error) => {
  const { mode, world } = await started();
  expect(await mode.obey(request)).toEqual({ ok: false, error });
  expect([world.events, await mode.obey(STATUS)]).toEqual([[], { ok: true, off: [] }]);
});

test('on for a namespace that has lost its last pod meanwhile ends it', async () => {
  const { mode, world } = await started();
  await mode.obey(off(SHOP));
  world.state = podsOf('other/tool');
  expect(await mode.obey(on(SHOP))).toEqual({ ok: true, off: [] });
});

test('a pod that comes later is off with its namespace', async () => {
  const { mode, world, names } = await started(podsOf('shop/cart'));
  await mode.obey(off(SHOP));
  world.state = podsOf('shop/cart', 'shop/new');
  await mode.put(world.state);
  expect(names()).toEqual(['shop/cart', 'shop/new']);
  expect(world.texts.at(-1)).toContain('{ 10.0.1.1, 10.0.1.2 }');
});

test('orders outlive the agent, until their time', async () => {
  const first = await started();
  await first.mode.obey(off(CART, 5_000));
  await first.mode.obey(off({ kind: 'namespace', namespace: 'other' }));
  first.mode.close();
  vi.setSystemTime(4_000);
  const second = await started();
  expect(second.names()).toEqual(['shop/cart', 'other/tool']);
  expect(second.lines).toEqual(['warn Audit mode: nothing is refused', 'warn Audit mode: nothing is refused']);
  await vi.advanceTimersByTimeAsync(1_001);
  expect(second.names()).toEqual(['other/tool']);
});

test('what ended while no agent ran is said, and its pods are known', async () => {
  const first = await started();
  await first.mode.obey(off(CART, 5_000));
  first.mode.close();
  vi.setSystemTime(6_000);
  const { before, names, world } = await started();
  expect([before.size, names()]).toEqual([1, []]);
  expect(world.events).toMatchObject([{ event: 'enforcement.on', name: 'cart', uid: null }]);
  expect(world.changes).toBe(1);
});

test('a file that cannot be used: nothing is off, and anybody may have been', async () => {
  const first = await started();
  await first.mode.obey(off(NODE));
  first.mode.close();
  const [file = ''] = readdirSync(folder);
  writeFileSync(join(folder, file), '{', { mode: 0o600 });
  const { before, names, lines } = await started();
  expect([before.size, names()]).toEqual([3, []]);
  expect(lines).toEqual(['error Cannot read who is in audit mode: nobody is; give the orders again']);
});

test('a boot of the machine ends every order', async () => {
  const first = await started();
  await first.mode.obey(off(NODE));
  first.mode.close();
  const { before, names, lines } = await started(undefined, 'another boot');
  expect([before.size, names(), lines]).toEqual([0, [], []]);
});

test('an order that cannot be written holds, with a warning', async () => {
  const place = join(folder, 'no-folder');
  writeFileSync(place, '');
  const { mode, names } = await started(undefined, 'boot', place);
  expect(await mode.obey(off(CART))).toMatchObject({ ok: true, warning: expect.stringMatching(/^Cannot write "/) });
  expect(names()).toEqual(['shop/cart']);
});

test('what the kernel refuses is said, and tried again every second', async () => {
  const { mode, world } = await started();
  world.isRefusing = true;
  const error = 'Cannot do it now, trying again every second: Error: the kernel is busy';
  expect(await mode.obey(off(CART))).toEqual({ ok: false, error });
  world.isRefusing = false;
  await vi.advanceTimersByTimeAsync(1_001);
  expect(world.texts.at(-1)).toContain('10.0.1.1');
});

test('while something is off the log says so every ten minutes, and a probe is warned', async () => {
  const { mode, lines } = await started();
  await mode.obey(off(SHOP, 1_800_000));
  await mode.obey(off(CART));
  lines.length = 0;
  await vi.advanceTimersByTimeAsync(1_200_001);
  expect(lines).toEqual(Array(4).fill('warn Audit mode: nothing is refused'));
  expect(mode.warnings()).toEqual([
    'audit mode: namespace shop until 2026-11-22T12:30:00Z',
    'audit mode: pod shop/cart until somebody runs "namewall on"',
  ]);
});

test('no more orders are kept than there is room for', async () => {
  const names = Array.from({ length: 257 }, (_, i) => `shop/p${i}`);
  const { mode } = await started(podsOf(...names));
  for (const name of names.slice(1)) await mode.obey(off({ ...CART, name: name.slice(5) }));
  const error = 'Cannot keep more than 256 orders: end some first';
  expect(await mode.obey(off({ ...CART, name: 'p0' }))).toEqual({ ok: false, error });
});

test('what is no request is refused', async () => {
  const { mode } = await started();
  expect(await mode.obey({ kind: 'off', scope: NODE })).toMatchObject({ ok: false });
  expect(await mode.obey(undefined)).toMatchObject({ ok: false });
});
