// Stage 8: verdict and timing → the shared ring. A record that finds no room is counted, never waited for.
import { AUDIT_ADDRESSES, AUDIT_FIELD, AUDIT_HEAD_BYTES, AUDIT_KIND } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Plane } from './plane.ts';
import { NAME_BYTES } from './state/query-slots.ts';

const ADDRESS_BYTES = 16;
const NO_ADDRESSES = new Uint8Array(0);

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
  addresses: Uint8Array = NO_ADDRESSES;

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
    this.addresses = NO_ADDRESSES;
    return this;
  }
}

export function audit(plane: Plane, slot: number, detail: AuditDetail): void {
  const { slots, audit: ring } = plane;
  const nameBytes = slots.qnameLength[slot]!;
  const total = detail.addresses.length / ADDRESS_BYTES;
  const shown = Math.min(total, AUDIT_ADDRESSES);
  const length = AUDIT_HEAD_BYTES + nameBytes + shown * ADDRESS_BYTES;
  const at = ring.reserve(length);
  if (at < 0) {
    plane.count(COUNT.audit_lost);
    return;
  }
  const { view, bytes } = ring;
  view.setUint8(at + AUDIT_FIELD.kind, detail.kind);
  view.setUint8(at + AUDIT_FIELD.flags, detail.flags);
  view.setUint8(at + AUDIT_FIELD.reason, detail.reason);
  view.setUint8(at + AUDIT_FIELD.nameBytes, nameBytes);
  view.setUint16(at + AUDIT_FIELD.qtype, slots.qtype[slot]!, true);
  view.setUint16(at + AUDIT_FIELD.rcode, detail.rcode, true);
  view.setUint32(at + AUDIT_FIELD.podId, slots.podId[slot]!, true);
  view.setInt32(at + AUDIT_FIELD.rule, detail.rule, true);
  view.setUint32(at + AUDIT_FIELD.generation, plane.generation, true);
  view.setUint32(at + AUDIT_FIELD.ttlSeconds, detail.ttlSeconds, true);
  view.setFloat64(at + AUDIT_FIELD.wallMs, plane.wallMs, true);
  view.setUint32(at + AUDIT_FIELD.latencyMicros, Math.round(detail.latencyMs * 1000), true);
  view.setUint16(at + AUDIT_FIELD.addressCount, total, true);
  view.setInt16(at + AUDIT_FIELD.classIndex, detail.classIndex, true);
  copy(slots.clientAddress, slot * ADDRESS_BYTES, bytes, at + AUDIT_FIELD.client, ADDRESS_BYTES);
  copy(slots.folded, slot * NAME_BYTES, bytes, at + AUDIT_HEAD_BYTES, nameBytes);
  copy(detail.addresses, 0, bytes, at + AUDIT_HEAD_BYTES + nameBytes, shown * ADDRESS_BYTES);
  ring.commit(length);
}

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!;
}
