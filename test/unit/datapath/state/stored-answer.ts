// Answers of an AnswerStore as plain objects, and drafts of them: what the tests compare.
import type { AnswerDraft, AnswerKey, DraftBody } from '../../../../src/datapath/state/answer-draft.ts';
import type { AnswerStore } from '../../../../src/datapath/state/answer-store.ts';

export interface StoredBody {
  /** Where it stands in the store. */
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly ttlOffsets: readonly number[];
}

export interface StoredAnswer {
  readonly name: Uint8Array;
  readonly rcode: number;
  readonly plain: StoredBody;
  readonly judged: StoredBody;
  /** 16 bytes each. */
  readonly addresses: Uint8Array;
  readonly withheld: number;
  readonly isCapped: boolean;
  readonly ttlSeconds: number;
  readonly storedMs: number;
}

/** A copy of the answer at `answer`. */
export function readStored(store: AnswerStore, answer: number): StoredAnswer {
  const { bytes } = store;
  const cut = (at: number, length: number): Uint8Array => bytes.slice(at, at + length);
  const bodyOf = (isJudged: boolean): StoredBody => {
    const at = store.bodyAt(answer, isJudged);
    const ttlOffsets = Array.from({ length: store.ttlCount(answer, isJudged) }, (_, i) =>
      store.ttlOffset(answer, isJudged, i),
    );
    return { at, bytes: cut(at, store.bodyBytes(answer, isJudged)), ttlOffsets };
  };
  return {
    name: cut(store.nameAt(answer), store.nameBytes(answer)),
    rcode: store.rcode(answer),
    plain: bodyOf(false),
    judged: bodyOf(true),
    addresses: cut(store.addressesAt(answer), 16 * store.addressCount(answer)),
    withheld: store.withheld(answer),
    isCapped: store.isCapped(answer),
    ttlSeconds: store.ttlSeconds(answer),
    storedMs: store.storedMs(answer),
  };
}

/** A draft body that is longer than what counts of it, as the plane's are. */
export function draftBody(bytes: Uint8Array, ttlOffsets: readonly number[] = []): DraftBody {
  return {
    bytes: Uint8Array.from([...bytes, 0xee, 0xee]),
    length: bytes.length,
    ttlOffsets: Uint16Array.from([...ttlOffsets, 0xeeee]),
    ttls: ttlOffsets.length,
  };
}

/** An answer that is shown whole, with one address, stored at 1 s for 30 s. */
export function draftOf(changes: Partial<AnswerDraft> = {}): AnswerDraft {
  return {
    rcode: 0,
    plain: draftBody(new Uint8Array(60).fill(7), [20, 40]),
    judged: draftBody(new Uint8Array(0)),
    isShownWhole: true,
    addresses: new Uint8Array(32).fill(9),
    addressCount: 1,
    withheld: 0,
    capped: 0,
    ttlSeconds: 30,
    storedMs: 1_000,
    expiryMs: 31_000,
    ...changes,
  };
}

/** The key of a name in the middle of other bytes, as it stands in the query slots. */
export function keyOf(name: Uint8Array, hash = 1, { qtype = 1, flags = 0, pod = 0 } = {}): AnswerKey {
  return { hash, name: Uint8Array.from([0xee, ...name, 0xee]), nameAt: 1, nameBytes: name.length, qtype, flags, pod };
}
