// Stage 8: verdict and timing → the shared ring. A record that finds no room is counted, never waited for.
import { AUDIT_ADDRESSES, AUDIT_FIELD, AUDIT_HEAD_BYTES, AUDIT_KIND, CAPS, REASON } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { RCODE } from '../dns/codes.ts';
import { bucketOf } from './caps.ts';
import type { Plane } from './plane.ts';
import { NO_POD, POD_INDEXES } from './state/pod-table.ts';
import { NAME_BYTES } from './state/query-slots.ts';

const ADDRESS_BYTES = 16;
const NO_ADDRESSES = new Uint8Array(0);
const NO_CLIENT = new Uint8Array(ADDRESS_BYTES);
/** Stands for a name that could not be read. */
const ROOT = new Uint8Array(1);

/** What a record says beyond its slot. Filled in and handed over at once; one instance is reused. */
export class AuditDetail {
  kind: number = AUDIT_KIND.Allowed;
  flags = 0;
  reason = 0;
  rcode = 0;
  ttlSeconds = 0;
  classIndex = -1;
  rule = -1;
  latencyMs = 0;
  /** 16 bytes each, from `addressesAt`. */
  addresses: Uint8Array = NO_ADDRESSES;
  addressesAt = 0;
  addressCount = 0;

  /** Back to an allowed answer without addresses. */
  reset(kind: number, rcode: number): this {
    this.kind = kind;
    this.flags = 0;
    this.reason = 0;
    this.rcode = rcode;
    this.ttlSeconds = 0;
    this.classIndex = -1;
    this.rule = -1;
    this.latencyMs = 0;
    this.addressCount = 0;
    return this;
  }
}

/** Writes `detail` about the query in slot, unless its pod has used up its records of this second; then it is counted. */
export function audit(plane: Plane, slot: number, detail: AuditDetail): void {
  const { slots, subject } = plane;
  const pod = slots.pod[slot]!;
  if (!plane.auditBudget.take(bucketOf(pod), detail.kind)) return;
  subject.podId = slots.podId[slot]!;
  subject.events = 1;
  subject.qtype = slots.qtype[slot]!;
  subject.names = slots.folded;
  subject.nameAt = slot * NAME_BYTES;
  subject.nameBytes = slots.qnameLength[slot]!;
  subject.clients = slots.clientAddress;
  subject.clientAt = slot * ADDRESS_BYTES;
  write(plane, subject, detail);
}

/** Writes that the message in plane.query, which came from plane.peer, was refused for its form, opcode, class or type, by this rcode. */
export function auditRefused(plane: Plane, pod: number, rcode: number): void {
  const { query, detail } = plane;
  if (!plane.auditBudget.take(bucketOf(pod), AUDIT_KIND.Denied)) return;
  const subject = aboutNobody(plane, 1);
  subject.podId = pod === NO_POD ? 0 : plane.pods.ids[pod]!;
  subject.clients = plane.peer;
  subject.qtype = query.qtype;
  subject.names = query.qnameLength > 0 ? query.folded : ROOT;
  subject.nameAt = 0;
  subject.nameBytes = Math.max(query.qnameLength, ROOT.length);
  detail.reset(AUDIT_KIND.Denied, rcode).reason = rcode === RCODE.FormErr ? REASON.malformed : REASON['not-forwarded'];
  write(plane, subject, detail);
}

/** Once a second: one record for each pod that had more events than records (state/audit-budget.ts). */
export function auditFolded(plane: Plane, pod: number, counts: Uint32Array): void {
  const { subject, detail, foldedCounts } = plane;
  const view = new DataView(foldedCounts.buffer);
  for (let kind: number = AUDIT_KIND.Allowed; kind <= AUDIT_KIND.Grant; kind++) {
    view.setUint32((kind - 1) * 4, counts[kind]!, true);
  }
  const events = counts.reduce((sum, count) => sum + count, 0);
  aboutNobody(plane, events).podId = pod === POD_INDEXES ? 0 : plane.pods.ids[pod]!;
  detail.reset(AUDIT_KIND.Folded, 0);
  detail.addresses = foldedCounts;
  detail.addressesAt = 0;
  detail.addressCount = 1;
  write(plane, subject, detail);
}

