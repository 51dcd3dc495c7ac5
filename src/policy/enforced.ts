// Which dialects are enforced: a CNI may enforce some of them itself. A policy of another dialect is left out whole, and said.
import type { Problem } from '../base/errors.ts';
import type { Policy } from './policy.ts';

export const DIALECTS = ['cilium', 'networkPolicy', 'clusterNetworkPolicy'] as const;
export type Dialect = (typeof DIALECTS)[number];

const DIALECT_OF_KIND: Readonly<Record<string, Dialect>> = {
  NetworkPolicy: 'networkPolicy',
  ClusterNetworkPolicy: 'clusterNetworkPolicy',
};

export interface Enforced {
  readonly policies: readonly Policy[];
  /** One for each policy that is left out. */
  readonly problems: readonly Problem[];
}

export function enforced(policies: readonly Policy[], dialects: readonly Dialect[]): Enforced {
  if (policies.every((policy) => dialects.includes(dialectOf(policy)))) return { policies, problems: [] };
  return {
    policies: policies.filter((policy) => dialects.includes(dialectOf(policy))),
    problems: policies.filter((policy) => !dialects.includes(dialectOf(policy))).map(leftOut),
  };
}

/** What is no kind of a document stands in for one (policy/sources/kubernetes.ts), and is never left out. */
function dialectOf({ kind }: Policy): Dialect {
  return DIALECT_OF_KIND[kind] ?? 'cilium';
}

function leftOut(policy: Policy): Problem {
  const message = `Not enforced here: "enforce" of the configuration does not list ${dialectOf(policy)}`;
  return { code: 'not-enforced', at: policy.at, message };
}
