// The tier in the middle, where the order of rules and policies means nothing: what a Cilium rule or a NetworkPolicy says about one pod.
import type { Rule } from './rule.ts';

export interface NormalPolicy {
  readonly isAudited: boolean;
  /** What no policy allows is denied. */
  readonly isolates: boolean;
  readonly allows: readonly Rule[];
  readonly denies: readonly Rule[];
}
