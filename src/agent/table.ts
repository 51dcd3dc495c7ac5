// The kernel's table as the agent keeps it: what was applied last is remembered, so that a change costs one transaction and no listing. After a
// failure, or when somebody else had his hands in it, the kernel is asked what is there.
import { applyText, listObjects } from '../kernel/apply.ts';
import type { PortClass } from '../policy/compiled.ts';
import { rulesetObjects, rulesetText, staleSetsText, withoutStaleSets } from '../kernel/ruleset.ts';
import type { RulesetInput, TableObjects } from '../kernel/ruleset.ts';

export class Table {
  #existing: TableObjects | undefined;

  /** One transaction. Throws KernelError, and then nothing has changed. */
  async apply(input: Omit<RulesetInput, 'existing'>): Promise<void> {
    const whole = { ...input, existing: await this.#known() };
    const text = rulesetText(whole);
    await this.#run(text, rulesetObjects(whole));
  }

  /** Removes the sets of grants that no class names any more. Throws KernelError. */
  async removeStaleSets(classes: readonly PortClass[]): Promise<void> {
    const existing = await this.#known();
    await this.#run(staleSetsText(existing, classes), withoutStaleSets(existing, classes));
  }

  /** What is known may be wrong: the kernel is asked before the next change. */
  distrust(): void {
    this.#existing = undefined;
  }

  async #run(text: string, next: TableObjects): Promise<void> {
    this.#existing = undefined;
    await applyText(text);
    this.#existing = next;
  }

  async #known(): Promise<TableObjects> {
    return this.#existing ?? (await listObjects());
  }
}
