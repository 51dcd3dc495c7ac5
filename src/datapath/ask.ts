// A question on the wire: written in its one form, sent by a datagram or on a connection, and its answer told from everything else that
// arrives (RFC 5452). Whom and how often is decided by forward.ts.
import { COUNT } from '../bridge/counters.ts';
import { questionMatches } from '../dns/answer.ts';
import { buildQuery } from '../dns/build-reply.ts';
import { FLAG, HEADER_BYTES, RCODE } from '../dns/codes.ts';
import { rcodeOf, readFlags, readId } from '../dns/header.ts';
import { BATCH } from './plane.ts';
import type { Plane } from './plane.ts';
import type { PendingIds } from './state/pending-ids.ts';
import { ATTEMPTS, NAME_BYTES, NO_SLOT, QUESTION_BYTES } from './state/query-slots.ts';
import type { UpstreamSocket } from './state/upstream-socket.ts';
import { STREAM_INDEX } from './state/upstream-streams.ts';

/** Where a question was asked: a socket or a connection. */
export interface Asked {
  /** As in QuerySlots.socket. */
  readonly index: number;
  /** Place of its server. */
  readonly server: number;
  readonly ids: PendingIds;
}

const SEND_TRIES = 2;
/** `. NS`: what every server can answer. */
const ROOT_NS = Uint8Array.of(0, 0, 2, 0, 1);

/** Sends the question of `slot` to its server. False when that cannot be. */
export function ask(plane: Plane, slot: number): boolean {
  const { slots, upstreams } = plane;
  const server = slots.server[slot]!;
  const { health } = upstreams.servers;
  if (!health.wantsDatagrams(server, plane.nowMs)) slots.isByStream[slot] = 1;
  slots.isPlain[slot] = health.takesEdns(server, plane.nowMs) ? 0 : 1;
  return slots.isByStream[slot] === 0 ? sendDatagram(plane, slot, server) : sendByStream(plane, slot, server);
}

/** Asks the server at `place` whether it is there. */
export function probe(plane: Plane, place: number): void {
  const { outgoing, asked } = plane;
  const socket = socketFor(plane, place);
  const id = plane.random.next16();
  plane.upstreams.servers.health.probed(place, socket.index, id);
  pointAt(plane, outgoing.bytes, outgoing.start(outgoing.count), outgoing.packetBytes);
  asked.id = id;
  asked.flags = 0;
  asked.dnssecOk = false;
  asked.hasOpt = false;
  asked.questionLength = ROOT_NS.length;
  for (let b = 0; b < ROOT_NS.length; b++) asked.qname[b] = ROOT_NS[b]!;
  outgoing.setLength(outgoing.count++, buildQuery(plane.room, asked));
  plane.count(COUNT.upstream_probes);
  if (outgoing.count === BATCH) flushQuestions(plane);
}

/** The slot whose answer stands at `start` … `end`, or NO_SLOT when it answers nothing that was asked with these ids. */
export function findAsker(plane: Plane, ids: PendingIds, bytes: Uint8Array, start: number, end: number): number {
  const { slots, askedQuestion } = plane;
  if (!isResponse(bytes, start, end)) return NO_SLOT;
  const slot = ids.slotOf(readId(bytes, start));
  if (slot === NO_SLOT) return NO_SLOT;
  if (isBareRefusal(bytes, start, end) && slots.isPlain[slot] === 0) return slot;
  askedQuestion.qnameLength = slots.qnameLength[slot]!;
  askedQuestion.qtype = slots.qtype[slot]!;
  const at = slot * NAME_BYTES;
  for (let b = 0; b < askedQuestion.qnameLength; b++) askedQuestion.folded[b] = slots.folded[at + b]!;
  return questionMatches(bytes, start, end, askedQuestion) ? slot : NO_SLOT;
}

/** True for the answer to what `probe` has asked, whatever it says. */
export function answersProbe(plane: Plane, at: Asked, bytes: Uint8Array, start: number, end: number): boolean {
  const { health } = plane.upstreams.servers;
  return isResponse(bytes, start, end) && health.isProbe(at.server, at.index, readId(bytes, start));
}

