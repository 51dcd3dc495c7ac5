// POST of an Event, the one kind that clients of the stand-in create: checked as the real server checks it, and kept like any object.
import { randomUUID } from 'node:crypto';
import type { Scope } from './list.ts';
import { isRecord } from './object.ts';
import type { KubernetesObject } from './object.ts';
import type { Exchange } from './reply.ts';
import { alreadyExists, badRequest, invalid, noSuchResource, notImitated } from './status.ts';
import type { Store } from './store.ts';

// --max-request-body-bytes of the real server.
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** Throws StatusError 400, 404, 409 or 422. */
export async function createEvent(
  store: Store,
  { resource, namespace }: Scope,
  { request }: Exchange,
): Promise<object> {
  if (resource.kind !== 'Event') throw notImitated(`"create" of "${resource.resource}"`);
  if (namespace === undefined) throw noSuchResource();
  const event = parseEvent(await readBody(request), namespace);
  if (store.get(resource, event.metadata) !== undefined) throw alreadyExists(resource, event.metadata.name);
  return store.put(resource, event);
}

async function readBody(request: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of request) {
    lengthBytes += chunk.length;
    if (lengthBytes > MAX_BODY_BYTES) throw badRequest('the request body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseEvent(text: string, namespace: string): KubernetesObject {
  const event = parseObject(text);
  const { kind = 'Event', apiVersion = 'v1', metadata, involvedObject } = event;
  if (kind !== 'Event' || apiVersion !== 'v1')
    throw badRequest(`"${String(apiVersion)} ${String(kind)}" is no v1 Event`);
  if (!isRecord(metadata)) throw invalid('Event', 'metadata.name', 'Required value');
  const { name, generateName } = metadata;
  if (typeof name !== 'string' && typeof generateName !== 'string')
    throw invalid('Event', 'metadata.name', 'Required value: name or generateName');
  if ((metadata['namespace'] ?? namespace) !== namespace)
    throw badRequest('the namespace of the object does not match the namespace of the request');
  // An event stands beside its object, and that of a cluster-scoped object in "default": clients like to get this wrong.
  const expected = (isRecord(involvedObject) && involvedObject['namespace']) || 'default';
  if (expected !== namespace) throw invalid('Event', 'involvedObject.namespace', 'does not match event.namespace');
  const ownName = typeof name === 'string' ? name : `${String(generateName)}${randomUUID().slice(0, 5)}`;
  return { ...event, kind: 'Event', apiVersion: 'v1', metadata: { ...metadata, name: ownName, namespace } };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest('the request body is not JSON');
  }
  if (!isRecord(value)) throw badRequest('the request body is not an object');
  return value;
}
