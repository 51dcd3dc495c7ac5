// What each pod recently looked up: name → addresses and how long they would be granted. It answers the question that a policy change
// asks: which grants still have a reason, and which new ones has the pod earned already (design §6, last sentence)?

/** Names kept per pod, about 4 MB; the oldest go first. A grant whose lookup is forgotten ends at the next change of the pod's policy. */
const LOOKUPS_PER_POD = 16_384;

export interface Lookup {
  /** Folded wire name, its own copy. */
  readonly name: Uint8Array;
  /** 16 byte addresses, one after the other, those in never-granted ranges left out. */
  readonly addresses: Uint8Array;
  readonly expiryMs: number;
}

export class Lookups {
  readonly #ofPod = new Map<number, Map<number, Lookup>>();

  /** Notes an answer. `key` is the query's hash of name and type; the same key again replaces the entry and makes it the youngest. */
  note(pod: number, key: number, lookup: Lookup): void {
    let names = this.#ofPod.get(pod);
    if (names === undefined) this.#ofPod.set(pod, (names = new Map()));
    names.delete(key);
    names.set(key, lookup);
    if (names.size <= LOOKUPS_PER_POD) return;
    const oldest = names.keys().next();
    if (oldest.done !== true) names.delete(oldest.value);
  }

  expiryMs(pod: number, key: number): number {
    return this.#ofPod.get(pod)?.get(key)?.expiryMs ?? 0;
  }

  of(pod: number): Iterable<Lookup> {
    return this.#ofPod.get(pod)?.values() ?? [];
  }

  forgetPod(pod: number): void {
    this.#ofPod.delete(pod);
  }

  /** Drops what has expired of every pod. */
  sweep(nowMs: number): void {
    for (const names of this.#ofPod.values()) {
      for (const [key, lookup] of names) if (lookup.expiryMs <= nowMs) names.delete(key);
    }
  }
}
