// What each pod recently looked up: names, addresses, and how long they would be granted. It answers the question that a policy change
// asks: which grants still have a reason, and which new ones has the pod earned already (design §6, last sentence)? A ring of bytes per
// pod: noting costs a copy and no object, and what one pod looks up costs no other pod its memory (I6).

/** Of all pods together; a pod has its share of it, within the bounds below. A lookup is about 60 bytes. */
const BYTES = 64 * 1024 * 1024;
const LEAST_BYTES = 8 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
const FIRST_BYTES = 8 * 1024;

// An entry: expiry (float64), hash (int32), addresses (uint16), bytes of the name (uint8), then both. Entries do not wrap: a hash word of
// what is left at the end of the buffer is skipped by its length of 0 addresses and 0 bytes of name.
const EXPIRY = 0;
const HASH = 8;
const COUNT = 12;
const NAME_BYTES = 14;
const HEAD_BYTES = 16;
const ADDRESS_BYTES = 16;
/** Places that remember where a hash was noted last, by its low bits. */
const RECENT = 1_024;

export interface Lookup {
  /** Folded wire name. */
  readonly name: Uint8Array;
  /** 16 byte addresses, one after the other, those in never-granted ranges left out. */
  readonly addresses: Uint8Array;
  readonly expiryMs: number;
}

/** A lookup to be remembered, where it stands in the memory of others. */
export class Noted {
  bytes: Uint8Array = new Uint8Array(0);
  nameAt = 0;
  nameBytes = 0;
  addressesAt = 0;
  addressCount = 0;
  expiryMs = 0;
}

export class Lookups {
  readonly #ofPod = new Map<number, Ring>();
  #mostBytes = MOST_BYTES;

  /** How many pods share the memory from now on. */
  share(pods: number): void {
    this.#mostBytes = Math.min(Math.max(Math.floor(BYTES / Math.max(pods, 1)), LEAST_BYTES), MOST_BYTES);
  }

  /** Notes an answer, or that the one noted last for the name lives longer. `hash` is the query's, of name and type. */
  note(pod: number, hash: number, noted: Noted): void {
    let ring = this.#ofPod.get(pod);
    if (ring === undefined) this.#ofPod.set(pod, (ring = new Ring()));
    ring.note(hash, noted, this.#mostBytes);
  }

  /** Until when the answer noted last under this hash would be granted; 0 when none is known. */
  expiryMs(pod: number, hash: number): number {
    return this.#ofPod.get(pod)?.expiryMs(hash) ?? 0;
  }

  /** The pod's lookups that would be granted still, the oldest first; copies. */
  of(pod: number, nowMs: number): Lookup[] {
    return this.#ofPod.get(pod)?.list(nowMs) ?? [];
  }

  /** The pod's lookups that hold this address, also those that would be granted no longer, the latest first and at most so many; copies. */
  withAddress(pod: number, address: Uint8Array, most: number): Lookup[] {
    return this.#ofPod.get(pod)?.withAddress(address, most) ?? [];
  }

  forgetPod(pod: number): void {
    this.#ofPod.delete(pod);
  }
}

class Ring {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  /** Positions grow for ever; the byte is at the position modulo the capacity. */
  #head = 0;
  #tail = 0;
  readonly #recentHash = new Int32Array(RECENT);
  readonly #recentAt = new Float64Array(RECENT).fill(-1);

