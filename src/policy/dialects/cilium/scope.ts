// What the fields of a rule mean depends on the document that they stand in, and on documents beside it.
import type { CidrGroups } from './cidr-groups.ts';

export interface Scope {
  /** The policy's own; undefined for a cluster-wide policy. */
  readonly namespace: string | undefined;
  /** Undefined: not read at all. */
  readonly groups: CidrGroups | undefined;
}
