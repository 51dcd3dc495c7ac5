// The mirror of the kernel's grant sets: (class, pod, address) → when the element expires. It is what lets a cache hit be answered
// without a system call. It may know less than the kernel (after a restart, after doubt) but never more: an entry is made only when
// the commit was acknowledged. Open addressing with backward-shift deletion; keys are integers and never packed into one double
// (pod × 2^32 + address is beyond 2^53 and collides silently).

const ADDRESS_WORDS = 4;
// An entry: 32 bytes, so that one line of the processor's cache answers a look-up. In units of 4 bytes:
const ENTRY_WORDS = 8;
const POD = 0; // pod index + 1; 0 is an empty place
const CLASS = 1;
const ADDRESS = 2;
// In units of 8 bytes:
const ENTRY_TIMES = 4;
const EXPIRY_MS = 3;
/** 524,288 entries of 32 bytes, three quarters usable: 393,216 grants. The bar is 100,000 (design §10). */
export const GRANT_CAPACITY = 1 << 19;
/** Of one pod: a third of what is usable. Reaching it refuses that pod's new grants and touches nobody else's (I6). */
export const GRANTS_PER_POD = 131_072;

export interface Grant {
  readonly pod: number;
  readonly classIndex: number;
  readonly address: Uint8Array;
  readonly expiryMs: number;
}

export class Grants {
  readonly #mask: number;
  readonly #limit: number;
  readonly #seed: number;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #ofPod: Int32Array;
  /** The batch that each expiry last grew in: the batches before it prove less. */
  readonly #grewIn: Int32Array;
  /** The batch that each element was last put into, grown or not. */
  readonly #putInto: Int32Array;
  #size = 0;
  #sweepAt = 0;