/** `count` times a limit was reached; `key` of plane.caps is the limit and whose it is (caps.ts). */
export function auditCap(plane: Plane, key: number, count: number): void {
  const { detail } = plane;
  const pod = Math.floor(key / CAPS.length);
  aboutNobody(plane, count).podId = pod === POD_INDEXES ? 0 : plane.pods.ids[pod]!;
  detail.reset(AUDIT_KIND.Cap, 0);
  detail.reason = key % CAPS.length;
  detail.ttlSeconds = count;
  write(plane, plane.subject, detail);
}

/** `count` answers to nothing that was asked came from the address of the server at this place. */
export function auditSpoof(plane: Plane, server: number, count: number): void {
  const { detail } = plane;
  const subject = aboutNobody(plane, count);
  const endpoint = plane.upstreams.servers.endpoint(server);
  subject.clients = endpoint?.address ?? NO_CLIENT;
  subject.qtype = endpoint?.port ?? 0;
  detail.reset(AUDIT_KIND.Spoof, 0);
  detail.ttlSeconds = count;
  write(plane, subject, detail);
}

/** A subject without pod, name and client. */
function aboutNobody({ subject }: Plane, events: number): AuditSubject {
  subject.podId = 0;
  subject.events = events;
  subject.qtype = 0;
  subject.nameBytes = 0;
  subject.clients = NO_CLIENT;
  subject.clientAt = 0;
  return subject;
}

/** Whom and what a record is about; one instance is reused. */
export class AuditSubject {
  podId = 0;
  /** Events that the record stands for: as many are lost with it. */
  events = 1;
  qtype = 0;
  names: Uint8Array = NO_ADDRESSES;
  nameAt = 0;
  nameBytes = 0;
  clients: Uint8Array = NO_CLIENT;
  clientAt = 0;
}

function write(plane: Plane, subject: AuditSubject, detail: AuditDetail): void {
  const { audit: ring } = plane;
  const { nameBytes } = subject;
  const total = detail.addressCount;
  const shown = Math.min(total, AUDIT_ADDRESSES);
  const length = AUDIT_HEAD_BYTES + nameBytes + shown * ADDRESS_BYTES;
  const at = ring.reserve(length);
  if (at < 0) {
    plane.counters[COUNT.audit_lost]! += subject.events;
    return;
  }
  const { view, bytes } = ring;
  view.setUint8(at + AUDIT_FIELD.kind, detail.kind);
  view.setUint8(at + AUDIT_FIELD.flags, detail.flags);
  view.setUint8(at + AUDIT_FIELD.reason, detail.reason);
  view.setUint8(at + AUDIT_FIELD.nameBytes, nameBytes);
  view.setUint16(at + AUDIT_FIELD.qtype, subject.qtype, true);
  view.setUint16(at + AUDIT_FIELD.rcode, detail.rcode, true);
  view.setUint32(at + AUDIT_FIELD.podId, subject.podId, true);
  view.setInt32(at + AUDIT_FIELD.rule, detail.rule, true);
  view.setUint32(at + AUDIT_FIELD.generation, plane.generation, true);
  view.setUint32(at + AUDIT_FIELD.ttlSeconds, detail.ttlSeconds, true);
  view.setFloat64(at + AUDIT_FIELD.wallMs, plane.wallMs, true);
  view.setUint32(at + AUDIT_FIELD.latencyMicros, Math.round(detail.latencyMs * 1000), true);
  view.setUint16(at + AUDIT_FIELD.addressCount, total, true);
  view.setInt16(at + AUDIT_FIELD.classIndex, detail.classIndex, true);
  copy(subject.clients, subject.clientAt, bytes, at + AUDIT_FIELD.client, ADDRESS_BYTES);
  copy(subject.names, subject.nameAt, bytes, at + AUDIT_HEAD_BYTES, nameBytes);
  copy(detail.addresses, detail.addressesAt, bytes, at + AUDIT_HEAD_BYTES + nameBytes, shown * ADDRESS_BYTES);
  ring.commit(length);
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}
