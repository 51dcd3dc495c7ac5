// The part of nf_tables that namewall writes to on the hot path: tables of sets, changed by nfnetlink batches that apply whole or not at
// all. Faults are ordered by whoever drives the simulation.
import {
  deletionEvent,
  elementReply,
  framesNftables,
  NETLINK_TYPE,
  readElements,
  report,
  splitMessages,
} from './simulated-nfnetlink.ts';
import type { ElementRequest, NetlinkMessage } from './simulated-nfnetlink.ts';
import { hexOf, SimulatedSet } from './simulated-set.ts';
import type { ElementDifference, SetDeclaration } from './simulated-set.ts';
import { ERRNO } from './sys.ts';

export interface ElementChange extends ElementDifference {
  readonly table: string;
  readonly set: string;
}

export interface SimulatedNftablesOptions {
  readonly nowMs: () => number;
  /** False for kernels before 6.12 or so: new lifetimes of existing elements are ignored, and there is no DESTROYSETELEM. */
  readonly renews: boolean;
  readonly committed: (changes: readonly ElementChange[]) => void;
  readonly announce: (event: Uint8Array) => void;
}

/** A transaction that fails at its commit. */
export interface Refusal {
  readonly errno: number;
  /** Only transactions with this destination address: the last bytes of the key. */
  readonly destination?: Uint8Array;
  times: number;
}

type Drafts = Map<SimulatedSet, { readonly draft: SimulatedSet; readonly table: string; readonly set: string }>;

export class SimulatedNftables {
  readonly #options: SimulatedNftablesOptions;
  readonly #tables = new Map<string, Map<string, SimulatedSet>>();
  #refusal: Refusal | undefined;

  constructor(options: SimulatedNftablesOptions) {
    this.#options = options;
  }

  /** Nothing happens to what is there already, as with `nft add`. */
  addSet(table: string, set: string, declaration: SetDeclaration): void {
    const sets = this.#tables.get(table) ?? new Map<string, SimulatedSet>();
    this.#tables.set(table, sets);
    if (!sets.has(set)) sets.set(set, new SimulatedSet(declaration));
  }

