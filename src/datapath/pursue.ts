// What happens to a question while it waits for an upstream: attempts, other servers, failure. When it is over, each query that waited is handed
// on by itself, and judged by the policy of then.
import { AUDIT_FLAG, CAP, REASON } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { ANSWER, parseAnswer } from '../dns/answer.ts';
import { RCODE } from '../dns/codes.ts';
import { releaseDatagrams } from './ask.ts';
import { cacheKey, failureFromCache, isRefusedAnyway, keepFailure, keyOf } from './cache.ts';
import { reachCap } from './caps.ts';
import { concludeFailed, fail, refuse } from './conclude.ts';
import { BAD_UPSTREAM, INTERNAL, LOST_UPSTREAM, NO_UPSTREAM, NOT_A_POD, OVER_QUOTA } from './denials.ts';
import { noteAnswered, noteLost } from './dug.ts';
import { extract, isCacheable } from './extract.ts';
import {
  FORWARD,
  forward,
  IN_FLIGHT_PER_POD,
  notePlain,
  repeat,
  retry,
  retryByStream,
  retryElsewhere,
  retryPlain,
  stopAsking,
  trust,
} from './forward.ts';
import { takeName } from './limit.ts';
import type { Plane } from './plane.ts';
import { NO_ANSWER } from './state/answer-store.ts';
import { NO_FAILURE } from './state/failures.ts';
import { NO_POD } from './state/pod-table.ts';
import { ATTEMPTS, NO_SLOT, STATE } from './state/query-slots.ts';
import { STREAM_INDEX } from './state/upstream-streams.ts';

/** Who goes on with what was waited for. */
export interface Next {
  /** `stored` of the store, if its serial is still this one, answers the question of `slot`. */
  answered(slot: number, stored: number, serial: number): void;
  /** Its answer does not fit into a datagram, and cannot be had over TCP now. */
  truncated(slot: number): void;
  /** An exception in one of several queries that waited for the same answer. */
  onError(error: unknown): void;
}

