// The data plane's thread as the main thread sees it: start it, hand it snapshots, learn that it died, stop it.
import { Worker } from 'node:worker_threads';
import { AuditRing } from '../bridge/audit-ring.ts';
import { CommitChannel } from '../bridge/commit-channel.ts';
import { Control } from '../bridge/control.ts';
import { Counters } from '../bridge/counters.ts';
import type { DatapathStart, FromDatapath, RecalledName, RecallQuestion, ToDatapath } from '../bridge/protocol.ts';
import type { Snapshot } from '../bridge/snapshot.ts';
import { assertNever, CodedError } from '../base/errors.ts';
import type { DatapathSettings, UpstreamZone } from '../datapath/settings.ts';
import type { Fd, Sys } from '../sys/sys.ts';
import { threadEntry } from './thread-entry.ts';

/** The thread could not open its sockets, or refused other upstreams (`code` is the errno's name or that of UpstreamsError), or ended. */
export class DatapathError extends CodedError {}

export interface DatapathEvents {
  onKernelDamage(): void;
  onInternalError(stack: string): void;
  /** Upstreams that no route leads to. */
  onUnreachable(upstreams: readonly string[]): void;
  /** The thread is gone after it had started: nothing answers any more. */
  onDeath(error: DatapathError): void;
}

/** The loop looks at the stop word at least every 100 ms; ten times that is a hang. */
const STOP_PATIENCE_MS = 1_000;

export class DatapathHost {
  readonly counters = new Counters();
  readonly ring = new AuditRing();
  readonly #control = new Control();
  readonly #channel = new CommitChannel();
  readonly #sys: Sys;
  readonly #worker: Worker;
  readonly #committer: Worker;
  readonly #events: DatapathEvents;
  /** Who waits for a message to be carried out; they are, in order. */
  readonly #waiting: ((isComplete: boolean) => void)[] = [];
  /** The same for messages of upstreams. */
  readonly #replacing: PromiseWithResolvers<{ readonly unreachable: readonly string[] }>[] = [];
  /** The same for questions about what pods looked up. */
  readonly #recalling: ((names: readonly (readonly RecalledName[])[]) => void)[] = [];
  readonly #listening = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  #wakeFd: Fd | undefined;
  #isStopping = false;

  private constructor(sys: Sys, settings: DatapathSettings, snapshot: Snapshot, events: DatapathEvents) {
    this.#sys = sys;
    this.#events = events;
    const workerData: DatapathStart = {
      settings,
      snapshot,
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
    snapshot: Snapshot,
    events: DatapathEvents,
  ): Promise<DatapathHost> {
    const host = new DatapathHost(sys, settings, snapshot, events);
    await host.#listening.promise;
    return host;
  }

  /** Resolves when every later query is judged by `snapshot`; false when some change of grants failed. */
  adopt(snapshot: Snapshot): Promise<boolean> {
    return this.#request({ kind: 'snapshot', snapshot });
  }

  /** Removes grants that the snapshot adopted last gives no reason for; false when some of it failed. */
  prune(): Promise<boolean> {
    return this.#request({ kind: 'prune' });
  }

  /**
   * Resolves when every later query is asked by these zones, with the servers that no route leads to: their zones do without them, and
   * giving the same zones again tries them again. Rejects with DatapathError, and then nothing has changed.
   */
  setUpstreams(zones: readonly UpstreamZone[]): Promise<{ readonly unreachable: readonly string[] }> {
    const replacing = Promise.withResolvers<{ readonly unreachable: readonly string[] }>();
    this.#replacing.push(replacing);
    this.#post({ kind: 'upstreams', zones });
    return replacing.promise;
  }

  /** For each question the names that the pod saw resolve to the address, the latest first. */
  recall(questions: readonly RecallQuestion[]): Promise<readonly (readonly RecalledName[])[]> {
    const { promise, resolve } = Promise.withResolvers<readonly (readonly RecalledName[])[]>();
    this.#recalling.push(resolve);
    this.#post({ kind: 'recall', questions });
    return promise;
  }

  /** Turns of the loop so far, modulo 2³²: more of them every 100 ms as long as it lives. */
  turns(): number {
    return this.#control.turns();
  }

  /** For the test that an exception in the loop ends the process. */
  throwOnPurpose(): void {
    void this.#request({ kind: 'throw' });
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

  #request(message: ToDatapath): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push(resolve);
    this.#post(message);
    return promise;
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
        this.#waiting.shift()?.(message.isComplete);
        return;
      case 'upstreams-replaced':
        this.#replacing.shift()?.resolve({ unreachable: message.unreachable });
        return;
      case 'upstreams-refused':
        this.#replacing.shift()?.reject(new DatapathError(message.code, message.message));
        return;
      case 'recalled':
        this.#recalling.shift()?.(message.names);
        return;
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
