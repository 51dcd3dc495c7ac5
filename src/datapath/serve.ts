// The way of one query through its states, Judging → (Upstream →) (Commit →) answered. With loop.ts the only place that calls stages;
// read onClientQuery first: it is the product in one paragraph.
import { AUDIT_FLAG, AUDIT_KIND, NO_RCODE, REASON } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { ANSWER, parseAnswer } from '../dns/answer.ts';
import type { Denial as Reply } from '../dns/build-reply.ts';
import { RCODE } from '../dns/codes.ts';
import { ADMIT, admit, grantLifetimeMs, settle, showGranted, storedAnswer, submit } from './admit.ts';
import { audit } from './audit.ts';
import type { AuditDetail } from './audit.ts';
import { answerFromCache, cacheKey, keyOf } from './cache.ts';
import {
  BAD_UPSTREAM,
  denialFor,
  INTERNAL,
  NO_RECORDS,
  NO_UPSTREAM,
  NOT_A_POD,
  NOT_FORWARDED,
  NOT_GRANTED,
  OVER_QUOTA,
  PROTECTED,
} from './denials.ts';
import { extract, extractOpened, isCacheable } from './extract.ts';
import { FORWARD, forward, hasOtherServer, retry, stopAsking, trust } from './forward.ts';
import { identify } from './identify.ts';
import { MATCH, match } from './match.ts';
import type { Plane } from './plane.ts';
import { fits, replyJudged, replyPlain, replyTruncated, replyWithout } from './reply.ts';
import { arePrivate } from './state/answer-ranges.ts';
import { NO_ANSWER } from './state/answer-store.ts';
import { NO_POD } from './state/pod-table.ts';
import { ATTEMPTS, NO_SLOT, STATE } from './state/query-slots.ts';

export class Server {
  readonly #plane: Plane;
  readonly #onError: (error: unknown) => void;
  readonly #denial: Reply | undefined;
  readonly #settle = (slot: number, isGranted: boolean): void => this.#settled(slot, isGranted);

  /** `onError` is told of an exception in one of several queries that wait for the same answer. */
  constructor(plane: Plane, onError: (error: unknown) => void) {
    this.#plane = plane;
    this.#onError = onError;
    this.#denial = denialFor(plane.settings.denial);
  }

