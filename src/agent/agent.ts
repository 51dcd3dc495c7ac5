// The composition root: builds every part by hand, in start order, and stops them in reverse. The order of a start is what makes it safe:
// the kernel is closed first (ruleset, routes), then our sockets open, then we say that we are ready (I5).
import { AuditDrain } from '../audit/drain.ts';
import type { StreamSink } from '../audit/sinks/stream.ts';
import type { Problem } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Conntrack } from '../kernel/conntrack.ts';
import { chooseStrategy } from '../kernel/self-test.ts';
import type { RefreshStrategy } from '../kernel/set-writer.ts';
import { EMPTY_REGISTRY } from '../pods/registry.ts';
import type { Sys } from '../sys/sys.ts';
import type { AuditMode } from './audit-mode.ts';
import { Changeover } from './changeover.ts';
import type { Config } from './config.ts';
import { ConnectionLog } from './connection-log.ts';
import { ControlRequests } from './control-requests.ts';
import { ControlSocket, controlPath } from './control-socket.ts';
import { DatapathHost } from './datapath-host.ts';
import { die } from './die.ts';
import { dig } from './digger.ts';
import { applyFirstRules } from './first-rules.ts';
import type { FirstRules } from './first-rules.ts';
import { InputFollower } from './follow-inputs.ts';
import { HealthSocket } from './health-socket.ts';
import { Health } from './health.ts';
import type { InputSource } from './inputs.ts';
import { takeLock } from './lock.ts';
import type { LookupKeeper } from './lookup-keeper.ts';
import { Memory } from './memory.ts';
import { OldConnections } from './old-connections.ts';
import { openSink, openSource, settingsOf } from './open-parts.ts';
import { letQueriesFirst } from './priority.ts';
import { ProblemLog } from './problem-log.ts';
import { Revocation } from './revocation.ts';
import { snapshotOf, stateOf, unboundClients } from './state.ts';
import type { State } from './state.ts';
import { Surroundings } from './surroundings.ts';
import { UpstreamKeeper } from './upstream-keeper.ts';

const LOOK_MS = 1_000;
/** Events tell of most foreign hands at once; of what they do not tell this look does. */
const LOOK_AT_KERNEL_MS = 10_000;
const AUDIT_PATIENCE_MS = 1_000;

export class Agent {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #healthSocket: HealthSocket | undefined;
  readonly #healthTimer: NodeJS.Timeout;
  readonly #source: InputSource;
  readonly #datapath: DatapathHost;
  readonly #upstreams: UpstreamKeeper;
  readonly #follower: InputFollower;
  readonly #sink: StreamSink;
  readonly #memory = new Memory();
  readonly #drain: AuditDrain;
  readonly #connections: ConnectionLog;
  readonly #revocation: Revocation;
  readonly #old: OldConnections;
  readonly #keeper: LookupKeeper | undefined;
  readonly #surroundings: Surroundings;
  readonly #kernelTimer: NodeJS.Timeout;
  readonly #audit: { readonly auditMode: AuditMode; readonly changeover: Changeover };
  #control: ControlSocket | undefined;

