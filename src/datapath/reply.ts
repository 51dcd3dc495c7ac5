// Stage 7: what is known about a slot → a datagram in its listener's batch, or a message on its connection, with the client's own id, casing and
// size limit. Nothing is decided here, and nothing with an address comes here before admit.ts says so.
import { AUDIT_FLAG } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { EDNS_DO, EDNS_PAYLOAD_BYTES, FLAG, HEADER_BYTES, MAX_MESSAGE_BYTES } from '../dns/codes.ts';
import { OPT_BYTES, appendOpt, buildDenial, buildTruncated } from '../dns/build-reply.ts';
import type { Asked, Denial } from '../dns/build-reply.ts';
import {
  additionalCount,
  readFlags,
  readId,
  writeAdditionalCount,
  writeAuthorityCount,
  writeFlags,
  writeId,
  writeUint32,
  readUint32,
} from '../dns/header.ts';
import { UNSAYABLE } from './denials.ts';
import type { Plane } from './plane.ts';
import { ageSeconds, NO_ANSWER } from './state/answer-store.ts';
import { BY_DATAGRAM, BY_DIG, QUESTION_BYTES } from './state/query-slots.ts';
import type { QuerySlots } from './state/query-slots.ts';
import { ERRNO } from '../sys/sys.ts';

const NO_ERROR: Denial = { rcode: 0, ede: undefined };
/** A full send buffer empties within microseconds on a local link; then the reply is lost as any datagram may be, and counted. */
const SEND_TRIES = 3;

/** A reply of our own to the query in slot. */
export function replyWithout(plane: Plane, slot: number, denial: Denial): void {
  const i = openSlot(plane, slot);
  close(plane, slot, i, buildDenial(plane.room, plane.asked, denial));
}

/** TC=1 and nothing else but what the header of `answer` says, if there is one: the client asks again over TCP. */
export function replyTruncated(plane: Plane, slot: number, answer: number): void {
  const { store } = plane;
  const i = openSlot(plane, slot);
  const flags = answer === NO_ANSWER ? 0 : readFlags(store.bytes, store.bodyAt(answer, false));
  const rcode = answer === NO_ANSWER ? 0 : store.rcode(answer);
  close(plane, slot, i, buildTruncated(plane.room, plane.asked, rcode, isFresh(plane, slot) ? flags & FLAG.AA : 0));
}

/** Whether the client takes what is needed of the answer that it is shown, the way it asked. */
export function takesAnswer(plane: Plane, slot: number, answer: number, isJudged: boolean): boolean {
  return (
    fits(plane, slot, plane.store.bodyBytes(answer, isJudged)) || fits(plane, slot, needed(plane, answer, isJudged))
  );
}

/** Bytes of the body without which the reply would be truncated (extract.ts, markNeeded). */
function needed({ store }: Plane, answer: number, isJudged: boolean): number {
  return readId(store.bytes, store.bodyAt(answer, isJudged));
}

function fits({ slots }: Plane, slot: number, bodyBytes: number): boolean {
  const lengthBytes = bodyBytes + (slots.hasOpt[slot] !== 0 ? OPT_BYTES : 0);
  return lengthBytes <= mostBytes(slots, slot);
}

/** For names that may only be asked: what upstream said. */
export function replyPlain(plane: Plane, slot: number, answer: number): void {
  replyWithBody(plane, slot, answer, false);
}

/** For names that a rule grants: only what was admitted (I3). */
export function replyJudged(plane: Plane, slot: number, answer: number): void {
  replyWithBody(plane, slot, answer, true);
}

/** Answers a message that got no slot: plane.query as datagram `i` of plane.queries. */
export function replyToQuery(plane: Plane, l: number, i: number, denial: Denial): void {
  const { queries, query } = plane;
  const r = openPacket(plane, l);
  plane.room.limit = plane.room.at + Math.min(query.payloadBytes, EDNS_PAYLOAD_BYTES);
  const length = buildDenial(plane.room, query, denial);
  queries.readPeerAddress(i, plane.peer, 0);
  const listener = plane.listeners[l]!;
  listener.replies.setPeer(r, listener.family, plane.peer, 0, queries.peerPort(i));
  commitPacket(plane, l, r, length);
}

