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

/** A pod's names, and the order in which they were first looked up: a ring, since finding the oldest key of a Map that shrank is slow. */
class PodLookups {
  readonly byKey = new Map<number, Lookup>();
  readonly order = new Int32Array(LOOKUPS_PER_POD);
  oldest = 0;
  count = 0;
}

export class Lookups {
  readonly #ofPod = new Map<number, PodLookups>();
  #bytes = 0;

  /** Notes an answer. `key` is the query's hash of name and type. */
  note(pod: number, key: number, name: Uint8Array, answer: LookedUp): void {
    let names = this.#ofPod.get(pod);
    if (names === undefined) this.#ofPod.set(pod, (names = new PodLookups()));
    const known = names.byKey.get(key);
    if (known === undefined) {
      while (names.count === LOOKUPS_PER_POD || (this.#bytes > BYTES && names.count > 0)) this.#dropOldest(names);
      names.order[(names.oldest + names.count++) % LOOKUPS_PER_POD] = key;
    } else {
      this.#bytes -= bytesOf(known);
    }
    const lookup = { name, answers: withAnswer(known?.answers ?? [], answer) };
    names.byKey.set(key, lookup);
    this.#bytes += bytesOf(lookup);
  }

  /** Until when the newest answer to the name would be granted; 0 when there is none. */
  expiryMs(pod: number, key: number): number {
    return this.#ofPod.get(pod)?.byKey.get(key)?.answers[0]?.expiryMs ?? 0;
  }

  of(pod: number): Iterable<Lookup> {
    return this.#ofPod.get(pod)?.byKey.values() ?? [];
  }

  forgetPod(pod: number): void {
    const names = this.#ofPod.get(pod);
    if (names === undefined) return;
    while (names.count > 0) this.#dropOldest(names);
    this.#ofPod.delete(pod);
  }

  /** Drops the oldest of every pod as far as they have expired. */
  sweep(nowMs: number): void {
    for (const names of this.#ofPod.values()) {
      while (names.count > 0) {
        const lookup = names.byKey.get(names.order[names.oldest]!);
        if (lookup?.answers.some(({ expiryMs }) => expiryMs > nowMs) === true) break;
        this.#dropOldest(names);
      }
    }
  }

  #dropOldest(names: PodLookups): void {
    const key = names.order[names.oldest]!;
    names.oldest = (names.oldest + 1) % LOOKUPS_PER_POD;
    names.count--;
    const lookup = names.byKey.get(key);
    if (lookup === undefined) return;
    names.byKey.delete(key);
    this.#bytes -= bytesOf(lookup);
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
