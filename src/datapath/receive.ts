// Stage 1: queries → slots, whether they came as datagrams or on a connection.
import { COUNT } from '../bridge/counters.ts';
import { QUERY, parseQuery } from '../dns/query.ts';
import { hashName } from '../dns/name-hash.ts';
import type { Plane } from './plane.ts';
import { NAME_BYTES, NO_SLOT, QUESTION_BYTES } from './state/query-slots.ts';

const ADDRESS_BYTES = 16;

/** Reads a batch from listener `l` into plane.queries; the number of datagrams, 0 when there were none. */
export function receiveBatch(plane: Plane, l: number): number {
  const received = plane.sys.receiveBatch(plane.listeners[l]!.fd, plane.queries);
  if (received <= 0) return 0;
  plane.counters[COUNT.queries_received]! += received;
  return received;
}

/** Parses datagram `i` into plane.query; a code of QUERY. */
export function parse(plane: Plane, i: number): number {
  const { queries, query } = plane;
  const start = queries.start(i);
  const code = parseQuery(queries.bytes, start, start + queries.received(i), query);
  // RFC 768: source port 0 means that no reply is expected, and none can be sent.
  if (queries.peerPort(i) === 0) return QUERY.Drop;
  return code;
}

/** Takes a slot for the query in plane.query that came as datagram `i`; NO_SLOT when all are in use. */
export function takeSlot(plane: Plane, l: number, i: number): number {
  const { slots, queries } = plane;
  const slot = take(plane, l);
  if (slot === NO_SLOT) return NO_SLOT;
  queries.readPeerAddress(i, slots.clientAddress, slot * ADDRESS_BYTES);
  slots.clientPort[slot] = queries.peerPort(i);
  return slot;
}

/** The same for one that came on a connection. */
export function takeSlotOfStream(plane: Plane, stream: number): number {
  const { slots, clients } = plane;
  const slot = take(plane, clients.listener[stream]!);
  if (slot === NO_SLOT) return NO_SLOT;
  copyFrom(clients.address, stream * ADDRESS_BYTES, slots.clientAddress, slot * ADDRESS_BYTES);
  slots.clientPort[slot] = clients.port[stream]!;
  slots.stream[slot] = stream;
  slots.streamSerial[slot] = clients.serial[stream]!;
  clients.inFlight[stream]!++;
  return slot;
}

function take(plane: Plane, l: number): number {
  const { slots, query } = plane;
  const slot = slots.take();
  if (slot === NO_SLOT) return NO_SLOT;
  slots.listener[slot] = l;
  slots.receivedMs[slot] = plane.nowMs;
  slots.queryId[slot] = query.id;
  slots.flags[slot] = query.flags;
  slots.qtype[slot] = query.qtype;
  slots.qnameLength[slot] = query.qnameLength;
  slots.hasOpt[slot] = query.hasOpt ? 1 : 0;
  slots.payloadBytes[slot] = query.payloadBytes;
  slots.dnssecOk[slot] = query.dnssecOk ? 1 : 0;
  copy(query.qname, query.questionLength, slots.question, slot * QUESTION_BYTES);
  copy(query.folded, query.qnameLength, slots.folded, slot * NAME_BYTES);
  slots.hash[slot] = hashName(query.folded, 0, query.qnameLength, plane.seed) ^ Math.imul(query.qtype, 0x9e3779b1);
  return slot;
}

/** Names are short: a loop beats TypedArray.set with its subarray object. */
function copy(from: Uint8Array, length: number, to: Uint8Array, at: number): void {
  for (let i = 0; i < length; i++) to[at + i] = from[i]!;
}

function copyFrom(from: Uint8Array, fromAt: number, to: Uint8Array, at: number): void {
  for (let i = 0; i < ADDRESS_BYTES; i++) to[at + i] = from[fromAt + i]!;
}
