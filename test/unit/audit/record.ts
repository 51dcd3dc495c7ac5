// Audit records as the data plane would write them, for the tests of those who read them.
import { parseAddress } from '../../../src/base/ip.ts';
import { AUDIT_FIELD, AUDIT_HEAD_BYTES, AUDIT_KIND } from '../../../src/bridge/audit-record.ts';
import type { AuditRing } from '../../../src/bridge/audit-ring.ts';

export interface Written {
  readonly kind: number;
  readonly flags: number;
  readonly reason: number;
  readonly qtype: number;
  readonly rcode: number;
  readonly podId: number;
  readonly rule: number;
  readonly generation: number;
  readonly ttlSeconds: number;
  readonly wallMs: number;
  readonly latencyMicros: number;
  readonly classIndex: number;
  readonly client: string;
  /** Plain wire form. */
  readonly name: Uint8Array;
  readonly addresses: readonly string[];
  /** Says something else than the addresses that are there. */
  readonly addressCount?: number;
}

const USUAL: Written = {
  kind: AUDIT_KIND.Allowed,
  flags: 0,
  reason: 0,
  qtype: 1,
  rcode: 0,
  podId: 7,
  rule: 0,
  generation: 1,
  ttlSeconds: 30,
  wallMs: Date.UTC(2026, 10, 22, 4, 5, 6, 789),
  latencyMicros: 142,
  classIndex: -1,
  client: '192.0.2.7',
  name: wireOf(['api', 'example', 'org']),
  addresses: ['192.0.2.80'],
};

export function wireOf(labels: readonly (string | readonly number[])[]): Uint8Array {
  const bytes = labels.flatMap((label) => {
    const content = typeof label === 'string' ? [...Buffer.from(label, 'latin1')] : label;
    return [content.length, ...content];
  });
  return Uint8Array.from([...bytes, 0]);
}

/** False when the ring is full. */
export function putRecord(ring: AuditRing, changes: Partial<Written> = {}): boolean {
  const record = { ...USUAL, ...changes };
  const length = AUDIT_HEAD_BYTES + record.name.length + record.addresses.length * 16;
  const at = ring.reserve(length);
  if (at < 0) return false;
  const { view, bytes } = ring;
  view.setUint8(at + AUDIT_FIELD.kind, record.kind);
  view.setUint8(at + AUDIT_FIELD.flags, record.flags);
  view.setUint8(at + AUDIT_FIELD.reason, record.reason);
  view.setUint8(at + AUDIT_FIELD.nameBytes, record.name.length);
  view.setUint16(at + AUDIT_FIELD.qtype, record.qtype, true);
  view.setUint16(at + AUDIT_FIELD.rcode, record.rcode, true);
  view.setUint32(at + AUDIT_FIELD.podId, record.podId, true);
  view.setInt32(at + AUDIT_FIELD.rule, record.rule, true);
  view.setUint32(at + AUDIT_FIELD.generation, record.generation, true);
  view.setUint32(at + AUDIT_FIELD.ttlSeconds, record.ttlSeconds, true);
  view.setFloat64(at + AUDIT_FIELD.wallMs, record.wallMs, true);
  view.setUint32(at + AUDIT_FIELD.latencyMicros, record.latencyMicros, true);
  view.setUint16(at + AUDIT_FIELD.addressCount, record.addressCount ?? record.addresses.length, true);
  view.setInt16(at + AUDIT_FIELD.classIndex, record.classIndex, true);
  bytes.set(parseAddress(record.client) ?? [], at + AUDIT_FIELD.client);
  bytes.set(record.name, at + AUDIT_HEAD_BYTES);
  record.addresses.forEach((address, i) => {
    bytes.set(parseAddress(address) ?? [], at + AUDIT_HEAD_BYTES + record.name.length + 16 * i);
  });
  ring.commit(length);
  return true;
}
