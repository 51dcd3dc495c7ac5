// One request, in the order of the real server: who asks, whether the server can, whether they may, what it is, then the answer.
import { createEvent } from './create-event.ts';
import type { Faults } from './faults.ts';
import { isTrue, readListOptions } from './list-options.ts';
import { listObjects, refuseFuture } from './list.ts';
import { parsePath, verbOf } from './path.ts';
import type { ApiPath, Verb } from './path.ts';
import { sendObject, sendRefusal } from './reply.ts';
import type { Exchange } from './reply.ts';
import { RESOURCES } from './resources.ts';
import type { Resource } from './resources.ts';
import { badRequest, forbidden, noSuchResource, notFound, notImitated, StatusError, unauthorized } from './status.ts';
import type { Store } from './store.ts';
import { Watch } from './watch.ts';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly verb: Verb;
  readonly group: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** The server as one request sees it. */
export interface ServerView {
  readonly store: Store;
  readonly faults: Faults;
  readonly token: string;
  isInstalled(resource: Resource): boolean;
  /** Called when a request arrives, before anything is decided. */
  arrived(request: ApiRequest, exchange: Exchange): void;
  opened(watch: Watch, exchange: Exchange): void;
}

export async function serve(server: ServerView, exchange: Exchange): Promise<void> {
  try {
    await answer(server, exchange);
  } catch (error) {
    if (exchange.response.destroyed) return; // the client has gone, perhaps in the middle of its body
    if (error instanceof StatusError) return sendRefusal(exchange, error);
    exchange.response.destroy();
    throw error; // a fault of the stand-in itself: no test may pass over it
  }
}

async function answer(server: ServerView, exchange: Exchange): Promise<void> {
  const { method = '', url = '/' } = exchange.request;
  const { pathname = '/', searchParams: query = new URLSearchParams() } = URL.parse(url, 'http://server') ?? {};
  const path = parsePath(pathname);
  const verb = path && verbOf(method, path, isTrue(query, 'watch'));
  if (path !== undefined && verb !== undefined) {
    const { group, resource, namespace, name } = path;
    const place = { ...(namespace !== undefined && { namespace }), ...(name !== undefined && { name }) };
    server.arrived({ method, path: pathname, query, verb, group, resource, ...place }, exchange);
  }
  await server.faults.audible(path?.resource ?? '');
  if (exchange.response.destroyed) return;

  authenticate(server, exchange);
  fail(server.faults, path);
  if (path === undefined) throw noSuchResource();
  if (verb === undefined) throw notImitated(`method "${method}"`);
  if (!server.faults.allow(verb, path.group, path.resource, path.namespace)) throw forbidden(verb, path);
  const resource = resourceAt(path, server);
  if (path.subresource !== undefined) throw notImitated(`"${verb}" of "${path.resource}/${path.subresource}"`);

  const { store } = server;
  const scope = { resource, namespace: path.namespace };
  switch (verb) {
    case 'get':
      return sendObject(exchange, 200, get(store, resource, path, query));
    case 'list':
      return sendObject(exchange, 200, listObjects(store, scope, readListOptions(query, resource)));
    case 'watch':
      return server.opened(new Watch(server, scope, readListOptions(query, resource), exchange), exchange);
    case 'create':
      return sendObject(exchange, 201, await createEvent(store, scope, exchange));
    default:
      throw notImitated(`"${verb}" of "${path.resource}"`);
  }
}

function authenticate({ faults, token }: ServerView, { request }: Exchange): void {
  if (faults.isAuthFailing || request.headers.authorization !== `Bearer ${token}`) throw unauthorized();
}

function fail(faults: Faults, path: ApiPath | undefined): void {
  const failure = faults.takeFailure(path?.resource ?? '');
  if (failure === undefined) return;
  const { status, retryAfterSeconds } = failure;
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  throw new StatusError(`the server fails as the test wants it: ${status}`, {
    code: status,
    reason: reasonOf(status),
    ...details,
  });
}

function reasonOf(status: number): string {
  const reasons: Readonly<Record<number, string>> = {
    429: 'TooManyRequests',
    500: 'InternalError',
    503: 'ServiceUnavailable',
  };
  return reasons[status] ?? '';
}

function resourceAt(path: ApiPath, server: ServerView): Resource {
  const resource = RESOURCES.find(
    (each) => each.group === path.group && each.version === path.version && each.resource === path.resource,
  );
  if (resource === undefined || !server.isInstalled(resource)) throw noSuchResource();
  const isInPlace = resource.isNamespaced
    ? path.namespace !== undefined || path.name === undefined
    : path.namespace === undefined;
  if (!isInPlace) throw noSuchResource();
  return resource;
}

function get(store: Store, resource: Resource, { namespace, name = '' }: ApiPath, query: URLSearchParams): object {
  const version = Number(query.get('resourceVersion') ?? 0);
  if (!Number.isInteger(version)) throw badRequest('resourceVersion is not a number');
  refuseFuture(store, version);
  const object = store.get(resource, namespace === undefined ? { name } : { namespace, name });
  if (object === undefined) throw notFound(resource, name);
  return object;
}
