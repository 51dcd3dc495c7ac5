// The data plane's thread as the main thread sees it: start it, hand it snapshots, learn that it died, stop it.
import { Worker } from 'node:worker_threads';
import { AuditRing } from '../bridge/audit-ring.ts';
import { CommitChannel } from '../bridge/commit-channel.ts';
import { Control } from '../bridge/control.ts';
import { Counters } from '../bridge/counters.ts';
import type { Dug } from '../bridge/dig.ts';
import type {
  DatapathStart,
  FromDatapath,
  KeptLookup,
  RecalledName,
  RecallQuestion,
  ToDatapath,
} from '../bridge/protocol.ts';
import type { Snapshot } from '../bridge/snapshot.ts';
import { assertNever, CodedError } from '../base/errors.ts';
import type { DatapathSettings, UpstreamZone } from '../datapath/settings.ts';
import type { Fd, Sys } from '../sys/sys.ts';
import { threadEntry } from './thread-entry.ts';

/** The thread could not open its sockets, or refused other upstreams (`code` is the errno's name or that of UpstreamsError), or ended. */
export class DatapathError extends CodedError {}

/** What answers a message to the data plane: one each, in order. */
type Answer = Extract<
  FromDatapath,
  { kind: 'done' | 'upstreams-replaced' | 'upstreams-refused' | 'recalled' | 'kept-lookups' | 'refilled' }
>;

export interface DatapathEvents {
  /** Our table is gone; what it closed is closed by the shield, since a moment ago (kernel/shield.ts). */
  onKernelDamage(): void;
  /** Chains, rules or sets of our table changed, perhaps by our own hand. */
  onKernelTouched(): void;
  onInternalError(stack: string): void;
  /** Upstreams that no route leads to. */
  onUnreachable(upstreams: readonly string[]): void;
  /** The thread is gone after it had started: nothing answers any more. */
  onDeath(error: DatapathError): void;
}

/** What is in force from the first query on. */
export type FirstState = Pick<DatapathStart, 'snapshot' | 'inheritance'>;

/** The loop looks at the stop word at least every 100 ms; ten times that is a hang. */
const STOP_PATIENCE_MS = 1_000;
/** A question looks through what one pod looked up: 2 ms where that is all that it may be. */
const QUESTIONS_PER_TURN = 16;

export class DatapathHost {
  readonly counters = new Counters();
  readonly ring = new AuditRing();
  readonly #control = new Control();
  readonly #channel = new CommitChannel();
  readonly #sys: Sys;
  readonly #worker: Worker;
  readonly #committer: Worker;
  readonly #events: DatapathEvents;
  /** Who waits for the answer to a message; they come in the order of the messages. */
  readonly #asked: PromiseWithResolvers<Answer>[] = [];
  /** Who waits for what becomes of a question, by its token: they come as they end. */
  readonly #dug = new Map<number, (dug: Dug) => void>();
  #lastToken = 0;
  readonly #listening = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  #wakeFd: Fd | undefined;
  #isStopping = false;

