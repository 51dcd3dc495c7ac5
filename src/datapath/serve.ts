// The way of one query through its states, Judging → (Upstream →) (Commit →) answered. Read onClientQuery first: it is the product in one
// paragraph. What happens while it waits for an upstream is pursue.ts; how it ends, conclude.ts.
import { AUDIT_FLAG, AUDIT_KIND, NO_RCODE, REASON } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Denial as Reply } from '../dns/build-reply.ts';
import { RCODE } from '../dns/codes.ts';
import { ADMIT, admit, grantLifetimeMs, settle, showGranted, storedAnswer, submit } from './admit.ts';
import { audit } from './audit.ts';
import { answerFromCache, keyOf } from './cache.ts';
import {
  conclude,
  concludeLocally,
  concludeTruncated,
  concludeUnjudged,
  fail,
  finish,
  isAudited,
  refuse,
} from './conclude.ts';
import {
  denialFor,
  LOST_UPSTREAM,
  MINIMAL_ANY,
  NO_RECORDS,
  NO_UPSTREAM,
  NOT_A_POD,
  NOT_READY,
  NOT_GRANTED,
  OVER_QUOTA,
} from './denials.ts';
import { noteSaid } from './dug.ts';
import { extractOpened } from './extract.ts';
import { identify } from './identify.ts';
import { isHealthCheck, localAnswer } from './local-answers.ts';
import { MATCH, match } from './match.ts';
import type { Plane } from './plane.ts';
import { Pursuit } from './pursue.ts';
import { takesAnswer } from './reply.ts';
import { arePrivate } from './state/answer-ranges.ts';
import { NO_ANSWER } from './state/answer-store.ts';
import { BY_DATAGRAM } from './state/query-slots.ts';

export class Server {
  /** The questions that wait for upstreams. */
  readonly pursuit: Pursuit;
  readonly #plane: Plane;
  readonly #denial: Reply | undefined;
  readonly #settle = (slot: number, isGranted: boolean): void => this.#settled(slot, isGranted);

  /** `onError` is told of an exception in one of several queries that wait for the same answer. */
  constructor(plane: Plane, onError: (error: unknown) => void) {
    this.#plane = plane;
    this.#denial = denialFor(plane.settings.denial);
    this.pursuit = new Pursuit(plane, {
      answered: (slot, stored, serial) => this.#onStored(slot, stored, serial),
      truncated: (slot) => this.#onTruncated(slot),
      onError,
    });
  }

