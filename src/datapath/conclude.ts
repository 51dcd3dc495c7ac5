// The end of a slot's way: what its client is told, what the audit says, and the slot is free again. With loop.ts, serve.ts and pursue.ts the only
// place that calls stages.
import { AUDIT_FLAG, AUDIT_KIND, REASON } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Denial as Reply } from '../dns/build-reply.ts';
import { RCODE } from '../dns/codes.ts';
import { isService } from '../dns/svcb.ts';
import { audit } from './audit.ts';
import type { AuditDetail } from './audit.ts';
import { NOT_A_POD, PROTECTED, REMEMBERED } from './denials.ts';
import { handOver } from './dug.ts';
import type { Plane } from './plane.ts';
import { replyJudged, replyPlain, replyTruncated, replyWithout } from './reply.ts';
import { arePrivate } from './state/answer-ranges.ts';
import { NO_ANSWER } from './state/answer-store.ts';
import { NO_POD } from './state/pod-table.ts';
import { BY_DIG } from './state/query-slots.ts';

/** The answer, as the slot's verdict shows it; whatever it grants is in the kernel. */
export function conclude(plane: Plane, slot: number, answer: number): void {
  const { store } = plane;
  const verdict = plane.verdicts[slot]!;
  const detail = plane.detail.reset(AUDIT_KIND.Allowed, store.rcode(answer));
  detail.rule = verdict.rule;
  detail.ttlSeconds = store.ttlSeconds(answer);
  showAddresses(plane, detail, answer);
  if (verdict.classes.length === 0) {
    replyPlain(plane, slot, answer);
    return finish(plane, slot);
  }
  if (arePrivate(detail)) detail.flags = AUDIT_FLAG.Private;
  const isWithheld = store.withheld(answer) > 0;
  const isCapped = store.isCapped(answer);
  if ((isWithheld || isCapped) && isAudited(plane, slot))
    return concludeUnjudged(plane, slot, answer, REASON[isWithheld ? 'protected-address' : 'address-cap']);
  if (isWithheld) {
    detail.flags |= AUDIT_FLAG.Withheld;
    plane.count(COUNT.answers_withheld);
  }
  if (isCapped) {
    detail.flags |= AUDIT_FLAG.Capped;
    plane.count(COUNT.answers_capped);
  }
  // An HTTPS or SVCB record without its hints is an answer all the same.
  if (isWithheld && store.addressCount(answer) === 0 && !isService(plane.slots.qtype[slot]!)) {
    detail.reason = REASON['protected-address'];
    return finish(plane, slot, PROTECTED);
  }
  replyJudged(plane, slot, answer);
  finish(plane, slot);
}

/** A pod in audit mode, its own or of what isolates it, gets what upstream said without a grant: its packets pass the filter without one, too. */
export function concludeUnjudged(plane: Plane, slot: number, answer: number, reason: number): void {
  const { store } = plane;
  const detail = plane.detail.reset(AUDIT_KIND.Allowed, store.rcode(answer));
  detail.flags = AUDIT_FLAG.WouldDeny;
  detail.reason = reason;
  detail.rule = plane.verdicts[slot]!.rule;
  detail.ttlSeconds = store.ttlSeconds(answer);
  showAddresses(plane, detail, answer);
  replyPlain(plane, slot, answer);
  finish(plane, slot);
}

/** Its answer, if there is one, does not fit: the client asks again over TCP. */
export function concludeTruncated(plane: Plane, slot: number, answer = NO_ANSWER): void {
  const rcode = answer === NO_ANSWER ? RCODE.NoError : plane.store.rcode(answer);
  const detail = plane.detail.reset(AUDIT_KIND.Allowed, rcode);
  detail.reason = REASON.truncated;
  detail.rule = plane.verdicts[slot]!.rule;
  replyTruncated(plane, slot, answer);
  finish(plane, slot);
}

/** An answer that asked nobody, and that policy has no say in. */
export function concludeLocally(plane: Plane, slot: number, reply: Reply, reason: number): void {
  plane.count(COUNT.queries_local);
  plane.detail.reset(AUDIT_KIND.Allowed, reply.rcode).reason = reason;
  finish(plane, slot, reply);
}

/** The question failed a moment ago: told as then, without asking again. */
export function concludeFailed(plane: Plane, slot: number, failure: number): void {
  plane.slots.auditFlags[slot]! |= AUDIT_FLAG.Cached;
  plane.count(COUNT.cache_hits);
  const rcode = plane.failures.rcode(failure);
  const reply = REMEMBERED[rcode]!;
  if (rcode === RCODE.ServFail) return fail(plane, slot, reply, plane.failures.reason(failure));
  plane.detail.reset(AUDIT_KIND.Allowed, rcode).rule = plane.verdicts[slot]!.rule;
  finish(plane, slot, reply);
}

export function refuse(plane: Plane, slot: number, reply: Reply, reason: number): void {
  plane.count(reply === NOT_A_POD ? COUNT.queries_unknown_client : COUNT.queries_refused);
  plane.detail.reset(AUDIT_KIND.Denied, reply.rcode).reason = reason;
  finish(plane, slot, reply);
}

export function fail(plane: Plane, slot: number, reply: Reply, reason: number): void {
  plane.count(COUNT.servfail);
  plane.detail.reset(AUDIT_KIND.Failed, reply.rcode).reason = reason;
  finish(plane, slot, reply);
}

/** Answers with `reply`, when given, writes plane.detail to the audit and frees the slot. */
export function finish(plane: Plane, slot: number, reply?: Reply): void {
  const { detail, slots } = plane;
  if (reply !== undefined) replyWithout(plane, slot, reply);
  detail.flags |= slots.auditFlags[slot]!;
  if ((detail.flags & AUDIT_FLAG.WouldDeny) !== 0) {
    plane.count(COUNT.queries_would_deny);
    detail.rule = plane.verdicts[slot]!.toldBy ?? detail.rule;
  }
  detail.latencyMs = plane.sys.nowMs() - slots.receivedMs[slot]!;
  audit(plane, slot, detail);
  if (slots.stream[slot]! >= 0) plane.clients.done(slots.stream[slot]!, slots.streamSerial[slot]!);
  if (slots.stream[slot] === BY_DIG) handOver(plane, slot);
  slots.release(slot);
}

export function isAudited({ slots, pods, programs }: Plane, slot: number): boolean {
  const pod = slots.pod[slot]!;
  if (pod === NO_POD || pods.ids[pod] !== slots.podId[slot]) return false;
  return pods.isAudited[pod] !== 0 || programs.isAudited(pods.programs[pod]!);
}

function showAddresses({ store }: Plane, detail: AuditDetail, answer: number): void {
  detail.addresses = store.bytes;
  detail.addressesAt = store.addressesAt(answer);
  detail.addressCount = store.addressCount(answer);
}
