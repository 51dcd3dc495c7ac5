// A list: which version of the past it shows, in which pieces. It never shows a mixture of two versions, unless the client asks for it.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
import type { ListOptions } from './list-options.ts';
import { isRecord } from './object.ts';
import type { KubernetesObject } from './object.ts';
import { apiVersionOf } from './resources.ts';
import type { Resource } from './resources.ts';
import { badRequest, expired, tooLarge } from './status.ts';
import type { Store } from './store.ts';

export interface Scope {
  readonly resource: Resource;
  /** Undefined: all namespaces, or a cluster-scoped resource. */
  readonly namespace: string | undefined;
}

/** Where a list goes on: at the first key after `after`, as of `version`; -1 is the version of that moment. */
interface Continuation {
  readonly version: number;
  readonly after: string;
}

/** Throws StatusError 400, 410 or 504. */
export function listObjects(store: Store, { resource, namespace }: Scope, options: ListOptions): object {
  const { version, after } = startOf(store, options);
  // The watch cache, which answers "any version", does not cut its answer in pieces.
  const limit =
    (options.version === 0 && options.continueToken === '') || options.limit === 0 ? Infinity : options.limit;
  const prefix = namespace === undefined ? '' : `${namespace}/`;
  const rest = store.list(resource, version).filter(([key]) => key.startsWith(prefix) && key > after);

  const items: KubernetesObject[] = [];
  let read = 0;
  for (const [, object] of rest) {
    if (items.length >= limit) break;
    read += 1;
    if (options.matches(object)) items.push(object);
  }
  // As in the real server there is a next piece while keys are unread, although none of them may match: it can be empty.
  const remaining = rest.length - read;
  const next = remaining === 0 ? undefined : encodeToken({ version, after: rest[read - 1]?.[0] ?? '' });
  return {
    kind: `${resource.kind}List`,
    apiVersion: apiVersionOf(resource),
    metadata: {
      resourceVersion: String(version),
      ...(next !== undefined && { continue: next }),
      ...(next !== undefined && !options.hasSelector && { remainingItemCount: remaining }),
    },
    items: resource.isCustom ? items : items.map(withoutType),
  };
}

/** Throws StatusError 504 when the version has not been yet. */
export function refuseFuture(store: Store, version: number): void {
  if (version > store.version) throw tooLarge(version, store.version);
}

function startOf(store: Store, options: ListOptions): Continuation {
  const { version = 0, versionMatch, limit, continueToken } = options;
  if (continueToken !== '') return continuationOf(store, continueToken);
  refuseFuture(store, version);
  // A limit makes an unqualified version exact: the piece could not be continued otherwise.
  const isExact = version > 0 && (versionMatch === 'Exact' || (versionMatch === undefined && limit > 0));
  if (!isExact) return { version: store.version, after: '' };
  if (version < store.compacted) throw expired('the resourceVersion of this list is too old');
  return { version, after: '' };
}

function continuationOf(store: Store, token: string): Continuation {
  const { version, after } = decodeToken(token);
  if (version === -1) return { version: store.version, after };
  if (version >= store.compacted) return { version, after };
  const inconsistent = encodeToken({ version: -1, after });
  throw expired('the continue token is too old: start again, or go on inconsistently with the one given', inconsistent);
}

function encodeToken({ version, after }: Continuation): string {
  return Buffer.from(JSON.stringify({ rv: version, start: after })).toString('base64url');
}

function decodeToken(token: string): Continuation {
  const refusal = badRequest('continue key is not valid');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw refusal;
  }
  if (!isRecord(value) || typeof value['rv'] !== 'number' || typeof value['start'] !== 'string') throw refusal;
  return { version: value['rv'], after: value['start'] };
}

// Items of built-in resources come without kind and apiVersion, since their Go types have them empty (kubernetes/kubernetes#80609).
function withoutType({ kind: _kind, apiVersion: _apiVersion, ...rest }: KubernetesObject): object {
  return rest;
}
