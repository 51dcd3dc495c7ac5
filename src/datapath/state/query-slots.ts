// Every query between its arrival and its reply has a slot: parallel arrays, so that nothing is allocated per query.
// Full: the query is answered SERVFAIL at once and counted (queries_over_budget).

/** Where a slot stands. The way is Free → Judging → (Upstream →) (Commit →) Free. */
export const STATE = { Free: 0, Judging: 1, Upstream: 2, Commit: 3 } as const;

export const NAME_BYTES = 256;
/** Name, type and class, rounded up. */
export const QUESTION_BYTES = 264;
const ADDRESS_BYTES = 16;

/** Questions sent upstream for one query at most: over UDP, and then again over TCP when an answer was truncated or a connection broke. */
export const DATAGRAM_ATTEMPTS = 3;
export const ATTEMPTS = 5;

/** In `stream`: the query came by UDP. */
export const BY_DATAGRAM = -1;

/** 16,384: at 2 s of patience with upstreams that is 8,000 unanswered queries/s; 7 MB. */
export const SLOTS = 16_384;
export const NO_SLOT = -1;

export class QuerySlots {
  readonly capacity: number;
  readonly state: Uint8Array;
  readonly listener: Uint8Array;
  readonly clientAddress: Uint8Array;
  readonly clientPort: Uint16Array;
  /** The client's TCP connection and its serial (client-streams.ts), or BY_DATAGRAM. */
  readonly stream: Int16Array;
  readonly streamSerial: Uint32Array;
  readonly queryId: Uint16Array;
  /** Header flags of the query as received (opcode, RD, AD, CD). */
  readonly flags: Uint16Array;
  /** The question as the client wrote it: name, type, class. */
  readonly question: Uint8Array;
  readonly folded: Uint8Array;
  readonly qnameLength: Uint8Array;
  readonly qtype: Uint16Array;
  readonly hasOpt: Uint8Array;
  /** What the client takes over UDP, at least 512. */
  readonly payloadBytes: Uint16Array;
  readonly dnssecOk: Uint8Array;
  /** Index into PodTable, and the pod's id as a check that the entry is still the same pod. */
  readonly pod: Int32Array;
  readonly podId: Uint32Array;
  /** Seeded hash of folded name and type: the key of cache, merging and verdicts. */
  readonly hash: Int32Array;
  readonly receivedMs: Float64Array;
  /** AUDIT_FLAG bits of how it was answered. */
  readonly auditFlags: Uint8Array;
  /** Questions sent upstream for this slot; 0 for one that waits for another's. */
  readonly attempts: Uint8Array;
  /** The upstream server of the current attempt. */
  readonly server: Uint8Array;
  /** 1: it is asked over TCP. */
  readonly isByStream: Uint8Array;
  /** 1: the current attempt has no OPT. */
  readonly isPlain: Uint8Array;
  /** Socket and id of each attempt, at slot × ATTEMPTS + attempt: an answer to an earlier one is as good. Socket -1: none. */
  readonly socket: Int16Array;
  readonly upstreamId: Uint16Array;
  /** Next slot that waits for the same answer, or NO_SLOT. */
  readonly nextWaiter: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;

  constructor(capacity = SLOTS) {
    this.capacity = capacity;
    this.state = new Uint8Array(capacity);
    this.listener = new Uint8Array(capacity);
    this.clientAddress = new Uint8Array(capacity * ADDRESS_BYTES);
    this.clientPort = new Uint16Array(capacity);
    this.stream = new Int16Array(capacity).fill(BY_DATAGRAM);
    this.streamSerial = new Uint32Array(capacity);
    this.queryId = new Uint16Array(capacity);
    this.flags = new Uint16Array(capacity);
    this.question = new Uint8Array(capacity * QUESTION_BYTES);
    this.folded = new Uint8Array(capacity * NAME_BYTES);
    this.qnameLength = new Uint8Array(capacity);
    this.qtype = new Uint16Array(capacity);
    this.hasOpt = new Uint8Array(capacity);
    this.payloadBytes = new Uint16Array(capacity);
    this.dnssecOk = new Uint8Array(capacity);
    this.pod = new Int32Array(capacity);
    this.podId = new Uint32Array(capacity);
    this.hash = new Int32Array(capacity);
    this.receivedMs = new Float64Array(capacity);
    this.auditFlags = new Uint8Array(capacity);
    this.attempts = new Uint8Array(capacity);
    this.server = new Uint8Array(capacity);
    this.isByStream = new Uint8Array(capacity);
    this.isPlain = new Uint8Array(capacity);
    this.socket = new Int16Array(capacity * ATTEMPTS).fill(-1);
    this.upstreamId = new Uint16Array(capacity * ATTEMPTS);
    this.nextWaiter = new Int32Array(capacity).fill(NO_SLOT);
    this.#free = new Int32Array(capacity);
    this.#freeCount = capacity;
    // The lowest slots are handed out first, so that a lightly loaded node touches little memory.
    for (let i = 0; i < capacity; i++) this.#free[i] = capacity - 1 - i;
  }

  get inUse(): number {
    return this.capacity - this.#freeCount;
  }

  /** A free slot, now Judging; or NO_SLOT. */
  take(): number {
    if (this.#freeCount === 0) return NO_SLOT;
    const slot = this.#free[--this.#freeCount]!;
    this.state[slot] = STATE.Judging;
    this.attempts[slot] = 0;
    this.stream[slot] = BY_DATAGRAM;
    this.isByStream[slot] = 0;
    this.isPlain[slot] = 0;
    this.auditFlags[slot] = 0;
    this.nextWaiter[slot] = NO_SLOT;
    return slot;
  }

  release(slot: number): void {
    if (this.state[slot] === STATE.Free) return; // twice would hand the slot to two queries
    this.state[slot] = STATE.Free;
    this.#free[this.#freeCount++] = slot;
  }
}
