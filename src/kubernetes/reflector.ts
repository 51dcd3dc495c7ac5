// Keeps the mirror of one source equal to the server's: lists, watches, and after every fault goes on from the last version that it knows or
// lists again. Until a new list is complete the old objects stay in force.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../base/log.ts';
import { Backoff } from './backoff.ts';
import type { ApiClient } from './client.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { listAll } from './list.ts';
import { Mirror, type Seen } from './mirror.ts';
import type { KubernetesObject } from './objects.ts';
import type { Source } from './sources.ts';
import type { Timing } from './timing.ts';
import { watchFrom } from './watch.ts';

const NOT_FOUND = 404;
const GONE = 410;
/**
 * Answers to a list that names a version: forgotten; not reached yet, because the server lags behind or was set back with its database
 * (504, "too large resource version"); or resourceVersionMatch is not known, before Kubernetes 1.19.
 */
const VERSION_REFUSED = [400, GONE, 504];
/** The server is in trouble or does not let us in; our place in the stream is as good as before. */
const KEEPS_PLACE = [401, 403, 429, 500, 502, 503];
const FAULTS_BEFORE_WARNING = 2; // one dropped connection is a day's work

export interface ReflectorParts {
  readonly client: ApiClient;
  readonly timing: Timing;
  readonly log: Logger;
  /** The objects that we read are others now. */
  readonly changed: () => void;
}

export class Reflector<T extends KubernetesObject> {
  readonly #source: Source<T>;
  readonly #parts: ReflectorParts;
  readonly #backoff: Backoff;
  readonly #mirror = new Mirror<T>();
  /** Where the watch goes on; undefined: a list is due. */
  #version: string | undefined;
  /** How fresh a list must be. The first may come from any server's cache; a later one must not go back in time. */
  #freshness: Readonly<Record<string, string>> = { resourceVersion: '0' };
  #isListed = false;
  #isMissing = false;
  #lastHeardMs: number;
  #faults = 0;
  #said = '';

  constructor(source: Source<T>, parts: ReflectorParts) {
    this.#source = source;
    this.#parts = parts;
    this.#backoff = new Backoff(parts.timing);
    this.#lastHeardMs = parts.timing.nowMs();
  }

  /** The source was listed once, or is known not to exist: until then it says nothing. */
  get isListed(): boolean {
    return this.#isListed;
  }

  seen(): readonly Seen<T>[] {
    return this.#mirror.all();
  }

  objects(): readonly T[] {
    return this.#mirror.all().map(({ object }) => object);
  }

  /** Of the monotonic clock; the time of construction when nothing was heard yet. */
  get lastHeardMs(): number {
    return this.#lastHeardMs;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#turn(signal);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined); // it rejects only because of the signal
    }
  }

  /** One list if it is due, and one watch. Resolves to how long to wait before the next turn. */
  async #turn(signal: AbortSignal): Promise<number> {
    try {
      const version = this.#version ?? (await this.#list(signal));
      const isSettled = await this.#watch(version, signal);
      return isSettled ? 0 : this.#backoff.next(0);
    } catch (error) {
      if (signal.aborted) return 0;
      if (!(error instanceof KubernetesError)) throw error;
      if (error.status === NOT_FOUND && this.#source.mayBeMissing) return this.#missing();
      this.#say(error);
      this.#losePlace(error);
      return this.#backoff.next(error.retryAfterMs);
    }
  }

  /** Resolves to the list's version. */
  async #list(signal: AbortSignal): Promise<string> {
    // A part of a list is no sign of life: a list that never gets to its end leaves us as stale as none.
    const terms = { signal, silenceMs: this.#parts.timing.listSilenceMs, heard: () => undefined };
    const { objects, version } = await listAll(this.#parts.client, this.#source, this.#freshness, terms);
    this.#heard();
    if (this.#isMissing) this.#parts.log.info(this.#named, 'The resource is there now');
    this.#isMissing = false;
    this.#version = version;
    this.#take(objects);
    return version;
  }

  /** Whether the watch lasted long enough to be called a good one. */
  async #watch(version: string, signal: AbortSignal): Promise<boolean> {
    const { client, timing, changed } = this.#parts;
    const { least, most } = timing.watchSeconds;
    const lastSeconds = Math.round(least + timing.random() * (most - least));
    const startedMs = timing.nowMs();
    const isSettled = (): boolean => timing.nowMs() - startedMs >= timing.settledMs;
    try {
      const terms = { signal, silenceMs: timing.watchSilenceMs, heard: () => this.#heard() };
      for await (const event of watchFrom(client, this.#source, { version, lastSeconds }, terms)) {
        if (event.kind === 'put' && this.#mirror.put(event.object)) changed();
        if (event.kind === 'remove' && this.#mirror.remove(event.object)) changed();
        this.#version = event.version;
      }
    } finally {
      if (isSettled()) this.#backoff.reset();
    }
    return isSettled();
  }

  #take(objects: readonly T[]): void {
    const isChanged = this.#mirror.replace(objects);
    if (!isChanged && this.#isListed) return;
    this.#isListed = true;
    this.#parts.changed();
  }

  /**
   * The CRD is not installed, so there are no objects. Objects that we know are given up only when a second look says the same: a server that
   * is starting, or a proxy in between, may say 404 for a moment, and to forget a policy is to open its pods.
   */
  #missing(): number {
    this.#heard();
    if (this.#version !== undefined) this.#freshness = {};
    this.#version = undefined;
    const isSecondLook = this.#isMissing;
    if (isSecondLook || (this.#isListed && this.#mirror.size === 0)) this.#take([]);
    if (!this.#isMissing)
      this.#parts.log.warn(this.#named, 'The API server does not know the resource: is its CRD installed?');
    this.#isMissing = true;
    return isSecondLook || this.#isListed ? this.#parts.timing.missingMs : this.#parts.timing.firstWaitMs;
  }

  #losePlace({ code, status }: KubernetesError): void {
    if (this.#version === undefined) {
      if (VERSION_REFUSED.includes(status)) this.#freshness = {}; // then the newest there is
      return;
    }
    // A broken connection loses nothing: the server repeats what came after our version.
    if (code === 'unreachable' || code === 'silent' || KEEPS_PLACE.includes(status)) return;
    this.#freshness = { resourceVersion: this.#version, resourceVersionMatch: 'NotOlderThan' };
    this.#version = undefined;
  }

  #heard(): void {
    this.#lastHeardMs = this.#parts.timing.nowMs();
    this.#faults = 0;
    if (this.#said !== '') this.#parts.log.info(this.#named, 'The API server answers again');
    this.#said = '';
  }

  /** Each kind of fault once, until the server answers again. */
  #say({ code, status, message }: KubernetesError): void {
    this.#faults++;
    const kind = `${code} ${status}`;
    const isOrdinary = code === 'unreachable' || code === 'silent' || status === GONE;
    if (this.#said === kind || (isOrdinary && this.#faults < FAULTS_BEFORE_WARNING)) return;
    this.#said = kind;
    this.#parts.log.warn({ ...this.#named, code, status }, `${message}; what was known stays in force; trying again`);
  }

  get #named(): { readonly resource: string } {
    return { resource: this.#source.resource };
  }
}
