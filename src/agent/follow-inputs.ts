// Follows the inputs: whatever changes is read anew and put in force as a whole, one change after the other, or refused as a whole with the
// last good state in force.
import type { Problem } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Registry } from '../pods/registry.ts';
import { Compiler } from '../policy/compile.ts';
import type { Changeover } from './changeover.ts';
import { TABLE } from './config.ts';
import type { Config } from './config.ts';
import type { Health } from './health.ts';
import { fingerprintOf, fixedOf } from './inputs.ts';
import type { InputSource } from './inputs.ts';
import type { ProblemLog } from './problem-log.ts';
import { stateOf } from './state.ts';
import type { UpstreamKeeper } from './upstream-keeper.ts';

const RETRY_MS = 1_000;

export interface FollowedParts {
  readonly config: Pick<Config, 'protect'>;
  readonly source: InputSource;
  readonly problems: Pick<ProblemLog, 'report'>;
  readonly upstreams: Pick<UpstreamKeeper, 'use'>;
  readonly changeover: Pick<Changeover, 'state' | 'apply' | 'restore'>;
  /** For the audit. */
  readonly onRestored: () => void;
  readonly health: Health;
  readonly log: Logger;
}

export class InputFollower {
  /** Resolves when only another start can follow a change; it says which. */
  readonly restartNeeded: Promise<string>;
  readonly #restart = Promise.withResolvers<string>();
  readonly #parts: FollowedParts;
  readonly #compiler = new Compiler();
  /** The ids that were given last, also by a change that was refused: none is given twice. */
  #registry: Registry;
  /** Of the inputs in force; undefined while they are to be applied again, whatever they are. */
  #fingerprint: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isDue = false;
  #isLookDue = false;
  #following: Promise<void> = Promise.resolve();

  constructor(parts: FollowedParts) {
    const { state } = parts.changeover;
    this.restartNeeded = this.#restart.promise;
    this.#parts = parts;
    this.#registry = state.registry;
    this.#fingerprint = fingerprintOf(state.inputs);
  }

  /** Something has changed. One change at a time: what comes while one waits is in it. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#following = this.#following.then(() => {
      this.#isDue = false;
      return this.#follow();
    });
  }

  /** Somebody may have changed what is in force: it is looked at, between two changes, and put back. */
  lookAtKernel(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    this.#following = this.#following.then(() => {
      this.#isLookDue = false;
      return this.#restore();
    });
  }

  /** Resolves when the change in progress is done. The source must be closed already. */
  async stop(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#following;
    clearTimeout(this.#retry);
  }

  async #follow(): Promise<void> {
    const { source, problems, upstreams, changeover, health } = this.#parts;
    const read = await source.read();
    if (!read.ok) return this.#refuse(read.problems);
    const inputs = read.value;
    problems.report(inputs.problems);
    const fixed = fixedOf(changeover.state.inputs);
    if (fixed !== fixedOf(inputs)) {
      // An ordinary end and another start: the kernel's rules stay meanwhile, so that nothing opens.
      return this.#restart.resolve(`from ${fixed} to ${fixedOf(inputs)}`);
    }
    await upstreams.use(inputs.zones);
    const fingerprint = fingerprintOf(inputs);
    if (fingerprint === this.#fingerprint) return;
    const loaded = stateOf(inputs, this.#registry, this.#parts.config, this.#compiler);
    if (!loaded.ok) return this.#refuse(loaded.problems);
    this.#registry = loaded.value.registry;
    if (await changeover.apply(loaded.value)) {
      this.#fingerprint = fingerprint;
      health.clear('last change was refused by the kernel');
      health.clear('table deleted'); // whoever took it: all of it was applied
    } else {
      this.#again();
    }
    health.tell();
  }

  async #restore(): Promise<void> {
    const { changeover, health, log } = this.#parts;
    try {
      const isRestored = await changeover.restore();
      health.clear('table deleted');
      if (isRestored) {
        this.#parts.onRestored();
        log.error({ table: TABLE }, 'Somebody changed or deleted our nftables table: it is put back, grants included');
      }
    } catch (error) {
      log.error({ error: String(error) }, 'Cannot put our nftables table back: trying again');
      health.hold('table deleted');
      this.#again();
    }
    health.tell();
  }

  #again(): void {
    this.#fingerprint = undefined;
    this.#parts.health.hold('last change was refused by the kernel');
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.changed(), RETRY_MS);
  }

  #refuse(problems: readonly Problem[]): void {
    for (const { at, code, message } of problems) this.#parts.log.error({ at, code }, `Change refused: ${message}`);
  }
}
