// Which client of the clients file a test means. A deployment is not in that file, its pods are: they are told by their names.
import type { Pod } from '../../pods/pod.ts';
import type { Workload } from './case.ts';

export type FoundClient = { readonly ok: true; readonly pod: Pod } | { readonly ok: false; readonly why: string };

/**
 * A pod is the client of that name. The others are the client of that name or, where there is none, the first whose name begins with
 * `NAME-`. `web-` begins the names of `web-admin`'s pods, too: where labels differ, nobody can say which is meant.
 */
export function findClient(clients: readonly Pod[], { kind, namespace, name }: Workload): FoundClient {
  const near = clients.filter((pod) => pod.namespace === namespace);
  const exact = near.find((pod) => pod.name === name);
  if (exact !== undefined) return { ok: true, pod: exact };
  const [first, ...others] = kind === 'pod' ? [] : near.filter((pod) => pod.name.startsWith(`${name}-`));
  if (first === undefined) return { ok: false, why: `no client is ${kind} ${namespace}/${name}` };
  const other = others.find((pod) => labelsOf(pod) !== labelsOf(first));
  if (other === undefined) return { ok: true, pod: first };
  const both = `"${first.name}" and "${other.name}", which have other labels`;
  return { ok: false, why: `${kind} ${namespace}/${name} could be ${both}; write kind: pod and one of them` };
}

export function clientKey({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function labelsOf(pod: Pod): string {
  return JSON.stringify(Object.entries(pod.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