  private constructor(sys: Sys, settings: DatapathSettings, first: FirstState, events: DatapathEvents) {
    this.#sys = sys;
    this.#events = events;
    const workerData: DatapathStart = {
      settings,
      ...first,
      controlBuffer: this.#control.buffer,
      countersBuffer: this.counters.buffer,
      ringBuffer: this.ring.buffer,
      commitBuffer: this.#channel.buffer,
    };
    this.#committer = new Worker(threadEntry(new URL('../datapath/committer.ts', import.meta.url), import.meta.url), {
      workerData: this.#channel.buffer,
      name: 'committer',
    });
    this.#committer.on('error', (error) =>
      this.#onEnd(new DatapathError('internal-error', String(error), { cause: error })),
    );
    this.#committer.on('exit', () => {
      if (!this.#isStopping) this.#onEnd(new DatapathError('ended', 'The committer ended by itself'));
    });
    this.#worker = new Worker(threadEntry(new URL('../datapath/worker.ts', import.meta.url), import.meta.url), {
      workerData,
      name: 'datapath',
    });
    this.#worker.on('message', (message: FromDatapath) => this.#onMessage(message));
    this.#worker.on('error', (error) =>
      this.#onEnd(new DatapathError('internal-error', String(error), { cause: error })),
    );
    this.#worker.on('exit', () => {
      this.#exited.resolve();
      if (!this.#isStopping) this.#onEnd(new DatapathError('ended', 'The data plane ended by itself'));
    });
  }

  /** Resolves when every socket is open and `snapshot` is in force. Rejects with DatapathError. */
  static async start(
    sys: Sys,
    settings: DatapathSettings,
    first: FirstState,
    events: DatapathEvents,
  ): Promise<DatapathHost> {
    const host = new DatapathHost(sys, settings, first, events);
    await host.#listening.promise;
    return host;
  }

  /** Resolves when every later query is judged by `snapshot`; false when some change of grants failed. */
  async adopt(snapshot: Snapshot): Promise<boolean> {
    return (await this.#ask({ kind: 'snapshot', snapshot }, 'done')).isComplete;
  }

  /** Removes grants that the snapshot adopted last gives no reason for; false when some of it failed. */
  async prune(): Promise<boolean> {
    return (await this.#ask({ kind: 'prune' }, 'done')).isComplete;
  }

  /**
   * Resolves when every later query is asked by these zones, with the servers that no route leads to: their zones do without them, and
   * giving the same zones again tries them again. Rejects with DatapathError, and then nothing has changed.
   */
  async setUpstreams(zones: readonly UpstreamZone[]): Promise<{ readonly unreachable: readonly string[] }> {
    const { unreachable } = await this.#ask({ kind: 'upstreams', zones }, 'upstreams-replaced');
    return { unreachable };
  }

  /** For each question the names that the pod saw resolve to the address, the latest first. Asked a few at a time: queries go first. */
  async recall(questions: readonly RecallQuestion[]): Promise<readonly (readonly RecalledName[])[]> {
    const answers: (readonly RecalledName[])[] = [];
    for (let at = 0; at < questions.length; at += QUESTIONS_PER_TURN) {
      const some = questions.slice(at, at + QUESTIONS_PER_TURN);
      answers.push(...(await this.#ask({ kind: 'recall', questions: some }, 'recalled')).names);
    }
    return answers;
  }

  /** What these pods looked up and would be granted still. */
  async keptLookups(pods: readonly number[]): Promise<readonly KeptLookup[]> {
    const kept: KeptLookup[] = [];
    for (const pod of pods) kept.push(...(await this.#ask({ kind: 'lookups', pod }, 'kept-lookups')).lookups);
    return kept;
  }

  /** Puts every live grant into the kernel again, after somebody took them out. */
  async refill(): Promise<void> {
    for (let from = 0; from >= 0;) from = (await this.#ask({ kind: 'refill', from }, 'refilled')).next;
  }

  /** Has the pod at this 16 byte address ask `query`, a whole message; what became of it, once upstreams and kernel have answered. */
  dig(client: Uint8Array, query: Uint8Array): Promise<Dug> {
    const { promise, resolve } = Promise.withResolvers<Dug>();
    const token = ++this.#lastToken;
    this.#dug.set(token, resolve);
    this.#post({ kind: 'dig', token, question: { client, query } });
    return promise;
  }

  /** Turns of the loop so far, modulo 2³²: more of them every 100 ms as long as it lives. */
  turns(): number {
    return this.#control.turns();
  }

  /** For the test that an exception in the loop ends the process. */
  throwOnPurpose(): void {
    this.#post({ kind: 'throw' });
  }

  /** Ends the loop after its current turn. Resolves when the thread is gone, or gives up after a second. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#control.requestStop();
    if (this.#wakeFd !== undefined) this.#sys.eventSignal(this.#wakeFd);
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, STOP_PATIENCE_MS);
    await Promise.race([this.#exited.promise, patience.promise]);
    clearTimeout(timer);
    this.#channel.requestStop(); // after the loop, which waits for it at its end
  }

  async #ask<K extends Answer['kind']>(message: ToDatapath, kind: K): Promise<Extract<Answer, { kind: K }>> {
    const asked = Promise.withResolvers<Answer>();
    this.#asked.push(asked);
    this.#post(message);
    const answer = await asked.promise;
    if (answer.kind === 'upstreams-refused') throw new DatapathError(answer.code, answer.message);
    if (answer.kind !== kind) throw new DatapathError('internal-error', `Got ${answer.kind} instead of ${kind}`);
    return answer as Extract<Answer, { kind: K }>; // its kind says so
  }

  #post(message: ToDatapath): void {
    this.#worker.postMessage(message);
    if (this.#wakeFd !== undefined) this.#sys.eventSignal(this.#wakeFd);
  }

  #onMessage(message: FromDatapath): void {
    switch (message.kind) {
      case 'listening':
        this.#wakeFd = message.wakeFd as Fd; // a descriptor of this process, opened by the other thread
        if (message.unreachable.length > 0) this.#events.onUnreachable(message.unreachable);
        this.#listening.resolve();
        return;
      case 'done':
      case 'upstreams-replaced':
      case 'upstreams-refused':
      case 'recalled':
      case 'kept-lookups':
      case 'refilled':
        this.#asked.shift()?.resolve(message);
        return;
      case 'dug':
        this.#dug.get(message.token)?.(message.dug);
        this.#dug.delete(message.token);
        return;
      case 'kernel-touched':
        return this.#events.onKernelTouched();
      case 'kernel-damage':
        return this.#events.onKernelDamage();
      case 'internal-error':
        return this.#events.onInternalError(message.stack);
      case 'fatal':
        return this.#onEnd(new DatapathError(message.code, message.message, { cause: message.stack }));
      default:
        assertNever(message);
    }
  }

  #onEnd(error: DatapathError): void {
    if (this.#wakeFd === undefined) this.#listening.reject(error);
    else this.#events.onDeath(error);
  }
}
