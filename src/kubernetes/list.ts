// The complete list of one source, fetched in chunks. All of it or an error: never a part.
import type { ApiClient } from './client.ts';
import { download, type Terms } from './download.ts';
import { fieldOf, isRecord, textOf } from './json.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { wholeJson } from './lines.ts';
import type { KubernetesObject } from './objects.ts';
import type { Source } from './sources.ts';

const CHUNK = '500'; // objects; what kubectl and client-go ask for
const MAX_CHUNK_BYTES = 128 * 1024 * 1024; // a server that answers from its cache ignores the limit and sends everything at once
const MAX_CHUNKS = 1000;

export interface Listing<T> {
  readonly objects: readonly T[];
  /** Where a watch goes on from this list. */
  readonly version: string;
}

/** `from` says how fresh the list must be, as query parameters. */
export async function listAll<T extends KubernetesObject>(
  client: ApiClient,
  source: Source<T>,
  from: Readonly<Record<string, string>>,
  terms: Terms,
): Promise<Listing<T>> {
  const objects: T[] = [];
  let version: string | undefined;
  let place: Readonly<Record<string, string>> = from;
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
    const query = new URLSearchParams({ ...source.selector, limit: CHUNK, ...place });
    const answer = await wholeJson(download(client, `${source.path}?${query.toString()}`, terms), MAX_CHUNK_BYTES);
    const items = fieldOf(answer, 'items');
    const chunkVersion = textOf(fieldOf(answer, 'metadata', 'resourceVersion'));
    if (!isRecord(answer) || !(Array.isArray(items) || items === null) || chunkVersion === '') throw notAList();
    for (const item of items ?? []) objects.push(keepOrThrow(source, item));
    version ??= chunkVersion; // of the first: should the others be younger, a watch from here only repeats what they hold
    const next = textOf(fieldOf(answer, 'metadata', 'continue'));
    if (next === '') return { objects, version };
    place = { continue: next }; // the token holds the version; the server refuses both together
  }
  throw new KubernetesError('too-big', `Cannot read ${source.resource}: the list has more than ${MAX_CHUNKS} chunks`);
}

/** An object that is not what the API promises is no object to be skipped: it may be a policy. */
export function keepOrThrow<T extends KubernetesObject>(source: Source<T>, raw: unknown): T {
  const object = source.keep(raw);
  if (object !== undefined) return object;
  throw new KubernetesError('broken-answer', `Cannot read one of ${source.resource}: it has no name or no uid`);
}

function notAList(): KubernetesError {
  return new KubernetesError('broken-answer', 'Cannot read the answer: it is no list');
}
