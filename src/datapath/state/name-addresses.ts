// Which addresses each name gave to each pod, and until when: of each name a pod keeps the newest MOST_OF_NAME (design §6), so that a name which
// answers with ever others does not open the whole network. Knows no grants: it says which address goes, and withdraw.ts takes it back.
import { ADDRESS_BYTES } from '../../base/ip.ts';
import { ChainedRecords, NONE } from './chained-records.ts';
import type { Noted } from './lookups.ts';

export const MOST_OF_NAME = 1_000;
/** Of all pods together: names, and pairs of a name and an address. What finds no room is not counted, and its grants end with their time. */
const PAIRS = 1 << 17;
const NAMES = 1 << 16;
/** Of #givers: two addresses seldom share one. */
const LEAST_PLACES = 1 << 10;
/** Pairs looked at for each address that is noted: what has ended is forgotten faster than others come. */
const SWEPT = 2;

// Words of a pair, from 1 on. The pairs of a name stand in the order in which they were given last.
const NAME = 1; // NONE: a free one
const OLDER = 2;
const NEWER = 3;
const ADDRESS = 4; // four words
// Words of a name:
const POD = 1; // -1: a free one
const HASH = 2;
const OLDEST = 3;
const NEWEST = 4;
const COUNT = 5;
const NEXT_OVER = 6; // among those with too many; UNLISTED: not one of them
const IS_PARTIAL = 7; // some of its addresses found no room
const UNLISTED = -1;

export class NameAddresses {
  /** What takeExcess took last: an address that the name with this hash gave this pod. */
  readonly taken = { pod: -1, hash: 0, address: new Uint8Array(ADDRESS_BYTES) };
  readonly #most: number;
  readonly #pairs: ChainedRecords;
  readonly #expiryMs: Float64Array;
  readonly #names: ChainedRecords;
  /** Of each name: before that none of its addresses ends. */
  readonly #endsMs: Float64Array;
  /** Pairs of any name, by pod and address: those of several addresses may be counted in one place. */
  readonly #givers: Int32Array;
  /** Until then something lives that found no room. */
  #uncountedMs = 0;
  readonly #wanted = new Int32Array(4);
  #sweepAt = 0;
  #firstOver = NONE;

  /** `pairs` and `names` are powers of two. */
  constructor({ most = MOST_OF_NAME, pairs = PAIRS, names = NAMES } = {}) {
    this.#most = most;
    this.#pairs = new ChainedRecords(pairs);
    this.#expiryMs = new Float64Array(pairs + 1);
    this.#names = new ChainedRecords(names);
    this.#endsMs = new Float64Array(names + 1);
    this.#givers = new Int32Array(Math.max(pairs, LEAST_PLACES));
  }

