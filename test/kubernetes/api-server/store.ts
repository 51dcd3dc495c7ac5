// The objects, one counter of versions for all of them, and the changes of the past until they are compacted, as in etcd. It knows no HTTP.
import { randomUUID } from 'node:crypto';
import { keyOf } from './object.ts';
import type { KubernetesObject, ObjectMeta } from './object.ts';
import type { Resource } from './resources.ts';

/** One write: before without after is a removal, after without before a creation. */
export interface Change {
  readonly version: number;
  readonly key: string;
  readonly before: KubernetesObject | undefined;
  readonly after: KubernetesObject | undefined;
}

interface Shelf {
  readonly objects: Map<string, KubernetesObject>;
  changes: Change[];
  readonly listeners: Set<(change: Change) => void>;
}

// The changes of one resource that are kept; beyond, the oldest are compacted. As many as a watch cache of a large cluster holds, about.
const CHANGES_KEPT = 10_000;

export class Store {
  readonly #shelves = new Map<string, Shelf>();
  // No list of a real cluster is at version 0, which means "any" in a request.
  #version = 1;
  #compacted = 0;

  get version(): number {
    return this.#version;
  }

  /** What was before it can be neither listed nor watched; itself it can. */
  get compacted(): number {
    return this.#compacted;
  }

  compact(): void {
    this.#compacted = this.#version;
    for (const shelf of this.#shelves.values()) shelf.changes = [];
  }

  get(resource: Resource, at: Pick<ObjectMeta, 'namespace' | 'name'>): KubernetesObject | undefined {
    return this.#shelf(resource).objects.get(keyOf(at));
  }

  /** Creates or replaces. Throws when a replacement claims to be another object: that takes a removal first, here as there. */
  put(resource: Resource, object: KubernetesObject): KubernetesObject {
    const key = keyOf(object.metadata);
    const before = this.#shelf(resource).objects.get(key);
    const uid = object.metadata.uid ?? before?.metadata.uid ?? randomUUID();
    if (before !== undefined && uid !== before.metadata.uid)
      throw new Error(`Cannot replace ${resource.resource} "${key}" by uid "${uid}": it is "${before.metadata.uid}"`);
    const after = structuredClone(object);
    after.metadata.uid = uid;
    after.metadata['creationTimestamp'] =
      before?.metadata['creationTimestamp'] ?? object.metadata['creationTimestamp'] ?? wholeSecond();
    after.metadata.resourceVersion = String(this.#version + 1);
    this.#change(resource, { version: this.#version + 1, key, before, after });
    return after;
  }

  /** Throws when it is not there. */
  remove(resource: Resource, at: Pick<ObjectMeta, 'namespace' | 'name'>): void {
    const key = keyOf(at);
    const before = this.#shelf(resource).objects.get(key);
    if (before === undefined) throw new Error(`Cannot remove ${resource.resource} "${key}": it is not there`);
    this.#change(resource, { version: this.#version + 1, key, before, after: undefined });
  }

  /** As of a version that is not compacted, in the order of the keys. */
  list(resource: Resource, version = this.#version): [key: string, KubernetesObject][] {
    const { objects, changes } = this.#shelf(resource);
    const then = new Map(objects);
    for (const { key, before, ...change } of changes.toReversed()) {
      if (change.version <= version) break;
      if (before === undefined) then.delete(key);
      else then.set(key, before);
    }
    return [...then].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  changesSince(resource: Resource, version: number): Change[] {
    return this.#shelf(resource).changes.filter((change) => change.version > version);
  }

  /** Returns what ends it. */
  listen(resource: Resource, listener: (change: Change) => void): () => void {
    const { listeners } = this.#shelf(resource);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  #change(resource: Resource, change: Change): void {
    const shelf = this.#shelf(resource);
    this.#version = change.version;
    if (change.after === undefined) shelf.objects.delete(change.key);
    else shelf.objects.set(change.key, change.after);
    shelf.changes.push(change);
    if (shelf.changes.length > CHANGES_KEPT)
      this.#compacted = Math.max(this.#compacted, shelf.changes.shift()?.version ?? 0);
    for (const listener of shelf.listeners) listener(change);
  }

  #shelf({ resource }: Resource): Shelf {
    const shelf = this.#shelves.get(resource) ?? { objects: new Map(), changes: [], listeners: new Set() };
    this.#shelves.set(resource, shelf);
    return shelf;
  }
}

/** Kubernetes writes times of objects in whole seconds. */
function wholeSecond(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