  /** `capacity` is a power of two; `pods` bounds the pod indexes. */
  constructor(seed: number, pods: number, capacity = GRANT_CAPACITY) {
    this.#mask = capacity - 1;
    this.#limit = Math.floor(capacity * 0.75);
    this.#seed = seed | 0;
    this.#words = new Int32Array(capacity * ENTRY_WORDS);
    this.#times = new Float64Array(this.#words.buffer);
    this.#ofPod = new Int32Array(pods);
    this.#grewIn = new Int32Array(capacity);
    this.#putInto = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Elements this pod has, expired ones that were not swept yet included. */
  sizeOf(pod: number): number {
    return this.#ofPod[pod]!;
  }

  /** True while `more` grants of this pod may be made. */
  hasRoom(pod: number, more: number): boolean {
    return this.roomOf(pod) >= more;
  }

  /** How many more grants this pod may have. */
  roomOf(pod: number): number {
    return Math.max(0, Math.min(this.#limit - this.#size, GRANTS_PER_POD - this.#ofPod[pod]!));
  }

  /** When the element expires (monotonic ms); 0 or less when there is none, or none that can be relied on. */
  expiryMs(classIndex: number, pod: number, address: Uint8Array, offset: number): number {
    const at = this.#find(classIndex, pod, address, offset);
    return this.#words[at * ENTRY_WORDS + POD] === 0 ? 0 : this.#times[at * ENTRY_TIMES + EXPIRY_MS]!;
  }

  /**
   * Before an element is sent to the kernel: notes it, not to be relied on, so that it can be removed even if the outcome stays unknown.
   * Answers the expiry that the kernel must be told: the latest that any name gave it (design §6), also one in the same batch.
   */
  reserve(classIndex: number, pod: number, address: Uint8Array, offset: number, expiryMs: number, batch = -1): number {
    if (this.#size >= this.#limit) return expiryMs; // an endless search must not happen; callers ask roomOf first
    const at = this.#place(classIndex, pod, address, offset);
    const knownMs = Math.abs(this.#times[at * ENTRY_TIMES + EXPIRY_MS]!);
    const latestMs = Math.max(expiryMs, knownMs);
    if (latestMs > knownMs + 0.001) this.#grewIn[at] = batch;
    this.#putInto[at] = Math.max(this.#putInto[at]!, batch); // a batch that is sorted out is older than the one being written
    this.#times[at * ENTRY_TIMES + EXPIRY_MS] = -latestMs;
    return latestMs;
  }

  /** The kernel acknowledged what was reserved: from now on it is relied on. */
  confirm(classIndex: number, pod: number, address: Uint8Array, offset: number, writing = -2): void {
    const at = this.#find(classIndex, pod, address, offset);
    if (this.#words[at * ENTRY_WORDS + POD] !== 0 && this.#grewIn[at] !== (writing | 0))
      this.#times[at * ENTRY_TIMES + EXPIRY_MS] = Math.abs(this.#times[at * ENTRY_TIMES + EXPIRY_MS]!);
  }

  /** Whether somebody waits for this batch to put the element there. */
  isPutInto(batch: number, classIndex: number, pod: number, address: Uint8Array, offset: number): boolean {
    const at = this.#find(classIndex, pod, address, offset);
    return this.#words[at * ENTRY_WORDS + POD] !== 0 && this.#putInto[at] === (batch | 0);
  }

  /** One element of each of so many classes, that is relied on and lives until `untilMs` at least. One scan at most. */
  samples(untilMs: number, classes: number): Grant[] {
    const found = new Map<number, Grant>();
    for (let at = 0; at <= this.#mask && found.size < classes; at++) {
      const classIndex = this.#words[at * ENTRY_WORDS + CLASS]!;
      if (
        this.#words[at * ENTRY_WORDS + POD] === 0 ||
        this.#times[at * ENTRY_TIMES + EXPIRY_MS]! < untilMs ||
        found.has(classIndex)
      )
        continue;
      found.set(classIndex, {
        pod: this.#words[at * ENTRY_WORDS + POD]! - 1,
        classIndex,
        address: this.#addressAt(at),
        expiryMs: this.#times[at * ENTRY_TIMES + EXPIRY_MS]!,
      });
    }
    return [...found.values()];
  }

  /** Relies no more on one element, which is about to be removed. */
  doubt(classIndex: number, pod: number, address: Uint8Array, offset: number): void {
    const at = this.#find(classIndex, pod, address, offset);
    if (this.#words[at * ENTRY_WORDS + POD] === 0) return;
    this.#times[at * ENTRY_TIMES + EXPIRY_MS] = -Math.abs(this.#times[at * ENTRY_TIMES + EXPIRY_MS]!);
  }

  /** Forgets one element, once the kernel has. */
  delete(classIndex: number, pod: number, address: Uint8Array, offset: number): void {
    const at = this.#find(classIndex, pod, address, offset);
    if (this.#words[at * ENTRY_WORDS + POD] !== 0) this.#deleteAt(at);
  }

  /** Calls `visit` for each element of these pods, with an address of its own. One scan of all: for policy changes, not for queries. */
  forEachOf(pods: ReadonlySet<number>, visit: (grant: Grant) => void): void {
    if (pods.size === 0) return;
    for (let at = 0; at <= this.#mask; at++) {
      const pod = this.#words[at * ENTRY_WORDS + POD]! - 1;
      if (pod < 0 || !pods.has(pod)) continue;
      visit({
        pod,
        classIndex: this.#words[at * ENTRY_WORDS + CLASS]!,
        address: this.#addressAt(at),
        expiryMs: Math.abs(this.#times[at * ENTRY_TIMES + EXPIRY_MS]!),
      });
    }
  }

  /**
   * Relies on nothing any more: after somebody else touched the kernel's sets, or a commit of removals failed, every answer commits anew.
   * The entries stay, as what may have to be removed when policy changes; a distrusted expiry is kept as its negative.
   */
  distrust(): void {
    for (let at = 0; at <= this.#mask; at++) {
      const time = at * ENTRY_TIMES + EXPIRY_MS;
      this.#times[time] = -Math.abs(this.#times[time]!);
    }
  }

  /** Class numbers changed with a new policy: `renumber[old]` is the new one, or -1 for a class that is gone. */
  renumberClasses(renumber: readonly number[]): void {
    const kept: Grant[] = [];
    for (let at = 0; at <= this.#mask; at++) {
      const classIndex = renumber[this.#words[at * ENTRY_WORDS + CLASS]!] ?? -1;
      if (this.#words[at * ENTRY_WORDS + POD] === 0 || classIndex < 0) continue;
      // The expiry with its sign: what is distrusted stays so.
      kept.push({
        pod: this.#words[at * ENTRY_WORDS + POD]! - 1,
        classIndex,
        address: this.#addressAt(at),
        expiryMs: this.#times[at * ENTRY_TIMES + EXPIRY_MS]!,
      });
    }
    this.#words.fill(0);
    this.#ofPod.fill(0);
    this.#size = 0;
    for (const { classIndex, pod, address, expiryMs } of kept) {
      this.#times[this.#place(classIndex, pod, address, 0) * ENTRY_TIMES + EXPIRY_MS] = expiryMs;
    }
  }

  /** At most so many elements that live beyond `nowMs`, relied on or not, from a place of the table on; and where to go on, or -1. */
  some(from: number, most: number, nowMs: number): { readonly found: readonly Grant[]; readonly next: number } {
    const found: Grant[] = [];
    let at = from;
    for (; at <= this.#mask && found.length < most; at++) {
      const expiryMs = Math.abs(this.#times[at * ENTRY_TIMES + EXPIRY_MS]!);
      if (this.#words[at * ENTRY_WORDS + POD] === 0 || expiryMs <= nowMs) continue;
      const pod = this.#words[at * ENTRY_WORDS + POD]! - 1;
      const classIndex = this.#words[at * ENTRY_WORDS + CLASS]!;
      found.push({ pod, classIndex, address: this.#addressAt(at), expiryMs });
    }
    return { found, next: at > this.#mask ? -1 : at };
  }

  /** Drops expired elements among the next `places`, so that the whole table is swept over many turns. */
  sweep(nowMs: number, places: number): void {
    for (let i = 0; i < places; i++) {
      const at = this.#sweepAt;
      const isUsed = this.#words[at * ENTRY_WORDS + POD] !== 0;
      if (isUsed && Math.abs(this.#times[at * ENTRY_TIMES + EXPIRY_MS]!) <= nowMs) this.#deleteAt(at);
      else this.#sweepAt = (at + 1) & this.#mask;
    }
  }

  /** Where the element stands; put there with expiry 0 when it is new. */
  #place(classIndex: number, pod: number, address: Uint8Array, offset: number): number {
    const at = this.#find(classIndex, pod, address, offset);
    if (this.#words[at * ENTRY_WORDS + POD] !== 0) return at;
    this.#words[at * ENTRY_WORDS + POD] = pod + 1;
    this.#words[at * ENTRY_WORDS + CLASS] = classIndex;
    for (let w = 0; w < ADDRESS_WORDS; w++) {
      this.#words[at * ENTRY_WORDS + ADDRESS + w] = word(address, offset + 4 * w);
    }
    this.#times[at * ENTRY_TIMES + EXPIRY_MS] = 0;
    this.#grewIn[at] = this.#putInto[at] = -1;
    this.#size++;
    this.#ofPod[pod]!++;
    return at;
  }

  #find(classIndex: number, pod: number, address: Uint8Array, offset: number): number {
    const words = this.#words;
    const w0 = word(address, offset);
    const w1 = word(address, offset + 4);
    const w2 = word(address, offset + 8);
    const w3 = word(address, offset + 12);
    let at = this.#home(pod + 1, classIndex, w0, w1, w2, w3);
    while (words[at * ENTRY_WORDS + POD] !== 0) {
      const e = at * ENTRY_WORDS;
      if (
        words[e + POD] === pod + 1 &&
        words[e + CLASS] === classIndex &&
        words[e + ADDRESS + 3] === w3 &&
        words[e + ADDRESS + 2] === w2 &&
        words[e + ADDRESS + 1] === w1 &&
        words[e + ADDRESS] === w0
      ) {
        break;
      }
      at = (at + 1) & this.#mask;
    }
    return at;
  }

  #home(pod: number, classIndex: number, w0: number, w1: number, w2: number, w3: number): number {
    let h = this.#seed ^ Math.imul(pod, 0x9e3779b1) ^ Math.imul(classIndex, 0x85ebca6b);
    h = mix(h ^ w3);
    h = mix(h ^ w2);
    h = mix(h ^ w1);
    return mix(h ^ w0) & this.#mask;
  }

  #addressAt(at: number): Uint8Array {
    const address = new Uint8Array(ADDRESS_WORDS * 4);
    const view = new DataView(address.buffer);
    for (let w = 0; w < ADDRESS_WORDS; w++) {
      view.setInt32(4 * w, this.#words[at * ENTRY_WORDS + ADDRESS + w]!);
    }
    return address;
  }

  #homeAt(at: number): number {
    const e = at * ENTRY_WORDS;
    const w = this.#words;
    const a = e + ADDRESS;
    return this.#home(w[e + POD]!, w[e + CLASS]!, w[a]!, w[a + 1]!, w[a + 2]!, w[a + 3]!);
  }

  /** Backward shift: pulls later members of the cluster into the hole, so that no tombstones accumulate. */
  #deleteAt(hole: number): void {
    this.#ofPod[this.#words[hole * ENTRY_WORDS + POD]! - 1]!--;
    this.#size--;
    let at = hole;
    for (
      let next = (at + 1) & this.#mask;
      this.#words[next * ENTRY_WORDS + POD] !== 0;
      next = (next + 1) & this.#mask
    ) {
      const home = this.#homeAt(next);
      if (((next - home) & this.#mask) < ((next - at) & this.#mask)) continue;
      this.#grewIn[at] = this.#grewIn[next]!;
      this.#putInto[at] = this.#putInto[next]!;
      this.#words.copyWithin(at * ENTRY_WORDS, next * ENTRY_WORDS, (next + 1) * ENTRY_WORDS);
      at = next;
    }
    this.#words[at * ENTRY_WORDS + POD] = 0;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** The finaliser of MurmurHash3: every bit of the input reaches every bit of the output. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
