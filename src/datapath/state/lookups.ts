// What each pod recently looked up: name → addresses and how long they would be granted. It answers the question that a policy change
// asks: which grants still have a reason, and which new ones has the pod earned already (design §6, last sentence)?

/** Names kept per pod, about 4 MB; the oldest go first. A grant whose lookup is forgotten ends at the next change of the pod's policy. */
const LOOKUPS_PER_POD = 16_384;
/** Addresses kept per name: the newest (design §6). Names that rotate through more lose the oldest at a policy change. */
const ADDRESSES_PER_NAME = 1_000;
const ADDRESS_BYTES = 16;

/** One answer: all its addresses would be granted equally long. */
export interface LookedUp {
  /** 16 byte addresses, one after the other, those in never-granted ranges left out. */
  readonly addresses: Uint8Array;
  readonly expiryMs: number;
}

export interface Lookup {
  /** Folded wire name. */
  readonly name: Uint8Array;
  /** The newest answer first. A name that rotates through addresses has those of earlier answers, too, while they would be granted. */
  readonly answers: readonly LookedUp[];
}

export class Lookups {
  readonly #ofPod = new Map<number, Map<number, Lookup>>();

  /** Notes an answer. `key` is the query's hash of name and type; noting it makes the name the youngest. */
  note(pod: number, key: number, name: Uint8Array, answer: LookedUp): void {
    let names = this.#ofPod.get(pod);
    if (names === undefined) this.#ofPod.set(pod, (names = new Map()));
    const earlier = names.get(key)?.answers ?? [];
    names.delete(key);
    names.set(key, { name, answers: withAnswer(earlier, answer) });
    if (names.size <= LOOKUPS_PER_POD) return;
    const oldest = names.keys().next();
    if (oldest.done !== true) names.delete(oldest.value);
  }

  /** Until when the newest answer to the name would be granted; 0 when there is none. */
  expiryMs(pod: number, key: number): number {
    return this.#ofPod.get(pod)?.get(key)?.answers[0]?.expiryMs ?? 0;
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
      for (const [key, { answers }] of names) if (answers.every(({ expiryMs }) => expiryMs <= nowMs)) names.delete(key);
    }
  }
}

/** The same addresses again only live longer; others come first, and the oldest go when there are too many. */
function withAnswer(earlier: readonly LookedUp[], answer: LookedUp): LookedUp[] {
  const kept = [answer];
  let bytes = answer.addresses.length;
  for (const each of earlier) {
    if (isSame(each.addresses, answer.addresses)) continue;
    bytes += each.addresses.length;
    if (bytes > ADDRESSES_PER_NAME * ADDRESS_BYTES) break;
    kept.push(each);
  }
  return kept;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}
