// Stage 4a: is there a valid answer already? What it grants is judged afterwards exactly as if it had just arrived (I4).
import { FLAG } from '../dns/codes.ts';
import { equalNames } from '../dns/name.ts';
import type { Plane } from './plane.ts';
import type { StoredAnswer } from './state/answer-store.ts';
import { NAME_BYTES } from './state/query-slots.ts';

/** The cached answer to the slot's question, or undefined. DO and CD are part of the question (RFC 4035 §3.2, R12). */
export function answerFromCache(plane: Plane, slot: number): StoredAnswer | undefined {
  const answer = plane.store.get(cacheKey(plane, slot), plane.nowMs);
  return answer !== undefined && isAnswerTo(plane, slot, answer) ? answer : undefined;
}

/** Hash of everything that makes two questions the same. */
export function cacheKey(plane: Plane, slot: number): number {
  const { slots } = plane;
  const checkingDisabled = (slots.flags[slot]! & FLAG.CD) !== 0 ? 2 : 0;
  return slots.hash[slot]! ^ Math.imul(slots.dnssecOk[slot]! + checkingDisabled, 0x85ebca6b);
}

function isAnswerTo(plane: Plane, slot: number, answer: StoredAnswer): boolean {
  const { slots } = plane;
  const length = slots.qnameLength[slot]!;
  return (
    answer.qtype === slots.qtype[slot] &&
    answer.dnssecOk === slots.dnssecOk[slot] &&
    answer.checkingDisabled === ((slots.flags[slot]! & FLAG.CD) !== 0 ? 1 : 0) &&
    answer.name.length === length &&
    equalNames(answer.name, 0, slots.folded, slot * NAME_BYTES, length)
  );
}
