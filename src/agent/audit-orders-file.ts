// The orders of audit-orders.ts in a file, so that they outlive the agent. The file is whole, of this version, of this boot of the machine, and
// written by nobody but its own user; or nothing of it is used, and nothing is off.
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isRecord, MAX_ORDERS, readOrder } from './audit-orders.ts';
import type { Order } from './audit-orders.ts';

const VERSION = 1;
const MOST_BYTES = 256 * 1024;

export type SavedOrders =
  | { readonly kind: 'orders'; readonly orders: readonly Order[] }
  /** There were orders, and they ended with the boot: no connection of that time is left, either. */
  | { readonly kind: 'other-boot' }
  /** Nobody knows what was off until now. */
  | { readonly kind: 'unusable'; readonly problem: string };

/** Replaces the file whole; without orders there is none. Not synced: after a power cut it would be void. Throws what the file system throws. */
export function writeOrders(path: string, boot: string, orders: readonly Order[]): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true }); // it would keep the rights that it has
  if (orders.length === 0) return rmSync(path, { force: true });
  const saved = orders.map((order) => ({ ...order, untilMs: order.untilMs === Infinity ? null : order.untilMs }));
  writeFileSync(temporary, `${JSON.stringify({ version: VERSION, boot, orders: saved })}\n`, {
    flag: 'wx',
    mode: 0o600,
  });
  renameSync(temporary, path);
}

/** Never throws, and never answers a part of it. Orders may be over. */
export function readOrders(path: string, boot: string): SavedOrders {
  let text: string;
  try {
    text = readOwn(path);
  } catch (error) {
    if (isRecord(error) && error['code'] === 'ENOENT') return { kind: 'orders', orders: [] };
    return unusable(error instanceof Error ? error.message : String(error));
  }
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    return unusable('it is not whole');
  }
  if (!isRecord(saved) || saved['version'] !== VERSION) return unusable('it is of another version');
  if (saved['boot'] !== boot) return { kind: 'other-boot' };
  const { orders: list } = saved;
  if (!Array.isArray(list) || list.length > MAX_ORDERS) return unusable('it holds no list of orders');
  const orders = list.flatMap((each: unknown) => readOrder(each) ?? []);
  return orders.length === list.length ? { kind: 'orders', orders } : unusable('it holds what is no order');
}

function unusable(problem: string): SavedOrders {
  return { kind: 'unusable', problem };
}

/** What anybody else could have written would open whatever they like. */
function readOwn(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(fd);
    if (!status.isFile() || status.uid !== process.getuid?.() || (status.mode & 0o077) !== 0)
      throw new Error('others than its own user may have written it');
    if (status.size > MOST_BYTES) throw new Error(`it has ${status.size} bytes, and ${MOST_BYTES} are the most`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
