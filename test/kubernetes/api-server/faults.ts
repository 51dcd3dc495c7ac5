// What can be wrong with the server, switched by tests at any moment, for one resource (its plural) or for all. It says what is on; the
// files that send bytes do it.
import type { Verb } from './path.ts';
import { isFor, Setting, takeFirst } from './setting.ts';

/** What some faults do at once; the server does it. */
export interface Interventions {
  dropConnections(resource?: string): void;
  refuse(on: boolean): Promise<void>;
  compact(): void;
  rotateToken(): string;
  sendBookmarks(resource?: string): void;
  expireWatches(resource?: string): void;
}

interface Failure {
  left: number;
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly resource: string | undefined;
}

export class Faults {
  /** False: 403. Without a namespace all of them are asked for, or the resource has none. */
  allow: (verb: Verb, group: string, resource: string, namespace?: string) => boolean = () => true;
  /** Where a watch from a compacted version is told so: inside a 200 stream as by today's servers, or as HTTP 410. */
  watchExpiry: 'in-stream' | 'http' = 'in-stream';
  /** For watches that begin from now on. */
  bookmarkEveryMs = 60_000;

  readonly #server: Interventions;
  readonly #silence = new Setting(false);
  readonly #duplicate = new Setting(false);
  readonly #reorder = new Setting(false);
  readonly #bookmarks = new Setting(true);
  readonly #chunkBytes = new Setting(0);
  #isAuthFailing = false;
  readonly #failures: Failure[] = [];
  readonly #corruptions: (string | undefined)[] = [];
  readonly #cuts: (string | undefined)[] = [];
  readonly #sleepers: (() => void)[] = [];

  constructor(server: Interventions) {
    this.#server = server;
  }

  /** Destroys the connections that carry a request for the resource; without one, all connections. */
  dropConnections(resource?: string): void {
    this.#server.dropConnections(resource);
  }

  /** Closes the listener and all connections, as when the process dies; off: listens again on the same port. */
  refuse(on: boolean): Promise<void> {
    return this.#server.refuse(on);
  }

  /** Forgets all versions before the present one: watches and continued lists from there get 410. */
  compact(): void {
    this.#server.compact();
  }

  /** From now on another token is wanted, which it returns. Open watches go on. */
  rotateToken(): string {
    return this.#server.rotateToken();
  }

  /** A bookmark at once in every watch that allows them. */
  sendBookmarks(resource?: string): void {
    this.#server.sendBookmarks(resource);
  }

  /** ERROR 410 in every open watch, and its end. */
  expireWatches(resource?: string): void {
    this.#server.expireWatches(resource);
  }

  /** Nothing is sent: open connections stay open, new ones are accepted and hang. What waited is sent when it ends. */
  silence(on: boolean, resource?: string): void {
    this.#silence.set(on, resource);
    for (const wake of this.#sleepers.splice(0)) wake();
  }

  /** The next `n` requests get this status; 429 and 503 usually with a time to wait. */
  failNext(n: number, status: number, more: { retryAfterSeconds?: number; resource?: string } = {}): void {
    this.#failures.push({ left: n, status, retryAfterSeconds: more.retryAfterSeconds, resource: more.resource });
  }

  /** 401 for every request, whatever its token. */
  authFailure(on: boolean): void {
    this.#isAuthFailing = on;
  }

  /** Each event twice. */
  duplicate(on: boolean, resource?: string): void {
    this.#duplicate.set(on, resource);
  }

  /** Events of different objects swapped pairwise; those of one object keep their order, as the real server guarantees. */
  reorder(on: boolean, resource?: string): void {
    this.#reorder.set(on, resource);
  }

  bookmarks(on: boolean, resource?: string): void {
    this.#bookmarks.set(on, resource);
  }

  /** Each event in pieces of so many bytes, each in a TCP write of its own; 0: in one. */
  splitChunks(bytes: number, resource?: string): void {
    this.#chunkBytes.set(bytes, resource);
  }

  /** The next event is a line of broken JSON, and the stream goes on. */
  corruptNext(resource?: string): void {
    this.#corruptions.push(resource);
  }

  /** The next event ends in its middle, and the stream with it. */
  closeMidEvent(resource?: string): void {
    this.#cuts.push(resource);
  }

  // What the server asks.

  isSilent(resource: string): boolean {
    return this.#silence.of(resource);
  }

  /** Resolves at the end of the silence. */
  async audible(resource: string): Promise<void> {
    while (this.isSilent(resource)) await new Promise<void>((wake) => this.#sleepers.push(wake));
  }

  get isAuthFailing(): boolean {
    return this.#isAuthFailing;
  }

  isDuplicated(resource: string): boolean {
    return this.#duplicate.of(resource);
  }

  isReordered(resource: string): boolean {
    return this.#reorder.of(resource);
  }

  hasBookmarks(resource: string): boolean {
    return this.#bookmarks.of(resource);
  }

  chunkBytes(resource: string): number {
    return this.#chunkBytes.of(resource);
  }

  takeFailure(resource: string): Failure | undefined {
    const failure = this.#failures.find((each) => each.left > 0 && isFor(each.resource, resource));
    if (failure !== undefined) failure.left -= 1;
    return failure;
  }

  takeCorruption(resource: string): boolean {
    return takeFirst(this.#corruptions, resource);
  }

  takeCut(resource: string): boolean {
    return takeFirst(this.#cuts, resource);
  }
}
