// The events of one source after a version that is known. Ends when the server ends the watch in order; everything else is an error.
import type { ApiClient } from './client.ts';
import { download, type Terms } from './download.ts';
import { fieldOf, textOf } from './json.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { jsonLines } from './lines.ts';
import { keepOrThrow } from './list.ts';
import type { KubernetesObject } from './objects.ts';
import type { Source } from './sources.ts';

/** `version` is where a later watch goes on. */
export type WatchEvent<T> =
  | { readonly kind: 'put' | 'remove'; readonly object: T; readonly version: string }
  | { readonly kind: 'bookmark'; readonly version: string };

export async function* watchFrom<T extends KubernetesObject>(
  client: ApiClient,
  source: Source<T>,
  place: { readonly version: string; readonly lastSeconds: number },
  terms: Terms,
): AsyncGenerator<WatchEvent<T>> {
  const query = new URLSearchParams({
    ...source.selector,
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: place.version,
    timeoutSeconds: String(place.lastSeconds),
  });
  for await (const line of jsonLines(download(client, `${source.path}?${query.toString()}`, terms)))
    yield readEvent(source, line);
}

function readEvent<T extends KubernetesObject>(source: Source<T>, line: unknown): WatchEvent<T> {
  const type = fieldOf(line, 'type');
  const raw = fieldOf(line, 'object');
  if (type === 'ERROR') throw errorEvent(raw);
  const version = textOf(fieldOf(raw, 'metadata', 'resourceVersion'));
  if (version === '') throw new KubernetesError('broken-answer', 'Cannot read the event: it has no resourceVersion');
  switch (type) {
    case 'BOOKMARK':
      return { kind: 'bookmark', version };
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'put', object: keepOrThrow(source, raw), version };
    case 'DELETED':
      return { kind: 'remove', object: keepOrThrow(source, raw), version };
    default:
      throw new KubernetesError('broken-answer', `Cannot read the event: its type is ${JSON.stringify(type)}`);
  }
}

/** The server's way to refuse when its 200 is out already: a Status, most often 410 for a version that it has forgotten. */
function errorEvent(raw: unknown): KubernetesError {
  const code = fieldOf(raw, 'code');
  const status = typeof code === 'number' ? code : 0;
  const why = textOf(fieldOf(raw, 'message')) || 'no reason given';
  return new KubernetesError('refused', `Cannot go on watching: ${status}, ${why}`, { status });
}