  onClientQuery(slot: number): void {
    const plane = this.#plane;
    if (!identify(plane, slot)) return this.#refuseUnknown(slot);
    const local = localAnswer(plane, slot);
    if (local !== undefined) return concludeLocally(plane, slot, local, REASON['special-name']);
    if (!this.#mayAsk(slot)) return;
    const cached = answerFromCache(plane, slot);
    if (cached === NO_ANSWER) return this.pursuit.begin(slot);
    plane.slots.auditFlags[slot]! |= AUDIT_FLAG.Cached;
    plane.count(COUNT.cache_hits);
    this.#admitThenReply(slot, cached); // never the other way round: see the race drawn in admit.ts
  }

  /** Before anybody is known, nobody is refused: the client tries again (RFC 8914 §4.15). */
  #refuseUnknown(slot: number): void {
    const isReady = this.#plane.generation > 0;
    if (isReady) refuse(this.#plane, slot, NOT_A_POD, REASON['unknown-client']);
    else fail(this.#plane, slot, NOT_READY, REASON['not-ready']);
  }

  /** Sends the batch of grants to the kernel, and answers everybody whose grants it has acknowledged. */
  commit(): void {
    settle(this.#plane, this.#settle);
    submit(this.#plane);
    settle(this.#plane, this.#settle);
  }

  /** An upstream's answer, for one of those who waited for it. It is judged by the policy of now, not of then. */
  #onStored(slot: number, stored: number, serial: number): void {
    const plane = this.#plane;
    if (!this.#mayAsk(slot)) return;
    // What each waiter was opened for itself is put into the same memory: many of them may have overwritten it.
    if (plane.store.serial(stored) !== serial) return fail(plane, slot, NO_UPSTREAM, REASON['upstream-failed']);
    this.#admitThenReply(slot, stored);
  }

  /** Over TCP its client would have no better way to ask. */
  #onTruncated(slot: number): void {
    const plane = this.#plane;
    if (!this.#mayAsk(slot)) return;
    if (plane.slots.stream[slot] === BY_DATAGRAM) return concludeTruncated(plane, slot);
    fail(plane, slot, LOST_UPSTREAM, REASON['upstream-failed']);
  }

  #mayAsk(slot: number): boolean {
    const plane = this.#plane;
    switch (match(plane, slot)) {
      case MATCH.Allowed:
        return true;
      case MATCH.WouldDeny:
        plane.slots.auditFlags[slot]! |= AUDIT_FLAG.WouldDeny;
        return true;
      case MATCH.Any:
        concludeLocally(plane, slot, MINIMAL_ANY, REASON['not-forwarded']);
        return false;
      case MATCH.NoData:
        plane.detail.reset(AUDIT_KIND.Allowed, RCODE.NoError).reason = REASON['not-forwarded'];
        finish(plane, slot, NO_RECORDS);
        return false;
      default:
        if (isHealthCheck(plane, slot)) {
          concludeLocally(plane, slot, NO_RECORDS, REASON['special-name']);
          return false;
        }
        plane.count(COUNT.queries_denied);
        plane.detail.reset(AUDIT_KIND.Denied, this.#denial?.rcode ?? NO_RCODE).reason = REASON['no-rule'];
        finish(plane, slot, this.#denial);
        return false;
    }
  }

  #admitThenReply(slot: number, stored: number): void {
    const plane = this.#plane;
    const answer = this.#openedFor(slot, stored);
    if (plane.digs.isAny) noteSaid(plane, slot, answer);
    // What the client cannot be shown it is not granted either: it would have to ask again over TCP.
    if (plane.verdicts[slot]!.classes.length > 0 && !takesAnswer(plane, slot, answer, true))
      return concludeTruncated(plane, slot, answer);
    let outcome = admit(plane, slot, answer);
    if (outcome === ADMIT.BatchFull) {
      this.commit();
      outcome = admit(plane, slot, answer);
    }
    switch (outcome) {
      case ADMIT.Granted:
        return conclude(plane, slot, answer);
      case ADMIT.Pending:
        return;
      case ADMIT.NoFamily:
        plane.detail.reset(AUDIT_KIND.Allowed, RCODE.NoError);
        return finish(plane, slot, NO_RECORDS);
      default:
        if (plane.admittedCount === 0) plane.writer.discard(); // what an answer too big for any batch has left in it
        if (isAudited(plane, slot)) return concludeUnjudged(plane, slot, answer, REASON.quota);
        return fail(plane, slot, OVER_QUOTA, REASON.quota);
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
    if (!isGranted && answer !== NO_ANSWER && isAudited(plane, slot))
      return concludeUnjudged(plane, slot, answer, REASON['kernel-refused']);
    if (!isGranted || answer === NO_ANSWER) return fail(plane, slot, NOT_GRANTED, REASON['kernel-refused']);
    const verdict = plane.verdicts[slot]!;
    for (let c = 0; c < verdict.classes.length; c++) {
      const detail = plane.detail.reset(AUDIT_KIND.Grant, RCODE.NoError);
      detail.classIndex = verdict.classes[c]!;
      detail.rule = verdict.rule;
      detail.ttlSeconds = Math.round(grantLifetimeMs(plane, answer) / 1000);
      showGranted(plane, slot, answer);
      if (arePrivate(detail)) detail.flags = AUDIT_FLAG.Private;
      detail.latencyMs = plane.sys.nowMs() - plane.submittedMs;
      audit(plane, slot, detail);
    }
    conclude(plane, slot, answer);
  }
}
