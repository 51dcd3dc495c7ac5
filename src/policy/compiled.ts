// What the policy compiler hands to the kernel and to the data plane: plain data, immutable, safe to post between threads.
// Indexes (into classes, rules, programs) are valid within one CompiledPolicy only.

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** Ports first..last (1..65535, inclusive) of one protocol. */
export interface PortRange {
  readonly protocol: PortProtocol;
  readonly first: number;
  readonly last: number;
}

/**
 * One distinct set of ports that names may open, at one place in the order of rules. `id` is derived from the ports (`tcp443`,
 * `tcp443_udp443`, `any`; a hash when longer than 40 characters) and, in a tier of its own, from what is denied or passed before it
 * (`tcp443_a1b2c3d4e5f6`), so that the kernel's sets grants4_<id> / grants6_<id> keep their elements over restarts, and never open at one
 * place what a name was given at another.
 */
export interface PortClass {
  readonly id: string;
  /** Sorted, disjoint and merged. `all`: every protocol and port. */
  readonly ports: readonly PortRange[] | 'all';
}

/** One type of ICMP (`family` 4) or ICMPv6 (6) messages, 0..255. */
export interface IcmpType {
  readonly family: 4 | 6;
  readonly type: number;
}

/** What of the packets to a destination a static rule takes; `all`: every protocol. */
export type Traffic = 'all' | { readonly ports: readonly PortRange[]; readonly icmp: readonly IcmpType[] };

/** Addresses that static rules name. */
export interface Destination {
  /** The same as long as the rule is the same, although its addresses change: a set of the kernel is named by it and changed by differences. */
  readonly key: string;
  /**
   * CIDRs and addresses of both families, already without exceptions and, of a rule that allows, without what is protected and not meant
   * (destinations.ts); may overlap. Of a rule that denies nothing is left out.
   */
  readonly cidrs: readonly string[];
}

/** A rule that no lookup changes. */
export interface StaticRule {
  /**
   * Index into CompiledPolicy.destinations, which never are this node itself where the rule allows; `host`: this node itself; `any`: both, but
   * no allow rule opens what is never granted by it.
   */
  readonly to: number | 'any' | 'host';
  readonly traffic: Traffic;
  /** Index into CompiledPolicy.rules. */
  readonly rule: number;
  /** Of a policy that only audits: what it would deny is told and goes on. */
  readonly isAudited?: true;
}

/** Admin and baseline are the tiers of ClusterNetworkPolicy; all other dialects are in between, in one segment. */
export type Tier = 'admin' | 'normal' | 'baseline';

/** What is asked in this order: deny, pass, grants of these classes, allow. Whoever matches nothing goes on to the next segment. */
export interface Segment {
  readonly tier: Tier;
  readonly deny: readonly StaticRule[];
  /** Whoever matches goes on at the next tier, or, where there is none, at the end of the program. */
  readonly pass: readonly StaticRule[];
  /** Indexes into CompiledPolicy.classes, ascending. */
  readonly classes: readonly number[];
  readonly allow: readonly StaticRule[];
}

/** The rule of a document that decided something, for the audit and for messages. `at` is FILE:LINE:COL. */
export interface RuleRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly at: string;
  /** What its author says of it. */
  readonly description?: string;
  readonly labels?: readonly string[];
}

/** What one matchName, matchPattern or item of domainNames does in a program. */
export interface NameRule {
  readonly match: 'name' | 'pattern' | 'domain';
  /** As the user wrote it; names.ts compiles it again on the other side of the thread boundary. */
  readonly text: string;
  /** The name may be asked over UDP / TCP. */
  readonly askUdp: boolean;
  readonly askTcp: boolean;
  /** Indexes into CompiledPolicy.classes: what an address of this name opens. Empty for a name that may only be asked. */
  readonly classes: readonly number[];
  /** Index into CompiledPolicy.rules. */
  readonly rule: number;
  /** CIDRs: what of the protected ranges addresses of this name may lie in all the same. Absent: none. */
  readonly answerRanges?: readonly string[];
}

/** `would-deny`: it passes and is told, since only policies that audit would deny it. */
export type Otherwise = 'deny' | 'would-deny' | 'allow';

/** Everything that holds for one pod. Pods whose policies are equal share one program. */
export interface Program {
  /** Stable name of the content: 12 hex digits of its SHA-256. Names the chain policy_<id>. */
  readonly id: string;
  readonly names: readonly NameRule[];
  /** Indexes of every class that some name of this program opens, ascending: the sets that the chain asks. */
  readonly classes: readonly number[];
  /** In the order of their priority; one for dialects without tiers. */
  readonly segments: readonly Segment[];
  /** After the last segment. */
  readonly otherwise: 'deny' | 'allow';
  /** What becomes of a question for a name that no rule of `names` lets be asked. */
  readonly unlisted: { readonly udp: Otherwise; readonly tcp: Otherwise };
  /** Whatever may be asked is told as `would-deny`. */
  readonly isTold: { readonly udp: boolean; readonly tcp: boolean };
  /** Index into CompiledPolicy.rules: by which rule such a question would be denied; -1: none is told. */
  readonly toldBy: { readonly udp: number; readonly tcp: number };
  /** Indexes into CompiledPolicy.rules: what takes the pod its open egress. Empty where it has it still. */
  readonly isolatedBy: readonly number[];
  /** What would, if it did not only audit; empty where something else does. */
  readonly auditedBy: readonly number[];
  /** Only while policy changes (agent/rules.ts): what was judged before. What it allows is open, too. */
  readonly former?: Pick<Program, 'segments' | 'otherwise'>;
}

export interface CompiledPolicy {
  readonly classes: readonly PortClass[];
  readonly destinations: readonly Destination[];
  readonly rules: readonly RuleRef[];
  readonly programs: readonly Program[];
  /** For each pod of the input, in its order: index into programs, or -1 when no policy selects it. */
  readonly programOfPod: readonly number[];
  /** Every answerRanges of the rules in use, sorted. Absent: there are none. */
  readonly answerRanges?: readonly string[];
}
