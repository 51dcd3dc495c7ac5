// One pod's lookups in a ring of bytes, found again by the hash of their query and by their addresses. Entries with addresses of the same place
// are linked, the latest first, so that no question walks the ring: whoever fills it must not make recall.ts slow for others (I6, I7).
import type { Lookup, Newest, Noted, Sighting } from './lookups.ts';

const FIRST_BYTES = 8 * 1024;

// An entry: expiry (float64), hash (int32), addresses (uint16), bytes of the name (uint8), 0, name, addresses, a link (uint32) for each of
// these. Entries do not wrap: a hash word of what is left at the end of the buffer is skipped by its length of 0 addresses and 0 bytes of name.
const EXPIRY = 0;
const HASH = 8;
const COUNT = 12;
const NAME_BYTES = 14;
const HEAD_BYTES = 16;
const ADDRESS_BYTES = 16;
const LINK_BYTES = 4;
/** Places that remember where a hash was noted last, by its low bits. */
const RECENT = 1_024;
/** Bytes of the ring for each place of addresses: two or three addresses share one when the ring is full, and places add 6 % to it. */
const BYTES_PER_PLACE = 128;
/** Addresses that one question compares, give or take those of one lookup. Far more than share a place by chance. */
const MOST_COMPARED = 1_024;

/** What of a lookup stands in the ring. */
type Kept = Omit<Noted, 'nameHash' | 'nowMs'>;

export class LookupRing {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  /** Positions grow for ever; the byte is at the position modulo the capacity. */
  #head = 0;
  #tail = 0;
  readonly #recentHash = new Int32Array(RECENT);
  readonly #recentAt = new Float64Array(RECENT).fill(-1);
  /** Positions of the entries noted last with an address of the place. */
  #places = placesFor(FIRST_BYTES);
  /** Addresses compared by questions so far. */
  compared = 0;

  note(hash: number, noted: Kept, mostBytes: number): void {
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
    this.#link(at);
    this.#recentHash[hash & (RECENT - 1)] = hash;
    this.#recentAt[hash & (RECENT - 1)] = this.#head;
    this.#head += length;
  }

  expiryMs(hash: number, noted: Kept): number {
    const at = this.#find(hash);
    return at < 0 || !this.#hasAddresses(at, noted) ? 0 : this.#view.getFloat64(at + EXPIRY);
  }