  deleteSet(table: string, set: string): void {
    if (this.#tables.get(table)?.delete(set) !== true) return;
    this.#options.announce(deletionEvent(NETLINK_TYPE.DelSet, table, set));
  }

  /** The kernel tells of each set and then of the table. */
  deleteTable(table: string): void {
    for (const set of this.#tables.get(table)?.keys() ?? []) this.deleteSet(table, set);
    if (this.#tables.delete(table)) this.#options.announce(deletionEvent(NETLINK_TYPE.DelTable, table));
  }

  set(table: string, set: string): SimulatedSet | undefined {
    return this.#tables.get(table)?.get(set);
  }

  setNames(table: string): string[] {
    return [...(this.#tables.get(table)?.keys() ?? [])];
  }

  /** Leaves room for so many more elements. */
  fill(table: string, set: string, leaving: number): void {
    const found = this.set(table, set);
    if (found === undefined) return;
    found.collect(this.#options.nowMs());
    found.size = found.counted + leaving;
  }

  refuse(refusal: Refusal): void {
    this.#refusal = { ...refusal };
  }

  /** Handles one datagram within send(2); the answers are what the sender's socket gets. */
  process(bytes: Uint8Array): Uint8Array[] {
    const messages = splitMessages(bytes);
    const [first] = messages ?? [];
    if (messages === undefined || first === undefined) return [report(nobody(bytes), ERRNO.EINVAL)];
    for (const sets of this.#tables.values()) for (const set of sets.values()) set.collect(this.#options.nowMs());
    if (first.type === NETLINK_TYPE.GetSetElem) return this.#get(first);
    const last = messages.at(-1);
    const isFramed = first.type === NETLINK_TYPE.BatchBegin && last?.type === NETLINK_TYPE.BatchEnd;
    if (!isFramed || !framesNftables(first) || !framesNftables(last)) return [report(first, ERRNO.EINVAL)];
    return this.#transact(first, messages.slice(1, -1));
  }

  #transact(begin: NetlinkMessage, messages: readonly NetlinkMessage[]): Uint8Array[] {
    const drafts: Drafts = new Map();
    const reports: Uint8Array[] = [];
    let isFailed = false;
    // One failure does not end the batch: every message is tried and every error reported, then all of it is undone.
    for (const message of messages) {
      const errno = this.#apply(message, drafts);
      if (errno !== 0) isFailed = true;
      if (errno !== 0 || message.wantsAck) reports.push(report(message, errno));
    }
    if (isFailed) return reports;
    const refused = this.#takeRefusal(messages);
    // Under the sequence of the batch's begin, ahead of the acknowledgement of a message that was fine by itself.
    if (refused !== 0) return [report(begin, refused), ...reports];
    const changes = [...drafts].flatMap(([set, { draft, table, set: name }]) =>
      set.adopt(draft, this.#options.nowMs()).map((difference) => ({ ...difference, table, set: name })),
    );
    this.#options.committed(changes);
    return reports;
  }

  #apply(message: NetlinkMessage, drafts: Drafts): number {
    const isDestroy = message.type === NETLINK_TYPE.DestroySetElem;
    const isNew = message.type === NETLINK_TYPE.NewSetElem;
    if (!isNew && !isDestroy && message.type !== NETLINK_TYPE.DelSetElem) return ERRNO.EINVAL;
    if (isDestroy && !this.#options.renews) return ERRNO.EINVAL;
    const request = readElements(message);
    if (request === undefined) return ERRNO.EINVAL;
    const set = this.set(request.table, request.set);
    if (set === undefined) return ERRNO.ENOENT;
    const { draft } = drafts.get(set) ?? { draft: set.draft() };
    drafts.set(set, { draft, table: request.table, set: request.set });
    const nowMs = this.#options.nowMs();
    for (const element of request.elements) {
      const errno = isNew ? draft.add(element, nowMs, this.#options.renews) : draft.remove(element, nowMs);
      if (errno !== 0 && !(isDestroy && errno === ERRNO.ENOENT)) return errno;
    }
    return 0;
  }

  #takeRefusal(messages: readonly NetlinkMessage[]): number {
    const refusal = this.#refusal;
    if (refusal === undefined || refusal.times === 0) return 0;
    const { destination } = refusal;
    const concerns = ({ elements }: ElementRequest) =>
      destination === undefined ||
      elements.some(({ key }) => hexOf(key.subarray(-destination.length)) === hexOf(destination));
    if (!messages.some((message) => concerns(readElements(message) ?? { table: '', set: '', elements: [] }))) return 0;
    refusal.times--;
    return refusal.errno;
  }

  #get(message: NetlinkMessage): Uint8Array[] {
    const request = readElements(message);
    if (request === undefined) return [report(message, ERRNO.EINVAL)];
    const set = this.set(request.table, request.set);
    const nowMs = this.#options.nowMs();
    return request.elements.map((element) => {
      const key = hexOf(element.key);
      const leftMs = set?.leftMs(key, nowMs) ?? 0;
      if (set === undefined || leftMs === 0) return report(message, ERRNO.ENOENT);
      const isPermanent = leftMs === Infinity;
      const timeoutMs = isPermanent ? undefined : set.timeoutMs(key);
      const expirationMs = isPermanent ? undefined : leftMs;
      return elementReply(message.sequence, request, { key: element.key, timeoutMs, expirationMs });
    });
  }
}

/** A message that cannot be read is reported under what stands where its header should be. */
function nobody(bytes: Uint8Array): NetlinkMessage {
  const header = new Uint8Array(16);
  header.set(bytes.subarray(0, 16));
  return { type: 0, sequence: new DataView(header.buffer).getUint32(8, true), wantsAck: true, header, body: header };
}
