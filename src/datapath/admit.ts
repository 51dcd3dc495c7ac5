// Stage 6: addresses → kernel grants, and the permission to reply. The one rule of the whole program stands here:
// no answer carrying an address leaves before the kernel has acknowledged that address for that pod (I1).
//
// The race that the pending state prevents, two queries of one pod for one name (the same with one query and a retransmission):
//   T0  query A arrives, its address is put into the batch
//   T1  query B arrives; the mirror does not have the address yet, so B joins the batch too instead of being answered
//   T2  the kernel acknowledges the batch, the mirror learns the address
//   T3  A and B are answered; a later query C finds the address in the mirror and is answered at once
// Were the mirror written at T0, B could be answered before T2 and its client refused.
import { COUNT } from '../bridge/counters.ts';
import { TYPE } from '../dns/codes.ts';
import { COMMIT } from '../kernel/set-writer.ts';
import { ERRNO } from '../sys/sys.ts';
import type { Plane } from './plane.ts';
import { remainingMs } from './state/answer-store.ts';
import type { StoredAnswer } from './state/answer-store.ts';
import { NO_POD } from './state/pod-table.ts';
import { STATE } from './state/query-slots.ts';

const ADDRESS_BYTES = 16;
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

/** Makes sure that what `stored` says to the slot's pod is granted, or puts the slot and its grants into the batch. A code of ADMIT. */
export function admit(plane: Plane, slot: number, stored: StoredAnswer): number {
  const { slots, pods, verdicts } = plane;
  const pod = slots.pod[slot]!;
  const { classes } = verdicts[slot]!;
  if (stored.addresses.length === 0) return ADMIT.Granted;
  // A microsecond less: sums of doubles that should be equal may differ in their last bit.
  const untilMs = plane.nowMs + remainingMs(stored, plane.nowMs) + plane.settings.lifetimes.graceMs - 0.001;
  if (classes.length === 0) {
    // Remembered, so that a policy which comes later finds what it would have granted (design §6).
    noteUntil(plane, slot, stored, untilMs);
    return ADMIT.Granted;
  }
  if (pods.addresses(pod, slots.qtype[slot] === TYPE.AAAA ? 6 : 4).length === 0) return ADMIT.NoFamily;
  if (!isGranted(plane, pod, classes, stored.addresses, untilMs)) return enqueue(plane, slot, stored);
  noteUntil(plane, slot, stored, untilMs); // another name may have granted it: this one is a reason, too
  return ADMIT.Granted;
}

/** Sends the batch; `settle` is called for each slot in it, with true when its grants are in the kernel. */
export function commit(plane: Plane, settle: (slot: number, isGranted: boolean) => void): void {
  const count = plane.admittedCount;
  plane.admittedCount = 0;
  if (count === 0) return plane.writer.discard();
  // Slots without elements in the batch: somebody else sent or discarded them, and what the kernel says now is not about them.
  const isOurs = plane.writer.pending > 0;
  const outcome =
    plane.nowMs < plane.refusedUntilMs ? withoutTrying(plane) : isOurs ? commitBatch(plane) : COMMIT.Unknown;
  // Unknown: the elements may be there or not, so nobody is answered and the mirror learns nothing (design V14).
  const isDone = outcome === COMMIT.Done;
  if (isDone || outcome === COMMIT.Unknown || isSystemic(outcome) || count === 1) {
    for (let i = 0; i < count; i++) finish(plane, plane.admitted[i]!, isDone, settle);
    return;
  }
  // V2: the kernel refuses a batch as a whole. One by one, only the answer that it cannot take fails.
  let failures = 0;
  for (let i = 0; i < count; i++) {
    const slot = plane.admitted[i]!;
    const stored = plane.stored[slot];
    const isPut = failures < SINGLE_FAILURES && stored !== undefined && put(plane, slot, stored);
    if (!isPut) plane.writer.discard(); // what it left half-written must not go out, or fail, with somebody else's grants
    const isTaken = isPut && commitBatch(plane) === COMMIT.Done;
    if (!isTaken) failures++;
    finish(plane, slot, isTaken, settle);
  }
}

/** Our sets are gone, or we may not write: no other batch fares better until somebody mends it. */
function isSystemic(outcome: number): boolean {
  return outcome === ERRNO.ENOENT || outcome === ERRNO.EPERM;
}

function withoutTrying(plane: Plane): number {
  plane.writer.discard();
  return ERRNO.ENOENT;
}

/** When a grant made now for this answer ends: the remaining TTL within its bounds, plus the grace (design §6). */
export function grantLifetimeMs(plane: Plane, stored: StoredAnswer): number {
  const { minTtlMs, maxTtlMs, graceMs } = plane.settings.lifetimes;
  return Math.min(Math.max(remainingMs(stored, plane.nowMs), minTtlMs), maxTtlMs) + graceMs;
}