  list(nowMs: number): Lookup[] {
    return this.#entries()
      .filter((at) => this.#view.getFloat64(at + EXPIRY) > nowMs)
      .map((at) => this.#read(at));
  }

  newest({ nowMs, sinceMs, most }: Newest): Lookup[] {
    const entries = this.#entries();
    const live: number[] = [];
    const ended: number[] = [];
    for (let i = entries.length - 1; i >= 0 && live.length < most; i--) {
      const expiryMs = this.#view.getFloat64(entries[i]! + EXPIRY);
      if (expiryMs > nowMs) live.push(entries[i]!);
      else if (expiryMs > sinceMs && ended.length < most) ended.push(entries[i]!);
    }
    return [...live, ...ended.slice(0, most - live.length)].toReversed().map((at) => this.#read(at));
  }

  withAddress(address: Uint8Array, most: number): Sighting[] {
    const place = placeOf(address, 0) & (this.#places.length - 1);
    const found: Sighting[] = [];
    const enough = this.compared + MOST_COMPARED;
    let position = this.#places[place]!;
    while (position >= this.#tail && found.length < most && this.compared < enough) {
      const at = position % this.#bytes.length;
      if (this.#holds(at, address))
        found.push({ name: this.#nameAt(at), expiryMs: this.#view.getFloat64(at + EXPIRY) });
      position = this.#before(position, place);
    }
    return found;
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
    this.compared += count;
    let from = this.#addressesAt(at);
    for (let n = 0; n < count; n++, from += ADDRESS_BYTES) {
      let i = ADDRESS_BYTES - 1; // from the end: the beginnings of IPv4 addresses are all the same
      while (i >= 0 && this.#bytes[from + i] === address[i]) i--;
      if (i < 0) return true;
    }
    return false;
  }

  /** Makes the entry at the head the latest of its addresses' places, each leading to the one before by its distance; 0: to none. */
  #link(at: number): void {
    const count = this.#view.getUint16(at + COUNT);
    const from = this.#addressesAt(at);
    const links = from + count * ADDRESS_BYTES;
    for (let n = 0; n < count; n++) {
      const place = placeOf(this.#bytes, from + n * ADDRESS_BYTES) & (this.#places.length - 1);
      const distance = this.#head - this.#places[place]!;
      // Also 0 for the second address of one place in this entry: the first leads on for both.
      this.#view.setUint32(links + n * LINK_BYTES, distance > this.#head - this.#tail ? 0 : distance);
      this.#places[place] = this.#head;
    }
  }

  /** Position of the entry before in this place; -1: there is none. */
  #before(position: number, place: number): number {
    const at = position % this.#bytes.length;
    const count = this.#view.getUint16(at + COUNT);
    const from = this.#addressesAt(at);
    for (let n = 0; n < count; n++) {
      if ((placeOf(this.#bytes, from + n * ADDRESS_BYTES) & (this.#places.length - 1)) !== place) continue;
      const distance = this.#view.getUint32(from + count * ADDRESS_BYTES + n * LINK_BYTES);
      return distance === 0 ? -1 : position - distance;
    }
    return -1;
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
    this.#places = placesFor(this.#bytes.length);
    const noted: Kept = { bytes: old, nameAt: 0, nameBytes: 0, addressesAt: 0, addressCount: 0, expiryMs: 0 };
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
    const from = this.#addressesAt(at);
    return {
      name: this.#nameAt(at),
      addresses: this.#bytes.slice(from, from + this.#view.getUint16(at + COUNT) * ADDRESS_BYTES),
      expiryMs: this.#view.getFloat64(at + EXPIRY),
    };
  }

  #nameAt(at: number): Uint8Array {
    return this.#bytes.slice(at + HEAD_BYTES, this.#addressesAt(at));
  }

  #addressesAt(at: number): number {
    return at + HEAD_BYTES + this.#view.getUint8(at + NAME_BYTES);
  }

  /** Bytes of the entry at `at`; 0 for the rest of the buffer that was too short for one. */
  #lengthAt(at: number): number {
    if (at + HEAD_BYTES > this.#bytes.length) return 0;
    const nameBytes = this.#view.getUint8(at + NAME_BYTES);
    return nameBytes === 0 ? 0 : lengthOf(this.#view.getUint16(at + COUNT), nameBytes);
  }

  #hasAddresses(at: number, { bytes, addressesAt, addressCount }: Kept): boolean {
    if (this.#view.getUint16(at + COUNT) !== addressCount) return false;
    const from = this.#addressesAt(at);
    const length = addressCount * ADDRESS_BYTES;
    for (let i = 0; i < length; i++) if (this.#bytes[from + i] !== bytes[addressesAt + i]) return false;
    return true;
  }
}

function lengthOf(addresses: number, nameBytes: number): number {
  return (HEAD_BYTES + nameBytes + addresses * (ADDRESS_BYTES + LINK_BYTES) + 7) & ~7;
}

/** `ringBytes` is a power of two, and so is the number of places. */
function placesFor(ringBytes: number): Float64Array<ArrayBuffer> {
  return new Float64Array(ringBytes / BYTES_PER_PLACE).fill(Number.NEGATIVE_INFINITY);
}

/** A hash of the 16 bytes at `at`. Not keyed: who makes addresses collide makes only its own lookups harder to find. */
function placeOf(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let i = at; i < at + ADDRESS_BYTES; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

/** Names and addresses are short: a loop beats TypedArray.set with its subarray object. */
function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}
