// The limits of a pod, and the wrong answers from a server's address: whoever meets one says so here, and the audit tells of it once a window
// with the number (state/event-windows.ts). No stage: every stage may call it.
import { CAPS } from '../bridge/audit-record.ts';
import type { Plane } from './plane.ts';
import { NO_POD, POD_INDEXES } from './state/pod-table.ts';
import type { Tell } from './state/event-windows.ts';

/** Keys of plane.caps: each limit of each pod, and of the clients that are none, together. */
export const CAP_KEYS = (POD_INDEXES + 1) * CAPS.length;

/** `pod` (or NO_POD) was refused something because of `cap`, an index into CAPS, `times` times. */
export function reachCap(plane: Plane, pod: number, cap: number, times = 1): void {
  plane.caps.add(bucketOf(pod) * CAPS.length + cap, times);
}

/** An answer from the address of the server at this place was none to anything that was asked: too many of them, and somebody forges. */
export function suspectSpoof(plane: Plane, server: number): void {
  plane.spoofs.add(server);
}

/** Before the index of a pod may become another's. */
export function endCapsOf(plane: Plane, pod: number, tell: Tell): void {
  for (let cap = 0; cap < CAPS.length; cap++) plane.caps.endOf(pod * CAPS.length + cap, tell);
}

/** Index of a pod where those that are none share the last one. */
export function bucketOf(pod: number): number {
  return pod === NO_POD ? POD_INDEXES : pod;
}
