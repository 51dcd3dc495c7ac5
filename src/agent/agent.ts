// The composition root: builds every part by hand, in start order, and stops them in reverse. The order of a start is what makes it safe:
// the kernel is closed first (ruleset, routes), then our sockets open, then we say that we are ready (I5).
import { setPriority } from 'node:os';
import { AuditDrain } from '../audit/drain.ts';
import { StreamSink } from '../audit/sinks/stream.ts';
import type { Problem } from '../base/errors.ts';
import { parseAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { DatapathSettings } from '../datapath/settings.ts';
import { applyText, listObjects, tableExists } from '../kernel/apply.ts';
import { ensureRoutes } from '../kernel/routes.ts';
import { staleSetsText } from '../kernel/ruleset.ts';
import { chooseStrategy } from '../kernel/self-test.ts';
import type { RefreshStrategy } from '../kernel/set-writer.ts';
import { EMPTY_REGISTRY } from '../pods/registry.ts';
import type { RegisteredPod, Registry } from '../pods/registry.ts';
import { watchFiles } from '../policy/sources/watch.ts';
import type { FileWatch } from '../policy/sources/watch.ts';
import type { Sys } from '../sys/sys.ts';
import { TABLE } from './config.ts';
import type { Config } from './config.ts';
import { DatapathHost } from './datapath-host.ts';
import { die } from './die.ts';
import { takeLock } from './lock.ts';
import { Memory } from './memory.ts';
import { applyRules, between, extraRanges } from './rules.ts';
import { inheritedAddresses, loadState, newAddresses, snapshotOf } from './state.ts';
import type { State } from './state.ts';

const DNS_PORT = 53;
/** Half-way to the lowest: the main thread still gets a tenth of a busy core. */
const MAIN_THREAD_NICE = 10;
const RETRY_MS = 1_000;
const AUDIT_PATIENCE_MS = 1_000;

export class Agent {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #memory = new Memory();
  readonly #datapath: DatapathHost;
  readonly #drain: AuditDrain;
  readonly #sink: StreamSink;
  #state: State;
  /** The ids that were given last, also by a change that was refused: none is given twice. */
  #registry: Registry;
  #generation = 1;
  #watches: readonly FileWatch[] = [];
  /** Addresses that stay denied until the grants of those who had them are gone. */
  #closed: ReadonlySet<string> = new Set();
  #retry: NodeJS.Timeout | undefined;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(config: Config, log: Logger, state: State, datapath: DatapathHost, sink: StreamSink) {
    this.#config = config;
    this.#log = log;
    this.#state = state;
    this.#registry = state.registry;
    this.#datapath = datapath;
    this.#memory.remember(state);
    this.#sink = sink;
    this.#drain = new AuditDrain(datapath.ring, datapath.counters, this.#memory, sink);
  }

  /**
   * Resolves when it enforces and answers. Rejects with StartError for wrong files, and with KernelError, SysError, DatapathError,
   * SinkError or WatchError when the system does not allow it.
   */
  static async start(config: Config, sys: Sys, log: Logger): Promise<Agent> {
    let agent: Agent | undefined;
    let isChangedEarly = false;
    // Files are watched from before they are read: a change between the two must not go unseen.
    const watches = await watchAll(config, log, () => {
      if (agent === undefined) isChangedEarly = true;
      else agent.#reloadSoon();
    });
    await takeLock();
    const loaded = await loadState(config, EMPTY_REGISTRY);
    if (!loaded.ok) throw new StartError(loaded.problems);
    const state = loaded.value;
    const sink = openSink(config, log);
    const strategy: RefreshStrategy = config.refresh === 'auto' ? await chooseStrategy(sys) : config.refresh;
    await applyRules(config, state);
    await ensureRoutes({ mark: config.mark, table: config.routingTable, dnsServers: config.dnsServers });
    const datapath = await DatapathHost.start(sys, settingsOf(config, strategy), snapshotOf(state), {
      onKernelDamage: () => void reportDamage(log),
      onInternalError: (stack: string) => log.error({ stack }, 'One query ended in an exception and got SERVFAIL'),
      onDeath: (error: Error) => die(log, error),
      onUnreachable: (upstreams) =>
        log.warn({ upstreams }, 'No route to these upstreams: they are left out until a restart'),
    });
    // Of this thread alone (setpriority(2), notes): where both share a core, a query does not wait for the audit log to be written.
    setPriority(MAIN_THREAD_NICE);
    agent = new Agent(config, log, state, datapath, sink);
    agent.#watches = watches;
    agent.#drain.start();
    if (isChangedEarly) agent.#reloadSoon();
    const counts = { clients: state.registry.pods.length, policies: state.policies.length };
    warnOfUnbound(state, log);
    log.info({ ...counts, refresh: strategy, servers: config.dnsServers }, 'ready');
    return agent;
  }

  /** Stops answering. What the kernel holds stays: grants live out their time, and nothing new opens (I5). */
  async stop(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    clearTimeout(this.#retry);
    await this.#reloading;
    await this.#datapath.stop();
    // A reader of the audit log that does not read must not keep us: what it does not take is lost.
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, AUDIT_PATIENCE_MS);
    await Promise.race([this.#drain.stop(), patience.promise]);
    clearTimeout(timer);
    this.#log.info({ counters: this.#datapath.counters.read() }, 'stopped; kernel rules stay in force');
  }

  /** After log rotation: the audit log goes on in a new file. */
  reopenAudit(): void {
    try {
      this.#sink.reopen();
    } catch (error) {
      this.#log.error({ error: String(error) }, 'Cannot reopen the audit log: it goes on in the old file');
    }
  }

  /** Makes the loop's thread throw: for the test that the process then ends. */
  throwInDatapath(): void {
    this.#datapath.throwOnPurpose();
  }

  #reloadSoon(): void {
    this.#reloading = this.#reloading.then(() => this.#reload());
  }

  /** A change of files: applied as a whole, or refused as a whole with the last good state in force. */
  async #reload(): Promise<void> {
    const loaded = await loadState(this.#config, this.#registry);
    if (!loaded.ok) {
      for (const { at, code, message } of loaded.problems) this.#log.error({ at, code }, `Change refused: ${message}`);
      return;
    }
    this.#registry = loaded.value.registry;
    const before = this.#state;
    try {
      await this.#apply(before, loaded.value);
    } catch (error) {
      this.#log.error(
        { error: String(error) },
        'Cannot apply the change: going back to the last good state, then trying again',
      );
      await this.#apply(before, before).catch((again: unknown) =>
        this.#log.error({ error: String(again) }, 'Cannot go back'),
      );
      this.#retrySoon();
    }
  }

  /**
   * Make before break: chains that ask the old sets and the new ones, then the grants that `next` allows, then its chains alone; and
   * only then is removed what lost its reason. An address that changes hands is closed from the beginning, and its new pod's queries
   * are answered from the end: between, the old one's grants go.
   */
  async #apply(before: State, next: State): Promise<void> {
    const config = this.#config;
    const state = { ...next, generation: ++this.#generation };
    const inherited = inheritedAddresses(before, next).union(this.#closed);
    this.#memory.remember(state);
    await applyRules(config, between(before, next), inherited);
    const isFilled = await this.#datapath.adopt(snapshotOf(state, inherited));
    // What could not be removed may be any pod's that is gone: then no new pod may have its address.
    this.#closed = isFilled ? new Set() : inherited.union(newAddresses(before, next));
    await applyRules(config, next, this.#closed);
    if (isFilled && inherited.size > 0) await this.#datapath.adopt(snapshotOf(state));
    this.#state = state;
    const isPruned = await this.#datapath.prune();
    await applyText(staleSetsText(await listObjects(), next.compiled.classes));
    const counts = { clients: next.registry.pods.length, policies: next.policies.length };
    this.#log.info({ ...counts, generation: state.generation }, 'change applied');
    if (isFilled && isPruned) return;
    this.#log.error('The kernel refused to change some grants: new clients stay closed; trying again');
    this.#retrySoon();
  }

  #retrySoon(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#reloadSoon(), RETRY_MS);
  }
}

