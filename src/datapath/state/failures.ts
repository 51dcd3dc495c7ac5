// Questions that no upstream could answer, remembered for a moment (RFC 9520): who asks again meanwhile is told at once, and nothing goes
// upstream. Each hash has one place: another question's failure takes it over, and then the first is asked again.
import { equalNames } from '../../dns/name.ts';
import type { AnswerKey } from './answer-draft.ts';
import { NAME_BYTES } from './query-slots.ts';

/** 1.2 MB. */
const PLACES = 4096;
/** RFC 9520 §3.2: at least a second, longer each time; five minutes are its most, five seconds what a server that is back waits here (R25). */
const FIRST_MS = 1_000;
const LONGEST_MS = 5_000;
/** A failure this long after the end of the one before is one more in a row: three attempts take 3.6 s. */
const SOON_MS = 10_000;

export const NO_FAILURE = -1;

export class Failures {
  readonly #hash = new Int32Array(PLACES);
  readonly #names = new Uint8Array(PLACES * NAME_BYTES);
  readonly #nameBytes = new Uint8Array(PLACES);
  readonly #qtype = new Uint16Array(PLACES);
  readonly #flags = new Uint8Array(PLACES);
  readonly #rcode = new Uint8Array(PLACES);
  readonly #reason = new Uint8Array(PLACES);
  readonly #untilMs = new Float64Array(PLACES);
  /** How long it is remembered; 0: the place is free. */
  readonly #lastsMs = new Uint16Array(PLACES);
  #forgottenMs = Number.NEGATIVE_INFINITY;

  /** The failure that still answers the question, or NO_FAILURE. */
  find(key: AnswerKey, nowMs: number): number {
    const place = key.hash & (PLACES - 1);
    return this.#untilMs[place]! > nowMs && this.#isOf(place, key) ? place : NO_FAILURE;
  }

  rcode(failure: number): number {
    return this.#rcode[failure]!;
  }

  /** REASON of the audit: why it failed then. */
  reason(failure: number): number {
    return this.#reason[failure]!;
  }

  /** Remembers that a question which came at `askedMs` has failed. What was asked before the last `forget` says nothing about now. */
  keep(key: AnswerKey, { rcode, reason, askedMs, nowMs }: Failure): void {
    if (askedMs < this.#forgottenMs) return;
    const place = key.hash & (PLACES - 1);
    const isInARow = this.#isOf(place, key) && nowMs < this.#untilMs[place]! + SOON_MS;
    const lastsMs = isInARow ? Math.min(2 * this.#lastsMs[place]!, LONGEST_MS) : FIRST_MS;
    this.#hash[place] = key.hash;
    this.#nameBytes[place] = key.nameBytes;
    for (let i = 0; i < key.nameBytes; i++) this.#names[place * NAME_BYTES + i] = key.name[key.nameAt + i]!;
    this.#qtype[place] = key.qtype;
    this.#flags[place] = key.flags;
    this.#rcode[place] = rcode;
    this.#reason[place] = reason;
    this.#lastsMs[place] = lastsMs;
    this.#untilMs[place] = nowMs + lastsMs;
  }

  /** Everything may be different from now on. */
  forget(nowMs: number): void {
    this.#lastsMs.fill(0);
    this.#untilMs.fill(0);
    this.#forgottenMs = nowMs;
  }

  #isOf(place: number, { hash, name, nameAt, nameBytes, qtype, flags }: AnswerKey): boolean {
    if (this.#lastsMs[place] === 0 || this.#hash[place] !== hash || this.#qtype[place] !== qtype) return false;
    if (this.#flags[place] !== flags || this.#nameBytes[place] !== nameBytes) return false;
    return equalNames(this.#names, place * NAME_BYTES, name, nameAt, nameBytes);
  }
}

export interface Failure {
  /** What the client was told, 0 … 15. */
  readonly rcode: number;
  readonly reason: number;
  readonly askedMs: number;
  readonly nowMs: number;
}
