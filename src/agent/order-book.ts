// The orders that are given (`namewall off`), in memory and in a file, until they are ended or over. It never lengthens one, and knows nothing
// of what they bring about.
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from '../base/log.ts';
import type { Pod } from '../pods/pod.ts';
import { readOrders, writeOrders } from './audit-orders-file.ts';
import { covers, isWithin, MAX_ORDERS, scopeFields, scopeText, timeText } from './audit-orders.ts';
import type { Order, OrderNote, Scope } from './audit-orders.ts';

export interface OrderClock {
  /** Of the machine (machine-clock.ts): the file outlives the process. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly bootId: string;
}

export class OrderBook {
  readonly #clock: OrderClock;
  readonly #log: Logger;
  /** Undefined: nothing is kept. */
  readonly #path: string | undefined;
  #orders: readonly Order[] = [];
  /** Nobody knows who was off before the start: anybody may have been. */
  readonly isPastUnknown: boolean = false;
  /** Why the file is not what it should be. */
  warning: string | undefined;

  /** Reads what the process before kept in `folder`; `off`: there is no file. */
  constructor(folder: string, clock: OrderClock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    if (folder === 'off') return;
    this.#path = join(folder, `audit-mode-${statSync('/proc/self/ns/net').ino}.json`);
    const saved = readOrders(this.#path, clock.bootId);
    if (saved.kind === 'orders') this.#orders = saved.orders;
    if (saved.kind !== 'unusable') return;
    this.isPastUnknown = true;
    const fields = { file: this.#path, problem: saved.problem };
    log.error(fields, 'Cannot read who is in audit mode: nobody is; give the orders again');
  }

  /** Another order about the same is replaced. A text says why there is none. */
  add(scope: Scope, forMs: number | null, uid: number): Order | string {
    const others = this.#orders.filter((order) => !isSame(order.scope, scope));
    if (others.length >= MAX_ORDERS) return `Cannot keep more than ${MAX_ORDERS} orders: end some first`;
    const untilMs = forMs === null ? Infinity : this.#clock.nowMs() + forMs;
    const order = { scope, sinceWallMs: this.#clock.wallMs(), untilMs, uid };
    this.#replace([...others, order]);
    return order;
  }

  /** Ends every order about pods of `scope` alone; a text says why it cannot. */
  end(scope: Scope): readonly Order[] | string {
    const alive = this.alive();
    const ended = alive.filter((order) => isWithin(order.scope, scope));
    const wider = alive.find((order) => !ended.includes(order) && isWithin(scope, order.scope))?.scope;
    if (wider !== undefined) {
      const option = wider.kind === 'namespace' ? ` --namespace ${wider.namespace}` : '';
      return `Cannot end it for ${scopeText(scope)} alone: ${scopeText(wider)} is off; run: namewall on${option}`;
    }
    if (ended.length > 0) this.#replace(this.#orders.filter((order) => !ended.includes(order)));
    return ended;
  }

  /** Takes out what is over. */
  takeOver(): readonly Order[] {
    const alive = this.alive();
    const over = this.#orders.filter((order) => !alive.includes(order));
    if (over.length > 0) this.#replace(alive);
    return over;
  }

  alive(): readonly Order[] {
    return this.#orders.filter(({ untilMs }) => untilMs > this.#clock.nowMs());
  }

  /** The latest end of the orders about this pod, also one that has passed; 0: there is none. */
  untilMs(pod: Pick<Pod, 'namespace' | 'name'>): number {
    return Math.max(0, ...this.#orders.map(({ scope, untilMs }) => (covers(scope, pod) ? untilMs : 0)));
  }

  /** How long until the first order ends; Infinity: none does by itself. */
  firstEndMs(): number {
    return Math.min(...this.#orders.map(({ untilMs }) => untilMs)) - this.#clock.nowMs();
  }

  noteOf({ scope, sinceWallMs, untilMs, uid }: Order): OrderNote {
    const since = timeText(sinceWallMs);
    if (untilMs === Infinity) return { ...scopeFields(scope), since, until: null, leftSeconds: null, uid };
    const leftMs = untilMs - this.#clock.nowMs();
    const until = timeText(this.#clock.wallMs() + leftMs);
    return { ...scopeFields(scope), since, until, leftSeconds: Math.max(0, Math.ceil(leftMs / 1000)), uid };
  }

  /** What cannot be written holds all the same, until the agent ends. */
  #replace(orders: readonly Order[]): void {
    this.#orders = orders;
    this.warning = undefined;
    if (this.#path === undefined) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeOrders(this.#path, this.#clock.bootId, orders);
    } catch (error) {
      this.warning = `Cannot write "${this.#path}": a restart goes back to the orders that it holds: ${String(error)}`;
      this.#log.error(this.warning);
    }
  }
}

function isSame(a: Scope, b: Scope): boolean {
  return isWithin(a, b) && isWithin(b, a);
}
