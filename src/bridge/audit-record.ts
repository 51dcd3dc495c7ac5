// The bytes of one audit record in the ring: what the data plane writes (datapath/audit.ts) and the main thread reads (audit/drain.ts).
// Little-endian, fixed head, then the folded wire name, then the addresses, 16 bytes each. A record of kind Folded has, instead of addresses,
// four uint32: how many allowed, denied, failed and grant events of its pod were not written one by one. In one of kind Cap or Spoof the field
// ttlSeconds is how many events it stands for; Cap has a limit in the field reason, Spoof a server in the fields client and qtype (its port).

export const AUDIT_KIND = { Allowed: 1, Denied: 2, Failed: 3, Grant: 4, Folded: 5, Cap: 6, Spoof: 7 } as const;

/** In the rcode field: no reply was sent. */
export const NO_RCODE = 0xffff;

/** Bits of the flags byte. */
export const AUDIT_FLAG = {
  Cached: 1,
  /** Waited for the same question of another query. */
  Merged: 2,
  /** At least one address was withheld: it lies in a never-granted range. */
  Withheld: 4,
  /** Answered only because the pod is in audit mode. */
  WouldDeny: 8,
  /** At least one granted address is private: RFC 1918, ULA or CGNAT. */
  Private: 16,
  /** Addresses beyond the most that an answer may have were left out. */
  Capped: 32,
  /** Asked by an operator in the name of the pod (`namewall dig`). */
  Dig: 128,
} as const;

/** Why a query was not answered with what upstream has; a closed set, also used as a metric label. */
export const AUDIT_REASON = [
  'none',
  'no-rule', // no rule of the pod's policies allows the name
  'unknown-client',
  'not-forwarded', // opcode, class, type or EDNS version that namewall never forwards
  'malformed',
  'upstream-timeout',
  'upstream-failed',
  'upstream-malformed',
  'kernel-refused', // the grant was not acknowledged
  'quota', // too many grants or queries in flight of this pod
  'protected-address', // every address lies in a never-granted range
  'internal-error',
  'truncated', // too big for the client over UDP
  'not-ready', // no policy and no pods are known yet
  'special-name', // answered without asking anyone: dns/special-names.ts, or the health check `. NS`
  'address-cap', // more addresses than an answer may have
] as const;

export type AuditReason = (typeof AUDIT_REASON)[number];

/** Index of each reason in AUDIT_REASON. */
export const REASON = Object.fromEntries(AUDIT_REASON.map((reason, i) => [reason, i])) as Record<AuditReason, number>;

/** The limits of a pod, reaching which costs nobody else anything; a closed set, also used as a metric label. */
export const CAPS = [
  'rate', // queries a second
  'names', // a second, that the cache does not have
  'in-flight', // queries that wait for upstreams
  'connections', // over TCP
  'grants', // of the pod, or of all
  'addresses', // of one name
  'slots', // of all pods together: this one was refused for want of them
] as const;

export type CapName = (typeof CAPS)[number];

/** Index of each limit in CAPS. */
export const CAP = Object.fromEntries(CAPS.map((cap, i) => [cap, i])) as Record<CapName, number>;

/** Byte offsets of the head. */
export const AUDIT_FIELD = {
  kind: 0,
  flags: 1,
  reason: 2,
  nameBytes: 3,
  qtype: 4,
  rcode: 6,
  /** uint32; 0: not a known pod. */
  podId: 8,
  /** int32; index into the rules of the generation, -1: none. */
  rule: 12,
  generation: 16,
  /** uint32, seconds: TTL of the reply, or lifetime of the grant. A number of events for Cap and Spoof. */
  ttlSeconds: 20,
  /** float64, ms since 1970. */
  wallMs: 24,
  /** uint32: from arrival to reply, or of the commit. */
  latencyMicros: 32,
  addressCount: 36,
  /** int16: index into the classes of the generation, for grants; else -1. */
  classIndex: 38,
  client: 40,
} as const;

export const AUDIT_HEAD_BYTES = 56;
/** Addresses one record carries at most; `addressCount` tells the true number. */
export const AUDIT_ADDRESSES = 64;
