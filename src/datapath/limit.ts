// The budgets of a pod (state/budgets.ts): what is over them is dropped or refused, counted, and told by the audit. nft has a rate limit of its
// own before the socket, which all pods share; this one is for what passes it: bursts, and TCP.
import { CAP } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { bucketOf, reachCap } from './caps.ts';
import type { Plane } from './plane.ts';

/** Before a query of `pod` (or NO_POD) is read: false when it asks too often, and then it gets no answer (I8). */
export function takeQuery(plane: Plane, pod: number): boolean {
  if (mayTakeQuery(plane, pod)) return true;
  overRate(plane, pod);
  return false;
}

/** The same for a query that is not lost, but waits on its connection: whoever asks says when it is to be counted. */
export function mayTakeQuery(plane: Plane, pod: number): boolean {
  return plane.budgets.queries.take(bucketOf(pod), plane.nowMs);
}

/** `pod` asks too often. */
export function overRate(plane: Plane, pod: number): void {
  plane.count(COUNT.queries_over_rate);
  reachCap(plane, pod, CAP.rate);
}

/**
 * Before the slot's question goes upstream: false when its pod asks for too many names that the cache does not have (C12, M38). `key` is the
 * question's: one that is being asked costs nothing.
 */
export function takeName(plane: Plane, slot: number, key: number): boolean {
  const pod = plane.slots.pod[slot]!;
  if (plane.asking.has(key) || plane.budgets.names.take(bucketOf(pod), plane.nowMs)) return true;
  plane.count(COUNT.names_over_budget);
  reachCap(plane, pod, CAP.names);
  return false;
}
