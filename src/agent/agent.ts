// The composition root: builds every part by hand, in start order, and stops them in reverse. The order of a start is what makes it safe:
// the kernel is closed first (ruleset, routes), then our sockets open, then we say that we are ready (I5).
import { AuditDrain } from '../audit/drain.ts';
import { StreamSink } from '../audit/sinks/stream.ts';
import type { Problem } from '../base/errors.ts';
import { parseAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { DatapathSettings } from '../datapath/settings.ts';
import { tableExists } from '../kernel/apply.ts';
import { endInheritedGrants } from '../kernel/inherited-grants.ts';
import { ensureRoutes } from '../kernel/routes.ts';
import { chooseStrategy } from '../kernel/self-test.ts';
import type { RefreshStrategy } from '../kernel/set-writer.ts';
import { EMPTY_REGISTRY } from '../pods/registry.ts';
import type { Sys } from '../sys/sys.ts';
import { Changeover } from './changeover.ts';
import { DNS_PORT, TABLE } from './config.ts';
import type { Config } from './config.ts';
import { DatapathHost } from './datapath-host.ts';
import { die } from './die.ts';
import { InputFollower } from './follow-inputs.ts';
import { HealthSocket } from './health-socket.ts';
import { Health } from './health.ts';
import { FileSource } from './inputs-files.ts';
import type { Inputs, InputSource } from './inputs.ts';
import { rulesContext } from './links.ts';
import { takeLock } from './lock.ts';
import { Memory } from './memory.ts';
import { letQueriesFirst } from './priority.ts';
import { ProblemLog } from './problem-log.ts';
import { extraRanges, rulesOf } from './rules.ts';
import { owners, snapshotOf, stateOf, unboundClients } from './state.ts';
import type { State } from './state.ts';
import { Table } from './table.ts';
import { UpstreamKeeper } from './upstream-keeper.ts';

const LOOK_MS = 1_000;
const AUDIT_PATIENCE_MS = 1_000;

export class Agent {
  readonly #log: Logger;
  readonly #healthSocket: HealthSocket | undefined;
  readonly #healthTimer: NodeJS.Timeout;
  readonly #source: InputSource;
  readonly #datapath: DatapathHost;
  readonly #upstreams: UpstreamKeeper;
  readonly #follower: InputFollower;
  readonly #sink: StreamSink;
  readonly #drain: AuditDrain;

  private constructor(config: Config, log: Logger, state: State, parts: Parts) {
    const { datapath, health, source, sink } = parts;
    const memory = new Memory();
    memory.remember(state);
    this.#log = log;
    this.#healthSocket = parts.healthSocket;
    this.#healthTimer = setInterval(() => health.look(), LOOK_MS);
    this.#source = source;
    this.#datapath = datapath;
    this.#upstreams = new UpstreamKeeper(datapath, log, state.inputs.zones, parts.unreachable);
    const changeover = new Changeover(config, log, { datapath, memory, table: parts.table, health }, state);
    this.#follower = new InputFollower({ ...parts, upstreams: this.#upstreams, changeover, log });
    this.#sink = sink;
    this.#drain = new AuditDrain(datapath.ring, datapath.counters, memory, sink);
  }

  /**
   * Resolves when it enforces and answers; on a node only once the API server has told of everything, and `signal` gives that up. Rejects
   * with StartError for wrong files, and with KernelError, SysError, DatapathError, SinkError, WatchError, HealthError or KubernetesError
   * when the system does not allow it.
   */
  static async start(config: Config, sys: Sys, log: Logger, signal: AbortSignal): Promise<Agent> {
    let agent: Agent | undefined;
    let isChangedEarly = false;
    await takeLock();
    const health = new Health(() => sys.nowMs(), log);
    // From here on a probe is answered: on a node the next step may take as long as the API server does.
    const healthSocket =
      config.health === 'off' ? undefined : await HealthSocket.open(config.health, () => health.status());
    // A source is watched from before it is read: a change between the two must not go unseen.
    const source = await openSource(config, log, signal, () => {
      if (agent === undefined) isChangedEarly = true;
      else agent.#follower.changed();
    });
    health.warnOf(() => source.warnings());
    const read = await source.read();
    const loaded = read.ok ? stateOf(read.value, EMPTY_REGISTRY) : read;
    if (!loaded.ok) throw new StartError(loaded.problems);
    const state = loaded.value;
    const { inputs } = state;
    const problems = new ProblemLog(log);
    problems.report(inputs.problems);
    const sink = openSink(config, log);
    const strategy: RefreshStrategy = config.refresh === 'auto' ? await chooseStrategy(sys) : config.refresh;
    const ended = await endInheritedGrants(owners(state));
    if (ended > 0)
      log.info({ grants: ended }, 'Ended grants from before the start: their addresses are not the same pods any more');
    const table = new Table();
    await table.apply(rulesOf(await rulesContext(config, state, health), state));
    await ensureRoutes({ mark: config.mark, table: config.routingTable, dnsServers: inputs.dnsServers });
    let unreachable: readonly string[] = [];
    const datapath = await DatapathHost.start(sys, settingsOf(config, strategy, inputs), snapshotOf(state), {
      onKernelDamage: () => void reportDamage(health, log).then((isGone) => isGone && agent?.distrust()),
      onInternalError: (stack: string) => log.error({ stack }, 'One query ended in an exception and got SERVFAIL'),
      onDeath: (error: Error) => die(log, error),
      onUnreachable: (upstreams) => (unreachable = upstreams),
    });
    health.watch(() => datapath.turns());
    letQueriesFirst();
    agent = new Agent(config, log, state, {
      health,
      healthSocket,
      source,
      problems,
      table,
      datapath,
      unreachable,
      sink,
    });
    agent.#drain.start();
    if (isChangedEarly) agent.#follower.changed();
    warnOfUnbound(config, state, log);
    health.clear('starting');
    if (inputs.dnsServers.length === 0) health.hold('no DNS server known');
    const counts = { clients: inputs.pods.length, policies: inputs.policies.length };
    health.tell({ ...counts, refresh: strategy, servers: inputs.dnsServers });
    return agent;
  }

  /** Resolves when only another start can follow a change; it says which. */
  get restartNeeded(): Promise<string> {
    return this.#follower.restartNeeded;
  }

  /** Stops answering. What the kernel holds stays: grants live out their time, and nothing new opens (I5). */
  async stop(): Promise<void> {
    this.#source.close();
    await this.#follower.stop();
    this.#upstreams.close();
    await this.#datapath.stop();
    // A reader of the audit log that does not read must not keep us: what it does not take is lost.
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, AUDIT_PATIENCE_MS);
    await Promise.race([this.#drain.stop(), patience.promise]);
    clearTimeout(timer);
    clearInterval(this.#healthTimer);
    this.#healthSocket?.close();
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

  /** What the kernel has is not what was applied: the next change is applied whatever it is. */
  distrust(): void {
    this.#follower.distrust();
  }

  /** Makes the loop's thread throw: for the test that the process then ends. */
  throwInDatapath(): void {
    this.#datapath.throwOnPurpose();
  }
}

/** What is there before the agent is. */
interface Parts {
  readonly health: Health;
  readonly healthSocket: HealthSocket | undefined;
  readonly source: InputSource;
  readonly problems: ProblemLog;
  readonly table: Table;
  readonly datapath: DatapathHost;
  readonly unreachable: readonly string[];
  readonly sink: StreamSink;
}

/** Inputs that cannot be used at the start: nothing was changed yet. */
export class StartError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('Cannot start: clients or policies are wrong');
    this.problems = problems;
  }
}

async function openSource(config: Config, log: Logger, signal: AbortSignal, changed: () => void): Promise<InputSource> {
  if (config.mode === 'host') return FileSource.open(config, changed, log);
  // Loaded here only: the client of the API server takes a third of a second and 90 MB, and a host has none.
  const { ClusterSource } = await import('./inputs-cluster.ts');
  return ClusterSource.open(config, changed, log, signal);
}

/** Whether our table is gone. */
async function reportDamage(health: Health, log: Logger): Promise<boolean> {
  if (await tableExists()) return false;
  log.error(
    { table: TABLE },
    'not ready: somebody deleted our nftables table, so nothing is intercepted or filtered. It is put back now',
  );
  health.hold('table deleted');
  health.tell();
  return true;
}

/** Without its interface the kernel cannot tell a client's packets from those of somebody who uses another address (V9). */
function warnOfUnbound({ mode }: Config, state: State, log: Logger): void {
  const clients = unboundClients(state);
  if (clients.length === 0) return;
  // A node has hundreds of pods, and the API server knows the interface of none.
  const who = mode === 'node' ? { count: clients.length } : { clients };
  log.warn(who, 'Clients without interface: whoever can send from another address than theirs is not filtered');
}

function settingsOf(config: Config, strategy: RefreshStrategy, inputs: Inputs): DatapathSettings {
  return {
    listen: inputs.dnsServers.flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : [{ address, port: DNS_PORT }];
    }),
    transparent: true,
    upstreams: inputs.zones,
    denial: config.denial,
    lifetimes: config.lifetimes,
    table: TABLE,
    strategy,
    protect: extraRanges(config, inputs),
  };
}

function openSink(config: Config, log: Logger): StreamSink {
  const onError = (error: Error): void =>
    log.error({ error: error.message, audit: config.audit }, 'Cannot write the audit log: events are lost and counted');
  return config.audit === 'stdout' ? StreamSink.toStdout(onError) : StreamSink.toFile(config.audit, onError);
}
