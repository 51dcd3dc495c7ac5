// Stage 4b: ask an upstream, and tell its answer from everything else that arrives (RFC 5452). A query never waits twice for one
// question: identical ones are chained to the slot that asked.
import { COUNT } from '../bridge/counters.ts';
import { buildQuery } from '../dns/build-reply.ts';
import { questionMatches } from '../dns/answer.ts';
import { readId, readFlags } from '../dns/header.ts';
import { FLAG, HEADER_BYTES } from '../dns/codes.ts';
import { equalNames } from '../dns/name.ts';
import { BATCH } from './plane.ts';
import type { Plane } from './plane.ts';
import { ATTEMPTS, NAME_BYTES, NO_SLOT, QUESTION_BYTES, STATE } from './state/query-slots.ts';
import { NO_SERVER } from './state/upstream-servers.ts';
import type { UpstreamSocket } from './state/upstream-socket.ts';
import type { Zone } from './state/zone.ts';

/** Queries of one pod that may wait at a time. At 1 s of upstream latency that is 1,000 misses a second. */
export const IN_FLIGHT_PER_POD = 1_024;
/** Share of all slots that may wait for upstreams: the rest is for what is answered at once, so that a slow upstream costs no hit. */
const WAITING_SHARE = 0.75;

const SEND_TRIES = 2;

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
    slots.server[slot] = server;
    if (!send(plane, slot)) return FORWARD.OverBudget;
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
 * not be the one that was asked. False when nothing could be sent.
 */
export function retry(plane: Plane, slot: number): boolean {
  const { slots } = plane;
  const zone = zoneOf(plane, slot);
  if (zone === undefined) return false;
  const failed = slots.server[slot]!;
  zone.failed(failed);
  const next = zone.after(failed);
  if (next === NO_SERVER) return false;
  slots.server[slot] = next;
  return send(plane, slot);
}

/** True when the name's zone has a server besides the one that `slot` has asked last. */
export function hasOtherServer(plane: Plane, slot: number): boolean {
  const asked = plane.slots.server[slot]!;
  const next = zoneOf(plane, slot)?.after(asked) ?? NO_SERVER;
  return next !== NO_SERVER && next !== asked;
}

/** The server that `slot` asks has answered usefully. */
export function trust(plane: Plane, slot: number): void {
  zoneOf(plane, slot)?.succeeded(plane.slots.server[slot]!);
}

/** The slot whose answer datagram `i` of plane.answers is, or NO_SLOT when it answers nothing that was asked from this socket. */
export function findAsker(plane: Plane, socket: UpstreamSocket, i: number): number {
  const { answers, slots, askedQuestion } = plane;
  const start = answers.start(i);
  const length = answers.received(i);
  const { bytes } = answers;
  if (length < HEADER_BYTES || (readFlags(bytes, start) & FLAG.QR) === 0) return NO_SLOT;
  const slot = socket.slotOf(readId(bytes, start));
  if (slot === NO_SLOT) return NO_SLOT;
  askedQuestion.qnameLength = slots.qnameLength[slot]!;
  askedQuestion.qtype = slots.qtype[slot]!;
  const at = slot * NAME_BYTES;
  for (let b = 0; b < askedQuestion.qnameLength; b++) askedQuestion.folded[b] = slots.folded[at + b]!;
  return questionMatches(bytes, start, start + length, askedQuestion) ? slot : NO_SLOT;
}

/** Ends the waiting of `slot` and of all that wait with it: from here on they are handled one by one. */
export function stopAsking(plane: Plane, slot: number, key: number): void {
  releaseIds(plane, slot);
  plane.deadlines.stop(slot);
  if (plane.asking.get(key) === slot) plane.asking.delete(key);
}

/** Sends the questions that are written but not sent. They go out of one socket, chosen at random for each batch. */
export function flushQuestions(plane: Plane): void {
  const { outgoing, outgoingSocket: socket } = plane;
  const count = outgoing.count;
  plane.outgoingSocket = undefined; // also of an empty batch: nobody waits at that socket, so it may be closed
  if (count === 0 || socket === undefined) return;
  for (let first = 0, tries = 0; first < count;) {
    const sent = plane.sys.sendBatch(socket.fd, outgoing, first, count - first);
    if (sent > 0) {
      plane.counters[COUNT.upstream_sent]! += sent;
      first += sent;
      tries = 0;
      continue;
    }
    // The error of an earlier datagram (ICMP) is reported instead of sending this one: once more. Else its deadline asks again.
    plane.count(COUNT.upstream_errors);
    if (++tries < SEND_TRIES) continue;
    first++;
    tries = 0;
  }
  outgoing.count = 0;
}

function send(plane: Plane, slot: number): boolean {
  const { slots, outgoing, room, asked } = plane;
  const socket = socketFor(plane, slots.server[slot]!);
  const attempt = slot * ATTEMPTS + slots.attempts[slot]!++;
  const id = socket.reserveId(plane.random, slot);
  if (id < 0) return false;
  plane.deadlines.start(slot, plane.nowMs);
  slots.socket[attempt] = socket.index;
  slots.upstreamId[attempt] = id;
  const i = outgoing.count++;
  const start = slot * QUESTION_BYTES;
  asked.id = id;
  // AD is always asked for: whoever else gets this answer may want it (RFC 6840 §5.7); CD is part of the question.
  asked.flags = slots.flags[slot]! | FLAG.AD;
  asked.dnssecOk = slots.dnssecOk[slot] !== 0;
  asked.questionLength = slots.qnameLength[slot]! + 4;
  for (let b = 0; b < asked.questionLength; b++) asked.qname[b] = slots.question[start + b]!;
  room.bytes = outgoing.bytes;
  room.at = outgoing.start(i);
  room.limit = room.at + outgoing.packetBytes;
  outgoing.setLength(i, buildQuery(room, asked));
  if (outgoing.count === BATCH) flushQuestions(plane);
  return true;
}

/** The socket of the batch being written, when it is towards `server`; else that batch is sent and a new socket drawn. */
function socketFor(plane: Plane, server: number): UpstreamSocket {
  const current = plane.outgoingSocket;
  if (current?.server === server) return current;
  flushQuestions(plane);
  const drawn = plane.upstreams.servers.pick(server);
  plane.outgoingSocket = drawn;
  return drawn;
}

/** Of every attempt: an answer to an earlier one was welcome until now. */
function releaseIds(plane: Plane, slot: number): void {
  const { slots } = plane;
  const { sockets } = plane.upstreams.servers;
  for (let attempt = slot * ATTEMPTS; attempt < (slot + 1) * ATTEMPTS; attempt++) {
    sockets[slots.socket[attempt]!]?.releaseId(slots.upstreamId[attempt]!, slot);
    slots.socket[attempt] = -1;
  }
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
