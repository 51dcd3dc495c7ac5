// One audit event as it is written: a flat JSON object whose keys are stable. Version 1 of the schema.
import type { CapName } from '../bridge/audit-record.ts';

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
  /** What its author says of it. */
  readonly description?: string;
  /** `source:key=value`; what `log.value` says is `log:VALUE`. */
  readonly labels?: readonly string[];
}

interface EventHead {
  /** RFC 3339, milliseconds, UTC. */
  readonly time: string;
  readonly pod: AuditPod | null;
  readonly client: string;
  /** An operator asked in the name of the pod (`namewall dig`). */
  readonly dig?: true;
  /** Presentation form, ASCII only, `\DDD` for everything else. `.` of type `TYPE0` where the question was not read. */
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
  /** Addresses beyond the most that an answer may have were left out of it. */
  readonly capped?: true;
  /** The name was granted an address in RFC 1918, ULA or CGNAT, also behind NAT64 (`private-address`; `protect:` closes them). */
  readonly private?: true;
  /** Only in audit mode: policy alone would have refused it. */
  readonly wouldDeny?: true;
  readonly policy: AuditPolicy | null;
  readonly latencyMicros: number;
}

export interface GrantEvent extends EventHead {
  readonly event: 'grant';
  readonly addresses: readonly string[];
  /** One of them at least is in RFC 1918, ULA or CGNAT. */
  readonly private?: true;
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

/** A limit of a pod was reached; once in ten seconds at most for each pod and limit. Nothing of it is lost but by `audit.lost`. */
export interface CapEvent {
  readonly time: string;
  readonly event: 'cap.reached';
  /** Null: clients that are no pods, together. */
  readonly pod: AuditPod | null;
  readonly cap: CapName | 'unknown';
  /** How often since the last line of this pod and limit. */
  readonly count: number;
}

/** Answers from an upstream's address to nothing that was asked of it: somebody may forge them. Once in ten seconds at most for each server. */
export interface SpoofEvent {
  readonly time: string;
  readonly event: 'spoof';
  readonly server: string;
  readonly port: number;
  /** How many since the last line of this server. */
  readonly count: number;
}

/** Records that the data plane could not hand over, or that a sink could not take: loss is itself recorded (I11). */
export interface LostEvent {
  readonly time: string;
  readonly event: 'audit.lost';
  readonly records: number;
}

interface ConnectionHead {
  /** RFC 3339, milliseconds, UTC. */
  readonly time: string;
  readonly pod: AuditPod | null;
  readonly client: string;
  /** Ports are 0 where the protocol has none. */
  readonly clientPort: number;
  /** After translation: what policy judges. */
  readonly destination: string;
  readonly destinationPort: number;
  /** tcp, udp, sctp, icmp, icmpv6, or the number. */
  readonly protocol: string;
  /** `address:port` that the client asked for, where translation made it another. */
  readonly translatedFrom?: string;
  /** What this pod saw resolve to the destination, the one looked up last first; at most eight. */
  readonly names: readonly string[];
  readonly policy: AuditPolicy | null;
}

/** Why a packet was logged: the first word of the rule's prefix. `unknown`: none of ours. */
export type DenialReason =
  | 'no-rule'
  | 'never-granted'
  | 'deny-rule'
  | 'not-syn'
  | 'spoofed'
  | 'unknown-pod'
  | 'cut'
  | 'source-route'
  | 'would-deny'
  | 'unknown';

export interface ConnectionDeniedEvent extends ConnectionHead {
  readonly event: 'connection.denied';
  /** With `would-deny` the packet went on. */
  readonly reason: DenialReason;
  /** One sentence for a person. */
  readonly explanation: string;
  readonly icmpType?: number;
  /** Packets like it that the kernel counted and did not log since the last one. */
  readonly repeats?: number;
}

export interface ConnectionOpenedEvent extends ConnectionHead {
  readonly event: 'connection.opened';
}

export interface ConnectionClosedEvent extends ConnectionHead {
  readonly event: 'connection.closed';
  /** Null where nobody knows when it began. */
  readonly durationMs: number | null;
  /** Null where the kernel does not count (net.netfilter.nf_conntrack_acct). */
  readonly bytesSent: number | null;
  readonly bytesReceived: number | null;
}

/** A connection that was open and that policy does not allow any more. */
export interface ConnectionCutEvent extends ConnectionHead {
  readonly event: 'connection.cut';
  readonly reason: string;
}

/** Somebody else had changed or deleted our table in the kernel; it was put back. */
export interface TableRestoredEvent {
  readonly time: string;
  readonly event: 'table.restored';
}

/** Whose audit mode, in which nothing is refused, begins or ends. */
export interface EnforcementEvent {
  readonly time: string;
  readonly event: 'enforcement.off' | 'enforcement.on';
  readonly scope: 'node' | 'namespace' | 'pod';
  /** Absent for the whole node. */
  readonly namespace?: string;
  /** Of a pod. */
  readonly name?: string;
  /** When it ends, or would have ended; null: when somebody ends it. */
  readonly until: string | null;
  /** Who said so; null: nobody, its time was over. */
  readonly uid: number | null;
}

/** Denied packets of a pod that the kernel counted and did not log, since the last line that says so. */
export interface ConnectionFoldedEvent {
  readonly time: string;
  readonly event: 'connection.folded';
  readonly pod: AuditPod | null;
  readonly client: string;
  readonly denied: number;
}

export type ConnectionEvent =
  ConnectionDeniedEvent | ConnectionOpenedEvent | ConnectionClosedEvent | ConnectionCutEvent | ConnectionFoldedEvent;

export type AuditEvent =
  | DnsEvent
  | GrantEvent
  | FoldedEvent
  | CapEvent
  | SpoofEvent
  | LostEvent
  | ConnectionEvent
  | TableRestoredEvent
  | EnforcementEvent;