  note(hash: number, noted: Noted, mostBytes: number): void {
    const { bytes, nameBytes, addressCount, expiryMs } = noted;
    const known = this.#find(hash);
    if (known >= 0 && this.#hasAddresses(known, noted)) {
      if (expiryMs > this.#view.getFloat64(known + EXPIRY)) this.#view.setFloat64(known + EXPIRY, expiryMs);
      return;
    }
    const length = lengthOf(addressCount, nameBytes);
    if (length > mostBytes / 2) return; // an answer as big as that is not worth everything else
    const at = this.#reserve(length, mostBytes);
    this.#view.setFloat64(at + EXPIRY, expiryMs);
    this.#view.setInt32(at + HASH, hash);
    this.#view.setUint16(at + COUNT, addressCount);
    this.#view.setUint8(at + NAME_BYTES, nameBytes);
    copy(bytes, noted.nameAt, this.#bytes, at + HEAD_BYTES, nameBytes);
    copy(bytes, noted.addressesAt, this.#bytes, at + HEAD_BYTES + nameBytes, addressCount * ADDRESS_BYTES);
    this.#recentHash[hash & (RECENT - 1)] = hash;
    this.#recentAt[hash & (RECENT - 1)] = this.#head;
    this.#head += length;
  }

  expiryMs(hash: number): number {
    const at = this.#find(hash);
    return at < 0 ? 0 : this.#view.getFloat64(at + EXPIRY);
  }

  list(nowMs: number): Lookup[] {
    return this.#entries()
      .filter((at) => this.#view.getFloat64(at + EXPIRY) > nowMs)
      .map((at) => this.#read(at));
  }

  withAddress(address: Uint8Array, most: number): Lookup[] {
    const found = this.#entries().filter((at) => this.#holds(at, address));
    return found
      .slice(-most)
      .toReversed()
      .map((at) => this.#read(at));
  }

  /** Where the entries begin, the oldest first. */
  #entries(): number[] {
    const found: number[] = [];
    for (let position = this.#tail; position < this.#head;) {
      const at = position % this.#bytes.length;
      const length = this.#lengthAt(at);
      if (length > 0) found.push(at);
      position += length > 0 ? length : this.#bytes.length - at;
    }
    return found;
  }

  #holds(at: number, address: Uint8Array): boolean {
    const count = this.#view.getUint16(at + COUNT);
    let from = at + HEAD_BYTES + this.#view.getUint8(at + NAME_BYTES);
    for (let n = 0; n < count; n++, from += ADDRESS_BYTES) {
      let i = ADDRESS_BYTES - 1; // from the end: the beginnings of IPv4 addresses are all the same
      while (i >= 0 && this.#bytes[from + i] === address[i]) i--;
      if (i < 0) return true;
    }
    return false;
  }

  /** Where the entry noted last under `hash` stands, or -1: unknown, overwritten, or forgotten for another hash of the same low bits. */
  #find(hash: number): number {
    const position = this.#recentAt[hash & (RECENT - 1)]!;
    if (position < this.#tail || this.#recentHash[hash & (RECENT - 1)] !== hash) return -1;
    return position % this.#bytes.length;
  }

  /** Room for an entry at the head, in one piece: the oldest go, or the buffer grows. The byte where it begins. */
  #reserve(length: number, mostBytes: number): number {
    while (this.#bytes.length < mostBytes && this.#head - this.#tail + 2 * length > this.#bytes.length) this.#grow();
    const at = this.#head % this.#bytes.length;
    const untilEnd = this.#bytes.length - at;
    const skipped = untilEnd < length ? untilEnd : 0;
    while (this.#head + skipped + length - this.#tail > this.#bytes.length) this.#dropOldest();
    if (skipped === 0) return at;
    if (skipped >= HEAD_BYTES) this.#view.setUint32(at + COUNT, 0); // no addresses and no name: skip to the end
    this.#head += skipped;
    return 0;
  }

  #dropOldest(): void {
    const at = this.#tail % this.#bytes.length;
    const length = this.#lengthAt(at);
    this.#tail += length > 0 ? length : this.#bytes.length - at;
  }

  /** Twice the room, the entries in order from its beginning. */
  #grow(): void {
    const found = this.#entries();
    const [old, from] = [this.#bytes, this.#view];
    this.#bytes = new Uint8Array(old.length * 2);
    this.#view = new DataView(this.#bytes.buffer);
    this.#head = this.#tail = 0;
    this.#recentAt.fill(-1);
    const noted = new Noted();
    noted.bytes = old;
    for (const at of found) {
      noted.nameAt = at + HEAD_BYTES;
      noted.nameBytes = from.getUint8(at + NAME_BYTES);
      noted.addressesAt = noted.nameAt + noted.nameBytes;
      noted.addressCount = from.getUint16(at + COUNT);
      noted.expiryMs = from.getFloat64(at + EXPIRY);
      this.note(from.getInt32(at + HASH), noted, this.#bytes.length);
    }
  }

  #read(at: number): Lookup {
    const nameEnd = at + HEAD_BYTES + this.#view.getUint8(at + NAME_BYTES);
    return {
      name: this.#bytes.slice(at + HEAD_BYTES, nameEnd),
      addresses: this.#bytes.slice(nameEnd, nameEnd + this.#view.getUint16(at + COUNT) * ADDRESS_BYTES),
      expiryMs: this.#view.getFloat64(at + EXPIRY),
    };
  }

  /** Bytes of the entry at `at`; 0 for the rest of the buffer that was too short for one. */
  #lengthAt(at: number): number {
    if (at + HEAD_BYTES > this.#bytes.length) return 0;
    const nameBytes = this.#view.getUint8(at + NAME_BYTES);
    return nameBytes === 0 ? 0 : lengthOf(this.#view.getUint16(at + COUNT), nameBytes);
  }

  #hasAddresses(at: number, { bytes, addressesAt, addressCount }: Noted): boolean {
    if (this.#view.getUint16(at + COUNT) !== addressCount) return false;
    const from = at + HEAD_BYTES + this.#view.getUint8(at + NAME_BYTES);
    const length = addressCount * ADDRESS_BYTES;
    for (let i = 0; i < length; i++) if (this.#bytes[from + i] !== bytes[addressesAt + i]) return false;
    return true;
  }
}

function lengthOf(addresses: number, nameBytes: number): number {
  return (HEAD_BYTES + nameBytes + addresses * ADDRESS_BYTES + 7) & ~7;
}

/** Names and addresses are short: a loop beats TypedArray.set with its subarray object. */
function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}