/** The same for a message that came on a connection: plane.query. */
export function replyToStream(plane: Plane, stream: number, denial: Denial): void {
  const { clients, query } = plane;
  pointAtStream(plane);
  const length = buildDenial(plane.room, query, denial);
  countReply(plane, length > 0 && clients.send(stream, clients.serial[stream]!, length));
}

/** Sends what waits at listener `l`. */
export function flushReplies(plane: Plane, l: number): void {
  const { fd, replies } = plane.listeners[l]!;
  const count = replies.count;
  let first = 0;
  for (let tries = 0; first < count;) {
    const sent = plane.sys.sendBatch(fd, replies, first, count - first);
    if (sent > 0) {
      first += sent;
      plane.counters[COUNT.replies_sent]! += sent;
      continue;
    }
    if (sent === -ERRNO.EAGAIN && ++tries < SEND_TRIES) continue;
    first++; // this one cannot be sent (its peer is gone, a rule of somebody forbids it); the others still can
    tries = 0;
    plane.count(COUNT.replies_failed);
  }
  replies.count = 0;
}

function replyWithBody(plane: Plane, slot: number, answer: number, isJudged: boolean): void {
  const { room, asked, store } = plane;
  if (store.rcode(answer) > 0xf && plane.slots.hasOpt[slot] === 0) return replyWithout(plane, slot, UNSAYABLE);
  let length = store.bodyBytes(answer, isJudged);
  const isWhole = fits(plane, slot, length);
  if (!isWhole) length = needed(plane, answer, isJudged);
  if (!isWhole && !fits(plane, slot, length)) return replyTruncated(plane, slot, answer);
  const i = openSlot(plane, slot);
  const { bytes, at } = room;
  const from = store.bodyAt(answer, isJudged);
  // The client's own spelling of the question: same length, and every pointer to it stays right (R1, 0x20).
  const questionEnd = HEADER_BYTES + asked.questionLength;
  copy(store.bytes, from, bytes, at, HEADER_BYTES);
  copy(asked.qname, 0, bytes, at + HEADER_BYTES, asked.questionLength);
  copy(store.bytes, from + questionEnd, bytes, at + questionEnd, length - questionEnd);
  writeId(bytes, at, asked.id);
  const flags = readFlags(store.bytes, from);
  writeFlags(bytes, at, replyFlags(flags, asked, isFresh(plane, slot)));
  if (!isWhole) writeAdditionalCount(bytes, at, 0);
  if (!isWhole && (flags & FLAG.Z) !== 0) writeAuthorityCount(bytes, at, 0);
  const elapsedSeconds = ageSeconds(store, answer, plane.nowMs);
  if (elapsedSeconds > 0) countDown(plane, answer, isJudged, elapsedSeconds, length);
  close(plane, slot, i, asked.hasOpt ? appendClientOpt(plane, length, store.rcode(answer)) : length);
}

/** RFC 6891 §6.1.1: OPT in the reply if and only if it was in the query. The length of the whole message. */
function appendClientOpt(plane: Plane, length: number, rcode: number): number {
  const { room, asked } = plane;
  const outcome = rcode > 0xf ? { rcode, ede: undefined } : NO_ERROR;
  const end = appendOpt(room, room.at + length, asked.dnssecOk ? EDNS_DO : 0, outcome);
  writeAdditionalCount(room.bytes, room.at, additionalCount(room.bytes, room.at) + 1);
  return end - room.at;
}

