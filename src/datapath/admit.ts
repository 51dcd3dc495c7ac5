// Stage 6: addresses → kernel grants, and the permission to reply. The one rule of the whole program stands here:
// no answer carrying an address leaves before the kernel has acknowledged that address for that pod (I1).
//
// The race that the pending state prevents, two queries of one pod for one name (the same with one query and a retransmission):
//   T0  query A arrives, its address is put into the batch
//   T1  query B arrives; the mirror does not have the address yet, so B joins the batch too instead of being answered
//   T2  the kernel acknowledges the batch, the mirror learns the address
//   T3  A and B are answered; a later query C finds the address in the mirror and is answered at once
// Were the mirror written at T0, B could be answered before T2 and its client refused.
import { ADDRESS_BYTES, familyOf } from '../base/ip.ts';
import { CAP } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { isService } from '../dns/svcb.ts';
import { COMMIT } from '../kernel/set-writer.ts';
import { ERRNO } from '../sys/sys.ts';
import { reachCap } from './caps.ts';
import type { Plane } from './plane.ts';
import { isPrivate } from './state/answer-ranges.ts';
import type { Opening } from './state/answer-ranges.ts';
import { NO_ANSWER, remainingMs } from './state/answer-store.ts';
import { NO_POD } from './state/pod-table.ts';
import { STATE } from './state/query-slots.ts';

/** A refused transaction costs the kernel about 10 ms (it waits for an RCU grace period), and the loop with it: so few are tried. */
const SINGLE_FAILURES = 4;
const REFUSED_PAUSE_MS = 200;

export const ADMIT = {
  /** Every address is granted long enough already, or the name grants nothing: reply now. */
  Granted: 0,
  /** In the batch; the reply waits for the commit. */
  Pending: 1,
  /** The pod's quota of grants is used up. */
  OverQuota: 2,
  /** The pod has no address of the answer's family, so that nothing can be granted. */
  NoFamily: 3,
  /** The batch cannot take it: commit, then admit it again. */
  BatchFull: 4,
} as const;

/** Makes sure that what `answer` says to the slot's pod is granted, or puts the slot and its grants into the batch. A code of ADMIT. */
export function admit(plane: Plane, slot: number, answer: number): number {
  const { verdicts, store } = plane;
  const { classes } = verdicts[slot]!;
  if (store.addressCount(answer) === 0) return ADMIT.Granted;
  // A microsecond less: sums of doubles that should be equal may differ in their last bit.
  const untilMs = plane.nowMs + remainingMs(store, answer, plane.nowMs) + plane.settings.lifetimes.graceMs - 0.001;
  if (classes.length === 0) {
    // Remembered, so that a policy which comes later finds what it would have granted (design §6).
    noteUntil(plane, slot, answer, untilMs);
    return ADMIT.Granted;
  }
  if (!hasSources(plane, slot, answer)) return ADMIT.NoFamily;
  if (!isGranted(plane, slot, answer, untilMs)) return enqueue(plane, slot, answer);
  noteUntil(plane, slot, answer, untilMs); // another name may have granted it: this one is a reason, too
  return ADMIT.Granted;
}

/** Hands the batch to the kernel, unless it is still busy with the one before; `settle` then answers those who wait for it. */
export function submit(plane: Plane): void {
  if (plane.submittedCount > 0) return;
  if (plane.admittedCount === 0) return plane.writer.discard();
  // Slots without elements in the batch: somebody else sent or discarded them, and what the kernel says now is not about them.
  const isOurs = plane.writer.pending > 0;
  [plane.submitted, plane.admitted] = [plane.admitted, plane.submitted];
  plane.submittedCount = plane.admittedCount;
  plane.admittedCount = 0;
  plane.batch++;
  plane.submittedMs = plane.sys.nowMs();
  plane.isSubmittedDoubtful = false;
  plane.isUntried = plane.nowMs < plane.refusedUntilMs;
  plane.outcome = plane.isUntried ? withoutTrying(plane) : isOurs ? plane.writer.submit() : COMMIT.Unknown;
}

/** When the kernel has answered: `tell` is called for each slot of the batch, with true when its grants are in the kernel. */
export function settle(plane: Plane, tell: (slot: number, isGranted: boolean) => void): void {
  const count = plane.submittedCount;
  if (count === 0) return;
  if (plane.outcome === COMMIT.Pending) plane.outcome = plane.writer.collect();
  if (plane.outcome === COMMIT.Pending) return;
  // Somebody deleted our sets meanwhile: whether before or after it was done, it is not there to stay.
  const outcome = plane.isSubmittedDoubtful ? COMMIT.Unknown : plane.outcome;
  if (!plane.isUntried) countOutcome(plane, outcome);
  // Unknown: the elements may be there or not, so nobody is answered and the mirror learns nothing (design V14).
  const isDone = outcome === COMMIT.Done;
  if (isDone || outcome === COMMIT.Unknown || isSystemic(outcome) || count === 1) {
    for (let i = 0; i < count; i++) finish(plane, plane.submitted[i]!, isDone, tell);
  } else {
    settleOneByOne(plane, tell);
  }
  plane.submittedCount = 0;
}