  /** The name gave the pod these addresses: from now on they are its newest. */
  note(pod: number, { nameHash, bytes, addressesAt, addressCount, expiryMs, nowMs }: Noted): void {
    if (addressCount === 0) return;
    this.#sweep(nowMs, SWEPT * addressCount);
    let name = this.#findName(pod, nameHash);
    if (name === NONE && !this.#pairs.isFull) name = this.#takeName(pod, nameHash);
    if (name === NONE) {
      this.#uncountedMs = Math.max(this.#uncountedMs, expiryMs);
      return;
    }
    for (let i = 0, at = addressesAt; i < addressCount; i++, at += ADDRESS_BYTES) this.#give(name, bytes, at, expiryMs);
    const { words } = this.#names;
    const at = this.#names.at(name);
    if (words[at + COUNT] === 0) return this.#releaseName(name); // no room for any
    if (words[at + COUNT]! <= this.#most || words[at + NEXT_OVER] !== UNLISTED) return;
    words[at + NEXT_OVER] = this.#firstOver;
    this.#firstOver = name;
  }

  /** False for an address that the name has given up, or never gave. True where nobody counted. */
  gives(pod: number, hash: number, address: Uint8Array, offset: number): boolean {
    const name = this.#findName(pod, hash);
    if (name === NONE || this.#names.words[this.#names.at(name) + IS_PARTIAL] !== 0) return true;
    return this.#findPair(name, address, offset) !== NONE;
  }

  /** True when it is certain that no name gives the pod this address. Spares asking the lookups. */
  isGivenByNone(pod: number, address: Uint8Array, nowMs: number): boolean {
    if (this.#uncountedMs > nowMs) return false;
    for (let w = 0; w < 4; w++) this.#wanted[w] = readWord(address, 4 * w);
    return this.#givers[this.#giverPlace(pod, this.#wanted, 0)] === 0;
  }

  /** Whether some name has too many. */
  get hasExcess(): boolean {
    return this.#firstOver !== NONE;
  }

  /** Takes the oldest address of a name that has too many, into `taken`. False when none has. */
  takeExcess(nowMs: number): boolean {
    const { words } = this.#names;
    while (this.#firstOver !== NONE) {
      const name = this.#firstOver;
      if (this.#endsMs[name]! <= nowMs) this.#dropEnded(name, nowMs);
      const at = this.#names.at(name);
      if (words[at + COUNT]! <= this.#most) {
        this.#unlistFirst();
        continue;
      }
      const pair = words[at + OLDEST]!;
      this.taken.pod = words[at + POD]!;
      this.taken.hash = words[at + HASH]!;
      for (let w = 0; w < 4; w++) {
        writeWord(this.taken.address, 4 * w, this.#pairs.words[this.#pairs.at(pair) + ADDRESS + w]!);
      }
      this.#removePair(pair);
      return true;
    }
    return false;
  }

  /** One scan of all names: for pods that are gone, not for queries. */
  forgetPod(pod: number): void {
    const { words } = this.#names;
    for (let name = 1; name <= this.#names.used; name++) {
      const at = this.#names.at(name);
      if (words[at + POD] !== pod) continue;
      words[at + IS_PARTIAL] = 0;
      this.#dropEnded(name, Infinity);
    }
  }

  #give(name: number, bytes: Uint8Array, offset: number, expiryMs: number): void {
    const { words } = this.#names;
    const at = this.#names.at(name);
    let pair = this.#findPair(name, bytes, offset);
    if (pair !== NONE) this.#unlink(pair);
    else pair = this.#takePair(name);
    if (pair === NONE) {
      words[at + IS_PARTIAL] = 1;
      this.#uncountedMs = Math.max(this.#uncountedMs, expiryMs);
      return;
    }
    this.#expiryMs[pair] = Math.max(this.#expiryMs[pair]!, expiryMs);
    this.#endsMs[name] = Math.min(this.#endsMs[name]!, this.#expiryMs[pair]!);
    const newest = words[at + NEWEST]!;
    const pairs = this.#pairs.words;
    pairs[this.#pairs.at(pair) + OLDER] = newest;
    pairs[this.#pairs.at(pair) + NEWER] = NONE;
    if (newest === NONE) words[at + OLDEST] = pair;
    else pairs[this.#pairs.at(newest) + NEWER] = pair;
    words[at + NEWEST] = pair;
    words[at + COUNT]!++;
  }

  /** Out of its name's order. */
  #unlink(pair: number): void {
    const { words } = this.#names;
    const pairs = this.#pairs.words;
    const at = this.#pairs.at(pair);
    const name = this.#names.at(pairs[at + NAME]!);
    const older = pairs[at + OLDER]!;
    const newer = pairs[at + NEWER]!;
    if (older === NONE) words[name + OLDEST] = newer;
    else pairs[this.#pairs.at(older) + NEWER] = newer;
    if (newer === NONE) words[name + NEWEST] = older;
    else pairs[this.#pairs.at(newer) + OLDER] = older;
    words[name + COUNT]!--;
  }

  #removePair(pair: number): void {
    const { words } = this.#pairs;
    const at = this.#pairs.at(pair);
    const name = words[at + NAME]!;
    this.#unlink(pair);
    this.#pairs.release(pair, this.#hashOfPair(name, words, at + ADDRESS));
    words[at + NAME] = NONE;
    this.#givers[this.#giverPlace(this.#podOf(name), words, at + ADDRESS)]!--;
    if (this.#names.words[this.#names.at(name) + COUNT] === 0) this.#releaseName(name);
  }

  /** One that is listed stays until its turn there. */
  #releaseName(name: number): void {
    const { words } = this.#names;
    const at = this.#names.at(name);
    if (words[at + NEXT_OVER] !== UNLISTED) return;
    this.#names.release(name, hashOfName(words[at + POD]!, words[at + HASH]!));
    words[at + POD] = -1;
  }

  #unlistFirst(): void {
    const { words } = this.#names;
    const name = this.#firstOver;
    const at = this.#names.at(name);
    this.#firstOver = words[at + NEXT_OVER]!;
    words[at + NEXT_OVER] = UNLISTED;
    if (words[at + COUNT] === 0) this.#releaseName(name);
  }

  #dropEnded(name: number, nowMs: number): void {
    let endsMs = Infinity;
    for (let pair = this.#names.words[this.#names.at(name) + OLDEST]!; pair !== NONE;) {
      const newer = this.#pairs.words[this.#pairs.at(pair) + NEWER]!;
      if (this.#expiryMs[pair]! <= nowMs) this.#removePair(pair);
      else endsMs = Math.min(endsMs, this.#expiryMs[pair]!);
      pair = newer;
    }
    this.#endsMs[name] = endsMs;
  }

  #sweep(nowMs: number, pairs: number): void {
    for (let i = 0; i < Math.min(pairs, this.#pairs.used); i++) {
      this.#sweepAt = this.#sweepAt >= this.#pairs.used ? 1 : this.#sweepAt + 1;
      const isUsed = this.#pairs.words[this.#pairs.at(this.#sweepAt) + NAME] !== NONE;
      if (isUsed && this.#expiryMs[this.#sweepAt]! <= nowMs) this.#removePair(this.#sweepAt);
    }
  }

  #takeName(pod: number, hash: number): number {
    const name = this.#names.take(hashOfName(pod, hash));
    if (name === NONE) return NONE;
    const { words } = this.#names;
    const at = this.#names.at(name);
    words[at + POD] = pod;
    words[at + HASH] = hash;
    words[at + NEXT_OVER] = UNLISTED;
    this.#endsMs[name] = Infinity;
    return name;
  }

  /** For the address that findPair did not find. */
  #takePair(name: number): number {
    const pair = this.#pairs.take(this.#hashOfPair(name, this.#wanted, 0));
    if (pair === NONE) return NONE;
    const at = this.#pairs.at(pair);
    this.#pairs.words[at + NAME] = name;
    for (let w = 0; w < 4; w++) this.#pairs.words[at + ADDRESS + w] = this.#wanted[w]!;
    this.#expiryMs[pair] = 0;
    this.#givers[this.#giverPlace(this.#podOf(name), this.#wanted, 0)]!++;
    return pair;
  }

  #findName(pod: number, hash: number): number {
    const { words } = this.#names;
    let name = this.#names.first(hashOfName(pod, hash));
    while (name !== NONE) {
      const at = this.#names.at(name);
      if (words[at + HASH] === (hash | 0) && words[at + POD] === pod) break;
      name = this.#names.next(name);
    }
    return name;
  }

  #findPair(name: number, bytes: Uint8Array, offset: number): number {
    for (let w = 0; w < 4; w++) this.#wanted[w] = readWord(bytes, offset + 4 * w);
    let pair = this.#pairs.first(this.#hashOfPair(name, this.#wanted, 0));
    while (pair !== NONE && !this.#isWanted(pair, name)) pair = this.#pairs.next(pair);
    return pair;
  }

  #isWanted(pair: number, name: number): boolean {
    const { words } = this.#pairs;
    const at = this.#pairs.at(pair);
    if (words[at + NAME] !== name) return false;
    for (let w = 3; w >= 0; w--) if (words[at + ADDRESS + w] !== this.#wanted[w]) return false;
    return true;
  }

  #podOf(name: number): number {
    return this.#names.words[this.#names.at(name) + POD]!;
  }

  #giverPlace(pod: number, words: Int32Array, at: number): number {
    let h = Math.imul(pod, 0x9e3779b1);
    for (let w = 3; w >= 0; w--) h = mix(h ^ words[at + w]!);
    return h & (this.#givers.length - 1);
  }

  /** The name's hash has a secret seed, and so has this one with it: an address alone does not choose its chain. */
  #hashOfPair(name: number, words: Int32Array, at: number): number {
    let h = this.#names.words[this.#names.at(name) + HASH]!;
    for (let w = 0; w < 4; w++) h = mix(h ^ words[at + w]!);
    return h;
  }
}

function hashOfName(pod: number, hash: number): number {
  return mix(hash ^ Math.imul(pod, 0x9e3779b1));
}

function readWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = word >>> (24 - 8 * i);
}

/** The finaliser of MurmurHash3: every bit of the input reaches every bit of the output. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