function isGranted(
  plane: Plane,
  pod: number,
  classes: readonly number[],
  addresses: Uint8Array,
  untilMs: number,
): boolean {
  for (let at = 0; at < addresses.length; at += ADDRESS_BYTES) {
    for (let c = 0; c < classes.length; c++) {
      if (plane.grants.expiryMs(classes[c]!, pod, addresses, at) < untilMs) return false;
    }
  }
  return true;
}

function enqueue(plane: Plane, slot: number, stored: StoredAnswer): number {
  const { grants, slots } = plane;
  const elements = (stored.addresses.length / ADDRESS_BYTES) * plane.verdicts[slot]!.classes.length;
  if (!grants.hasRoom(slots.pod[slot]!, elements)) {
    plane.count(COUNT.grants_refused);
    return ADMIT.OverQuota;
  }
  // What was written of it before the batch was full is committed with the others: it opens early what this pod may have anyway.
  if (!put(plane, slot, stored)) return ADMIT.BatchFull;
  plane.stored[slot] = stored;
  slots.state[slot] = STATE.Commit;
  plane.admitted[plane.admittedCount++] = slot;
  return ADMIT.Pending;
}

/** Writes the slot's grants into the netlink batch. False when they do not fit into what is left of it. */
function put(plane: Plane, slot: number, stored: StoredAnswer): boolean {
  const { slots, pods, writer, grants, nowMs } = plane;
  const { classes } = plane.verdicts[slot]!;
  const { addresses } = stored;
  const pod = slots.pod[slot]!;
  const sources = pods.addresses(pod, slots.qtype[slot] === TYPE.AAAA ? 6 : 4);
  const expiryMs = nowMs + grantLifetimeMs(plane, stored);
  // Classes outside: neighbours in the batch then belong to one set and share a message.
  for (let c = 0; c < classes.length; c++) {
    for (let at = 0; at < addresses.length; at += ADDRESS_BYTES) {
      const untilMs = grants.reserve(classes[c]!, pod, addresses, at, expiryMs);
      for (let s = 0; s < sources.length; s++) {
        if (!writer.add(classes[c]!, sources[s]!, 0, addresses, at, untilMs - nowMs)) return false;
      }
    }
  }
  return true;
}

function commitBatch(plane: Plane): number {
  const outcome = plane.writer.commit();
  if (isSystemic(outcome)) plane.refusedUntilMs = plane.nowMs + REFUSED_PAUSE_MS;
  plane.count(outcome === COMMIT.Done ? COUNT.commits : COUNT.commits_failed);
  return outcome;
}

function finish(plane: Plane, slot: number, isDone: boolean, settle: (slot: number, isGranted: boolean) => void): void {
  const stored = plane.stored[slot];
  if (plane.slots.state[slot] !== STATE.Commit) return; // given up meanwhile, and perhaps somebody else's already
  plane.slots.state[slot] = STATE.Judging;
  if (isDone && stored !== undefined) learn(plane, slot, stored);
  settle(slot, isDone);
  plane.stored[slot] = undefined;
}

/** The kernel has it: now the mirror may rely on it. */
function learn(plane: Plane, slot: number, stored: StoredAnswer): void {
  const { slots, grants } = plane;
  const pod = slots.pod[slot]!;
  if (pod === NO_POD) return;
  for (const classIndex of plane.verdicts[slot]!.classes) {
    for (let at = 0; at < stored.addresses.length; at += ADDRESS_BYTES) {
      grants.confirm(classIndex, pod, stored.addresses, at);
      plane.count(COUNT.grants_added);
    }
  }
  note(plane, slot, stored);
}

/** Remembers the lookup, unless it is remembered for that long already: on the hit path nearly always. */
function noteUntil(plane: Plane, slot: number, stored: StoredAnswer, untilMs: number): void {
  const podId = plane.slots.podId[slot]!;
  if (stored.notedFor === podId && stored.notedUntilMs >= untilMs) return;
  if (plane.lookups.expiryMs(plane.slots.pod[slot]!, plane.slots.hash[slot]!) < untilMs) note(plane, slot, stored);
  stored.notedFor = podId;
  stored.notedUntilMs = untilMs;
}

function note(plane: Plane, slot: number, stored: StoredAnswer): void {
  const expiryMs = plane.nowMs + grantLifetimeMs(plane, stored);
  const { name, addresses } = stored;
  plane.lookups.note(plane.slots.pod[slot]!, plane.slots.hash[slot]!, { name, addresses, expiryMs });
}