/** V2: the kernel refuses a batch as a whole. One by one, only the answer that it cannot take fails. */
function settleOneByOne(plane: Plane, tell: (slot: number, isGranted: boolean) => void): void {
  const { writer } = plane;
  writer.exchange(); // what waits for the next commit stays as it is
  let failures = 0;
  for (let i = 0; i < plane.submittedCount; i++) {
    const slot = plane.submitted[i]!;
    const answer = isWaiting(plane, slot) ? storedAnswer(plane, slot) : NO_ANSWER;
    const isPut = failures < SINGLE_FAILURES && answer !== NO_ANSWER && put(plane, slot, answer, plane.batch - 1);
    if (!isPut) writer.discard(); // what it left half-written must not go out, or fail, with somebody else's grants
    const outcome = isPut ? writer.commit() : COMMIT.Unknown;
    if (isPut) countOutcome(plane, outcome);
    if (outcome !== COMMIT.Done) failures++;
    finish(plane, slot, outcome === COMMIT.Done, tell);
  }
  writer.exchange();
}

/** Our sets are gone, or we may not write: no other batch fares better until somebody mends it. */
function isSystemic(outcome: number): boolean {
  return outcome === ERRNO.ENOENT || outcome === ERRNO.EPERM;
}

function withoutTrying(plane: Plane): number {
  plane.writer.discard();
  return ERRNO.ENOENT;
}

/** What a slot in state Commit is to be answered with; NO_ANSWER when the store had to overwrite it. */
export function storedAnswer({ stored, storedSerial, store }: Plane, slot: number): number {
  const answer = stored[slot]!;
  return answer !== NO_ANSWER && store.serial(answer) === storedSerial[slot] ? answer : NO_ANSWER;
}

/** When a grant made now for this answer ends: the remaining TTL within its bounds, plus the grace (design §6). */
export function grantLifetimeMs(plane: Plane, answer: number): number {
  const { minTtlMs, maxTtlMs, graceMs } = plane.settings.lifetimes;
  return Math.min(Math.max(remainingMs(plane.store, answer, plane.nowMs), minTtlMs), maxTtlMs) + graceMs;
}

/** Puts into plane.detail the addresses of the answer that its class was granted; they stand in the draft, where nothing else does by now. */
export function showGranted(plane: Plane, slot: number, answer: number): void {
  const { detail, store, draft, ranges } = plane;
  const opens = openingsOf(plane, slot, answer);
  const count = store.addressCount(answer);
  let found = 0;
  for (let i = 0, at = store.addressesAt(answer); i < count; i++, at += ADDRESS_BYTES) {
    if (opens !== undefined && !ranges.mayGrant(opens, detail.classIndex, store.bytes, at)) continue;
    for (let b = 0; b < ADDRESS_BYTES; b++) draft.addresses[found * ADDRESS_BYTES + b] = store.bytes[at + b]!;
    found++;
  }
  detail.addresses = draft.addresses;
  detail.addressesAt = 0;
  detail.addressCount = found;
}

/** Where one of the verdict's rules opens protected ranges, each class has to be asked for; else each gets every address of the answer. */
function openingsOf({ verdicts, ranges, store }: Plane, slot: number, answer: number): readonly Opening[] | undefined {
  const { opens } = verdicts[slot]!;
  if (opens !== undefined) ranges.about(store.bytes, store.nameAt(answer), store.nameBytes(answer));
  return opens;
}

/** Whether the pod has an address of each family that the answer's addresses are of. */
function hasSources({ slots, pods, store }: Plane, slot: number, answer: number): boolean {
  const pod = slots.pod[slot]!;
  const has4 = pods.addresses(pod, 4).length > 0;
  const has6 = pods.addresses(pod, 6).length > 0;
  if (has4 && has6) return true;
  const count = isService(slots.qtype[slot]!) ? store.addressCount(answer) : 1; // all others are of one family
  for (let i = 0, at = store.addressesAt(answer); i < count; i++, at += ADDRESS_BYTES) {
    if (!(familyOf(store.bytes, at) === 4 ? has4 : has6)) return false;
  }
  return true;
}

function isGranted(plane: Plane, slot: number, answer: number, untilMs: number): boolean {
  const { slots, verdicts, store, grants, ranges } = plane;
  const pod = slots.pod[slot]!;
  const { classes } = verdicts[slot]!;
  const opens = openingsOf(plane, slot, answer);
  const count = store.addressCount(answer);
  for (let i = 0, at = store.addressesAt(answer); i < count; i++, at += ADDRESS_BYTES) {
    for (let c = 0; c < classes.length; c++) {
      if (opens !== undefined && !ranges.mayGrant(opens, classes[c]!, store.bytes, at)) continue;
      if (grants.expiryMs(classes[c]!, pod, store.bytes, at) < untilMs) return false;
    }
  }
  return true;
}