  onClientQuery(slot: number): void {
    const plane = this.#plane;
    if (!identify(plane, slot)) return this.#refuse(slot, NOT_A_POD, REASON['unknown-client']);
    if (!this.#mayAsk(slot)) return;
    const cached = answerFromCache(plane, slot);
    if (cached === NO_ANSWER) return this.#ask(slot);
    plane.slots.auditFlags[slot]! |= AUDIT_FLAG.Cached;
    plane.count(COUNT.cache_hits);
    this.#admitThenReply(slot, cached); // never the other way round: see the race drawn in admit.ts
  }

  /** Datagram `i` of plane.answers answers the question of `slot`. */
  onUpstreamAnswer(slot: number, i: number): void {
    const plane = this.#plane;
    const { answers, answer, slots } = plane;
    const start = answers.start(i);
    const code = parseAnswer(answers.bytes, start, start + answers.received(i), answer);
    plane.count(COUNT.upstream_received);
    if (code === ANSWER.Truncated) return this.#forEachWaiter(slot, this.#answerTruncated);
    if (code !== ANSWER.Ok) return this.#unusable(slot);
    const isRefusal = answer.rcode === RCODE.ServFail || answer.rcode === RCODE.Refused;
    const hasOther = isRefusal && slots.attempts[slot]! < ATTEMPTS && hasOtherServer(plane, slot);
    if (hasOther && retry(plane, slot)) return;
    if (answer.rcode === RCODE.ServFail) return this.#forEachWaiter(slot, this.#answerFailed);
    trust(plane, slot);
    if (!extract(plane, slot, answers.bytes)) return this.#unusable(slot);
    const { store, draft } = plane;
    const key = keyOf(plane, slot);
    this.#stored = isCacheable(plane) ? store.keep(key, draft) : store.pass(key, draft);
    if (this.#stored === NO_ANSWER) return this.#unusable(slot);
    this.#storedSerial = store.serial(this.#stored);
    this.#forEachWaiter(slot, this.#answerStored);
  }

  /** The attempt of `slot` was not answered in time. */
  onTimeout(slot: number): void {
    const plane = this.#plane;
    if (plane.slots.state[slot] !== STATE.Upstream) return;
    plane.count(COUNT.upstream_timeouts);
    if (plane.slots.attempts[slot]! < ATTEMPTS && retry(plane, slot)) return;
    this.#forEachWaiter(slot, this.#answerNoUpstream);
  }

  /** Sends the batch of grants to the kernel, and answers everybody whose grants it has acknowledged. */
  commit(): void {
    settle(this.#plane, this.#settle);
    submit(this.#plane);
    settle(this.#plane, this.#settle);
  }

  /** After an exception that is our bug: everybody who waits for this slot gets SERVFAIL, nothing is allowed. */
  abandon(slot: number): void {
    if (this.#plane.slots.state[slot] !== STATE.Free) this.#forEachWaiter(slot, this.#answerAbandoned);
  }

  #mayAsk(slot: number): boolean {
    switch (match(this.#plane, slot)) {
      case MATCH.Allowed:
        return true;
      case MATCH.WouldDeny:
        this.#plane.slots.auditFlags[slot]! |= AUDIT_FLAG.WouldDeny;
        return true;
      case MATCH.Refused:
        this.#refuse(slot, NOT_FORWARDED, REASON['not-forwarded']);
        return false;
      case MATCH.NoData:
        this.#plane.detail.reset(AUDIT_KIND.Allowed, RCODE.NoError).reason = REASON['not-forwarded'];
        this.#finish(slot, NO_RECORDS);
        return false;
      default:
        this.#plane.count(COUNT.queries_denied);
        this.#plane.detail.reset(AUDIT_KIND.Denied, this.#denial?.rcode ?? NO_RCODE).reason = REASON['no-rule'];
        this.#finish(slot, this.#denial);
        return false;
    }
  }

  #ask(slot: number): void {
    const plane = this.#plane;
    plane.count(COUNT.cache_misses);
    const outcome = forward(plane, slot, cacheKey(plane, slot));
    if (outcome === FORWARD.OverBudget) {
      plane.count(COUNT.queries_over_budget);
      return this.#fail(slot, OVER_QUOTA, REASON.quota);
    }
    if (outcome === FORWARD.NoServer) return this.#answerFailed(slot);
    if (outcome === FORWARD.Sent) return;
    plane.slots.auditFlags[slot]! |= AUDIT_FLAG.Merged;
    plane.count(COUNT.merged);
  }

  #admitThenReply(slot: number, stored: number): void {
    const plane = this.#plane;
    const answer = this.#openedFor(slot, stored);
    // What the client cannot be shown it is not granted either: it would have to ask again over TCP.
    if (plane.verdicts[slot]!.classes.length > 0 && !fits(plane, slot, plane.store.bodyBytes(answer, true)))
      return this.#answerTruncated(slot);
    let outcome = admit(plane, slot, answer);
    if (outcome === ADMIT.BatchFull) {
      this.commit();
      outcome = admit(plane, slot, answer);
    }
    switch (outcome) {
      case ADMIT.Granted:
        return this.#answer(slot, answer);
      case ADMIT.Pending:
        return;
      case ADMIT.NoFamily:
        plane.detail.reset(AUDIT_KIND.Allowed, RCODE.NoError);
        return this.#finish(slot, NO_RECORDS);
      default:
        if (plane.admittedCount === 0) plane.writer.discard(); // what an answer too big for any batch has left in it
        if (this.#isAudited(slot)) return this.#pass(slot, answer, REASON.quota);
        return this.#fail(slot, OVER_QUOTA, REASON.quota);
    }
  }

  /** `stored` as this slot's verdict opens it: with addresses that are withheld from most. They are the slot's own, and never cached. */
  #openedFor(slot: number, stored: number): number {
    const plane = this.#plane;
    if (!extractOpened(plane, slot, stored)) return stored;
    const opened = plane.store.pass(keyOf(plane, slot), plane.draft);
    return opened === NO_ANSWER ? stored : opened;
  }

  #settled(slot: number, isGranted: boolean): void {
    const plane = this.#plane;
    const answer = storedAnswer(plane, slot);
    if (!isGranted && answer !== NO_ANSWER && this.#isAudited(slot))
      return this.#pass(slot, answer, REASON['kernel-refused']);
    if (!isGranted || answer === NO_ANSWER) return this.#fail(slot, NOT_GRANTED, REASON['kernel-refused']);
    const verdict = plane.verdicts[slot]!;
    for (let c = 0; c < verdict.classes.length; c++) {
      const detail = plane.detail.reset(AUDIT_KIND.Grant, RCODE.NoError);
      detail.classIndex = verdict.classes[c]!;
      detail.rule = verdict.rule;
      detail.ttlSeconds = Math.round(grantLifetimeMs(plane, answer) / 1000);
      if (verdict.opens === undefined) this.#showAddresses(detail, answer);
      else showGranted(plane, slot, answer);
      if (arePrivate(detail)) detail.flags = AUDIT_FLAG.Private;
      detail.latencyMs = plane.sys.nowMs() - plane.submittedMs;
      audit(plane, slot, detail);
    }
    this.#answer(slot, answer);
  }

  /** Everything that `answer` shows is granted: say it. */
  #answer(slot: number, answer: number): void {
    const plane = this.#plane;
    const { store } = plane;
    const verdict = plane.verdicts[slot]!;
    const detail = plane.detail.reset(AUDIT_KIND.Allowed, store.rcode(answer));
    detail.rule = verdict.rule;
    detail.ttlSeconds = store.ttlSeconds(answer);
    this.#showAddresses(detail, answer);
    if (verdict.classes.length === 0) {
      replyPlain(plane, slot, answer);
      return this.#finish(slot);
    }
    if (arePrivate(detail)) detail.flags = AUDIT_FLAG.Private;
    const isWithheld = store.withheld(answer) > 0;
    if (isWithheld && this.#isAudited(slot)) return this.#pass(slot, answer, REASON['protected-address']);
    if (isWithheld) {
      detail.flags |= AUDIT_FLAG.Withheld;
      plane.count(COUNT.answers_withheld);
    }
    if (isWithheld && store.addressCount(answer) === 0) {
      detail.reason = REASON['protected-address'];
      return this.#finish(slot, PROTECTED);
    }
    replyJudged(plane, slot, answer);
    this.#finish(slot);
  }

  /** A pod in audit mode gets what upstream said without a grant: its packets pass the filter without one, too. */
  #pass(slot: number, answer: number, reason: number): void {
    const plane = this.#plane;
    const { store } = plane;
    const detail = plane.detail.reset(AUDIT_KIND.Allowed, store.rcode(answer));
    detail.flags = AUDIT_FLAG.WouldDeny;
    detail.reason = reason;
    detail.rule = plane.verdicts[slot]!.rule;
    detail.ttlSeconds = store.ttlSeconds(answer);
    this.#showAddresses(detail, answer);
    replyPlain(plane, slot, answer);
    this.#finish(slot);
  }

  #isAudited(slot: number): boolean {
    const { slots, pods } = this.#plane;
    const pod = slots.pod[slot]!;
    return pod !== NO_POD && pods.isAudited[pod] !== 0 && pods.ids[pod] === slots.podId[slot];
  }

  #showAddresses(detail: AuditDetail, answer: number): void {
    const { store } = this.#plane;
    detail.addresses = store.bytes;
    detail.addressesAt = store.addressesAt(answer);
    detail.addressCount = store.addressCount(answer);
  }

  #unusable(slot: number): void {
    const plane = this.#plane;
    plane.count(COUNT.upstream_malformed);
    // Asked again at once, of the next server: a forged or damaged datagram must not be the end of the question (CVE-2023-28452).
    if (plane.slots.attempts[slot]! < ATTEMPTS && retry(plane, slot)) return;
    this.#forEachWaiter(slot, this.#answerUnusable);
  }

