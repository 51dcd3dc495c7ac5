// What each pod recently looked up: name → addresses and how long they would be granted. It answers the question that a policy change
// asks: which grants still have a reason, and which new ones has the pod earned already (design §6, last sentence)?

/** Names kept per pod; the oldest go first. A grant whose lookup is forgotten ends at the next change of the pod's policy. */
const LOOKUPS_PER_POD = 16_384;
/** Of all pods together. When it is used up, each pod that notes more loses its own oldest. */
const BYTES = 64 * 1024 * 1024;
/** Of a lookup besides its name and addresses: objects and table entries, an estimate. */
const OVERHEAD_BYTES = 250;
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
  #bytes = 0;

  /** Notes an answer. `key` is the query's hash of name and type; noting it makes the name the youngest. */
  note(pod: number, key: number, name: Uint8Array, answer: LookedUp): void {
    let names = this.#ofPod.get(pod);
    if (names === undefined) this.#ofPod.set(pod, (names = new Map()));
    const earlier = names.get(key)?.answers ?? [];
    this.#drop(names, key);
    const lookup = { name, answers: withAnswer(earlier, answer) };
    names.set(key, lookup);
    this.#bytes += bytesOf(lookup);
    if (names.size <= LOOKUPS_PER_POD && this.#bytes <= BYTES) return;
    const oldest = names.keys().next();
    if (oldest.done !== true) this.#drop(names, oldest.value);
  }

  #drop(names: Map<number, Lookup>, key: number): void {
    const lookup = names.get(key);
    if (lookup === undefined) return;
    names.delete(key);
    this.#bytes -= bytesOf(lookup);
  }

  /** Until when the newest answer to the name would be granted; 0 when there is none. */
  expiryMs(pod: number, key: number): number {
    return this.#ofPod.get(pod)?.get(key)?.answers[0]?.expiryMs ?? 0;
  }

  of(pod: number): Iterable<Lookup> {
    return this.#ofPod.get(pod)?.values() ?? [];
  }

  forgetPod(pod: number): void {
    const names = this.#ofPod.get(pod) ?? new Map<number, Lookup>();
    for (const key of names.keys()) this.#drop(names, key);
    this.#ofPod.delete(pod);
  }

  /** Drops what has expired of every pod. */
  sweep(nowMs: number): void {
    for (const names of this.#ofPod.values()) {
      for (const [key, { answers }] of names)
        if (answers.every(({ expiryMs }) => expiryMs <= nowMs)) this.#drop(names, key);
    }
  }
}

function bytesOf({ name, answers }: Lookup): number {
  return answers.reduce((sum, { addresses }) => sum + addresses.length, OVERHEAD_BYTES + name.length);
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
