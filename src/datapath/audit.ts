// Stage 8: verdict and timing → the shared ring. A record that finds no room is counted, never waited for.
import { AUDIT_ADDRESSES, AUDIT_FIELD, AUDIT_FLAG, AUDIT_HEAD_BYTES, AUDIT_KIND } from '../bridge/audit-record.ts';
import type { AuditRing } from '../bridge/audit-ring.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Plane } from './plane.ts';
import { NO_POD, POD_INDEXES } from './state/pod-table.ts';
import { BY_DIG, NAME_BYTES } from './state/query-slots.ts';

const ADDRESS_BYTES = 16;
const NO_ADDRESSES = new Uint8Array(0);
const NO_CLIENT = new Uint8Array(ADDRESS_BYTES);

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
  const isDig = slots.stream[slot] === BY_DIG; // there are few of them, and no pod pays for them
  // Clients that are no pods share one budget.
  if (!isDig && !plane.auditBudget.take(pod === NO_POD ? POD_INDEXES : pod, detail.kind)) return;
  subject.podId = slots.podId[slot]!;
  subject.events = 1;
  subject.qtype = slots.qtype[slot]!;
  subject.names = slots.folded;
  subject.nameAt = slot * NAME_BYTES;
  subject.nameBytes = slots.qnameLength[slot]!;
  subject.clients = slots.clientAddress;
  subject.clientAt = slot * ADDRESS_BYTES;
  if (isDig) copyForDig(plane, slot, detail);
  write(plane, subject, detail);
}

/** Whoever asked in the name of the pod gets the record, too. */
function copyForDig(plane: Plane, slot: number, detail: AuditDetail): void {
  detail.flags |= AUDIT_FLAG.Dig;
  const bytes = new Uint8Array(lengthOf(plane.subject, detail));
  fill(plane, { bytes, view: new DataView(bytes.buffer) }, 0, detail);
  plane.digs.audited(slot, bytes);
}

/** Once a second: one record for each pod that had more events than records (state/audit-budget.ts). */
export function auditFolded(plane: Plane, pod: number, counts: Uint32Array): void {
  const { subject, detail, foldedCounts } = plane;
  const view = new DataView(foldedCounts.buffer);
  for (let kind: number = AUDIT_KIND.Allowed; kind <= AUDIT_KIND.Grant; kind++) {
    view.setUint32((kind - 1) * 4, counts[kind]!, true);
  }
  subject.podId = pod === POD_INDEXES ? 0 : plane.pods.ids[pod]!;
  subject.events = counts.reduce((sum, count) => sum + count, 0);
  subject.qtype = 0;
  subject.nameBytes = 0;
  subject.clients = NO_CLIENT;
  subject.clientAt = 0;
  detail.reset(AUDIT_KIND.Folded, 0);
  detail.addresses = foldedCounts;
  detail.addressesAt = 0;
  detail.addressCount = 1;
  write(plane, subject, detail);
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
  const length = lengthOf(subject, detail);
  const at = ring.reserve(length);
  if (at < 0) {
    plane.counters[COUNT.audit_lost]! += subject.events;
    return;
  }
  fill(plane, ring, at, detail);
  ring.commit(length);
}

function lengthOf({ nameBytes }: AuditSubject, { addressCount }: AuditDetail): number {
  return AUDIT_HEAD_BYTES + nameBytes + Math.min(addressCount, AUDIT_ADDRESSES) * ADDRESS_BYTES;
}

/** Writes the record of plane.subject to the bytes from `at` on. */
function fill(plane: Plane, { view, bytes }: Pick<AuditRing, 'view' | 'bytes'>, at: number, detail: AuditDetail): void {
  const { subject } = plane;
  const { nameBytes } = subject;
  const total = detail.addressCount;
  const shown = Math.min(total, AUDIT_ADDRESSES);
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
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}
