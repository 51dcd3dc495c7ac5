// An answer on its way into the store: what it says, and whose question it answers. Filled in by extract.ts and cache.ts, one instance of each
// reused; nothing in it outlives the call that stores it.

/** Says whose answer it is: what a hash alone does not. */
export interface AnswerKey {
  /** Hash of everything that makes two questions the same, int32. */
  readonly hash: number;
  /** The folded wire name: `name[nameAt .. nameAt + nameBytes − 1]`. */
  readonly name: Uint8Array;
  readonly nameAt: number;
  readonly nameBytes: number;
  readonly qtype: number;
  /** Bit 0: DO, bit 1: CD. */
  readonly flags: number;
  /** Index of the pod that asks: what is kept for it counts as its own. No part of the question. */
  readonly pod: number;
}

/** A message without id, OPT and casing: patched while it is copied out. Pointers are relative to its begin. */
export interface DraftBody {
  bytes: Uint8Array;
  length: number;
  /** Where TTLs stand in it; it holds them as they were when the answer arrived. */
  ttlOffsets: Uint16Array;
  ttls: number;
}

/** An answer before it is stored; one instance is reused. */
export interface AnswerDraft {
  rcode: number;
  /** For names that may only be asked: what upstream said, whole. */
  readonly plain: DraftBody;
  /** For names that a rule grants: the unbroken chain and its admissible addresses, nothing else (I3). */
  readonly judged: DraftBody;
  /** True when `judged` would be `plain`, and is not read. */
  isShownWhole: boolean;
  /** The addresses of `judged`, 16 bytes each. */
  addresses: Uint8Array;
  addressCount: number;
  /** Addresses that were withheld because they lie in a never-granted range. */
  withheld: number;
  /** Addresses beyond the most that an answer may have. */
  capped: number;
  /** Minimum over the chain and its addresses, seconds as received; of a negative answer without a chain, how long it is valid. */
  ttlSeconds: number;
  storedMs: number;
  expiryMs: number;
}

/** `bodyBytes`: room for each body; `records`: the most that an answer has. */
export function newDraft(bodyBytes: number, records: number): AnswerDraft {
  const newBody = (): DraftBody => ({
    bytes: new Uint8Array(bodyBytes),
    length: 0,
    ttlOffsets: new Uint16Array(records),
    ttls: 0,
  });
  return {
    rcode: 0,
    plain: newBody(),
    judged: newBody(),
    isShownWhole: false,
    addresses: new Uint8Array(records * 16),
    addressCount: 0,
    withheld: 0,
    capped: 0,
    ttlSeconds: 0,
    storedMs: 0,
    expiryMs: 0,
  };
}
