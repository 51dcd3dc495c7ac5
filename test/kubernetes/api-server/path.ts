// What a request path means: Kubernetes' two shapes of resource paths, and nothing about which resources exist.

export interface ApiPath {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** The verbs of authorization, not the methods of HTTP. */
export type Verb = 'list' | 'watch' | 'get' | 'patch' | 'create' | 'update' | 'delete';

const WRITES: Readonly<Record<string, Verb>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/**
 * `/api/v1/…` and `/apis/GROUP/VERSION/…`; undefined for any other path.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
 */
export function parsePath(pathname: string): ApiPath | undefined {
  const [root, ...rest] = pathname.split('/').slice(1).map(decode);
  const group = root === 'api' ? '' : (rest.shift() ?? '');
  const version = rest.shift();
  if (version === undefined || !(root === 'api' || (root === 'apis' && group !== ''))) return undefined;
  // `namespaces/x` is an object, `namespaces/x/pods` a place, and so `namespaces/x/status` must be told from it.
  const isPlace = rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize';
  const namespace = isPlace ? rest[1] : undefined;
  const [resource, name, subresource, ...more] = isPlace ? rest.slice(2) : rest;
  if (resource === undefined || more.length > 0 || [version, ...rest].includes('')) return undefined;
  return {
    group,
    version,
    resource,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
  };
}

/** Undefined for a method that the API does not have. */
export function verbOf(method: string, path: ApiPath, isWatch: boolean): Verb | undefined {
  if (method === 'GET' && path.name !== undefined) return 'get';
  if (method === 'GET') return isWatch ? 'watch' : 'list';
  return WRITES[method];
}

/** A part that cannot be decoded becomes empty, which no part of a resource path is. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
