// Stage 4a: is there a valid answer already, or has the question just failed? What an answer grants is judged afterwards exactly as if it had
// just arrived (I4).
import { FLAG, RCODE } from '../dns/codes.ts';
import type { Plane } from './plane.ts';
import type { AnswerKey } from './state/answer-draft.ts';
import { NAME_BYTES } from './state/query-slots.ts';
import { NO_SERVER } from './state/upstream-servers.ts';

/** The cached answer to the slot's question, or NO_ANSWER. */
export function answerFromCache(plane: Plane, slot: number): number {
  return plane.store.find(keyOf(plane, slot), plane.nowMs);
}

/** The failure that the slot's question is answered with for now, or NO_FAILURE. */
export function failureFromCache(plane: Plane, slot: number): number {
  return plane.failures.find(keyOf(plane, slot), plane.nowMs);
}

/** The slot's question has failed with `rcode` at every server: nobody asks it again for a moment. A zone without servers has not failed. */
export function keepFailure(plane: Plane, slot: number, rcode: number, reason: number): void {
  const { slots, upstreams, failures, nowMs } = plane;
  const zone = upstreams.zoneOf(slots.folded, slot * NAME_BYTES, slots.qnameLength[slot]!);
  if (zone === undefined || zone.preferred === NO_SERVER) return;
  failures.keep(keyOf(plane, slot), { rcode, reason, askedMs: slots.receivedMs[slot]!, nowMs });
}

/** RFC 9520 §2: codes besides SERVFAIL that say something about the server, whatever the name. They are passed on. */
export function isRefusedAnyway(rcode: number): boolean {
  return rcode === RCODE.Refused || rcode === RCODE.FormErr || rcode === RCODE.NotImp;
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
  key.pod = slots.pod[slot]!;
  return key;
}

/** DO and CD are part of the question (RFC 4035 §3.2, R12). */
function keyFlags({ slots }: Plane, slot: number): number {
  return slots.dnssecOk[slot]! + ((slots.flags[slot]! & FLAG.CD) !== 0 ? 2 : 0);
}