/** Points plane.room at a free packet of the slot's listener, or at its connection's buffer, and plane.asked at its question. */
function openSlot(plane: Plane, slot: number): number {
  const { slots, asked, room } = plane;
  const i = slots.stream[slot] === BY_DATAGRAM ? openPacket(plane, slots.listener[slot]!) : pointAtStream(plane);
  room.limit = room.at + mostBytes(slots, slot);
  asked.id = slots.queryId[slot]!;
  asked.flags = slots.flags[slot]!;
  asked.hasOpt = slots.hasOpt[slot] !== 0;
  asked.dnssecOk = slots.dnssecOk[slot] !== 0;
  asked.questionLength = slots.qnameLength[slot]! + 4;
  copy(slots.question, slot * QUESTION_BYTES, asked.qname, 0, asked.questionLength);
  return i;
}

function openPacket(plane: Plane, l: number): number {
  const { replies } = plane.listeners[l]!;
  if (replies.count === replies.capacity) flushReplies(plane, l);
  plane.room.bytes = replies.bytes;
  plane.room.at = replies.start(replies.count);
  return replies.count;
}

/** Behind the two bytes of the length. */
function pointAtStream({ room, clients }: Plane): number {
  room.bytes = clients.out.bytes;
  room.at = clients.outAt + 2;
  room.limit = room.at + MAX_MESSAGE_BYTES;
  return 0;
}

function mostBytes(slots: QuerySlots, slot: number): number {
  if (slots.stream[slot] !== BY_DATAGRAM) return MAX_MESSAGE_BYTES;
  return Math.min(slots.payloadBytes[slot]!, EDNS_PAYLOAD_BYTES);
}

function countReply(plane: Plane, isSent: boolean): void {
  plane.count(isSent ? COUNT.replies_sent : COUNT.replies_failed);
}

function close(plane: Plane, slot: number, i: number, lengthBytes: number): void {
  const { slots } = plane;
  const stream = slots.stream[slot]!;
  if (stream === BY_DIG) return plane.digs.replied(slot, plane.room, lengthBytes);
  if (stream !== BY_DATAGRAM)
    return countReply(plane, lengthBytes > 0 && plane.clients.send(stream, slots.streamSerial[slot]!, lengthBytes));
  const l = slots.listener[slot]!;
  const listener = plane.listeners[l]!;
  listener.replies.setPeer(i, listener.family, slots.clientAddress, slot * 16, slots.clientPort[slot]!);
  commitPacket(plane, l, i, lengthBytes);
}

function commitPacket(plane: Plane, l: number, i: number, lengthBytes: number): void {
  if (lengthBytes <= 0) {
    plane.count(COUNT.replies_failed);
    return;
  }
  const { replies } = plane.listeners[l]!;
  replies.setLength(i, lengthBytes);
  replies.count = i + 1;
}

function isFresh({ slots }: Plane, slot: number): boolean {
  return (slots.auditFlags[slot]! & AUDIT_FLAG.Cached) === 0;
}

/** AA only from its source and never from the cache; AD only for who asked for it (RFC 6840 §5.7); RD and CD are the client's (R1). */
function replyFlags(stored: number, asked: Asked, isFirst: boolean): number {
  const wantsAd = asked.dnssecOk || (asked.flags & FLAG.AD) !== 0;
  const kept = FLAG.QR | FLAG.RA | FLAG.RcodeMask | (isFirst ? FLAG.AA : 0) | (wantsAd ? FLAG.AD : 0);
  return (stored & kept) | (asked.flags & (FLAG.RD | FLAG.CD));
}

/** Of the records in the first `length` bytes. */
function countDown(
  { room, store }: Plane,
  answer: number,
  isJudged: boolean,
  elapsedSeconds: number,
  length: number,
): void {
  const count = store.ttlCount(answer, isJudged);
  for (let i = 0; i < count; i++) {
    const offset = store.ttlOffset(answer, isJudged, i);
    if (offset >= length) return;
    const at = room.at + offset;
    writeUint32(room.bytes, at, Math.max(0, readUint32(room.bytes, at) - elapsedSeconds));
  }
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}
