// One audit event as it is written: a flat JSON object whose keys are stable. Version 1 of the schema.

export interface AuditPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface AuditPolicy {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** FILE:LINE:COL of the rule that decided. */
  readonly rule: string;
}

interface EventHead {
  /** RFC 3339, milliseconds, UTC. */
  readonly time: string;
  readonly pod: AuditPod | null;
  readonly client: string;
  /** Presentation form, ASCII only, `\DDD` for everything else. */
  readonly qname: string;
  readonly qtype: string;
}

export interface DnsEvent extends EventHead {
  readonly event: 'dns.allowed' | 'dns.denied' | 'dns.failed';
  /** Null: no reply was sent. */
  readonly rcode: string | null;
  readonly reason?: string;
  readonly addresses: readonly string[];
  /** Addresses beyond those that one event lists. */
  readonly addressesOmitted?: number;
  readonly ttlSeconds: number;
  readonly cached: boolean;
  readonly merged: boolean;
  /** An address was left out of the answer: it lies in a range that is never granted. */
  readonly withheld: boolean;
  readonly policy: AuditPolicy | null;
  readonly latencyMicros: number;
}

export interface GrantEvent extends EventHead {
  readonly event: 'grant';
  readonly addresses: readonly string[];
  /** Ports that the addresses were opened for: the id of the class. */
  readonly ports: string;
  readonly lifetimeSeconds: number;
  readonly policy: AuditPolicy | null;
  readonly commitMicros: number;
}

/** Events of a pod beyond its records of a second: counted, not written one by one. */
export interface FoldedEvent {
  readonly time: string;
  readonly event: 'audit.folded';
  /** Null: clients that are no pods, together. */
  readonly pod: AuditPod | null;
  readonly allowed: number;
  readonly denied: number;
  readonly failed: number;
  readonly grants: number;
}

/** Records that the data plane could not hand over, or that a sink could not take: loss is itself recorded (I11). */
export interface LostEvent {
  readonly time: string;
  readonly event: 'audit.lost';
  readonly records: number;
}

export type AuditEvent = DnsEvent | GrantEvent | FoldedEvent | LostEvent;
