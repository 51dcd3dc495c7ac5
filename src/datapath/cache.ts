// Stage 4a: is there a valid answer already? What it grants is judged afterwards exactly as if it had just arrived (I4).
import { FLAG } from '../dns/codes.ts';
import type { Plane } from './plane.ts';
import type { AnswerKey } from './state/answer-draft.ts';
import { NAME_BYTES } from './state/query-slots.ts';

/** The cached answer to the slot's question, or NO_ANSWER. */
export function answerFromCache(plane: Plane, slot: number): number {
  return plane.store.find(keyOf(plane, slot), plane.nowMs);
}

/** Hash of everything that makes two questions the same. */
export function cacheKey(plane: Plane, slot: number): number {
  return plane.slots.hash[slot]! ^ Math.imul(keyFlags(plane, slot), 0x85ebca6b);
}

/** The slot's question as the store knows it: one object, good until the next call. */
export function keyOf(plane: Plane, slot: number): AnswerKey {
  const { slots, key } = plane;
  key.hash = cacheKey(plane, slot);
  key.nameAt = slot * NAME_BYTES;
  key.nameBytes = slots.qnameLength[slot]!;
  key.qtype = slots.qtype[slot]!;
  key.flags = keyFlags(plane, slot);
  return key;
}

/** DO and CD are part of the question (RFC 4035 §3.2, R12). */
function keyFlags({ slots }: Plane, slot: number): number {
  return slots.dnssecOk[slot]! + ((slots.flags[slot]! & FLAG.CD) !== 0 ? 2 : 0);
}
  key.pod = slots.pod[slot]!;
