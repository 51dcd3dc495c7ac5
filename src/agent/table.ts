// The kernel's table as the agent keeps it: what was applied last is remembered, so that a change costs one transaction and no listing, and that
// a foreign hand in it is noticed. After a failure, or such a hand, the kernel is asked what is there.
import { applyText, hasBridgeTable } from '../kernel/apply.ts';
import { fingerprint } from '../kernel/fingerprint.ts';
import { KernelError } from '../kernel/kernel-error.ts';
import { NO_OBJECTS, ruleset, staleSetsText, withoutStaleSets } from '../kernel/ruleset.ts';
import type { RulesetInput, TableObjects } from '../kernel/ruleset.ts';
import { readNames } from '../kernel/table-dump.ts';
import { isGrantsSet } from '../kernel/table-sets.ts';
import type { TableReader } from '../kernel/table-reader.ts';
import { standingShieldChange, standingShieldText } from '../kernel/shield.ts';
import type { PortClass } from '../policy/compiled.ts';
import { Libnftables } from '../sys/libnftables.ts';

export class Table {
  readonly #reader: TableReader;
  readonly #openBridgeReader: () => TableReader;
  #bridgeReader: TableReader | undefined;
  #existing: TableObjects | undefined;
  #hasBridgeGuard: boolean | undefined;
  #isDoubtful = false;
  #fingerprint = '';
  readonly #standing = new StandingShield();

  /** `openBridgeReader` is called where some client is behind a bridge. */
  constructor(reader: TableReader, openBridgeReader: () => TableReader) {
    this.#reader = reader;
    this.#openBridgeReader = openBridgeReader;
  }

  /** One transaction. Throws KernelError, and then nothing has changed. */
  async apply(input: Omit<RulesetInput, 'existing'>): Promise<void> {
    const { text, objects } = ruleset({ ...input, existing: await this.#known() });
    await this.#run(text, objects);
    this.#standing.follow(input);
  }

  /** Removes the sets of grants that no class names any more. Throws KernelError. */
  async removeStaleSets(classes: readonly PortClass[]): Promise<void> {
    const existing = await this.#known();
    const text = staleSetsText(existing, classes);
    if (text !== '') await this.#run(text, withoutStaleSets(existing, classes));
  }

  /** Whether the kernel has what was applied last. Not while something is being applied. Throws SysError. */
  isAsApplied(): boolean {
    return this.isTrusted && this.#look() === this.#fingerprint;
  }

  /** False: what the kernel has is not known, or was said to be another than what was applied. */
  get isTrusted(): boolean {
    return this.#existing !== undefined && !this.#isDoubtful;
  }

  /** What is known may be wrong, also of what is being applied just now: the kernel is asked before the next change but that one. */
  distrust(): void {
    this.#existing = undefined;
    this.#isDoubtful = true;
  }

  async #run(text: string, next: TableObjects): Promise<void> {
    this.#existing = undefined;
    await applyText(text);
    this.#hasBridgeGuard = next.hasBridgeGuard;
    // At once: whatever a foreign hand does from here on must be told from what was applied.
    this.#fingerprint = this.#look();
    const there = new Set(readNames(this.#reader).chains);
    if (!next.chains.every((name) => there.has(name)))
      throw new KernelError('nft', 'Cannot find what was applied: somebody took it');
    this.#existing = next;
  }

  async #known(): Promise<TableObjects> {
    if (this.#existing !== undefined && !this.#isDoubtful) return this.#existing;
    this.#isDoubtful = false;
    this.#hasBridgeGuard ??= await hasBridgeTable();
    return { ...NO_OBJECTS, ...readNames(this.#reader), hasBridgeGuard: this.#hasBridgeGuard };
  }

  /** Elements of grants come and go, those of pods in audit mode by command; `judged` is asked by no rule. */
  #look(): string {
    const judging = fingerprint(this.#reader, (set) => isGrantsSet(set) || /^(audited|judged)[46]$/.test(set));
    if (this.#hasBridgeGuard !== true) return judging;
    this.#bridgeReader ??= this.#openBridgeReader();
    return `${judging} ${fingerprint(this.#bridgeReader, () => false)}`;
  }
}

/** The shield that is there before it is needed (kernel/shield.ts); it lives as long as this thread's socket, not where the system has no such. */
class StandingShield {
  #nft = Libnftables.open();
  #isThere = false;
  #last = '';

  /** After the ruleset: in the other order what it closes would be closed in between. */
  follow({ pods, guardedRanges, mark }: Omit<RulesetInput, 'existing'>): void {
    const addresses = pods.flatMap((pod) => (pod.programId === undefined ? [] : pod.addresses));
    const change = standingShieldChange({ addresses, guardedRanges });
    if (this.#nft === undefined || change === this.#last) return;
    const complaint = this.#nft.run(this.#isThere ? change : standingShieldText({ addresses, guardedRanges }, mark));
    // Refused at the first time: an older kernel or library. Later: tried again with the next ruleset.
    if (complaint !== undefined && !this.#isThere) this.#nft = undefined;
    this.#isThere ||= complaint === undefined;
    this.#last = complaint === undefined ? change : '';
  }
}
