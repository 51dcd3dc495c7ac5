// One nftables set with timeouts, with the kernel's habits: an expired element is not found but counts until it is collected (V3), an
// existing one is updated or not by rules of its own (V4), and nothing of a transaction stays unless all of it can (V2).
import type { ElementText } from './simulated-nfnetlink.ts';
import { ERRNO } from './sys.ts';

/** `gc-interval 1s`, as src/kernel/ruleset.ts declares the sets of grants. */
const COLLECT_EVERY_MS = 1_000;
const ERANGE = 34; // only the kernel answers it

interface Element {
  /** 0: permanent (V1). */
  readonly timeoutMs: number;
  /** Infinity when permanent. */
  readonly expiresMs: number;
}

export interface SetDeclaration {
  /** 8 or 32: two addresses. */
  readonly keyBytes: number;
  readonly size: number;
}

/** Milliseconds left of an element before and after a transaction; 0: it is not there, Infinity: it never expires. */
export interface ElementDifference {
  readonly key: string;
  readonly beforeMs: number;
  readonly afterMs: number;
}

export class SimulatedSet {
  readonly keyBytes: number;
  size: number;
  #elements = new Map<string, Element>();
  /** Expiries of elements that were replaced by a new one before they were collected. */
  #uncollected: number[] = [];

  constructor(declaration: SetDeclaration) {
    this.keyBytes = declaration.keyBytes;
    this.size = declaration.size;
  }

  /** Milliseconds left, 0 when it is not there or has expired, Infinity when it never expires. Keys are hex. */
  leftMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#elements.get(key)?.expiresMs ?? 0) - nowMs);
  }

  timeoutMs(key: string): number {
    return this.#elements.get(key)?.timeoutMs ?? 0;
  }

  liveKeys(nowMs: number): string[] {
    return [...this.#elements].filter(([, { expiresMs }]) => expiresMs > nowMs).map(([key]) => key);
  }

  /** Elements that count against `size`. */
  get counted(): number {
    return this.#elements.size + this.#uncollected.length;
  }

  clear(): void {
    this.#elements.clear();
    this.#uncollected = [];
  }

  collect(nowMs: number): void {
    const collectedMs = Math.floor(nowMs / COLLECT_EVERY_MS) * COLLECT_EVERY_MS;
    for (const [key, { expiresMs }] of this.#elements) if (expiresMs <= collectedMs) this.#elements.delete(key);
    this.#uncollected = this.#uncollected.filter((expiresMs) => expiresMs > collectedMs);
  }

  /** A copy to work on; `adopt` makes it this set's contents. */
  draft(): SimulatedSet {
    const copy = new SimulatedSet({ keyBytes: this.keyBytes, size: this.size });
    copy.#elements = new Map(this.#elements);
    copy.#uncollected = [...this.#uncollected];
    return copy;
  }

  adopt(draft: SimulatedSet, nowMs: number): ElementDifference[] {
    const before = this.#elements;
    this.#elements = draft.#elements;
    this.#uncollected = draft.#uncollected;
    return [...new Set([...before.keys(), ...draft.#elements.keys()])].flatMap((key) => {
      const beforeMs = Math.max(0, (before.get(key)?.expiresMs ?? 0) - nowMs);
      const afterMs = this.leftMs(key, nowMs);
      return beforeMs === afterMs ? [] : [{ key, beforeMs, afterMs }];
    });
  }

  /** NEWSETELEM; answers an errno, 0 when it is done. `renews` is false for kernels that ignore updates. */
  add(element: ElementText, nowMs: number, renews: boolean): number {
    const { timeoutMs = 0, expirationMs } = element;
    if (element.key.length !== this.keyBytes) return ERRNO.EINVAL;
    if (expirationMs !== undefined && expirationMs > timeoutMs) return ERANGE;
    const key = hexOf(element.key);
    const fresh = { timeoutMs, expiresMs: timeoutMs === 0 ? Infinity : nowMs + (expirationMs ?? timeoutMs) };
    const known = this.#elements.get(key);
    if (known !== undefined && known.expiresMs > nowMs) {
      const isUpdate = timeoutMs !== known.timeoutMs || expirationMs !== undefined;
      if (renews && isUpdate) this.#elements.set(key, fresh);
      return 0;
    }
    // What this transaction removes counts no more for what it adds (set->ndeact), so a full set can exchange elements.
    if (this.counted + 1 > this.size) return ERRNO.ENFILE;
    if (known !== undefined) this.#uncollected.push(known.expiresMs);
    this.#elements.set(key, fresh);
    return 0;
  }

  /** DELSETELEM: an expired element is as missing as one that never was (V5). */
  remove(element: ElementText, nowMs: number): number {
    if (element.key.length !== this.keyBytes) return ERRNO.EINVAL;
    const key = hexOf(element.key);
    if (this.leftMs(key, nowMs) === 0) return ERRNO.ENOENT;
    this.#elements.delete(key);
    return 0;
  }
}

export function hexOf(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}