/** FORMERR or NOTIMP and nothing but a header: how servers from before EDNS refuse it (RFC 6891 §7). It says nothing but that. */
export function isBareRefusal(bytes: Uint8Array, start: number, end: number): boolean {
  const rcode = rcodeOf(readFlags(bytes, start));
  return end - start === HEADER_BYTES && (rcode === RCODE.FormErr || rcode === RCODE.NotImp);
}

/** Forgets every attempt of `slot`: an answer to an earlier one was welcome until now. */
export function releaseIds(plane: Plane, slot: number): void {
  const { slots, answeredBy } = plane;
  for (let attempt = slot * ATTEMPTS; attempt < (slot + 1) * ATTEMPTS; attempt++) {
    const index = slots.socket[attempt]!;
    if (index < 0) continue;
    slots.socket[attempt] = -1;
    const ids = idsOf(plane, index);
    const id = slots.upstreamId[attempt]!;
    if (index === answeredBy.socket && id === answeredBy.id) ids?.release(id, slot);
    else ids?.giveUp(id, slot);
  }
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

function sendDatagram(plane: Plane, slot: number, server: number): boolean {
  const { outgoing } = plane;
  const socket = socketFor(plane, server);
  const id = socket.reserveId(plane.random, slot);
  if (id < 0) return false;
  noteAttempt(plane, slot, socket.index, id);
  const i = outgoing.count++;
  pointAt(plane, outgoing.bytes, outgoing.start(i), outgoing.packetBytes);
  outgoing.setLength(i, write(plane, slot, id));
  if (outgoing.count === BATCH) flushQuestions(plane);
  return true;
}

/** A connection that breaks at this very moment is found broken when its descriptor is next looked at, and the slot with it. */
function sendByStream(plane: Plane, slot: number, server: number): boolean {
  const { servers, streams } = plane.upstreams;
  const endpoint = servers.endpoint(server);
  const stream = endpoint && streams.pick(server, endpoint, plane.nowMs);
  const id = stream?.ids.reserve(plane.random, slot) ?? -1;
  if (stream === undefined || id < 0) return false;
  noteAttempt(plane, slot, stream.index, id);
  pointAt(plane, stream.bytes, stream.questionAt, plane.outgoing.packetBytes);
  stream.ask(write(plane, slot, id), plane.nowMs);
  plane.count(COUNT.upstream_sent);
  plane.count(COUNT.upstream_streamed);
  streams.settle(stream);
  return true;
}

function isResponse(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= HEADER_BYTES && (readFlags(bytes, start) & FLAG.QR) !== 0;
}

function noteAttempt({ slots }: Plane, slot: number, socket: number, id: number): void {
  const attempt = slot * ATTEMPTS + slots.attempts[slot]!++;
  slots.socket[attempt] = socket;
  slots.upstreamId[attempt] = id;
}

/** Writes the slot's question to plane.room; its length. */
function write({ slots, room, asked }: Plane, slot: number, id: number): number {
  const start = slot * QUESTION_BYTES;
  asked.id = id;
  // AD is always asked for: whoever else gets this answer may want it (RFC 6840 §5.7); CD is part of the question.
  asked.flags = slots.flags[slot]! | FLAG.AD;
  asked.dnssecOk = slots.dnssecOk[slot] !== 0;
  asked.hasOpt = slots.isPlain[slot] === 0;
  asked.questionLength = slots.qnameLength[slot]! + 4;
  for (let b = 0; b < asked.questionLength; b++) asked.qname[b] = slots.question[start + b]!;
  return buildQuery(room, asked);
}

function pointAt({ room }: Plane, bytes: Uint8Array, at: number, lengthBytes: number): void {
  room.bytes = bytes;
  room.at = at;
  room.limit = at + lengthBytes;
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

function idsOf({ upstreams }: Plane, index: number): PendingIds | undefined {
  return index < STREAM_INDEX ? upstreams.servers.sockets[index]?.ids : upstreams.streams.at(index)?.ids;
}
