// The way from the state in force to the next one, in the kernel and in the data plane. Make before break: at no moment is something closed
// that both states allow, and at none something open that neither does.
import type { Logger } from '../base/log.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { AuditMode } from './audit-mode.ts';
import type { DatapathHost } from './datapath-host.ts';
import type { Memory } from './memory.ts';
import type { Links } from './links.ts';
import { changedBetween } from './revocation.ts';
import type { Revocation } from './revocation.ts';
import { areServed, between, rulesOf } from './rules.ts';
import { inheritedAddresses, newAddresses, owners, snapshotOf } from './state.ts';
import type { State } from './state.ts';
import type { Table } from './table.ts';

export interface ChangeoverParts {
  readonly datapath: DatapathHost;
  readonly memory: Memory;
  readonly table: Table;
  readonly links: Links;
  readonly revocation: Revocation;
  readonly auditMode: AuditMode;
}

export class Changeover {
  readonly #log: Logger;
  readonly #datapath: DatapathHost;
  readonly #memory: Memory;
  readonly #table: Table;
  readonly #links: Links;
  readonly #revocation: Revocation;
  readonly #auditMode: AuditMode;
  #state: State;
  #generation = 1;
  /** Addresses that stay denied until the grants of those who had them are gone. */
  #closed: ReadonlySet<string> = new Set();
  /** Addresses of pods that are gone, as long as their grants may not be. */
  #left: ReadonlySet<string> = new Set();
  /** Ids of the pods that were in audit mode when connections were judged last. */
  #audited: ReadonlySet<number>;
  #last: Promise<unknown> = Promise.resolve();

  /** `state` is what rules and data plane were started with. */
  constructor(log: Logger, { datapath, memory, table, links, revocation, auditMode }: ChangeoverParts, state: State) {
    this.#log = log;
    this.#datapath = datapath;
    this.#memory = memory;
    this.#table = table;
    this.#links = links;
    this.#revocation = revocation;
    this.#auditMode = auditMode;
    this.#state = state;
    this.#audited = auditMode.podsBefore(state);
  }

  /** The state in force. */
  get state(): State {
    return this.#state;
  }

  /** Makes `next` the state in force, or goes back to the last one. False when some of it failed: then call it again. */
  apply(next: State): Promise<boolean> {
    return this.#inTurn(() => this.#apply(next));
  }

  /**
   * Puts the state in force into the kernel again, after somebody deleted or changed it: chains first, then grants from memory. False when
   * the kernel has it as it should be. Throws KernelError, SysError.
   */
  restore(): Promise<boolean> {
    return this.#inTurn(() => this.#restore());
  }

  /** Orders about audit mode have changed, or one is over: kernel, data plane and open connections follow. Throws KernelError. */
  takeOrders(): Promise<void> {
    return this.#inTurn(async () => {
      const audited = this.#auditMode.podsOf(this.#state);
      await this.#auditMode.put(this.#state);
      // It may fail to remove grants of pods that are gone; whoever left them closed their addresses, and tries again.
      await this.#datapath.adopt(snapshotOf(this.#state, this.#closed, audited));
      await this.#revocation.judgeAgain(this.#state, this.#isSwitched(audited));
      this.#audited = audited;
    });
  }

  /** One after the other: each of them begins with what the one before left in force. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(step);
    this.#last = turn.catch(() => undefined); // whoever asked for it is told
    return turn;
  }

  /** Whose audit mode begins or ends, which its open connections follow. */
  #isSwitched(audited: ReadonlySet<number>): (pod: RegisteredPod) => boolean {
    const before = this.#audited;
    return ({ id }) => before.has(id) !== audited.has(id);
  }

  async #apply(next: State): Promise<boolean> {
    const before = this.#state;
    try {
      return await this.#change(before, next);
    } catch (error) {
      const message = 'Cannot apply the change: going back to the last good state, then trying again';
      this.#log.error({ error: String(error) }, message);
    }
    try {
      await this.#change(before, before);
    } catch (error) {
      this.#log.error({ error: String(error) }, 'Cannot go back');
    }
    return false;
  }

  async #restore(): Promise<boolean> {
    if (this.#table.isAsApplied()) return false;
    this.#table.distrust();
    this.#auditMode.distrust();
    const context = await this.#links.contextOf(this.#state);
    await this.#table.apply(rulesOf(context, this.#state, this.#closed, this.#left));
    await this.#auditMode.put(this.#state);
    this.#table.settle();
    await this.#datapath.refill();
    // What slipped through meanwhile, and was answered, is a connection now that the chains would let pass.
    const cut = await this.#revocation.judgeAgain(this.#state, () => true);
    if (cut > 0)
      this.#log.warn({ cut }, 'Cut connections that policy does not allow, found after our table was put back');
    return true;
  }

  /**
   * Chains that ask the old sets and the new ones, then the grants that `next` allows, then its chains alone; and only then is removed
   * what lost its reason. An address that changes hands is closed from the beginning, and its new pod's queries are answered from the
   * end: between, the old one's grants go. Throws KernelError.
   */
  async #change(before: State, next: State): Promise<boolean> {
    const state = { ...next, generation: ++this.#generation };
    const inherited = inheritedAddresses(before, next).union(this.#closed);
    this.#memory.remember(state);
    const left = this.#left.union(new Set(owners(before).keys()));
    const audited = this.#auditMode.podsOf(next);
    await this.#auditMode.put(next);
    if (inherited.size > 0 || !areServed(before, next)) {
      const context = await this.#links.contextOf(next);
      await this.#table.apply(rulesOf(context, between(before, next), inherited, left));
    }
    const isFilled = await this.#datapath.adopt(snapshotOf(state, inherited, audited));
    // The chains ask the sets of both: what has no reason in any of them goes at once.
    const isPruned = await this.#datapath.prune();
    // What could not be removed may be any pod's that is gone: then no new pod may have its address.
    this.#closed = isFilled ? new Set() : inherited.union(newAddresses(before, next));
    this.#left = isFilled ? new Set() : left;
    await this.#table.apply(rulesOf(await this.#links.contextOf(next), next, this.#closed, this.#left));
    if (isFilled && inherited.size > 0) await this.#datapath.adopt(snapshotOf(state, new Set(), audited));
    this.#state = state;
    const [isChanged, isSwitched] = [changedBetween(before, state), this.#isSwitched(audited)];
    const cut = await this.#revocation.judgeAgain(state, (pod, i) => isChanged(pod, i) || isSwitched(pod));
    this.#audited = audited;
    await this.#table.removeStaleSets(next.compiled.classes);
    this.#table.settle();
    const counts = { clients: next.registry.pods.length, policies: next.inputs.policies.length, cut };
    this.#log.info({ ...counts, generation: state.generation }, 'change applied');
    if (isFilled && isPruned) return true;
    this.#log.error('The kernel refused to change some grants: new clients stay closed; trying again');
    return false;
  }
}
