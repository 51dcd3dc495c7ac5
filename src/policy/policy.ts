// The validated policy: what every dialect is read into and what the compiler takes. Nothing here names a dialect's fields, and
// nothing that could not be enforced ever gets this far.
import type { PortRange, Traffic } from './compiled.ts';

export interface Policy {
  readonly kind: string;
  /** Empty for a cluster-wide policy. */
  readonly namespace: string;
  readonly name: string;
  /** FILE:LINE:COL of the document, or KIND NAMESPACE/NAME of an object of the cluster. */
  readonly at: string;
  readonly rules: readonly PolicyRule[];
}

/**
 * Every pod that `selector` selects loses its open egress and gets what `egress` lists; an empty list denies everything. What a deny rule takes
 * no other rule gives back.
 */
export interface PolicyRule {
  readonly at: string;
  readonly selector: PodSelector;
  readonly egress: readonly EgressRule[];
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
  /** What `except` lists lies in `cidr`; cidr.ts reads both. */
  | { readonly kind: 'cidr'; readonly cidr: string; readonly except: readonly string[] }
  | { readonly kind: 'pods'; readonly selector: PodSelector };

/** No lookup changes it. */
export interface ReachRule {
  readonly kind: 'reach';
  readonly verdict: 'allow' | 'deny';
  /** Any of them; an empty list is nobody. */
  readonly to: readonly Peer[];
  readonly traffic: Traffic;
  readonly at: string;
}

export type EgressRule =
  /** The names may be asked and the addresses they resolve to may be connected to. */
  | {
      readonly kind: 'connect';
      readonly names: readonly NameSelector[];
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
