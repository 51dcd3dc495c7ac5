// One watch: from where it starts, which changes it tells and under which name, when it ends. What happens to the bytes on their way is
// the event stream's.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
import { EventStream } from './event-stream.ts';
import type { ObjectEvent } from './event-stream.ts';
import type { Faults } from './faults.ts';
import type { ListOptions } from './list-options.ts';
import type { Scope } from './list.ts';
import type { KubernetesObject } from './object.ts';
import type { Exchange } from './reply.ts';
import { apiVersionOf } from './resources.ts';
import { expired } from './status.ts';
import type { StatusError } from './status.ts';
import type { Change, Store } from './store.ts';

// The last bookmark comes shortly before the end, so that the next watch begins near the present.
const LAST_BOOKMARK_SECONDS = 2;
// A longer timer would fire at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Watch {
  readonly resource: string;
  readonly #store: Store;
  readonly #faults: Faults;
  readonly #scope: Scope;
  readonly #options: ListOptions;
  readonly #stream: EventStream;
  readonly #timers: NodeJS.Timeout[] = [];
  #unlisten = (): void => {};

  /** Throws StatusError 410 where the faults say so. */
  constructor(
    { store, faults }: { store: Store; faults: Faults },
    scope: Scope,
    options: ListOptions,
    exchange: Exchange,
  ) {
    this.resource = scope.resource.resource;
    this.#store = store;
    this.#faults = faults;
    this.#scope = scope;
    this.#options = options;
    const from = options.version ?? 0;
    const isExpired = from > 0 && from < store.compacted;
    if (isExpired && faults.watchExpiry === 'http') throw tooOld(from, store);
    this.#stream = new EventStream(exchange, faults, this.resource);
    exchange.response.on('close', () => this.#stop());
    if (isExpired) this.expire(from);
    else this.#start(from);
  }

  bookmark(): void {
    const { resource } = this.#scope;
    if (!this.#options.allowsBookmarks || !this.#faults.hasBookmarks(this.resource)) return;
    const metadata = { resourceVersion: String(this.#store.version), creationTimestamp: null };
    this.#stream.sendAbout({
      type: 'BOOKMARK',
      object: { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata },
    });
  }

  /** 410 inside the stream, where the real server tells it once a watch was accepted. */
  expire(from = 0): void {
    this.#stream.sendAbout({ type: 'ERROR', object: tooOld(from, this.#store).toStatus() });
    this.end();
  }

  end(): void {
    this.#stop();
    this.#stream.end();
  }

  #start(from: number): void {
    const { resource } = this.#scope;
    // No version, or any: the present objects as if they were just added, then the changes.
    const objects = from === 0 ? this.#store.list(resource) : [];
    for (const [, object] of objects) if (this.#isSeen(object)) this.#stream.send({ type: 'ADDED', object });
    const missed = from === 0 ? [] : this.#store.changesSince(resource, from);
    for (const change of missed) this.#tell(change);
    this.#unlisten = this.#store.listen(resource, (change) => {
      if (change.version > from) this.#tell(change);
    });
    this.#startTimers();
  }

  #startTimers(): void {
    const seconds = this.#options.timeoutSeconds || 45 * 60;
    this.#timers.push(
      setInterval(() => this.bookmark(), this.#faults.bookmarkEveryMs),
      setTimeout(() => this.end(), Math.min(seconds * 1000, LONGEST_TIMER_MS)),
    );
    const lastMs = (seconds - LAST_BOOKMARK_SECONDS) * 1000;
    if (lastMs > 0) this.#timers.push(setTimeout(() => this.bookmark(), Math.min(lastMs, LONGEST_TIMER_MS)));
  }

  #stop(): void {
    this.#unlisten();
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }

  #tell(change: Change): void {
    const event = this.#eventOf(change);
    if (event !== undefined) this.#stream.send(event);
  }

  // What a watch tells is about its selection: an object that no longer belongs to it is DELETED, one that does now is ADDED.
  #eventOf({ before, after, version }: Change): ObjectEvent | undefined {
    const wasSeen = before !== undefined && this.#isSeen(before);
    if (after !== undefined && this.#isSeen(after)) return { type: wasSeen ? 'MODIFIED' : 'ADDED', object: after };
    if (!wasSeen) return undefined;
    const metadata = { ...before.metadata, resourceVersion: String(version) };
    return { type: 'DELETED', object: { ...before, metadata } };
  }

  #isSeen(object: KubernetesObject): boolean {
    const { namespace } = this.#scope;
    return (namespace === undefined || object.metadata.namespace === namespace) && this.#options.matches(object);
  }
}

function tooOld(from: number, store: Store): StatusError {
  return expired(`too old resource version: ${from} (${store.compacted})`);
}
