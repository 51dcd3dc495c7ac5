// The kernel's table as the agent keeps it: what was applied last is remembered, so that a change costs one transaction and no listing, and that
// a foreign hand in it is noticed. After a failure, or such a hand, the kernel is asked what is there.
import { applyText, hasBridgeTable } from '../kernel/apply.ts';
import { fingerprint } from '../kernel/fingerprint.ts';
import { rulesetObjects, rulesetText, staleSetsText, withoutStaleSets } from '../kernel/ruleset.ts';
import type { RulesetInput, TableObjects } from '../kernel/ruleset.ts';
import { readNames } from '../kernel/table-dump.ts';
import { isGrantsSet } from '../kernel/table-sets.ts';
import type { TableReader } from '../kernel/table-reader.ts';
import type { PortClass } from '../policy/compiled.ts';

export class Table {
  readonly #reader: TableReader;
  #existing: TableObjects | undefined;
  #hasBridgeGuard: boolean | undefined;
  #fingerprint = '';

  constructor(reader: TableReader) {
    this.#reader = reader;
  }

  /** One transaction. Throws KernelError, and then nothing has changed. */
  async apply(input: Omit<RulesetInput, 'existing'>): Promise<void> {
    const whole = { ...input, existing: await this.#known() };
    await this.#run(rulesetText(whole), rulesetObjects(whole));
  }

  /** Removes the sets of grants that no class names any more. Throws KernelError. */
  async removeStaleSets(classes: readonly PortClass[]): Promise<void> {
    const existing = await this.#known();
    const text = staleSetsText(existing, classes);
    if (text !== '') await this.#run(text, withoutStaleSets(existing, classes));
  }

  /** Whether the kernel has what was applied last. Not while something is being applied. Throws SysError. */
  isAsApplied(): boolean {
    return this.#existing !== undefined && this.#look() === this.#fingerprint;
  }

  /** What is known may be wrong: the kernel is asked before the next change. */
  distrust(): void {
    this.#existing = undefined;
  }

  async #run(text: string, next: TableObjects): Promise<void> {
    this.#existing = undefined;
    await applyText(text);
    this.#fingerprint = this.#look();
    this.#existing = next;
    this.#hasBridgeGuard = next.hasBridgeGuard;
  }

  async #known(): Promise<TableObjects> {
    if (this.#existing !== undefined) return this.#existing;
    this.#hasBridgeGuard ??= await hasBridgeTable();
    return { ...readNames(this.#reader), elements: new Map(), hasBridgeGuard: this.#hasBridgeGuard };
  }

  /** Elements of grants come and go, those of pods in audit mode by command. */
  #look(): string {
    return fingerprint(this.#reader, (set) => isGrantsSet(set) || set.startsWith('audited'));
  }
}
