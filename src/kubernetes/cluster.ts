// What this node's agent knows of the cluster: watches every source and hands out one consistent view of all of them, never a part. When
// the API server is away, what was known stays in force.
import type { Logger } from '../base/log.ts';
import { PolicyHistory } from '../policy/sources/kubernetes.ts';
import { ApiClient } from './client.ts';
import { Feed } from './feed.ts';
import { LastStateFile, type LastState } from './last-state.ts';
import type { PolicyObject } from './objects.ts';
import { sourcesOf, type ServiceName } from './sources.ts';
import { REAL_TIMING, type Timing } from './timing.ts';
import { describe, isSame, type ClusterObjects, type ClusterView, type Described } from './view.ts';

export type { ClusterView } from './view.ts';

export interface ClusterOptions {
  /** Path; undefined: the pod's service account, else $KUBECONFIG or ~/.kube/config. */
  readonly kubeconfig?: string;
  readonly nodeName: string;
  /** Where the last good state is kept; undefined: nowhere. */
  readonly stateFolder?: string;
  readonly dnsService: ServiceName;
}

interface ClusterListener {
  /** The view is another one. Events that come together are one change. */
  changed(): void;
  readonly log: Logger;
}

const STALE_CHECKS = 12; // in the time after which a source counts as stale

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #listener: ClusterListener;
  readonly #timing: Timing;
  readonly #feed: Feed;
  readonly #stop = new AbortController();
  readonly #lastState: LastStateFile | undefined;
  readonly #ready = Promise.withResolvers<void>();
  #history = new PolicyHistory();
  #described: Described | undefined;
  /** The view is the API server's, not the last state's. */
  #isLive = false;
  #wasStale = false;
  #dnsProblem = '';
  #gathering: NodeJS.Timeout | undefined;
  #staleCheck: NodeJS.Timeout | undefined;

  private constructor(client: ApiClient, options: ClusterOptions, listener: ClusterListener, timing: Timing) {
    const { nodeName, dnsService, stateFolder } = options;
    this.#options = options;
    this.#listener = listener;
    this.#timing = timing;
    const parts = { client, timing, log: listener.log, changed: () => this.#changedSoon() };
    this.#feed = new Feed(parts, nodeName, dnsService);
    if (stateFolder === undefined) return;
    this.#lastState = new LastStateFile(
      stateFolder,
      { nodeName, dnsService },
      { log: listener.log, saveMs: timing.saveMs },
    );
  }

  /**
   * Resolves when there is a view: every source was listed once, or the API server had its time and the last state was read. Keeps trying
   * until then; `signal` gives up. Rejects with KubernetesError 'bad-config' when there is no usable kubeconfig.
   */
  static async start(
    options: ClusterOptions,
    listener: ClusterListener,
    signal?: AbortSignal,
    timing: Timing = REAL_TIMING,
  ): Promise<Cluster> {
    signal?.throwIfAborted();
    const cluster = new Cluster(ApiClient.open(options.kubeconfig), options, listener, timing);
    const ready = cluster.#ready.promise;
    const giveUp = (): void => cluster.#ready.reject(signal?.reason);
    signal?.addEventListener('abort', giveUp);
    try {
      await Promise.all([ready, cluster.#run()]);
      return cluster;
    } catch (error) {
      cluster.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  view(): ClusterView {
    if (this.#described === undefined) throw new Error('There is no view before start resolves');
    return { ...this.#described.facts, isStale: this.#isStale() };
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#gathering);
    clearInterval(this.#staleCheck);
    this.#lastState?.close();
  }

  /**
   * The API server has a few seconds before the last state is taken. To take it at once would be a danger: for a moment an address would be
   * its former owner's. To wait is none: until then the kernel keeps the rules of the agent that ran before.
   */
  async #run(): Promise<void> {
    const last = await this.#lastState?.read(sourcesOf(this.#options.nodeName, this.#options.dnsService));
    this.#stop.signal.throwIfAborted();
    if (last !== undefined) this.#history = new PolicyHistory(policiesOf(last));
    void this.#feed.run(this.#stop.signal);
    const patience = setTimeout(() => this.#takeLastState(last), this.#timing.patienceMs);
    this.#staleCheck = setInterval(() => this.#checkStale(), this.#timing.staleMs / STALE_CHECKS);
    await this.#ready.promise.finally(() => clearTimeout(patience));
  }

  #takeLastState(last: LastState | undefined): void {
    if (this.#described !== undefined) return;
    if (last === undefined) {
      this.#listener.log.warn('The API server does not answer and there is no last state: waiting for it');
      return;
    }
    this.#listener.log.warn('The API server does not answer: the last state is in force until it does');
    this.#describe(last.objects);
    this.#wasStale = true;
    this.#ready.resolve();
  }

  /** The first event opens a short time in which others join it: a rollout is a change or two, not hundreds. */
  #changedSoon(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#takeObjects();
    }, this.#timing.gatherMs);
  }

  #takeObjects(): void {
    const objects = this.#feed.objects();
    if (objects === undefined) return;
    const before = this.#described;
    const described = this.#describe(objects);
    this.#isLive = true;
    this.#lastState?.save({ objects, lastGood: this.#history.superseded() });
    this.#ready.resolve();
    const isOther = before !== undefined && !isSame(before.facts, described.facts);
    if (this.#noteStale() || isOther) this.#listener.changed();
  }

  #describe(objects: ClusterObjects): Described {
    const { nodeName, dnsService } = this.#options;
    const described = describe(objects, this.#history, nodeName, dnsService);
    this.#described = described;
    if (described.dnsProblem !== this.#dnsProblem) this.#sayDnsProblem(described.dnsProblem);
    this.#dnsProblem = described.dnsProblem;
    return described;
  }

  #sayDnsProblem(problem: string): void {
    const { namespace, name } = this.#options.dnsService;
    const service = `${namespace}/${name}`;
    if (problem === '') this.#listener.log.info({ service }, 'The DNS Service can be used now');
    else this.#listener.log.warn({ service }, `The DNS Service cannot be used: ${problem}`);
  }

  #isStale(): boolean {
    return !this.#isLive || this.#timing.nowMs() - this.#feed.lastHeardMs > this.#timing.staleMs;
  }

  /** Becoming stale is no event of the API server's: somebody has to look. */
  #checkStale(): void {
    if (this.#described !== undefined && this.#noteStale()) this.#listener.changed();
  }

  /** Whether the view became stale, or up to date, since the last look; it is said. */
  #noteStale(): boolean {
    const isStale = this.#isStale();
    if (isStale === this.#wasStale) return false;
    this.#wasStale = isStale;
    const { log } = this.#listener;
    const seconds = this.#timing.staleMs / 1000;
    if (isStale) log.warn(`Nothing heard from the API server for ${seconds} s: what was known stays in force`);
    else log.info('Up to date with the API server again');
    return true;
  }
}

/** Every version that may have been in force; where there are two of one policy, the later in the list is the good one. */
function policiesOf({ objects, lastGood }: LastState): PolicyObject[] {
  return [...objects.policies, ...objects.clusterPolicies, ...lastGood];
}
