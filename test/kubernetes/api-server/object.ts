// A Kubernetes object as the stand-in keeps it. Only metadata is typed: the stand-in must never act on what a spec or a status means.

export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  labels?: Record<string, string>;
  [field: string]: unknown;
}

/** Where etcd would keep it below its resource; lists are in the order of these keys. A name alone stands for a cluster-scoped object. */
export function keyOf({ namespace, name }: Pick<ObjectMeta, 'namespace' | 'name'>): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The value at a path like `spec.nodeName` as a field selector sees it: absent and null are the empty string. */
export function fieldOf(object: KubernetesObject, path: string): string {
  let value: unknown = object;
  for (const key of path.split('.')) value = isRecord(value) ? value[key] : undefined;
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
