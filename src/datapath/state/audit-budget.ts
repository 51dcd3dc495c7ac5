// How many audit records each pod may cause a second. Beyond that its events are counted by kind and said in one record at the end of the
// second, so that a flood costs neither the log's readers nor the other pods anything, and nothing goes uncounted (I6, I11).
import { AUDIT_KIND } from '../../bridge/audit-record.ts';

/** Records a second of one pod, allowed lookups and grants together, and as many again for what was denied or failed. */
export const RECORDS_PER_SECOND = 1_000;
const WINDOW_MS = 1_000;
/** Counters of a pod: one for each kind of event, by AUDIT_KIND. */
const KINDS = 5;

export class AuditBudget {
  /** Records written in the window under way, per pod and half (allowed, denied). */
  readonly #used: Uint32Array;
  readonly #folded: Uint32Array;
  /** Pods that wrote or folded anything in this window. */
  readonly #active: number[] = [];
  #windowEndMs = 0;

  /** `pods`: indexes are below it. */
  constructor(pods: number) {
    this.#used = new Uint32Array(pods * 2);
    this.#folded = new Uint32Array(pods * KINDS);
  }

  /** True when a record of this kind may be written; else it is counted. */
  take(pod: number, kind: number): boolean {
    const half = kind === AUDIT_KIND.Denied || kind === AUDIT_KIND.Failed ? 1 : 0;
    if (this.#used[pod * 2] === 0 && this.#used[pod * 2 + 1] === 0) this.#active.push(pod);
    if (this.#used[pod * 2 + half]! < RECORDS_PER_SECOND) {
      this.#used[pod * 2 + half]!++;
      return true;
    }
    this.#folded[pod * KINDS + kind]!++;
    return false;
  }

  /** Once a second: hands each pod that folded events, with its counts by kind, to `tell`, and begins the next window. */
  turn(nowMs: number, tell: (pod: number, counts: Uint32Array) => void): void {
    if (nowMs < this.#windowEndMs) return;
    this.#windowEndMs = nowMs + WINDOW_MS;
    this.end(tell);
  }

  /** The same at once: before a pod's index passes to another, and at the end. */
  end(tell: (pod: number, counts: Uint32Array) => void): void {
    for (const pod of this.#active) {
      const counts = this.#folded.subarray(pod * KINDS, (pod + 1) * KINDS);
      if (counts.some((count) => count > 0)) tell(pod, counts);
      counts.fill(0);
      this.#used[pod * 2] = this.#used[pod * 2 + 1] = 0;
    }
    this.#active.length = 0;
  }
}
