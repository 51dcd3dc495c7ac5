// The way from the state in force to the next one, in the kernel and in the data plane. Make before break: at no moment is something closed
// that both states allow, and at none something open that neither does.
import type { Logger } from '../base/log.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { AuditMode } from './audit-mode.ts';
import type { DatapathHost } from './datapath-host.ts';
import type { Takeover } from './inheritance.ts';
import type { Links } from './links.ts';
import type { Memory } from './memory.ts';
import { changedBetween } from './revocation.ts';
import type { Revocation } from './revocation.ts';
import { areServed, between, rulesOf } from './rules.ts';
import { inheritedAddresses, newAddresses, owners, snapshotOf } from './state.ts';
import type { State } from './state.ts';
import type { Table } from './table.ts';

export interface ChangeoverParts {
  readonly datapath: Pick<DatapathHost, 'adopt' | 'prune' | 'refill'>;
  readonly memory: Pick<Memory, 'remember'>;
  readonly table: Pick<Table, 'apply' | 'removeStaleSets' | 'isAsApplied' | 'isTrusted' | 'distrust'>;
  readonly links: Pick<Links, 'contextOf' | 'isAsAsked'>;
  readonly revocation: Pick<Revocation, 'judgeAgain' | 'remember' | 'forget'>;
  readonly auditMode: Pick<AuditMode, 'podsOf' | 'podsBefore' | 'put' | 'distrust'>;
}

/** Events about the table come more often than interfaces do. */
const LINKS_MS = 9_000;

export class Changeover {
  readonly #log: Logger;
  readonly #datapath: ChangeoverParts['datapath'];
  readonly #memory: ChangeoverParts['memory'];
  readonly #table: ChangeoverParts['table'];
  readonly #links: ChangeoverParts['links'];
  readonly #revocation: ChangeoverParts['revocation'];
  readonly #auditMode: ChangeoverParts['auditMode'];
  #linksAskedMs = 0;
  #state: State;
  /** The last one that open connections were judged by. */
  #judged: State;
  /** What is open may be what no state allowed: all of it is judged, whoever's policy changed. */
  #isAllDoubtful = false;
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
    this.#judged = state;
    this.#audited = auditMode.podsBefore(state);
  }

  /**
   * Judges connections from before the start: those of pods that were judged otherwise then, or not at all, and what is open at addresses that
   * were another pod's. What fails is tried again by restore.
   */
  judgeFirst({ judged, strangers }: Pick<Takeover, 'judged' | 'strangers'>): Promise<void> {
    return this.#inTurn(async () => {
      try {
        const cut = await this.#revocation.judgeAgain(
          this.#state,
          ({ id }) => !judged.has(id),
          ({ id }) => strangers.has(id),
        );
        if (cut > 0) this.#log.info({ cut }, 'Cut connections from before the start that policy does not allow');
        await this.#revocation.remember(this.#state);
      } catch (error) {
        this.#log.error({ error: String(error) }, 'Cannot judge open connections: trying again');
        this.#isAllDoubtful = true;
      }
    });
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

  /** Somebody deleted our table: also what is being applied just now may be gone, or be closed by the shield (kernel/shield.ts). */
  distrust(): void {
    this.#table.distrust();
  }

  /** Orders about audit mode have changed, or one is over: kernel, data plane and open connections follow. Throws KernelError. */
  takeOrders(): Promise<void> {
    return this.#inTurn(async () => {
      const audited = this.#auditMode.podsOf(this.#state);
      await this.#auditMode.put(this.#state);
      // It may fail to remove grants of pods that are gone; whoever left them closed their addresses, and tries again.
      await this.#datapath.adopt(snapshotOf(this.#state, this.#closed, audited));
      await this.#judge(this.#state, audited);
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

  /**
   * Until the chains have switched a failure goes back to the state before; from then on `next` is in force, and what is left of the change is
   * done by the next try: a state that policy has left behind must not come back because a pod has too many connections.
   */
  async #apply(next: State): Promise<boolean> {
    const before = this.#state;
    try {
      if (!this.#table.isTrusted) await this.#putBack();
      return await this.#change(before, next);
    } catch (error) {
      this.#table.distrust();
      const message = this.#state === before ? 'going back to the last good state' : 'it is in force but not complete';
      this.#log.error({ error: String(error) }, `Cannot apply the change: ${message}, then trying again`);
      if (this.#state !== before) return false;
    }
    try {
      await this.#putBack();
      await this.#change(before, before);
    } catch (error) {
      this.#log.error({ error: String(error) }, 'Cannot go back');
    }
    return false;
  }

  async #restore(): Promise<boolean> {
    if (!this.#table.isAsApplied()) {
      this.#table.distrust();
      await this.#putBack();
      return true;
    }
    if (this.#isAllDoubtful) await this.#judge(this.#state, this.#auditMode.podsOf(this.#state));
    if (performance.now() - this.#linksAskedMs < LINKS_MS) return false;
    this.#linksAskedMs = performance.now();
    // An interface that came, or went behind a bridge, changes rules, though nobody's policy.
    if (!(await this.#links.isAsAsked(this.#state))) {
      await this.#table.apply(rulesOf(await this.#links.contextOf(this.#state), this.#state, this.#closed, this.#left));
    }
    return false;
  }

  /** All of the state in force, whatever the kernel has. Throws KernelError. */
  async #putBack(): Promise<void> {
    this.#auditMode.distrust();
    this.#revocation.forget();
    const context = await this.#links.contextOf(this.#state);
    await this.#table.apply(rulesOf(context, this.#state, this.#closed, this.#left));
    await this.#datapath.refill();
    await this.#auditMode.put(this.#state);
    // What slipped through meanwhile, and was answered, is a connection now that the chains would let pass.
    this.#isAllDoubtful = true;
    await this.#judge(this.#state, this.#auditMode.podsOf(this.#state));
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
    const isJudged = await this.#judge(state, audited);
    await this.#table.removeStaleSets(next.compiled.classes);
    const counts = { clients: next.registry.pods.length, policies: next.inputs.policies.length };
    this.#log.info({ ...counts, generation: state.generation }, 'change applied');
    if (isFilled && isPruned) return isJudged;
    this.#log.error('The kernel refused to change some grants: new clients stay closed; trying again');
    return false;
  }

  /** Open connections follow `state`, which is in force. False when that failed: the next try judges what this one did not. */
  async #judge(state: State, audited: ReadonlySet<number>): Promise<boolean> {
    const known = new Set(this.#judged.registry.pods.map(({ id }) => id));
    const isChanged = changedBetween(this.#judged, state);
    const isSwitched = this.#isSwitched(audited);
    try {
      const cut = await this.#revocation.judgeAgain(
        state,
        (pod, i) => this.#isAllDoubtful || isChanged(pod, i) || isSwitched(pod),
        ({ id }) => !known.has(id),
      );
      if (cut > 0) this.#log.info({ cut }, 'Cut connections that policy no longer allows');
      await this.#revocation.remember(state);
    } catch (error) {
      this.#log.error({ error: String(error) }, 'Cannot judge open connections: trying again');
      return false;
    }
    this.#judged = state;
    this.#audited = audited;
    this.#isAllDoubtful = false;
    return true;
  }
}
