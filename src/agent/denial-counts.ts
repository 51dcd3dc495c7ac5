// Denied packets of each address: what the kernel has counted exactly (sets `denied_of4`, `denied_of6`), less what was logged one by one.
import { formatAddress } from '../base/ip.ts';
import type { DenialReason } from '../audit/event.ts';
import { readCounts } from '../kernel/table-dump.ts';
import type { TableReader } from '../kernel/table-reader.ts';

/** These never reach the chains that count for each pod. */
const UNCOUNTED: readonly DenialReason[] = ['spoofed', 'unknown-pod', 'cut', 'would-deny', 'unknown'];

export class DenialCounts {
  /** By address: what was told so far, one by one or as a number. */
  readonly #told = new Map<string, number>();
  #isFirst = true;

  static isCounted(reason: DenialReason): boolean {
    return !UNCOUNTED.includes(reason);
  }

  /** One packet of this source was logged. */
  logged(source: Uint8Array): void {
    const key = formatAddress(source);
    this.#told.set(key, (this.#told.get(key) ?? 0) + 1);
  }

  /** What was counted and not logged since the last call. Throws SysError. */
  unlogged(reader: TableReader): { readonly address: Uint8Array; readonly denied: number }[] {
    const counts = ['denied_of4', 'denied_of6'].flatMap((set) => readCounts(reader, set));
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    return counts.flatMap(({ address, packets }) => {
      const key = formatAddress(address);
      const told = this.#told.get(key) ?? 0;
      this.#told.set(key, packets);
      // The first count is from before this process; a smaller one than before, of a table that was made anew.
      return isFirst || packets <= told ? [] : [{ address, denied: packets - told }];
    });
  }
}
