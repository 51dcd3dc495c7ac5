// Audit mode (`namewall off`): nothing of these pods is refused, and everything that would be is logged. Takes orders, tells the kernel whom they
// are about, and ends them when their time is over; the kernel does so, too, when nobody tells it any more.
import type { EnforcementEvent } from '../audit/event.ts';
import type { Logger } from '../base/log.ts';
import { auditedText } from '../kernel/audited.ts';
import type { Pod } from '../pods/pod.ts';
import { covers, LONGEST_MS, readRequest, scopeFields, scopeText, SHORTEST_MS } from './audit-orders.ts';
import type { Order, Reply, Request, Scope } from './audit-orders.ts';
import { OrderBook } from './order-book.ts';
import type { OrderClock } from './order-book.ts';
import type { State } from './state.ts';

const REMIND_MS = 600_000;
const RETRY_MS = 1_000;

type Pods = Pick<State, 'registry'>;

export interface AuditModeParts {
  readonly clock: OrderClock;
  readonly log: Logger;
  /** Hands nft text to the kernel: kernel/apply.ts. */
  readonly apply: (text: string) => Promise<void>;
}

/** What there is once the agent runs. */
export interface AuditModeFollower {
  readonly state: () => Pods;
  readonly tell: (event: EnforcementEvent) => void;
  /** Makes the orders of now true, in the kernel and in the data plane. */
  readonly changed: () => Promise<void>;
}

export class AuditMode {
  readonly #parts: AuditModeParts;
  readonly #book: OrderBook;
  #follower: AuditModeFollower | undefined;
  /** What the kernel's sets were filled with; undefined when that is not known. */
  #inKernel: string | undefined;
  /** The kernel or the data plane have not heard of the orders of now. */
  #isDue = true;
  #remindedMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  /** Goes on with the orders that the process before kept in `folder`; `off`: there are none. */
  constructor(folder: string, parts: AuditModeParts) {
    this.#parts = parts;
    this.#book = new OrderBook(folder, parts.clock, parts.log);
  }

  isAudited(pod: Pick<Pod, 'namespace' | 'name'>): boolean {
    return this.#book.untilMs(pod) > this.#parts.clock.nowMs();
  }

  /** Ids of the pods that are in audit mode now. */
  podsOf({ registry }: Pods): ReadonlySet<number> {
    return new Set(registry.pods.flatMap(({ id, pod }) => (this.isAudited(pod) ? [id] : [])));
  }

  /** Ids of the pods that may have been until now: what they opened meanwhile is judged when they are not any more. */
  podsBefore({ registry }: Pods): ReadonlySet<number> {
    const wasAudited = (pod: Pod): boolean => this.#book.isPastUnknown || this.#book.untilMs(pod) > 0;
    return new Set(registry.pods.flatMap(({ id, pod }) => (wasAudited(pod) ? [id] : [])));
  }

  /** Tells the kernel of the pods of `state`, unless it knows. The table must be there. Throws KernelError. */
  async put({ registry }: Pods): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    const wanted = registry.pods.flatMap(({ pod }) => {
      const untilMs = this.#book.untilMs(pod);
      return untilMs > nowMs ? pod.addresses.map((address) => ({ address, untilMs })) : [];
    });
    const text = wanted.map(({ address, untilMs }) => `${address} ${untilMs}`).join();
    if (text === this.#inKernel) return;
    this.#inKernel = undefined;
    await this.#parts.apply(auditedText(wanted.map(({ address, untilMs }) => ({ address, leftMs: untilMs - nowMs }))));
    this.#inKernel = text;
  }

  /** Somebody deleted or changed the table: the next `put` fills the sets, whatever was known of them. */
  distrust(): void {
    this.#inKernel = undefined;
  }

