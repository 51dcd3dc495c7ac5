// The validated policy: what every dialect is read into and what the compiler takes. Nothing here names a dialect's fields, and
// nothing that could not be enforced ever gets this far.
import type { Problem } from '../base/errors.ts';
import type { PortProtocol, PortRange, Traffic } from './compiled.ts';

export interface Policy {
  readonly kind: string;
  /** Empty for a cluster-wide policy. */
  readonly namespace: string;
  readonly name: string;
  /** FILE:LINE:COL of the document, or KIND NAMESPACE/NAME of an object of the cluster. */
  readonly at: string;
  /** Of a ClusterNetworkPolicy: its rules are judged in their order, those of the lowest number first. Absent: together with all such policies. */
  readonly tier?: { readonly name: 'admin' | 'baseline'; readonly priority: number };
  /** What it denies passes, and is told. */
  readonly isAudited?: true;
  readonly rules: readonly PolicyRule[];
  /** What its author should know of how it is understood, for `namewall check`. */
  readonly notes?: readonly Problem[];
}

/** What a deny rule takes no other rule of the same tier gives back, but for rules of a tier with an order, where the first that matches decides. */
export interface PolicyRule {
  readonly at: string;
  readonly selector: PodSelector;
  /** Every pod that `selector` selects loses its open egress, and has what allow rules list: with an empty list nothing. */
  readonly isolates: boolean;
  readonly egress: readonly EgressRule[];
  /** Carried to the audit. */
  readonly description?: string;
  readonly labels?: readonly string[];
  /** Its pods get nothing from other policies either: what it would have denied cannot be read. */
  readonly isFinal?: true;
}

/** All parts must hold. */
export interface PodSelector {
  /** Undefined: every namespace. */
  readonly namespace?: string;
  readonly requirements: readonly LabelRequirement[];
}

/** `NotIn` and `DoesNotExist` also hold for pods without the label, as in Kubernetes. */
export type LabelRequirement =
  | { readonly subject: LabelSubject; readonly operator: 'In' | 'NotIn'; readonly values: readonly string[] }
  | { readonly subject: LabelSubject; readonly operator: 'Exists' | 'DoesNotExist' };

/** What a requirement looks at: a label of the pod, a label of the namespace that it lives in, or that namespace's name. */
export type LabelSubject =
  { readonly kind: 'label' | 'namespace-label'; readonly key: string } | { readonly kind: 'namespace' };

export interface NameSelector {
  /** A matchName, a matchPattern, or an item of domainNames. */
  readonly match: 'name' | 'pattern' | 'domain';
  /** As written; names.ts accepts it. */
  readonly text: string;
  readonly at: string;
}

/** Whom a rule names without a name. */
export type Peer =
  /** Every address, the node itself included. */
  | { readonly kind: 'any' }
  /** This node itself, by whichever address. */
  | { readonly kind: 'host' }
  /** What `except` lists lies in `cidr`; cidr.ts reads both. `isOutside`: addresses of the cluster itself are not meant. */
  | { readonly kind: 'cidr'; readonly cidr: string; readonly except: readonly string[]; readonly isOutside?: true }
  | { readonly kind: 'pods'; readonly selector: PodSelector }
  /** Nodes by their labels, this one among them unless only others are meant. */
  | { readonly kind: 'nodes'; readonly requirements: readonly LabelRequirement[]; readonly isRemote?: true }
  /** Services by name, or by their labels: the pods that they select, or the addresses of those that select none. */
  | {
      readonly kind: 'services';
      readonly namespace?: string;
      readonly name?: string;
      readonly requirements: readonly LabelRequirement[];
    };

/** A port that each destination pod has another number for. */
export interface NamedPort {
  readonly name: string;
  readonly protocols: readonly PortProtocol[];
}

/** No lookup changes it. */
export interface ReachRule {
  readonly kind: 'reach';
  /** `pass`: goes on at the next tier. */
  readonly verdict: 'allow' | 'deny' | 'pass';
  /** Any of them; an empty list is nobody. */
  readonly to: readonly Peer[];
  readonly traffic: Traffic;
  /** Beside `traffic`, of destinations that are pods. */
  readonly namedPorts?: readonly NamedPort[];
  readonly at: string;
}

export type EgressRule =
  /** The names may be asked, unless `isSilent`, and the addresses they resolve to may be connected to. */
  | {
      readonly kind: 'connect';
      readonly names: readonly NameSelector[];
      /** A dialect in which names do not open DNS. */
      readonly isSilent?: true;
      readonly ports: readonly PortRange[] | 'all';
      /** CIDRs: what of the protected ranges these addresses may lie in all the same. */
      readonly answerRanges?: readonly string[];
    }
  /** The names may be asked of the configured DNS servers; that alone opens no address. */
  | {
      readonly kind: 'ask';
      readonly names: readonly NameSelector[];
      readonly overUdp: boolean;
      readonly overTcp: boolean;
    }
  | ReachRule;
