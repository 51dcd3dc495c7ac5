// Orders to refuse nothing of some pods for a while (`namewall off`): whom they are about, when they end, and how they are written on the
// control socket and in the file. Pure; every reader is strict, since what it lets in opens.
import type { Pod } from '../pods/pod.ts';

export type Scope =
  | { readonly kind: 'node' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'pod'; readonly namespace: string; readonly name: string };

export interface Order {
  readonly scope: Scope;
  readonly sinceWallMs: number;
  /** By the machine's clock (machine-clock.ts); Infinity: until somebody ends it. */
  readonly untilMs: number;
  /** Who gave it. */
  readonly uid: number;
}

/** One order in words: what `namewall off --status` prints. Times are RFC 3339, UTC, whole seconds. */
export interface OrderNote {
  readonly scope: Scope['kind'];
  readonly namespace?: string;
  readonly name?: string;
  readonly since: string;
  /** Null: until somebody ends it; so is `leftSeconds`. */
  readonly until: string | null;
  readonly leftSeconds: number | null;
  readonly uid: number;
}

export type Request =
  /** `forMs` null: until it is ended. */
  | { readonly kind: 'off'; readonly scope: Scope; readonly forMs: number | null; readonly uid: number }
  | { readonly kind: 'on'; readonly scope: Scope; readonly uid: number }
  | { readonly kind: 'status' };

export type Reply =
  | { readonly ok: true; readonly off: readonly OrderNote[]; readonly warning?: string }
  | { readonly ok: false; readonly error: string };

/** A file that somebody left, and a day on which everybody is in a hurry, need no more. */
export const MAX_ORDERS = 256;
export const LONGEST_MS = 30 * 86_400_000;
export const SHORTEST_MS = 100;

const KEYS: Readonly<Record<Scope['kind'], readonly string[]>> = {
  node: ['kind'],
  namespace: ['kind', 'namespace'],
  pod: ['kind', 'namespace', 'name'],
};

export function covers(scope: Scope, { namespace, name }: Pick<Pod, 'namespace' | 'name'>): boolean {
  if (scope.kind === 'node') return true;
  return scope.namespace === namespace && (scope.kind === 'namespace' || scope.name === name);
}

/** Whether every pod of `inner`, now or later, is one of `outer`. */
export function isWithin(inner: Scope, outer: Scope): boolean {
  if (outer.kind === 'node') return true;
  if (inner.kind === 'node' || inner.namespace !== outer.namespace) return false;
  return outer.kind === 'namespace' || (inner.kind === 'pod' && inner.name === outer.name);
}

export function scopeText(scope: Scope): string {
  if (scope.kind === 'node') return 'the whole node';
  return scope.kind === 'namespace' ? `namespace ${scope.namespace}` : `pod ${scope.namespace}/${scope.name}`;
}

/** Namespace and name as keys beside others. */
export function scopeFields(scope: Scope): Pick<OrderNote, 'scope' | 'namespace' | 'name'> {
  const { kind, ...rest } = scope;
  return { scope: kind, ...rest };
}

/** RFC 3339, UTC, whole seconds: nobody types milliseconds at that hour. */
export function timeText(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

/** Undefined when it is no request. */
export function readRequest(value: unknown): Request | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, forMs } = value;
  if (kind === 'status') return hasOnly(value, ['kind']) ? { kind } : undefined;
  const scope = readScope(value['scope']);
  const uid = readUid(value['uid']);
  if (scope === undefined || uid === undefined) return undefined;
  if (kind === 'on') return hasOnly(value, ['kind', 'scope', 'uid']) ? { kind, scope, uid } : undefined;
  if (kind !== 'off' || !hasOnly(value, ['kind', 'scope', 'forMs', 'uid'])) return undefined;
  if (forMs === null) return { kind, scope, forMs, uid };
  return isWithinLimits(forMs, SHORTEST_MS, LONGEST_MS) ? { kind, scope, forMs, uid } : undefined;
}

/** What the file has of one order: Infinity is null there. Undefined when it is none. */
export function readOrder(value: unknown): Order | undefined {
  if (!isRecord(value) || !hasOnly(value, ['scope', 'sinceWallMs', 'untilMs', 'uid'])) return undefined;
  const { sinceWallMs, untilMs } = value;
  const scope = readScope(value['scope']);
  const uid = readUid(value['uid']);
  if (scope === undefined || uid === undefined || !isWithinLimits(sinceWallMs, 0, 8.64e15)) return undefined;
  if (untilMs === null) return { scope, sinceWallMs, untilMs: Infinity, uid };
  return isWithinLimits(untilMs, 0, Number.MAX_SAFE_INTEGER) ? { scope, sinceWallMs, untilMs, uid } : undefined;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readScope(value: unknown): Scope | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, namespace, name } = value;
  if (kind !== 'node' && kind !== 'namespace' && kind !== 'pod') return undefined;
  if (!hasOnly(value, KEYS[kind])) return undefined;
  if (kind === 'node') return { kind };
  if (!isName(namespace)) return undefined;
  if (kind === 'namespace') return { kind, namespace };
  return isName(name) ? { kind, namespace, name } : undefined;
}

/** Those of Kubernetes have 253 characters at most. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 253;
}

function readUid(value: unknown): number | undefined {
  return isWithinLimits(value, 0, 0xffff_ffff) && Number.isInteger(value) ? value : undefined;
}

function isWithinLimits(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && value >= least && value <= most;
}

function hasOnly(value: Readonly<Record<string, unknown>>, keys: readonly string[]): boolean {
  return Object.keys(value).every((key) => keys.includes(key));
}
