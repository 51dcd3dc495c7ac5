import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readOrders, writeOrders } from '../../../src/agent/audit-orders-file.ts';
import type { Order } from '../../../src/agent/audit-orders.ts';

const BOOT = 'this-boot';
const ORDERS: readonly Order[] = [
  { scope: { kind: 'node' }, sinceWallMs: 1_000, untilMs: Infinity, uid: 0 },
  { scope: { kind: 'pod', namespace: 'shop', name: 'cart' }, sinceWallMs: 2_000, untilMs: 5_000.5, uid: 1000 },
];
const WHOLE = { version: 1, boot: BOOT, orders: [] };

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-orders-'));
  path = join(folder, 'orders.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('what is written is read', () => {
  writeOrders(path, BOOT, ORDERS);
  expect(readOrders(path, BOOT)).toEqual({ kind: 'orders', orders: ORDERS });
});

test('nobody else may read it, and nothing is left beside it', () => {
  writeOrders(path, BOOT, ORDERS);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['orders.json']);
});

test('without orders there is no file, and that is no problem', () => {
  writeOrders(path, BOOT, ORDERS);
  writeOrders(path, BOOT, []);
  expect(existsSync(path)).toBe(false);
  expect(readOrders(path, BOOT)).toEqual({ kind: 'orders', orders: [] });
});

test('orders end with the boot', () => {
  writeOrders(path, 'an earlier boot', ORDERS);
  expect(readOrders(path, BOOT)).toEqual({ kind: 'other-boot' });
});

test.each([
  ['cut off', JSON.stringify(WHOLE).slice(0, -1), 'it is not whole'],
  ['empty', '', 'it is not whole'],
  ['something else', '[]', 'it is of another version'],
  ['of another version', JSON.stringify({ ...WHOLE, version: 2 }), 'it is of another version'],
  ['without a list', JSON.stringify({ ...WHOLE, orders: {} }), 'it holds no list of orders'],
  ['with a wrong order among good ones', JSON.stringify({ ...WHOLE, orders: [{}] }), 'it holds what is no order'],
  [
    'with too many',
    JSON.stringify({ ...WHOLE, orders: Array.from({ length: 257 }, () => ({})) }),
    'it holds no list of orders',
  ],
  ['too long', ' '.repeat(256 * 1024 + 1), 'it has 262145 bytes, and 262144 are the most'],
])('nothing is off by a file that is %s', (_why, text, problem) => {
  writeFileSync(path, text, { mode: 0o600 });
  expect(readOrders(path, BOOT)).toEqual({ kind: 'unusable', problem });
});

test('a file that others may write, or a link, is not believed', () => {
  writeOrders(path, BOOT, ORDERS);
  chmodSync(path, 0o620);
  expect(readOrders(path, BOOT)).toMatchObject({ kind: 'unusable' });
  chmodSync(path, 0o600);
  symlinkSync(path, join(folder, 'link'));
  expect(readOrders(join(folder, 'link'), BOOT)).toMatchObject({ kind: 'unusable' });
});
