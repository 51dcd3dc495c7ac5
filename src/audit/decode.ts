// Bytes of the ring → AuditEvent. Numbers become names here: pods by id, rules and classes by the generation that judged.
import { formatAddress } from '../base/ip.ts';
import {
  AUDIT_ADDRESSES,
  AUDIT_FIELD,
  AUDIT_FLAG,
  AUDIT_HEAD_BYTES,
  AUDIT_KIND,
  AUDIT_REASON,
  CAPS,
  NO_RCODE,
} from '../bridge/audit-record.ts';
import { rcodeName, typeName } from '../dns/codes.ts';
import { formatName } from '../dns/name.ts';
import type { Pod } from '../pods/pod.ts';
import type { PortClass, RuleRef } from '../policy/compiled.ts';
import type { AuditEvent, DnsEvent } from './event.ts';
import { auditPolicy } from './policy.ts';

const ADDRESS_BYTES = 16;
const KIND_NAMES: Readonly<Record<number, DnsEvent['event']>> = {
  [AUDIT_KIND.Allowed]: 'dns.allowed',
  [AUDIT_KIND.Denied]: 'dns.denied',
  [AUDIT_KIND.Failed]: 'dns.failed',
};

/** What the numbers of a record mean. */
export interface AuditNames {
  pod(id: number): Pod | undefined;
  rule(generation: number, index: number): RuleRef | undefined;
  portClass(generation: number, index: number): PortClass | undefined;
}

/** `offset` is where the record begins in `bytes`. */
export function decode(view: DataView, bytes: Uint8Array, offset: number, names: AuditNames): AuditEvent {
  const kind = view.getUint8(offset + AUDIT_FIELD.kind);
  const nameBytes = view.getUint8(offset + AUDIT_FIELD.nameBytes);
  const generation = view.getUint32(offset + AUDIT_FIELD.generation, true);
  const pod = names.pod(view.getUint32(offset + AUDIT_FIELD.podId, true));
  const time = new Date(view.getFloat64(offset + AUDIT_FIELD.wallMs, true)).toISOString();
  const auditPod = pod === undefined ? null : { namespace: pod.namespace, name: pod.name, uid: pod.uid };
  if (kind === AUDIT_KIND.Folded) return { time, event: 'audit.folded', pod: auditPod, ...readCounts(view, offset) };
  if (kind === AUDIT_KIND.Cap) {
    const cap = CAPS[view.getUint8(offset + AUDIT_FIELD.reason)] ?? 'unknown';
    return {
      time,
      event: 'cap.reached',
      pod: auditPod,
      cap,
      count: view.getUint32(offset + AUDIT_FIELD.ttlSeconds, true),
    };
  }
  if (kind === AUDIT_KIND.Spoof) {
    const server = formatAddress(bytes, offset + AUDIT_FIELD.client);
    const port = view.getUint16(offset + AUDIT_FIELD.qtype, true);
    return { time, event: 'spoof', server, port, count: view.getUint32(offset + AUDIT_FIELD.ttlSeconds, true) };
  }
  const asker = {
    pod: auditPod,
    client: formatAddress(bytes, offset + AUDIT_FIELD.client),
    ...((view.getUint8(offset + AUDIT_FIELD.flags) & AUDIT_FLAG.Dig) === 0 ? {} : { dig: true as const }),
    qname: formatName(bytes, offset + AUDIT_HEAD_BYTES),
    qtype: typeName(view.getUint16(offset + AUDIT_FIELD.qtype, true)),
  };
  const addresses = readAddresses(view, bytes, offset, nameBytes);
  const total = view.getUint16(offset + AUDIT_FIELD.addressCount, true);
  const policy = auditPolicy(names.rule(generation, view.getInt32(offset + AUDIT_FIELD.rule, true)));
  const seconds = view.getUint32(offset + AUDIT_FIELD.ttlSeconds, true);
  const micros = view.getUint32(offset + AUDIT_FIELD.latencyMicros, true);
  const flags = view.getUint8(offset + AUDIT_FIELD.flags);
  const isPrivate = (flags & AUDIT_FLAG.Private) === 0 ? {} : { private: true as const };
  if (kind === AUDIT_KIND.Grant) {
    const ports = names.portClass(generation, view.getInt16(offset + AUDIT_FIELD.classIndex, true))?.id ?? '';
    const grant = { addresses, ...isPrivate, ports, lifetimeSeconds: seconds, policy, commitMicros: micros };
    return { time, event: 'grant', ...asker, ...grant };
  }
  const rcode = view.getUint16(offset + AUDIT_FIELD.rcode, true);
  const reason = AUDIT_REASON[view.getUint8(offset + AUDIT_FIELD.reason)] ?? 'none';
  return {
    time,
    event: KIND_NAMES[kind] ?? 'dns.failed',
    ...asker,
    rcode: rcode === NO_RCODE ? null : rcodeName(rcode),
    ...(reason === 'none' ? {} : { reason }),
    addresses,
    ...(total > addresses.length ? { addressesOmitted: total - addresses.length } : {}),
    ttlSeconds: seconds,
    cached: (flags & AUDIT_FLAG.Cached) !== 0,
    merged: (flags & AUDIT_FLAG.Merged) !== 0,
    withheld: (flags & AUDIT_FLAG.Withheld) !== 0,
    ...((flags & AUDIT_FLAG.Capped) === 0 ? {} : { capped: true }),
    ...isPrivate,
    ...((flags & AUDIT_FLAG.WouldDeny) === 0 ? {} : { wouldDeny: true }),
    policy,
    latencyMicros: micros,
  };
}

function readCounts(view: DataView, offset: number) {
  const [allowed = 0, denied = 0, failed = 0, grants = 0] = [0, 4, 8, 12].map((at) => {
    return view.getUint32(offset + AUDIT_HEAD_BYTES + at, true);
  });
  return { allowed, denied, failed, grants };
}

function readAddresses(view: DataView, bytes: Uint8Array, offset: number, nameBytes: number): string[] {
  const shown = view.getUint16(offset + AUDIT_FIELD.addressCount, true);
  const first = offset + AUDIT_HEAD_BYTES + nameBytes;
  return Array.from({ length: Math.min(shown, AUDIT_ADDRESSES) }, (_, i) =>
    formatAddress(bytes, first + i * ADDRESS_BYTES),
  );
}