export class Pursuit {
  readonly #plane: Plane;
  readonly #next: Next;
  // What forEachWaiter is to do with each slot; the answer itself stands beside, so that no closure is made per answer.
  #stored = NO_ANSWER;
  #storedSerial = 0;
  readonly #answerStored = (slot: number): void => this.#next.answered(slot, this.#stored, this.#storedSerial);
  readonly #answerTruncated = (slot: number): void => this.#next.truncated(slot);
  readonly #answerUnusable = (slot: number): void =>
    fail(this.#plane, slot, BAD_UPSTREAM, REASON['upstream-malformed']);
  readonly #answerFailed = (slot: number): void => fail(this.#plane, slot, NO_UPSTREAM, REASON['upstream-failed']);
  readonly #answerLost = (slot: number): void => fail(this.#plane, slot, LOST_UPSTREAM, REASON['upstream-failed']);
  readonly #answerNoUpstream = (slot: number): void => fail(this.#plane, slot, NO_UPSTREAM, REASON['upstream-timeout']);
  readonly #answerAbandoned = (slot: number): void => fail(this.#plane, slot, INTERNAL, REASON['internal-error']);

  constructor(plane: Plane, next: Next) {
    this.#plane = plane;
    this.#next = next;
  }

  /** Asks the slot's question, or lets it wait for the same one; unless it has just failed. */
  begin(slot: number): void {
    const plane = this.#plane;
    const failure = failureFromCache(plane, slot);
    if (failure !== NO_FAILURE) return concludeFailed(plane, slot, failure);
    plane.count(COUNT.cache_misses);
    const key = cacheKey(plane, slot);
    if (!takeName(plane, slot, key)) return fail(plane, slot, OVER_QUOTA, REASON.quota);
    const outcome = forward(plane, slot, key);
    if (outcome === FORWARD.OverBudget) {
      plane.count(COUNT.queries_over_budget);
      const pod = plane.slots.pod[slot]!;
      reachCap(plane, pod, plane.pods.inFlight[pod]! >= IN_FLIGHT_PER_POD ? CAP['in-flight'] : CAP.slots);
      return fail(plane, slot, OVER_QUOTA, REASON.quota);
    }
    if (outcome === FORWARD.NoServer) return this.#answerFailed(slot);
    if (outcome === FORWARD.Sent) return;
    plane.slots.auditFlags[slot]! |= AUDIT_FLAG.Merged;
    plane.count(COUNT.merged);
  }

  /** The message at `start` … `end` of `bytes` answers the question of `slot`. */
  onAnswer(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const plane = this.#plane;
    const { answer } = plane;
    plane.count(COUNT.upstream_received);
    const code = parseAnswer(bytes, start, end, answer);
    if (plane.digs.isAny) noteAnswered(plane, slot, code);
    if (code === ANSWER.Truncated) return this.#truncated(slot);
    const isRefusal = answer.rcode === RCODE.ServFail || answer.rcode === RCODE.Refused;
    const isOldFashioned = isEdnsRefused(answer.rcode, answer.hasOpt);
    // Somebody else was asked meanwhile, and may do better.
    if (!isAnswerToLast(plane, slot) && (code !== ANSWER.Ok || isRefusal || isOldFashioned)) return;
    if (isOldFashioned && retryPlain(plane, slot)) return;
    if (!isOldFashioned) notePlain(plane, slot);
    if (code !== ANSWER.Ok) return this.#unusable(slot);
    if (isRefusal && retryElsewhere(plane, slot)) return;
    if (answer.rcode === RCODE.ServFail) {
      keepFailure(plane, slot, RCODE.ServFail, REASON['upstream-failed']);
      return this.#forEachWaiter(slot, this.#answerFailed);
    }
    trust(plane, slot);
    if (!extract(plane, slot, bytes)) return this.#unusable(slot);
    if (isRefusedAnyway(answer.rcode)) keepFailure(plane, slot, answer.rcode, REASON['upstream-failed']);
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
    const { slots, upstreams, nowMs } = plane;
    if (slots.state[slot] !== STATE.Upstream) return;
    plane.count(COUNT.upstream_timeouts);
    const sentMs = plane.deadlines.startedMs(slot);
    const stream = upstreams.streams.at(lastSocket(plane, slot));
    if (stream !== undefined && stream.answeredMs <= sentMs) stream.isSuspect = true;
    // What is silent over TCP may answer datagrams, and those are what it is probed by.
    if (slots.isByStream[slot] === 0) upstreams.servers.health.silent(slots.server[slot]!, nowMs, sentMs);
    if (retry(plane, slot)) return;
    keepFailure(plane, slot, RCODE.ServFail, REASON['upstream-timeout']);
    this.#forEachWaiter(slot, this.#answerNoUpstream);
  }

  /** The connection on which `slot` has asked is gone. */
  onLost(slot: number, { index, hasAnswered }: { readonly index: number; readonly hasAnswered: boolean }): void {
    const plane = this.#plane;
    if (plane.slots.state[slot] !== STATE.Upstream || lastSocket(plane, slot) !== index) return;
    if (plane.digs.isAny) noteLost(plane, slot, index);
    const isAsked = hasAnswered ? repeat(plane, slot) : retry(plane, slot);
    if (isAsked) return;
    keepFailure(plane, slot, RCODE.ServFail, REASON['upstream-failed']);
    this.#forEachWaiter(slot, this.#answerLost);
  }

  /** Somebody sends answers in the name of `server`: what is asked there goes over TCP, and no datagram is believed any more. */
  onForgeries(server: number): void {
    const plane = this.#plane;
    const { slots } = plane;
    for (let slot = 0; slot < slots.capacity; slot++) {
      if (slots.state[slot] !== STATE.Upstream || slots.attempts[slot] === 0) continue;
      releaseDatagrams(plane, slot, server);
      if (slots.isByStream[slot] !== 0 || slots.server[slot] !== server) continue;
      retryByStream(plane, slot, server); // when that cannot be, its deadline decides
    }
  }

  /** After an exception that is our bug: everybody who waits for this slot gets SERVFAIL, nothing is allowed. */
  abandon(slot: number): void {
    if (this.#plane.slots.state[slot] !== STATE.Free) this.#forEachWaiter(slot, this.#answerAbandoned);
  }

  /** TC: the whole answer is asked for over TCP of who sent it, and nothing of this one is used. */
  #truncated(slot: number): void {
    const plane = this.#plane;
    const { socket, server } = plane.answeredBy;
    if (plane.slots.isByStream[slot] === 0) {
      if (!retryByStream(plane, slot, server)) this.#forEachWaiter(slot, this.#answerTruncated);
    } else if (socket >= STREAM_INDEX && isAnswerToLast(plane, slot)) {
      this.#unusable(slot); // nothing is truncated there
    }
  }

  #unusable(slot: number): void {
    const plane = this.#plane;
    plane.count(COUNT.upstream_malformed);
    // Asked again at once, of the next server: a forged or damaged datagram must not be the end of the question (CVE-2023-28452).
    if (retry(plane, slot)) return;
    keepFailure(plane, slot, RCODE.ServFail, REASON['upstream-malformed']);
    this.#forEachWaiter(slot, this.#answerUnusable);
  }

  /** Ends the question that `leader` asked and hands each slot that waits for it to `step`. */
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
      else refuse(plane, slot, NOT_A_POD, REASON['unknown-client']);
      slot = next;
    }
  }

  /** One waiter's exception must not cost the others their answer. */
  #try(step: (slot: number) => void, slot: number): void {
    try {
      step(slot);
    } catch (error) {
      if (this.#plane.slots.state[slot] !== STATE.Free) fail(this.#plane, slot, INTERNAL, REASON['internal-error']);
      this.#next.onError(error);
    }
  }
}

/** RFC 6891 §7: a server that does not know OPT says so by one of these, and has none itself. */
function isEdnsRefused(rcode: number, hasOpt: boolean): boolean {
  return !hasOpt && (rcode === RCODE.FormErr || rcode === RCODE.NotImp);
}

/** Where the current attempt of `slot` was made. */
function lastSocket({ slots }: Plane, slot: number): number {
  return slots.socket[slot * ATTEMPTS + slots.attempts[slot]! - 1]!;
}

/** Whether the answer at hand is to the current attempt of `slot`, and not to one that was given up. */
function isAnswerToLast({ slots, answeredBy }: Plane, slot: number): boolean {
  const last = slot * ATTEMPTS + slots.attempts[slot]! - 1;
  return slots.socket[last] === answeredBy.socket && slots.upstreamId[last] === answeredBy.id;
}
