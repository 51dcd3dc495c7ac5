// Answers as they came from upstream, made ready to be copied into replies, and the cache that keeps them while they are valid.
// Full: the least recently used go first (lru-cache), by bytes and by number.
import { LRUCache } from 'lru-cache';

/** A reply without id, OPT and casing: patched while it is copied out. */
export interface ReplyBody {
  /** Header, question, records. Pointers are relative to its begin. */
  readonly bytes: Uint8Array;
  /** Where TTLs stand in `bytes`, and what each was when the answer arrived, seconds. */
  readonly ttlOffsets: Uint16Array;
  readonly ttls: Uint32Array;
}

export interface StoredAnswer {
  /** Folded wire name and type that this answers: a hash alone does not identify it. */
  readonly name: Uint8Array;
  readonly qtype: number;
  readonly dnssecOk: number;
  readonly checkingDisabled: number;
  readonly rcode: number;
  /** For names that may only be asked: what upstream said, whole. */
  readonly plain: ReplyBody;
  /** For names that a rule grants: the unbroken chain and its admissible addresses, nothing else (I3). */
  readonly judged: ReplyBody;
  /** The addresses of `judged`, 16 bytes each. */
  readonly addresses: Uint8Array;
  /** Addresses that were withheld because they lie in a never-granted range. */
  readonly withheld: number;
  /** Minimum over the chain and its addresses, seconds as received. */
  readonly ttlSeconds: number;
  /** The pod (id) whose lookup of this was remembered last, and until when: spares the hit path a look-up (admit.ts). */
  notedFor: number;
  notedUntilMs: number;
  readonly storedMs: number;
  readonly expiryMs: number;
}

/** Milliseconds for which the judged body stays valid; its TTL when it is sent is the whole seconds of this. */
export function remainingMs(answer: StoredAnswer, nowMs: number): number {
  return Math.max(0, answer.ttlSeconds * 1000 - (nowMs - answer.storedMs));
}

/**
 * Seconds to take from each TTL, rounded up: a TTL rounded up instead would outlive by up to a second the grant that is counted exactly,
 * and every hit would have to renew it.
 */
export function ageSeconds(answer: StoredAnswer, nowMs: number): number {
  return Math.ceil((nowMs - answer.storedMs) / 1000);
}

/** 64 MB by the estimate below; the bar is 50,000 cached names (design §10). */
const CACHE_BYTES = 64 * 1024 * 1024;
const CACHE_ENTRIES = 50_000;
/** Heap bytes of an entry besides its messages: an estimate of its objects and typed array headers. */
const ENTRY_OVERHEAD_BYTES = 700;

export class AnswerStore {
  readonly #cache = new LRUCache<number, StoredAnswer>({
    max: CACHE_ENTRIES,
    maxSize: CACHE_BYTES,
    sizeCalculation: sizeOf,
  });

  get size(): number {
    return this.#cache.size;
  }

  /** The valid answer under `key` (an int32 hash; the caller compares name and type), or undefined. */
  get(key: number, nowMs: number): StoredAnswer | undefined {
    const answer = this.#cache.get(key);
    return answer !== undefined && answer.expiryMs > nowMs ? answer : undefined;
  }

  put(key: number, answer: StoredAnswer): void {
    this.#cache.set(key, answer);
  }
}

function sizeOf(answer: StoredAnswer): number {
  const { plain, judged, addresses } = answer;
  const judgedBytes = judged === plain ? 0 : judged.bytes.length + judged.ttls.length * 6;
  return ENTRY_OVERHEAD_BYTES + plain.bytes.length + plain.ttls.length * 6 + judgedBytes + addresses.length;
}