  /** For `namewall probe`. */
  warnings(): string[] {
    return this.#book.alive().map((order) => {
      const until = this.#book.noteOf(order).until ?? 'somebody runs "namewall on"';
      return `audit mode: ${scopeText(order.scope)} until ${until}`;
    });
  }

  /** From here on orders are taken and end by themselves. Resolves when what ended before the start is enforced again. */
  async start(follower: AuditModeFollower): Promise<void> {
    this.#follower = follower;
    await this.#look();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#follower = undefined;
  }

  /** `value` is whatever a client sent. Resolves when the order is in force; never rejects. */
  async obey(value: unknown): Promise<Reply> {
    const request = readRequest(value);
    if (request === undefined) {
      const limits = `${SHORTEST_MS}ms to ${LONGEST_MS / 3_600_000}h`;
      return { ok: false, error: `Cannot read the request: a time is ${limits}, or the agent is of another version` };
    }
    const follower = this.#follower;
    if (follower === undefined) return { ok: false, error: 'Cannot take orders: the agent is starting or stopping' };
    if (request.kind !== 'status') {
      const problem = request.kind === 'off' ? this.#off(request, follower) : this.#on(request, follower);
      if (problem !== undefined) return { ok: false, error: problem };
      try {
        await this.#settle();
      } catch (error) {
        return { ok: false, error: `Cannot do it now, trying again every second: ${String(error)}` };
      }
    }
    const { warning } = this.#book;
    const off = this.#book.alive().map((order) => this.#book.noteOf(order));
    return { ok: true, off, ...(warning === undefined ? {} : { warning }) };
  }

  #off({ scope, forMs, uid }: Extract<Request, { kind: 'off' }>, follower: AuditModeFollower): string | undefined {
    if (!hasClient(follower, scope)) return `Cannot find a client for ${scopeText(scope)}`;
    const order = this.#book.add(scope, forMs, uid);
    if (typeof order === 'string') return order;
    this.#tell('enforcement.off', order, uid);
    return undefined;
  }

  #on({ scope, uid }: Extract<Request, { kind: 'on' }>, follower: AuditModeFollower): string | undefined {
    const ended = this.#book.end(scope);
    if (typeof ended === 'string') return ended;
    if (ended.length === 0 && !hasClient(follower, scope)) return `Cannot find a client for ${scopeText(scope)}`;
    for (const order of ended) this.#tell('enforcement.on', order, uid);
    return undefined;
  }

  /** Ends what is over, reminds of what is not, and tries again what failed. */
  async #look(): Promise<void> {
    for (const order of this.#book.takeOver()) this.#tell('enforcement.on', order, null);
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs - this.#remindedMs >= REMIND_MS) {
      this.#remindedMs = nowMs;
      for (const order of this.#book.alive())
        this.#parts.log.warn(this.#book.noteOf(order), 'Audit mode: nothing is refused');
    }
    try {
      if (this.#isDue) await this.#settle();
    } catch (error) {
      this.#parts.log.error({ error: String(error) }, 'Cannot change audit mode: trying again');
    }
    this.#again();
  }

  async #settle(): Promise<void> {
    this.#isDue = false;
    try {
      await this.#follower?.changed();
    } catch (error) {
      this.#isDue = true;
      throw error;
    } finally {
      this.#again();
    }
  }

  #again(): void {
    clearTimeout(this.#timer);
    if (this.#follower === undefined) return;
    const remindMs = this.#remindedMs + REMIND_MS - this.#parts.clock.nowMs();
    const waitMs = Math.min(this.#book.firstEndMs(), remindMs, this.#isDue ? RETRY_MS : Infinity);
    this.#timer = setTimeout(() => void this.#look(), Math.max(1, Math.ceil(waitMs)));
  }

  #tell(event: EnforcementEvent['event'], order: Order, uid: number | null): void {
    const { clock, log } = this.#parts;
    this.#isDue = true;
    this.#remindedMs = clock.nowMs();
    const note = this.#book.noteOf(order);
    const time = new Date(clock.wallMs()).toISOString();
    this.#follower?.tell({ time, event, ...scopeFields(order.scope), until: note.until, uid });
    const message = event === 'enforcement.off' ? 'Audit mode begins: nothing is refused' : 'Audit mode has ended';
    log.warn({ ...note, uid }, message);
  }
}

function hasClient({ state }: AuditModeFollower, scope: Scope): boolean {
  return scope.kind === 'node' || state().registry.pods.some(({ pod }) => covers(scope, pod));
}
