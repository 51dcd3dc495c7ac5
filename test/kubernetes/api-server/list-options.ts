// The query of a list or a watch, read as the real server reads it: what it refuses is refused here, with its status.
import { parseFieldSelector } from './field-selector.ts';
import { parseLabelSelector } from './label-selector.ts';
import type { KubernetesObject } from './object.ts';
import type { Resource } from './resources.ts';
import { badRequest, invalid } from './status.ts';

export interface ListOptions {
  /** Undefined: not given. 0: any version will do. */
  readonly version: number | undefined;
  readonly versionMatch: 'Exact' | 'NotOlderThan' | undefined;
  /** 0: no limit. */
  readonly limit: number;
  readonly continueToken: string;
  readonly matches: (object: KubernetesObject) => boolean;
  /** remainingItemCount is told only without a selector: the server would have to read all pages to know it. */
  readonly hasSelector: boolean;
  readonly allowsBookmarks: boolean;
  /** 0: the server's own, 30 to 60 minutes. */
  readonly timeoutSeconds: number;
}

/** Throws StatusError 400 or 422. */
export function readListOptions(query: URLSearchParams, resource: Resource): ListOptions {
  const text = (name: string): string => query.get(name) ?? '';
  const matchesFields = parseFieldSelector(text('fieldSelector'), resource);
  const matchesLabels = parseLabelSelector(text('labelSelector'));
  const options: ListOptions = {
    version: query.get('resourceVersion') ? count('resourceVersion', text('resourceVersion')) : undefined,
    versionMatch: versionMatchOf(text('resourceVersionMatch')),
    limit: count('limit', text('limit')),
    continueToken: text('continue'),
    matches: (object) => matchesFields(object) && matchesLabels(object.metadata.labels ?? {}),
    hasSelector: text('fieldSelector') !== '' || text('labelSelector') !== '',
    allowsBookmarks: isTrue(query, 'allowWatchBookmarks'),
    timeoutSeconds: count('timeoutSeconds', text('timeoutSeconds')),
  };
  refuseCombinations(options, isTrue(query, 'watch'), query.has('sendInitialEvents'));
  return options;
}

/** A flag without a value is set, and so is any word but `false` and `0`: the server's own reading of a query. */
export function isTrue(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value.toLowerCase() !== 'false' && value !== '0';
}

function count(name: string, text: string): number {
  if (!/^\d*$/.test(text)) throw badRequest(`${name} is not a number: "${text}"`);
  return Number(text);
}

function versionMatchOf(text: string): ListOptions['versionMatch'] {
  if (text === '') return undefined;
  if (text === 'Exact' || text === 'NotOlderThan') return text;
  throw invalid('ListOptions', 'resourceVersionMatch', `Unsupported value: "${text}"`);
}

// https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
function refuseCombinations(options: ListOptions, isWatch: boolean, hasInitialEvents: boolean): void {
  const { version, versionMatch, continueToken } = options;
  const forbid = (field: string, why: string): never => {
    throw invalid('ListOptions', field, `Forbidden: ${why}`);
  };
  // A server whose WatchList feature is off, as before 1.34: it knows the option and refuses it.
  if (hasInitialEvents) forbid('sendInitialEvents', 'the WatchList feature gate is not enabled');
  if (versionMatch !== undefined) {
    if (isWatch) forbid('resourceVersionMatch', 'not for a watch');
    if (version === undefined) forbid('resourceVersionMatch', 'not without a resourceVersion');
    if (continueToken !== '') forbid('resourceVersionMatch', 'not with continue');
    if (versionMatch === 'Exact' && version === 0) forbid('resourceVersionMatch', 'not Exact for resourceVersion 0');
  }
  if (continueToken !== '' && version) throw badRequest('a resourceVersion is not allowed with continue');
}
