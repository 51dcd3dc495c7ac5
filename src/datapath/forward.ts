// Stage 4b: which upstream is asked, and when another one is. A query never waits twice for one question: identical ones are chained to the slot
// that asked.
import { COUNT } from '../bridge/counters.ts';
import { FLAG } from '../dns/codes.ts';
import { equalNames } from '../dns/name.ts';
import { ask, releaseIds } from './ask.ts';
import type { Plane } from './plane.ts';
import { PATIENCE } from './state/deadlines.ts';
import { ATTEMPTS, BY_DATAGRAM, DATAGRAM_ATTEMPTS, NAME_BYTES, NO_SLOT, STATE } from './state/query-slots.ts';
import { NO_SERVER } from './state/upstream-servers.ts';
import type { Zone } from './state/zone.ts';

/** Queries of one pod that may wait at a time. At 1 s of upstream latency that is 1,000 misses a second. */
export const IN_FLIGHT_PER_POD = 1_024;
/** Share of all slots that may wait for upstreams: the rest is for what is answered at once, so that a slow upstream costs no hit. */
const WAITING_SHARE = 0.75;
/** No attempt begins later: with the longest patience it ends before the 5 s of resolv.conf(5). */
const LAST_ATTEMPT_MS = 3_000;

export const FORWARD = { Sent: 0, Merged: 1, OverBudget: 2, NoServer: 3 } as const;

/** Sends the slot's question upstream, or lets it wait for the same question of another slot. A code of FORWARD. */
export function forward(plane: Plane, slot: number, key: number): number {
  const { slots, pods } = plane;
  const pod = slots.pod[slot]!;
  if (pods.inFlight[pod]! >= IN_FLIGHT_PER_POD) return FORWARD.OverBudget;
  if (plane.waiting >= slots.capacity * WAITING_SHARE) return FORWARD.OverBudget;
  const leader = plane.asking.get(key) ?? NO_SLOT;
  if (leader !== NO_SLOT && isSameQuestion(plane, leader, slot)) {
    slots.nextWaiter[slot] = slots.nextWaiter[leader]!;
    slots.nextWaiter[leader] = slot;
  } else {
    const server = zoneOf(plane, slot)?.preferred ?? NO_SERVER;
    if (server === NO_SERVER) {
      plane.count(COUNT.upstream_errors);
      return FORWARD.NoServer;
    }
    // What came over TCP is asked over TCP (RFC 5625 §4.4.1).
    slots.isByStream[slot] = slots.stream[slot] === BY_DATAGRAM ? 0 : 1;
    if (!askAt(plane, slot, server)) return FORWARD.OverBudget;
    // A leader with another question but the same hash keeps the entry; this one then merges with nobody.
    if (leader === NO_SLOT) plane.asking.set(key, slot);
  }
  slots.state[slot] = STATE.Upstream;
  plane.waiting++;
  pods.inFlight[pod]!++;
  return leader !== NO_SLOT && slots.attempts[slot] === 0 ? FORWARD.Merged : FORWARD.Sent;
}

/**
 * Asks the next server of the name's zone, or the same one from another port when it is the only one. The zone is that of now, which need
 * not be the one that was asked. False when it was asked often enough, or so late that its client is about to give up, or nothing could be sent.
 */
export function retry(plane: Plane, slot: number): boolean {
  const { slots } = plane;
  const zone = zoneOf(plane, slot);
  if (zone === undefined || !mayRetry(plane, slot)) return false;
  const failed = slots.server[slot]!;
  zone.failed(failed);
  const next = zone.after(failed);
  return next !== NO_SERVER && askAt(plane, slot, next);
}

/** The same when there is another server. */
export function retryElsewhere(plane: Plane, slot: number): boolean {
  return hasOtherServer(plane, slot) && retry(plane, slot);
}

/** Asks `server` again, over TCP. False when the slot is too old for that, or nothing could be sent. */
export function retryByStream(plane: Plane, slot: number, server: number): boolean {
  plane.slots.isByStream[slot] = 1;
  return mayRetry(plane, slot) && askAt(plane, slot, server);
}

/** Asks the same server again, without OPT, and remembers that for a while. False when it was asked so already, or nothing could be sent. */
export function retryPlain(plane: Plane, slot: number): boolean {
  const { slots, upstreams } = plane;
  if (slots.isPlain[slot] !== 0 || slots.attempts[slot]! >= ATTEMPTS) return false;
  const server = slots.server[slot]!;
  upstreams.servers.health.refusedEdns(server, plane.nowMs);
  return askAt(plane, slot, server);
}

/** The server of the answer at hand has answered `slot` usefully. */
export function trust(plane: Plane, slot: number): void {
  zoneOf(plane, slot)?.succeeded(plane.answeredBy.server);
}

/** Ends the waiting of `slot` and of all that wait with it: from here on they are handled one by one. */
export function stopAsking(plane: Plane, slot: number, key: number): void {
  releaseIds(plane, slot);
  plane.deadlines.stop(slot);
  if (plane.asking.get(key) === slot) plane.asking.delete(key);
}

function askAt(plane: Plane, slot: number, server: number): boolean {
  plane.slots.server[slot] = server;
  if (!ask(plane, slot)) return false;
  plane.deadlines.start(slot, plane.nowMs, patienceOf(plane, slot));
  return true;
}

function mayRetry({ slots, nowMs }: Plane, slot: number): boolean {
  const most = slots.isByStream[slot] === 0 ? DATAGRAM_ATTEMPTS : ATTEMPTS;
  return slots.attempts[slot]! < most && nowMs - slots.receivedMs[slot]! < LAST_ATTEMPT_MS;
}

/** Another server is asked soon, when there is one; and none is waited for long when all of them are silent. */
function patienceOf(plane: Plane, slot: number): number {
  if (zoneOf(plane, slot)?.isSilent === true) return PATIENCE.Short;
  return plane.slots.attempts[slot] === 1 && hasOtherServer(plane, slot) ? PATIENCE.Short : PATIENCE.Long;
}

/** True when the name's zone has a server besides the one that `slot` has asked last. */
function hasOtherServer(plane: Plane, slot: number): boolean {
  const asked = plane.slots.server[slot]!;
  const next = zoneOf(plane, slot)?.after(asked) ?? NO_SERVER;
  return next !== NO_SERVER && next !== asked;
}

function zoneOf({ slots, upstreams }: Plane, slot: number): Zone | undefined {
  return upstreams.zoneOf(slots.folded, slot * NAME_BYTES, slots.qnameLength[slot]!);
}

function isSameQuestion(plane: Plane, a: number, b: number): boolean {
  const { slots } = plane;
  const length = slots.qnameLength[a]!;
  return (
    slots.qtype[a] === slots.qtype[b] &&
    slots.dnssecOk[a] === slots.dnssecOk[b] &&
    ((slots.flags[a]! ^ slots.flags[b]!) & FLAG.CD) === 0 &&
    length === slots.qnameLength[b] &&
    equalNames(slots.folded, a * NAME_BYTES, slots.folded, b * NAME_BYTES, length)
  );
}