  // What forEachWaiter is to do with each slot; the answer itself is passed beside, so that no closure is made per answer.
  #stored = NO_ANSWER;
  #storedSerial = 0;
  readonly #answerStored = (slot: number): void => {
    if (!this.#mayAsk(slot)) return;
    // What each waiter was opened for itself is put into the same memory: many of them may have overwritten it.
    if (this.#plane.store.serial(this.#stored) !== this.#storedSerial) return this.#answerFailed(slot);
    this.#admitThenReply(slot, this.#stored);
  };
  readonly #answerTruncated = (slot: number): void => {
    if (!this.#mayAsk(slot)) return;
    this.#plane.detail.reset(AUDIT_KIND.Allowed, RCODE.NoError).reason = REASON.truncated;
    this.#plane.detail.rule = this.#plane.verdicts[slot]!.rule;
    replyTruncated(this.#plane, slot);
    this.#finish(slot);
  };
  readonly #answerUnusable = (slot: number): void => this.#fail(slot, BAD_UPSTREAM, REASON['upstream-malformed']);
  readonly #answerFailed = (slot: number): void => this.#fail(slot, NO_UPSTREAM, REASON['upstream-failed']);
  readonly #answerNoUpstream = (slot: number): void => this.#fail(slot, NO_UPSTREAM, REASON['upstream-timeout']);
  readonly #answerAbandoned = (slot: number): void => this.#fail(slot, INTERNAL, REASON['internal-error']);

  /** Ends the question that `leader` asked and hands each slot that waits for it to `step`, judged by the policy of now, not of then. */
  #forEachWaiter(leader: number, step: (slot: number) => void): void {
    const plane = this.#plane;
    const { slots, pods } = plane;
    stopAsking(plane, leader, cacheKey(plane, leader));
    for (let slot = leader; slot !== NO_SLOT;) {
      const next = slots.nextWaiter[slot]!;
      const pod = slots.pod[slot]!;
      const isSamePod = pod !== NO_POD && pods.ids[pod] === slots.podId[slot];
      if (slots.state[slot] === STATE.Upstream) {
        plane.waiting--;
        if (isSamePod) pods.inFlight[pod]!--;
      }
      slots.state[slot] = STATE.Judging;
      slots.auditFlags[slot]! &= ~AUDIT_FLAG.WouldDeny; // is judged again
      slots.nextWaiter[slot] = NO_SLOT;
      if (isSamePod && pods.isPresent[pod] !== 0) this.#try(step, slot);
      else this.#refuse(slot, NOT_A_POD, REASON['unknown-client']);
      slot = next;
    }
  }

  /** One waiter's exception must not cost the others their answer. */
  #try(step: (slot: number) => void, slot: number): void {
    try {
      step(slot);
    } catch (error) {
      if (this.#plane.slots.state[slot] !== STATE.Free) this.#fail(slot, INTERNAL, REASON['internal-error']);
      this.#onError(error);
    }
  }

  #refuse(slot: number, reply: Reply, reason: number): void {
    this.#plane.count(reply === NOT_A_POD ? COUNT.queries_unknown_client : COUNT.queries_refused);
    this.#plane.detail.reset(AUDIT_KIND.Denied, reply.rcode).reason = reason;
    this.#finish(slot, reply);
  }

  #fail(slot: number, reply: Reply, reason: number): void {
    this.#plane.count(COUNT.servfail);
    this.#plane.detail.reset(AUDIT_KIND.Failed, reply.rcode).reason = reason;
    this.#finish(slot, reply);
  }

  /** Answers with `reply`, when given, writes plane.detail to the audit and frees the slot. */
  #finish(slot: number, reply?: Reply): void {
    const plane = this.#plane;
    const { detail, slots } = plane;
    if (reply !== undefined) replyWithout(plane, slot, reply);
    detail.flags |= slots.auditFlags[slot]!;
    if ((detail.flags & AUDIT_FLAG.WouldDeny) !== 0) plane.count(COUNT.queries_would_deny);
    detail.latencyMs = plane.sys.nowMs() - slots.receivedMs[slot]!;
    audit(plane, slot, detail);
    slots.release(slot);
  }
}
