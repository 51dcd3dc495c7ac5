// The composition root: builds every part by hand, in start order, and stops them in reverse. The order of a start is what makes it safe:
// the kernel is closed first (ruleset, routes), then our sockets open, then we say that we are ready (I5).
import { AuditDrain } from '../audit/drain.ts';
import type { Sink } from '../audit/sinks/sink.ts';
import { StreamSink } from '../audit/sinks/stream.ts';
import type { Problem } from '../base/errors.ts';
import { parseAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { DatapathSettings } from '../datapath/settings.ts';
import { applyText, listObjects, tableExists } from '../kernel/apply.ts';
import { protectedRanges } from '../kernel/protected.ts';
import { ensureRoutes } from '../kernel/routes.ts';
import { rulesetText, staleSetsText } from '../kernel/ruleset.ts';
import { chooseStrategy } from '../kernel/self-test.ts';
import type { RefreshStrategy } from '../kernel/set-writer.ts';
import { EMPTY_REGISTRY } from '../pods/registry.ts';
import type { PortClass } from '../policy/compiled.ts';
import { watchFiles } from '../policy/sources/watch.ts';
import type { FileWatch } from '../policy/sources/watch.ts';
import type { Sys } from '../sys/sys.ts';
import { TABLE } from './config.ts';
import type { Config } from './config.ts';
import { DatapathHost } from './datapath-host.ts';
import { die } from './die.ts';
import { Memory } from './memory.ts';
import { inheritedAddresses, interceptedAddresses, loadState, newAddresses, rulesetPods, snapshotOf } from './state.ts';
import type { State } from './state.ts';

const DNS_PORT = 53;
const RETRY_MS = 1_000;

export class Agent {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #memory = new Memory();
  readonly #datapath: DatapathHost;
  readonly #drain: AuditDrain;
  #state: State;
  #watches: readonly FileWatch[] = [];
  /** Addresses that stay denied until the grants of those who had them are gone. */
  #closed: ReadonlySet<string> = new Set();
  #retry: NodeJS.Timeout | undefined;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(config: Config, log: Logger, state: State, datapath: DatapathHost, sink: Sink) {
    this.#config = config;
    this.#log = log;
    this.#state = state;
    this.#datapath = datapath;
    this.#memory.remember(state);
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
    const loaded = await loadState(config, undefined, EMPTY_REGISTRY);
    if (!loaded.ok) throw new StartError(loaded.problems);
    const state = loaded.value;
    const sink = openSink(config, log);
    const strategy: RefreshStrategy = config.refresh === 'auto' ? await chooseStrategy(sys) : config.refresh;
    await applyRuleset(config, state);
    await ensureRoutes({ mark: config.mark, table: config.routingTable, dnsServers: config.dnsServers });
    const datapath = await DatapathHost.start(sys, settingsOf(config, strategy), snapshotOf(state), {
      onKernelDamage: () => void reportDamage(log),
      onInternalError: (stack: string) => log.error({ stack }, 'One query ended in an exception and got SERVFAIL'),
      onDeath: (error: Error) => die(log, error),
    });
    agent = new Agent(config, log, state, datapath, sink);
    agent.#watches = watches;
    agent.#drain.start();
    if (isChangedEarly) agent.#reloadSoon();
    const counts = { clients: state.registry.pods.length, policies: state.policies.length };
    log.info({ ...counts, refresh: strategy, servers: config.dnsServers }, 'ready');
    return agent;
  }

  /** Stops answering. What the kernel holds stays: grants live out their time, and nothing new opens (I5). */
  async stop(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    clearTimeout(this.#retry);
    await this.#reloading;
    await this.#datapath.stop();
    await this.#drain.stop();
    this.#log.info({ counters: this.#datapath.counters.read() }, 'stopped; kernel rules stay in force');
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
    const loaded = await loadState(this.#config, this.#state, this.#state.registry);
    if (!loaded.ok) {
      for (const { at, code, message } of loaded.problems) this.#log.error({ at, code }, `Change refused: ${message}`);
      return;
    }
    try {
      await this.#apply(loaded.value);
    } catch (error) {
      this.#log.error({ error: String(error) }, 'Cannot apply the change: the last good state stays in force');
    }
  }

  /**
   * Make before break: the sets that `next` needs, then the grants that it allows, then the chains that ask them; and only then is
   * removed what lost its reason. An address that changes hands is closed from the beginning, and its new pod's queries are answered
   * from the end: between, the old one's grants go.
   */
  async #apply(next: State): Promise<void> {
    const config = this.#config;
    const before = this.#state;
    const inherited = inheritedAddresses(before, next).union(this.#closed);
    const added = next.compiled.classes.filter(({ id }) => before.compiled.classes.every((known) => known.id !== id));
    this.#memory.remember(next);
    if (inherited.size > 0 || added.length > 0) await applyRuleset(config, before, { closed: inherited, added });
    const isFilled = await this.#datapath.adopt(snapshotOf(next, inherited));
    // What could not be removed may be any pod's that is gone: then no new pod may have its address.
    this.#closed = isFilled ? new Set() : inherited.union(newAddresses(before, next));
    await applyRuleset(config, next, { closed: this.#closed });
    if (isFilled && inherited.size > 0) await this.#datapath.adopt(snapshotOf(next));
    this.#state = next;
    const isPruned = await this.#datapath.prune();
    await applyText(staleSetsText(await listObjects(), next.compiled.classes));
    const counts = { clients: next.registry.pods.length, policies: next.policies.length };
    this.#log.info({ ...counts, generation: next.generation }, 'change applied');
    if (isFilled && isPruned) return;
    this.#log.error('The kernel refused to change some grants: new clients stay closed; trying again');
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

async function reportDamage(log: Logger): Promise<void> {
  if (await tableExists()) return;
  log.error(
    { table: TABLE },
    'not ready: somebody deleted our nftables table, so nothing is filtered; names that policy grants get SERVFAIL. Restart namewall to restore it',
  );
}

interface Transition {
  /** Addresses that are denied everything. */
  readonly closed?: ReadonlySet<string>;
  /** Classes beside those of the state, for the sets that the next state will need. */
  readonly added?: readonly PortClass[];
}

async function applyRuleset(config: Config, state: State, { closed, added = [] }: Transition = {}): Promise<void> {
  const text = rulesetText({
    mark: config.mark,
    dnsServers: config.dnsServers,
    proxyTcp: false,
    whenDown: config.whenDown,
    verdict: config.verdict,
    interceptedAddresses: interceptedAddresses(state, config.intercept),
    pods: rulesetPods(state, closed ?? new Set()),
    classes: [...state.compiled.classes, ...added],
    programs: state.compiled.programs,
    protectedRanges: protectedRanges(extraRanges(config)),
    queriesPerSecondPerPod: config.queriesPerSecond,
    existing: await listObjects(),
  });
  await applyText(text);
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

function extraRanges(config: Config): DatapathSettings['protect'] {
  return {
    protect: config.protect.ranges,
    cidrs: config.protect.cidrs.map((cidr) => ({ cidr, reason: 'configured' })),
  };
}

function openSink(config: Config, log: Logger): StreamSink {
  const onError = (error: Error): void =>
    log.error({ error: error.message, audit: config.audit }, 'Cannot write the audit log: events are lost and counted');
  return config.audit === 'stdout' ? StreamSink.toStdout(onError) : StreamSink.toFile(config.audit, onError);
}