function enqueue(plane: Plane, slot: number, answer: number): number {
  const { grants, slots, store } = plane;
  const elements = store.addressCount(answer) * plane.verdicts[slot]!.classes.length;
  if (!grants.hasRoom(slots.pod[slot]!, elements)) {
    plane.count(COUNT.grants_refused);
    reachCap(plane, slots.pod[slot]!, CAP.grants);
    return ADMIT.OverQuota;
  }
  // What was written of it before the batch was full is committed with the others: it opens early what this pod may have anyway.
  if (!put(plane, slot, answer, plane.batch)) return ADMIT.BatchFull;
  plane.stored[slot] = answer;
  plane.storedSerial[slot] = store.serial(answer);
  slots.state[slot] = STATE.Commit;
  plane.batchOf[slot] = plane.batch;
  plane.admitted[plane.admittedCount++] = slot;
  return ADMIT.Pending;
}

/** Writes the slot's grants into the netlink batch. False when they do not fit into what is left of it. */
function put(plane: Plane, slot: number, answer: number, batch: number): boolean {
  const { slots, pods, writer, grants, store, ranges, nowMs } = plane;
  const { classes } = plane.verdicts[slot]!;
  const opens = openingsOf(plane, slot, answer);
  const count = store.addressCount(answer);
  const pod = slots.pod[slot]!;
  const expiryMs = nowMs + grantLifetimeMs(plane, answer);
  // Classes outside: neighbours in the batch then belong to one set and share a message.
  for (let c = 0; c < classes.length; c++) {
    for (let i = 0, at = store.addressesAt(answer); i < count; i++, at += ADDRESS_BYTES) {
      if (opens !== undefined && !ranges.mayGrant(opens, classes[c]!, store.bytes, at)) continue;
      const sources = pods.addresses(pod, familyOf(store.bytes, at));
      // Asked before the mirror is told: an expiry that did not fit into this batch must not be proven by its acknowledgement.
      if (!writer.hasRoomFor(classes[c]!, sources.length)) return false;
      const untilMs = grants.reserve(classes[c]!, pod, store.bytes, at, expiryMs, batch);
      for (let s = 0; s < sources.length; s++) {
        if (!writer.add(classes[c]!, sources[s]!, 0, store.bytes, at, untilMs - nowMs)) return false;
      }
    }
  }
  return true;
}

function countOutcome(plane: Plane, outcome: number): void {
  if (isSystemic(outcome)) plane.refusedUntilMs = plane.nowMs + REFUSED_PAUSE_MS;
  plane.count(outcome === COMMIT.Done ? COUNT.commits : COUNT.commits_failed);
}

/** False for a slot that was given up meanwhile, and is perhaps somebody else's already, who waits for another batch. */
function isWaiting({ slots, batchOf, batch }: Plane, slot: number): boolean {
  return slots.state[slot] === STATE.Commit && batchOf[slot] === batch - 1;
}

function finish(plane: Plane, slot: number, isDone: boolean, tell: (slot: number, isGranted: boolean) => void): void {
  if (!isWaiting(plane, slot)) return;
  plane.slots.state[slot] = STATE.Judging;
  if (isDone) learn(plane, slot);
  tell(slot, isDone);
  plane.stored[slot] = NO_ANSWER;
}

/** The kernel has it: now the mirror may rely on it. */
function learn(plane: Plane, slot: number): void {
  const { slots, grants, store, ranges } = plane;
  const pod = slots.pod[slot]!;
  const answer = storedAnswer(plane, slot);
  if (pod === NO_POD || answer === NO_ANSWER) return;
  const { classes } = plane.verdicts[slot]!;
  const opens = openingsOf(plane, slot, answer);
  const count = store.addressCount(answer);
  for (let c = 0; c < classes.length; c++) {
    for (let i = 0, at = store.addressesAt(answer); i < count; i++, at += ADDRESS_BYTES) {
      if (opens !== undefined && !ranges.mayGrant(opens, classes[c]!, store.bytes, at)) continue;
      grants.confirm(classes[c]!, pod, store.bytes, at, plane.batch);
      plane.count(COUNT.grants_added);
      if (isPrivate(store.bytes, at)) plane.count(COUNT.grants_private);
    }
  }
  note(plane, slot, answer);
}

/** Remembers the lookup, unless it is remembered for that long already: on the hit path nearly always. */
function noteUntil(plane: Plane, slot: number, answer: number, untilMs: number): void {
  const { slots, store, lookups } = plane;
  const podId = slots.podId[slot]!;
  if (store.isNoted(answer, podId, untilMs)) return;
  if (lookups.expiryMs(slots.pod[slot]!, slots.hash[slot]!) < untilMs) note(plane, slot, answer);
  store.setNoted(answer, podId, untilMs);
}

function note(plane: Plane, slot: number, answer: number): void {
  const { slots, store, noted } = plane;
  noted.bytes = store.bytes;
  noted.nameAt = store.nameAt(answer);
  noted.nameBytes = store.nameBytes(answer);
  noted.addressesAt = store.addressesAt(answer);
  noted.addressCount = store.addressCount(answer);
  noted.expiryMs = plane.nowMs + grantLifetimeMs(plane, answer);
  plane.lookups.note(slots.pod[slot]!, slots.hash[slot]!, noted);
}