/** Clients or policies that cannot be loaded at the start: nothing was changed yet. */
export class StartError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('Cannot start: clients or policies are wrong');
    this.problems = problems;
  }
}

async function watchAll(config: Config, log: Logger, changed: () => void): Promise<FileWatch[]> {
  const failed = (error: Error): void =>
    log.error({ error: error.message }, 'Cannot watch files: changes need a restart');
  return Promise.all([
    watchFiles([config.clients], { changed, failed }),
    watchFiles(config.policies, { changed, failed }),
  ]);
}

/** Without its interface the kernel cannot tell a client's packets from those of somebody who uses another address (V9). */
function warnOfUnbound({ registry, compiled }: State, log: Logger): void {
  const isUnbound = ({ pod }: RegisteredPod, i: number): boolean =>
    pod.interface === undefined && (compiled.programOfPod[i] ?? -1) >= 0;
  const clients = registry.pods.filter(isUnbound).map(({ pod }) => `${pod.namespace}/${pod.name}`);
  if (clients.length === 0) return;
  log.warn({ clients }, 'Clients without interface: whoever can send from another address than theirs is not filtered');
}

async function reportDamage(log: Logger): Promise<void> {
  if (await tableExists()) return;
  log.error(
    { table: TABLE },
    'not ready: somebody deleted our nftables table, so nothing is intercepted or filtered. Restart namewall to restore it',
  );
}

function settingsOf(config: Config, strategy: RefreshStrategy): DatapathSettings {
  return {
    listen: config.dnsServers.flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : [{ address, port: DNS_PORT }];
    }),
    transparent: true,
    upstreams: config.upstreams,
    denial: config.denial,
    lifetimes: config.lifetimes,
    table: TABLE,
    strategy,
    protect: extraRanges(config),
  };
}

function openSink(config: Config, log: Logger): StreamSink {
  const onError = (error: Error): void =>
    log.error({ error: error.message, audit: config.audit }, 'Cannot write the audit log: events are lost and counted');
  return config.audit === 'stdout' ? StreamSink.toStdout(onError) : StreamSink.toFile(config.audit, onError);
}
