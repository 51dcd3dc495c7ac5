// Answers as they came from upstream, made ready to be copied into replies, and the cache that keeps them while they are valid. All of them
// stand in one block of memory as a log: putting an answer is a copy and no object. What is overwritten is what nobody asked for longest, of
// those who have more than their share; what the others brought goes to the front instead while it is valid.
import type { AnswerDraft, AnswerKey, DraftBody } from './answer-draft.ts';
import { CacheShares } from './cache-shares.ts';
import { EntryLog } from './entry-log.ts';

/** Bytes of all cached answers; the bar is 50,000 names (design §10), an answer of four addresses behind two aliases takes about 500. */
const CACHE_BYTES = 32 * 1024 * 1024;
/** Answers that are not kept for others live here until their slots are answered, within their turn. */
const PASSING_BYTES = 2 * 1024 * 1024;
/** The part of the cache that is kept free before its head, so that moving what stays never waits for room. */
const GAP = 1 / 16;
/**
 * Bytes of old entries looked at for each byte that is put, at most: nobody waits for the moving of all that stays. It is half of the cache at
 * most (cache-shares.ts) and costs half of the gap then, which what goes gives back.
 */
const SWEPT_PER_BYTE = 16;
/** Chains of the index: about as many as answers of the usual size. */
const CHAINS = 1 << 17;

export const NO_ANSWER = -1;

// The head of an answer, 64 bytes on a 64 byte boundary: one line of the processor's cache says whether it is the one and what is in it.
const HEAD_BYTES = 64;
// In units of 8 bytes from its begin:
const STORED_MS = 0;
const EXPIRY_MS = 1;
const NOTED_UNTIL_MS = 2;
// In units of 4 bytes:
const HASH = 6;
const NEXT = 7;
const NOTED_FOR = 8;
const TTL_SECONDS = 9;
const LENGTH = 10; // of the whole entry; 0 marks the rest of the block that was too short for one
const OWNER = 11; // index of the pod that pays for it; NOBODY: it is not in the index
// In units of 2 bytes:
const QTYPE = 24;
const RCODE = 25;
const ADDRESSES = 26;
const WITHHELD = 27; // and whether it was capped
const PLAIN_BYTES = 28;
const PLAIN_TTLS = 29;
const JUDGED_BYTES = 30; // 0: the plain one is shown
const JUDGED_TTLS = 31;
// Behind the head: length of the name, flags; the name; then, on even offsets, addresses, TTL offsets and body of plain, of judged.
const NAME_BYTES_AT = HEAD_BYTES;
const FLAGS_AT = HEAD_BYTES + 1;
const NAME_AT = HEAD_BYTES + 2;
const ADDRESS_BYTES = 16;
const NOBODY = -1;
/** Above every count of addresses. */
const CAPPED = 0x8000;

export class AnswerStore {
  /** The block; names, addresses and bodies are read out of it at the offsets that the methods give. */
  readonly bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #chains = new Int32Array(CHAINS).fill(NO_ANSWER);
  readonly #cache: EntryLog;
  readonly #gapBytes: number;
  readonly #shares: CacheShares;
  readonly #passing: EntryLog;
  #size = 0;