  private constructor(config: Config, log: Logger, state: State, parts: Parts) {
    this.#config = config;
    const { datapath, health, source, sink, sys, keeper } = parts;
    const memory = this.#memory;
    memory.remember(state);
    this.#log = log;
    this.#healthSocket = parts.healthSocket;
    this.#source = source;
    this.#datapath = datapath;
    this.#upstreams = new UpstreamKeeper(datapath, log, state.inputs.zones, parts.unreachable);
    this.#drain = new AuditDrain(datapath.ring, datapath.counters, memory, sink);
    this.#sink = sink;
    const now = (): State => changeover.state;
    this.#connections = parts.connections;
    this.#connections.start({ reader: parts.reader, datapath, drain: this.#drain, state: now, log });
    const conntrack = Conntrack.open(sys);
    this.#revocation = new Revocation(config, {
      conntrack,
      datapath,
      auditMode: parts.auditMode,
      log,
      tell: (...told) => this.#connections.tellCut(...told),
    });
    const changeover = new Changeover(log, { ...parts, memory, revocation: this.#revocation }, state);
    this.#audit = { auditMode: parts.auditMode, changeover };
    const onRestored = (): void =>
      this.#drain.tell({ time: new Date(sys.wallMs()).toISOString(), event: 'table.restored' });
    this.#follower = new InputFollower({ ...parts, config, upstreams: this.#upstreams, changeover, log, onRestored });
    const old = { conntrack, revocation: this.#revocation, state: now, nowMs: () => sys.nowMs(), log };
    this.#old = new OldConnections(config.maxConnectionMs, old);
    this.#keeper = keeper;
    keeper?.start(datapath, now);
    this.#surroundings = new Surroundings(config, {
      ...parts,
      log,
      counters: datapath.counters,
      state: now,
      conntrack,
    });
    this.#healthTimer = setInterval(() => health.look(), LOOK_MS);
    this.#kernelTimer = setInterval(() => this.lookAtKernel(), LOOK_AT_KERNEL_MS);
  }

  /**
   * Resolves when it enforces and answers; on a node only once the API server has told of everything, and `signal` gives that up. Rejects
   * with StartError for wrong files, and with KernelError, SysError, DatapathError, SinkError, WatchError, SocketError or KubernetesError
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
    const loaded = read.ok ? stateOf(read.value, EMPTY_REGISTRY, config) : read;
    if (!loaded.ok) throw new StartError(loaded.problems);
    const state = loaded.value;
    const { inputs } = state;
    const problems = new ProblemLog(log);
    problems.report(inputs.problems);
    const sink = openSink(config, log);
    const strategy: RefreshStrategy = config.refresh === 'auto' ? await chooseStrategy(sys) : config.refresh;
    const connections = ConnectionLog.open(config, sys);
    const rules = await applyFirstRules(config, sys, { health, log }, state);
    const { takeover, auditMode } = rules;
    health.warnOf(() => auditMode.warnings());
    let unreachable: readonly string[] = [];
    const audited = auditMode.podsOf(state);
    const first = { snapshot: snapshotOf(state, new Set(), audited), inheritance: takeover.inheritance };
    const datapath = await DatapathHost.start(sys, settingsOf(config, strategy, inputs), first, {
      onKernelDamage: () => {
        health.hold('table deleted');
        health.tell();
        agent?.putBackTable();
      },
      onKernelTouched: () => agent?.lookAtKernel(),
      onInternalError: (stack: string) => log.error({ stack }, 'One query ended in an exception and got SERVFAIL'),
      onDeath: (error: Error) => die(log, error),
      onUnreachable: (upstreams) => (unreachable = upstreams),
    });
    health.watch(() => datapath.turns());
    letQueriesFirst();
    agent = new Agent(config, log, state, {
      ...rules,
      health,
      healthSocket,
      source,
      problems,
      connections,
      datapath,
      unreachable,
      sink,
      sys,
    });
    agent.#drain.start();
    await agent.#audit.changeover.judgeFirst(takeover);
    await agent.#startAuditMode();
    if (isChangedEarly) agent.#follower.changed();
    warnOfUnbound(config, state, log);
    await agent.#surroundings.first;
    health.clear('starting');
    if (inputs.dnsServers.length === 0) health.hold('no DNS server known');
    const counts = { clients: inputs.pods.length, policies: inputs.policies.length };
    health.tell({ ...counts, refresh: strategy, servers: inputs.dnsServers });
    return agent;
  }

  async #startAuditMode(): Promise<void> {
    const { auditMode, changeover } = this.#audit;
    await auditMode.start({
      state: () => changeover.state,
      tell: (event) => this.#drain.tell(event),
      changed: () => changeover.takeOrders(),
    });
    if (this.#config.state === 'off') return;
    const asked = { datapath: this.#datapath, names: this.#memory, auditMode, config: this.#config };
    const requests = new ControlRequests({
      obey: (request) => auditMode.obey(request),
      dig: (request) => dig(request, { ...asked, state: () => changeover.state }),
    });
    try {
      this.#control = await ControlSocket.open(controlPath(this.#config.state), (request) => requests.answer(request));
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'Cannot take orders: "namewall off" and "namewall dig" will not work');
    }
  }

  /** Resolves when only another start can follow a change; it says which. */
  get restartNeeded(): Promise<string> {
    return this.#follower.restartNeeded;
  }

  /** Stops answering. What the kernel holds stays: grants live out their time, and nothing new opens (I5). */
  async stop(): Promise<void> {
    this.#source.close();
    this.#control?.close();
    this.#audit.auditMode.close();
    clearInterval(this.#kernelTimer);
    await this.#surroundings.stop();
    await this.#old.stop();
    await this.#follower.stop();
    this.#upstreams.close();
    await this.#connections.stop();
    await this.#keeper?.stop();
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

  /** Somebody deleted our table: it is put back, whatever is being done just now. */
  putBackTable(): void {
    this.#audit.changeover.distrust();
    this.lookAtKernel();
  }

  /** Compares what the kernel has with what was applied, and puts it back where it is something else. */
  lookAtKernel(): void {
    this.#follower.lookAtKernel();
  }

  /** Makes the loop's thread throw: for the test that the process then ends. */
  throwInDatapath(): void {
    this.#datapath.throwOnPurpose();
  }
}

/** What is there before the agent is. */
interface Parts extends FirstRules {
  readonly health: Health;
  readonly healthSocket: HealthSocket | undefined;
  readonly source: InputSource;
  readonly problems: ProblemLog;
  readonly connections: ConnectionLog;
  readonly sys: Sys;
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

/** Without its interface the kernel cannot tell a client's packets from those of somebody who uses another address (V9). */
function warnOfUnbound({ mode }: Config, state: State, log: Logger): void {
  const clients = unboundClients(state);
  if (clients.length === 0) return;
  // A node has hundreds of pods, and the API server knows the interface of none.
  const who = mode === 'node' ? { count: clients.length } : { clients };
  log.warn(who, 'Clients without interface: whoever can send from another address than theirs is not filtered');
}
