// The way from the state in force to the next one, in the kernel and in the data plane. Make before break: at no moment is something closed
// that both states allow, and at none something open that neither does.
import type { Logger } from '../base/log.ts';
import type { Config } from './config.ts';
import type { DatapathHost } from './datapath-host.ts';
import type { Memory } from './memory.ts';
import type { Health } from './health.ts';
import { rulesContext } from './links.ts';
import { changedBetween } from './revocation.ts';
import type { Revocation } from './revocation.ts';
import { between, rulesOf } from './rules.ts';
import { inheritedAddresses, newAddresses, owners, snapshotOf } from './state.ts';
import type { State } from './state.ts';
import type { Table } from './table.ts';

export interface ChangeoverParts {
  readonly datapath: DatapathHost;
  readonly memory: Memory;
  readonly table: Table;
  readonly health: Health;
  readonly revocation: Revocation;
}

export class Changeover {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #datapath: DatapathHost;
  readonly #memory: Memory;
  readonly #table: Table;
  readonly #health: Health;
  readonly #revocation: Revocation;
  #state: State;
  #generation = 1;
  /** Addresses that stay denied until the grants of those who had them are gone. */
  #closed: ReadonlySet<string> = new Set();
  /** Addresses of pods that are gone, as long as their grants may not be. */
  #left: ReadonlySet<string> = new Set();

  /** `state` is what rules and data plane were started with. */
  constructor(
    config: Config,
    log: Logger,
    { datapath, memory, table, health, revocation }: ChangeoverParts,
    state: State,
  ) {
    this.#config = config;
    this.#log = log;
    this.#datapath = datapath;
    this.#memory = memory;
    this.#table = table;
    this.#health = health;
    this.#revocation = revocation;
    this.#state = state;
  }

  /** The state in force. */
  get state(): State {
    return this.#state;
  }

  /** Makes `next` the state in force, or goes back to the last one. False when some of it failed: then call it again. */
  async apply(next: State): Promise<boolean> {
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

  /**
   * Puts the state in force into the kernel again, after somebody deleted or changed it: chains first, then grants from memory. False when
   * the kernel has it as it should be. Throws KernelError, SysError.
   */
  async restore(): Promise<boolean> {
    if (this.#table.isAsApplied()) return false;
    this.#table.distrust();
    const context = await rulesContext(this.#config, this.#state, this.#health);
    await this.#table.apply(rulesOf(context, this.#state, this.#closed, this.#left));
    await this.#datapath.refill();
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
    const context = await rulesContext(this.#config, next, this.#health);
    await this.#table.apply(rulesOf(context, between(before, next), inherited, left));
    const isFilled = await this.#datapath.adopt(snapshotOf(state, inherited));
    // What could not be removed may be any pod's that is gone: then no new pod may have its address.
    this.#closed = isFilled ? new Set() : inherited.union(newAddresses(before, next));
    this.#left = isFilled ? new Set() : left;
    await this.#table.apply(rulesOf(context, next, this.#closed, this.#left));
    if (isFilled && inherited.size > 0) await this.#datapath.adopt(snapshotOf(state));
    this.#state = state;
    const isPruned = await this.#datapath.prune();
    const cut = await this.#revocation.judgeAgain(state, changedBetween(before, state));
    await this.#table.removeStaleSets(next.compiled.classes);
    const counts = { clients: next.registry.pods.length, policies: next.inputs.policies.length, cut };
    this.#log.info({ ...counts, generation: state.generation }, 'change applied');
    if (isFilled && isPruned) return true;
    this.#log.error('The kernel refused to change some grants: new clients stay closed; trying again');
    return false;
  }
}