  constructor(cacheBytes = CACHE_BYTES) {
    const buffer = new ArrayBuffer(cacheBytes + PASSING_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#times = new Float64Array(buffer);
    this.#cache = new EntryLog(0, cacheBytes);
    this.#gapBytes = cacheBytes * GAP;
    this.#shares = new CacheShares(cacheBytes);
    this.#passing = new EntryLog(cacheBytes, PASSING_BYTES);
  }

  /** Cached answers, expired ones that were not overwritten yet included. */
  get size(): number {
    return this.#size;
  }

  /**
   * The valid answer to the question, or NO_ANSWER. An answer of the older half is moved to the front of the log: what is asked for stays, and
   * what was found in this turn is not overwritten in it.
   */
  find(key: AnswerKey, nowMs: number): number {
    const answer = this.#lookUp(key);
    if (answer === NO_ANSWER || this.#times[(answer >> 3) + EXPIRY_MS]! <= nowMs) return NO_ANSWER;
    if (this.#words[(answer >> 2) + OWNER] !== key.pod) this.#adopt(answer, key.pod);
    return this.#cache.isOld(answer) ? this.#refresh(answer, nowMs) : answer;
  }

  /** Keeps the answer for whoever asks the same; in the place of an earlier one. NO_ANSWER when it is too large for that. */
  keep(key: AnswerKey, draft: AnswerDraft): number {
    const length = lengthOf(key, draft);
    if (length > this.#cache.capacity / 4) return this.pass(key, draft);
    const earlier = this.#lookUp(key);
    if (earlier !== NO_ANSWER) this.#unlink(earlier);
    const at = this.#reserve(this.#cache, length);
    this.#write(at, length, key, draft);
    this.#link(at, key.pod);
    this.#sweep(length, draft.storedMs);
    return at;
  }

  /** Holds the answer until its slots are answered, in this turn. NO_ANSWER when it is too large. */
  pass(key: AnswerKey, draft: AnswerDraft): number {
    const length = lengthOf(key, draft);
    if (length > this.#passing.capacity / 4) return NO_ANSWER;
    const at = this.#reserve(this.#passing, length);
    this.#write(at, length, key, draft);
    return at;
  }

  /** Distinguishes the answer from what may stand in its place later. */
  serial(answer: number): number {
    return (answer < this.#cache.capacity ? this.#cache : this.#passing).laps(answer);
  }

  rcode(answer: number): number {
    return this.#halves[(answer >> 1) + RCODE]!;
  }

  ttlSeconds(answer: number): number {
    return this.#words[(answer >> 2) + TTL_SECONDS]!;
  }

  storedMs(answer: number): number {
    return this.#times[(answer >> 3) + STORED_MS]!;
  }

  /** From then on it is not found any more. */
  expiryMs(answer: number): number {
    return this.#times[(answer >> 3) + EXPIRY_MS]!;
  }

  withheld(answer: number): number {
    return this.#halves[(answer >> 1) + WITHHELD]! & ~CAPPED;
  }

  /** Whether it had more addresses than an answer may have. */
  isCapped(answer: number): boolean {
    return (this.#halves[(answer >> 1) + WITHHELD]! & CAPPED) !== 0;
  }

  nameAt(answer: number): number {
    return answer + NAME_AT;
  }

  nameBytes(answer: number): number {
    return this.bytes[answer + NAME_BYTES_AT]!;
  }

  addressCount(answer: number): number {
    return this.#halves[(answer >> 1) + ADDRESSES]!;
  }

  addressesAt(answer: number): number {
    return even(answer + NAME_AT + this.bytes[answer + NAME_BYTES_AT]!);
  }

  /** Whether the lookup of this by pod `podId` was remembered until then: spares the hit path a look-up (admit.ts). */
  isNoted(answer: number, podId: number, untilMs: number): boolean {
    const noted = this.#words[(answer >> 2) + NOTED_FOR]! >>> 0;
    return noted === podId && this.#times[(answer >> 3) + NOTED_UNTIL_MS]! >= untilMs;
  }

  setNoted(answer: number, podId: number, untilMs: number): void {
    this.#words[(answer >> 2) + NOTED_FOR] = podId;
    this.#times[(answer >> 3) + NOTED_UNTIL_MS] = untilMs;
  }

  /** Length of the body that a client is shown: the judged one where a rule grants the name, else the plain one. */
  bodyBytes(answer: number, isJudged: boolean): number {
    return this.#halves[(answer >> 1) + (this.#hasJudged(answer, isJudged) ? JUDGED_BYTES : PLAIN_BYTES)]!;
  }

  ttlCount(answer: number, isJudged: boolean): number {
    return this.#halves[(answer >> 1) + (this.#hasJudged(answer, isJudged) ? JUDGED_TTLS : PLAIN_TTLS)]!;
  }

  /** Where TTL `i` stands in the body. */
  ttlOffset(answer: number, isJudged: boolean, i: number): number {
    return this.#halves[(this.#offsetsAt(answer, isJudged) >> 1) + i]!;
  }

  bodyAt(answer: number, isJudged: boolean): number {
    return this.#offsetsAt(answer, isJudged) + 2 * this.ttlCount(answer, isJudged);
  }

  #hasJudged(answer: number, isJudged: boolean): boolean {
    return isJudged && this.#halves[(answer >> 1) + JUDGED_BYTES] !== 0;
  }

  #offsetsAt(answer: number, isJudged: boolean): number {
    const half = answer >> 1;
    const plain = this.addressesAt(answer) + ADDRESS_BYTES * this.#halves[half + ADDRESSES]!;
    if (!this.#hasJudged(answer, isJudged)) return plain;
    return even(plain + 2 * this.#halves[half + PLAIN_TTLS]! + this.#halves[half + PLAIN_BYTES]!);
  }

  #lookUp(key: AnswerKey): number {
    let answer = this.#chains[key.hash & (CHAINS - 1)]!;
    while (answer !== NO_ANSWER && !this.#isAnswerTo(answer, key)) answer = this.#words[(answer >> 2) + NEXT]!;
    return answer;
  }

  #isAnswerTo(answer: number, { hash, name, nameAt, nameBytes, qtype, flags }: AnswerKey): boolean {
    const { bytes } = this;
    if (this.#words[(answer >> 2) + HASH] !== hash || this.#halves[(answer >> 1) + QTYPE] !== qtype) return false;
    if (bytes[answer + NAME_BYTES_AT] !== nameBytes || bytes[answer + FLAGS_AT] !== flags) return false;
    const at = answer + NAME_AT;
    for (let i = 0; i < nameBytes; i++) if (bytes[at + i] !== name[nameAt + i]) return false;
    return true;
  }

  /** What belongs to a pod that has too much is the asker's from now on, if it has room for it: what is asked for outlives a flood. */
  #adopt(answer: number, pod: number): void {
    const at = (answer >> 2) + OWNER;
    const length = this.#words[(answer >> 2) + LENGTH]!;
    const owner = this.#words[at]!;
    if (this.#shares.isWithin(owner) || !this.#shares.hasRoom(pod, length)) return;
    this.#shares.remove(owner, length);
    this.#shares.add(pod, length);
    this.#words[at] = pod;
  }

  #refresh(answer: number, nowMs: number): number {
    const at = this.#moveToFront(answer);
    this.#sweep(this.#words[(at >> 2) + LENGTH]!, nowMs);
    return at;
  }

  #moveToFront(answer: number): number {
    const length = this.#words[(answer >> 2) + LENGTH]!;
    const owner = this.#words[(answer >> 2) + OWNER]!;
    this.#unlink(answer);
    const at = this.#reserve(this.#cache, length);
    this.bytes.copyWithin(at, answer, answer + length);
    this.#link(at, owner);
    return at;
  }

  /** After `put` bytes were put: widens the gap before the head again. */
  #sweep(put: number, nowMs: number): void {
    const log = this.#cache;
    for (let left = SWEPT_PER_BYTE * put; left > 0 && log.free < this.#gapBytes;) {
      const { oldest } = log;
      const length = this.#words[(oldest >> 2) + LENGTH]!;
      if (length > 0) {
        if (this.#stays(oldest, length, nowMs)) this.#moveToFront(oldest);
        else this.#unlink(oldest);
      }
      log.drop(length);
      left -= length;
    }
  }

  /** Whether an entry outlives its place: it is valid and its pod has no more than its share. */
  #stays(entry: number, length: number, nowMs: number): boolean {
    const owner = this.#words[(entry >> 2) + OWNER]!;
    if (owner === NOBODY || this.#times[(entry >> 3) + EXPIRY_MS]! <= nowMs || !this.#shares.isWithin(owner))
      return false;
    return this.#cache.restTooShortFor(length) + length <= this.#cache.free;
  }

  /** Room for an entry at the head of `log`, in one piece: what stands there goes. */
  #reserve(log: EntryLog, length: number): number {
    const rest = log.restTooShortFor(length);
    while (log.free < rest + length) {
      const { oldest } = log;
      const taken = this.#words[(oldest >> 2) + LENGTH]!;
      if (taken > 0 && log === this.#cache) this.#unlink(oldest);
      log.drop(taken);
    }
    if (rest > 0) this.#words[(log.take(rest) >> 2) + LENGTH] = 0;
    return log.take(length);
  }

  #write(at: number, length: number, key: AnswerKey, draft: AnswerDraft): void {
    const words = at >> 2;
    const halves = at >> 1;
    this.#times[(at >> 3) + STORED_MS] = draft.storedMs;
    this.#times[(at >> 3) + EXPIRY_MS] = draft.expiryMs;
    this.#times[(at >> 3) + NOTED_UNTIL_MS] = 0;
    this.#words[words + HASH] = key.hash;
    this.#words[words + NOTED_FOR] = 0;
    this.#words[words + TTL_SECONDS] = draft.ttlSeconds;
    this.#words[words + LENGTH] = length;
    this.#words[words + OWNER] = NOBODY;
    this.#halves[halves + QTYPE] = key.qtype;
    this.#halves[halves + RCODE] = draft.rcode;
    this.#halves[halves + ADDRESSES] = draft.addressCount;
    this.#halves[halves + WITHHELD] = draft.withheld | (draft.capped > 0 ? CAPPED : 0);
    this.#halves[halves + PLAIN_BYTES] = draft.plain.length;
    this.#halves[halves + PLAIN_TTLS] = draft.plain.ttls;
    this.#halves[halves + JUDGED_BYTES] = draft.isShownWhole ? 0 : draft.judged.length;
    this.#halves[halves + JUDGED_TTLS] = draft.isShownWhole ? 0 : draft.judged.ttls;
    this.bytes[at + NAME_BYTES_AT] = key.nameBytes;
    this.bytes[at + FLAGS_AT] = key.flags;
    copy(key.name, key.nameAt, this.bytes, at + NAME_AT, key.nameBytes);
    copy(draft.addresses, 0, this.bytes, this.addressesAt(at), draft.addressCount * ADDRESS_BYTES);
    this.#writeBody(this.#offsetsAt(at, false), draft.plain);
    if (!draft.isShownWhole) this.#writeBody(this.#offsetsAt(at, true), draft.judged);
  }

  #writeBody(at: number, { bytes, length, ttlOffsets, ttls }: DraftBody): void {
    for (let i = 0; i < ttls; i++) this.#halves[(at >> 1) + i] = ttlOffsets[i]!;
    copy(bytes, 0, this.bytes, at + 2 * ttls, length);
  }

  #link(answer: number, pod: number): void {
    const words = answer >> 2;
    const chain = this.#words[words + HASH]! & (CHAINS - 1);
    this.#words[words + NEXT] = this.#chains[chain]!;
    this.#words[words + OWNER] = pod;
    this.#shares.add(pod, this.#words[words + LENGTH]!);
    this.#chains[chain] = answer;
    this.#size++;
  }

  /** Takes it out of its chain, if it is in it: one that was replaced or moved stays in the log until it is overwritten. */
  #unlink(answer: number): void {
    const words = answer >> 2;
    const owner = this.#words[words + OWNER]!;
    if (owner === NOBODY) return;
    this.#words[words + OWNER] = NOBODY;
    this.#shares.remove(owner, this.#words[words + LENGTH]!);
    this.#size--;
    const chain = this.#words[words + HASH]! & (CHAINS - 1);
    const next = this.#words[words + NEXT]!;
    let at = this.#chains[chain]!;
    if (at === answer) this.#chains[chain] = next;
    else {
      while (this.#words[(at >> 2) + NEXT] !== answer) at = this.#words[(at >> 2) + NEXT]!;
      this.#words[(at >> 2) + NEXT] = next;
    }
  }
}

function lengthOf(key: AnswerKey, { plain, judged, isShownWhole, addressCount }: AnswerDraft): number {
  const addresses = even(NAME_AT + key.nameBytes) + ADDRESS_BYTES * addressCount;
  const bodies = even(2 * plain.ttls + plain.length) + (isShownWhole ? 0 : 2 * judged.ttls + judged.length);
  return (addresses + bodies + HEAD_BYTES - 1) & -HEAD_BYTES;
}

function even(at: number): number {
  return (at + 1) & ~1;
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}

/** Milliseconds for which the judged body stays valid; its TTL when it is sent is the whole seconds of this. */
export function remainingMs(store: AnswerStore, answer: number, nowMs: number): number {
  return Math.max(0, store.ttlSeconds(answer) * 1000 - (nowMs - store.storedMs(answer)));
}

/**
 * Seconds to take from each TTL, rounded up: a TTL rounded up instead would outlive by up to a second the grant that is counted exactly,
 * and every hit would have to renew it.
 */
export function ageSeconds(store: AnswerStore, answer: number, nowMs: number): number {
  return Math.ceil((nowMs - store.storedMs(answer)) / 1000);
}
