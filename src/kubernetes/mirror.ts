// Our copy of the objects of one source. Knows what is in force and when it came; nothing about connections.
import { isDeepStrictEqual } from 'node:util';
import { KubernetesError } from './kubernetes-error.ts';
import type { KubernetesObject } from './objects.ts';

const MAX_OBJECTS = 100_000; // ten times the namespaces that Kubernetes is tested with; full: the copy stays as it is, and goes stale

/** `arrival` grows; all objects of one list share one, because a list does not say which came first. */
export interface Seen<T> {
  readonly object: T;
  readonly arrival: number;
}

/**
 * By namespace and name, since the server holds each once. The server sends the events of one object in order, so the last one is the
 * truth whatever stands between; what a lost event leaves wrong, the next list puts right.
 */
export class Mirror<T extends KubernetesObject> {
  #objects = new Map<string, Seen<T>>();
  #arrivals = 0;

  all(): readonly Seen<T>[] {
    return [...this.#objects.values()];
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Whether anything that we read is different now. */
  replace(objects: readonly T[]): boolean {
    const before = this.#objects;
    const next = new Map<string, Seen<T>>();
    this.#arrivals++;
    for (const object of objects) {
      next.set(keyOf(object), this.#seen(object));
      if (next.size > MAX_OBJECTS) throw full();
    }
    this.#objects = next;
    return next.size !== before.size || [...next].some(([key, { object }]) => before.get(key)?.object !== object);
  }

  put(object: T): boolean {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before === undefined && this.#objects.size >= MAX_OBJECTS) throw full();
    this.#arrivals++;
    const seen = this.#seen(object);
    this.#objects.set(key, seen);
    return seen.object !== before?.object;
  }

  /** A deletion of somebody who had the name before takes nothing from who has it now. */
  remove(object: T): boolean {
    const key = keyOf(object);
    const isKnown = this.#objects.get(key)?.object.metadata.uid === object.metadata.uid;
    return isKnown && this.#objects.delete(key);
  }

  /** The object that is in force already when nothing differs: later stages keep what they made of it. */
  #seen(object: T): Seen<T> {
    const before = this.#objects.get(keyOf(object));
    if (before === undefined || before.object.metadata.uid !== object.metadata.uid) {
      return { object, arrival: this.#arrivals };
    }
    return isDeepStrictEqual(before.object, object) ? before : { object, arrival: before.arrival };
  }
}

function keyOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`; // neither holds a slash
}

function full(): KubernetesError {
  return new KubernetesError('too-big', `Cannot hold the objects: more than ${MAX_OBJECTS}`);
}
