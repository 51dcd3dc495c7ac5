// The events of the data plane: epoll → client queries, upstream answers, kernel events, messages of the main thread, time. A turn reads
// what is there, judges it, commits all its grants at once and sends all its replies at once. It never awaits and never blocks longer
// than MAX_WAIT_MS (V23).
import type { AuditRing } from '../bridge/audit-ring.ts';
import type { CommitChannel } from '../bridge/commit-channel.ts';
import type { Control } from '../bridge/control.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Counters } from '../bridge/counters.ts';
import type { DigQuestion, Dug } from '../bridge/dig.ts';
import type { Inheritance, KeptLookup, RecalledName, RecallQuestion } from '../bridge/protocol.ts';
import type { Snapshot } from '../bridge/snapshot.ts';
import type { Fd, Sys } from '../sys/sys.ts';
import { auditCap, auditFolded, auditSpoof } from './audit.ts';
import { adopt, areSetsThere, prune } from './adopt.ts';
import { flushQuestions } from './ask.ts';
import { Digger } from './dig.ts';
import { FromClients } from './from-clients.ts';
import { FromUpstreams } from './from-upstreams.ts';
import { endCapsOf } from './caps.ts';
import { inherit, keptLookups, refill } from './inherit.ts';
import { KernelWatch, SEEN } from './kernel-watch.ts';
import { Plane } from './plane.ts';
import { recall } from './recall.ts';
import { flushReplies } from './reply.ts';
import { Server } from './serve.ts';
import type { DatapathSettings, UpstreamZone } from './settings.ts';
import { NO_SLOT } from './state/query-slots.ts';
import type { SocketWatch } from './state/upstream-servers.ts';

const MAX_WAIT_MS = 100;
/** Places of the grant table looked at in a turn that had nothing else to do, in one that had, and for each answer that waits for a commit:
 * all of them within a minute, or as fast as new grants take room. */
const SWEEP_PLACES = { idle: 1_024, busy: 64, perCommit: 8 };
const PRUNE_AGAIN_MS = 1_000;
/** Exceptions in queries are our bugs; one may be answered with SERVFAIL, this many in a minute mean that nothing can be trusted (M97). */
const FATAL_ERRORS_PER_MINUTE = 10;

/** What the loop tells its owner; the owner may be a worker's port or a scenario. */
export interface LoopEvents {
  /** Messages may be waiting (the eventfd was signalled). */
  onWake(): void;
  /** Our table or sets are gone: applies this nft text at once, whatever it costs. */
  onOpen(shield: string): void;
  /** Our table or sets were deleted by somebody else. */
  onKernelDamage(): void;
  /** Chains, rules or sets of ours changed, perhaps by our own hand. */
  onKernelTouched(): void;
  /** An exception in one query, answered with SERVFAIL. */
  onInternalError(error: unknown): void;
}

export class Loop {
  readonly plane: Plane;
  /** Signal it to wake the loop. */
  readonly wakeFd: Fd;
  readonly #sys: Sys;
  readonly #control: Control;
  readonly #events: LoopEvents;
  readonly #server: Server;
  readonly #watch: KernelWatch;
  readonly #channel: CommitChannel | undefined;
  /** Signalled when the committer's thread has an outcome. */
  readonly #commitFd: Fd;
  readonly #epoll: Fd;
  readonly #ready = new Int32Array(64);
  readonly #tellFolded = (pod: number, counts: Uint32Array): void => auditFolded(this.plane, pod, counts);
  readonly #tellCap = (key: number, count: number): void => auditCap(this.plane, key, count);
  readonly #tellSpoof = (server: number, count: number): void => auditSpoof(this.plane, server, count);
  readonly #clients: FromClients;
  readonly #upstreams: FromUpstreams;
  readonly #digger: Digger;
  /** What to do when a descriptor is ready. */
  readonly #onReadyOf: ((() => void) | undefined)[] = [];
  readonly #watchSocket: SocketWatch = {
    opened: (socket) => this.#listen(socket.fd, () => this.#upstreams.onDatagrams(socket)),
    closed: ({ fd, server }) => {
      this.#forget(fd);
      this.plane.spoofs.endOf(server, this.#tellSpoof); // while the place still means this server
    },
  };
  #errorsSince = 0;
  #errors = 0;
  #pruneAtMs = Number.POSITIVE_INFINITY;

  /** Opens everything. Throws SysError or UpstreamsError. */
  constructor(sys: Sys, settings: DatapathSettings, shared: Shared, events: LoopEvents) {
    this.#sys = sys;
    this.#control = shared.control;
    this.#events = events;
    this.#channel = shared.channel;
    this.plane = new Plane(sys, settings, shared.counters, shared.ring, shared.channel);
    const onError = (error: unknown): void => this.#onError(error);
    this.#server = new Server(this.plane, onError);
    const wants = (fd: Fd, interest: number): void => sys.epollWatch(this.#epoll, fd, interest);
    this.#clients = new FromClients(this.plane, this.#server, onError, wants);
    this.#upstreams = new FromUpstreams(this.plane, this.#server.pursuit, onError);
    this.#digger = new Digger(this.plane, this.#server, onError);
    this.#watch = KernelWatch.open(sys, settings.table);
    this.wakeFd = sys.eventOpen();
    this.#commitFd = sys.eventOpen();
    this.#channel?.setEventFd(this.#commitFd);
    this.#epoll = sys.epollOpen();
    this.#listen(this.wakeFd, () => this.#onWake());
    this.#listen(this.#commitFd, () => sys.eventDrain(this.#commitFd)); // flush() looks at what it is about
    sys.epollAdd(this.#epoll, this.#watch.fd);
    this.plane.listeners.forEach(({ fd, streamFd }, l) => {
      this.#listen(fd, () => this.#clients.onDatagrams(l));
      this.#listen(streamFd, () => this.#clients.onConnections(l));
    });
    const closed = (fd: Fd): void => this.#forget(fd);
    this.plane.clients.watchWith({
      opened: (fd, stream) => this.#listen(fd, () => this.#clients.onStream(stream)),
      closed,
      wants,
      gaveUp: () => this.plane.count(COUNT.tcp_reset),
    });
    this.plane.upstreams.streams.watchWith({
      opened: (stream) => this.#listen(stream.fd, () => this.#upstreams.onStream(stream)),
      closed,
      wants,
    });
    this.plane.upstreams.replace(settings.upstreams, this.#watchSocket);
  }

  /** One turn: waits for events at most until something is due, then handles all of them. */
  turn(): void {
    const { plane } = this;
    const waitMs = plane.deadlines.waitMs(this.#sys.nowMs(), this.#clients.waitMs(MAX_WAIT_MS));
    const count = this.#sys.epollWait(this.#epoll, this.#ready, waitMs);
    plane.nowMs = this.#sys.nowMs();
    plane.wallMs = this.#sys.wallMs();
    // Kernel events first: a hit of this very turn must not be answered out of a mirror that is wrong.
    for (let i = 0; i < count; i++) if (this.#ready[i] === this.#watch.fd) this.#onKernelEvent();
    this.#clients.beginTurn();
    for (let i = 0; i < count; i++) this.#onReadyOf[this.#ready[i]!]?.();
    this.#clients.resume();
    this.#onTick(count === 0);
    this.#flush();
    plane.upstreams.servers.closeIdle(this.#watchSocket);
    plane.upstreams.servers.renewDue(this.#watchSocket);
    this.#control.countTurn();
  }

  /** Judges by `snapshot` from now on. False when the kernel did not take the changes of grants that come with it. */
  adopt(snapshot: Snapshot): boolean {
    this.#finishCommits();
    this.#pruneAtMs = Number.POSITIVE_INFINITY; // the owner says when the chains have switched
    this.plane.auditBudget.end(this.#tellFolded); // while the indexes still mean the same pods
    for (const pod of this.plane.pods.missingFrom(snapshot)) endCapsOf(this.plane, pod, this.#tellCap);
    this.plane.nowMs = this.#sys.nowMs();
    this.plane.failures.forget(this.plane.nowMs);
    const isDone = adopt(this.plane, snapshot);
    this.#clients.onAdopted();
    this.#control.applied(snapshot.generation);
    return isDone;
  }

  /**
   * Removes what the snapshot no longer allows, once the kernel's chains have switched to it. False when the kernel refused some of it;
   * then the loop tries again every second.
   */
  prune(): boolean {
    this.#finishCommits(); // its removals must not join a batch that queries wait for, nor overtake it
    this.plane.nowMs = this.#sys.nowMs();
    const isDone = prune(this.plane);
    this.#pruneAtMs = isDone ? Number.POSITIVE_INFINITY : this.plane.nowMs + PRUNE_AGAIN_MS;
    return isDone;
  }

  /**
   * Asks by these zones from now on; what is in flight is still answered, and cached answers stay valid. The servers that no route leads
   * to. Throws UpstreamsError or SysError, and then nothing has changed.
   */
  replaceUpstreams(zones: readonly UpstreamZone[]): readonly string[] {
    const { upstreams } = this.plane;
    flushQuestions(this.plane); // the socket drawn for them may be closed from here on
    upstreams.replace(zones, this.#watchSocket);
    this.plane.failures.forget(this.#sys.nowMs());
    return upstreams.unreachable;
  }

  /** Which names pods saw resolve to addresses (recall.ts). */
  recall(questions: readonly RecallQuestion[]): RecalledName[][] {
    this.plane.nowMs = this.#sys.nowMs();
    return recall(this.plane, questions);
  }

  /** Asks in the name of a pod; `told` is called once, at the end (dig.ts). */
  dig(question: DigQuestion, told: (dug: Dug) => void): void {
    this.plane.nowMs = this.#sys.nowMs();
    this.#digger.ask(question, told);
  }

  /** Takes over what outlived the process before; after the first snapshot. */
  inherit(inheritance: Inheritance): void {
    this.plane.nowMs = this.#sys.nowMs();
    inherit(this.plane, inheritance);
  }

  keptLookups(pod: number): KeptLookup[] {
    this.plane.nowMs = this.#sys.nowMs();
    return keptLookups(this.plane, pod);
  }

  /** Puts some grants into the kernel again; where to go on, or -1. */
  refill(from: number): number {
    this.#finishCommits();
    this.plane.nowMs = this.#sys.nowMs();
    return refill(this.plane, from);
  }

  /** Closes every descriptor: raw ones outlive their thread and would swallow queries (V23). */
  close(): void {
    this.#finishCommits();
    this.plane.auditBudget.end(this.#tellFolded);
    this.plane.caps.end(this.#tellCap);
    this.plane.spoofs.end(this.#tellSpoof);
    const { listeners, clients, upstreams } = this.plane;
    clients.closeAll();
    upstreams.streams.closeAll();
    const sockets = [...listeners, ...upstreams.servers.sockets].map((socket) => socket?.fd);
    const others = [...listeners.map(({ streamFd }) => streamFd), this.#watch.fd, this.#commitFd, this.#epoll];
    for (const fd of [...sockets, ...others]) if (fd !== undefined) this.#sys.close(fd);
    this.plane.writer.close();
  }

  #listen(fd: Fd, onReady: () => void): void {
    this.#onReadyOf[fd] = onReady;
    this.#sys.epollAdd(this.#epoll, fd);
  }

  /** Its descriptor is closed next, which takes it out of epoll, too (epoll(7), question 6). */
  #forget(fd: Fd): void {
    this.#onReadyOf[fd] = undefined;
  }

  #onWake(): void {
    this.#sys.eventDrain(this.wakeFd);
    this.#events.onWake();
  }

  #onKernelEvent(): void {
    const seen = this.#watch.read(this.plane.setNames);
    if (this.#watch.isTouched) this.#events.onKernelTouched();
    if (seen === SEEN.Nothing || (seen === SEEN.Loss && areSetsThere(this.plane))) return;
    // First the pods are closed: nothing else stands between them and the network now.
    this.#events.onOpen(this.plane.shield);
    this.plane.grants.distrust();
    this.plane.isSubmittedDoubtful = true;
    this.plane.count(COUNT.kernel_changed);
    this.#events.onKernelDamage();
  }

  #onTick(isIdle: boolean): void {
    const { plane } = this;
    for (;;) {
      const slot = plane.deadlines.popOverdue(plane.nowMs);
      if (slot === NO_SLOT) break;
      this.#server.pursuit.onTimeout(slot);
    }
    this.#clients.onTick();
    this.#upstreams.onTick();
    plane.auditBudget.turn(plane.nowMs, this.#tellFolded);
    plane.caps.turn(plane.nowMs, this.#tellCap);
    plane.spoofs.turn(plane.nowMs, this.#tellSpoof);
    if (plane.nowMs >= this.#pruneAtMs) this.prune();
    const places = (isIdle ? SWEEP_PLACES.idle : SWEEP_PLACES.busy) + SWEEP_PLACES.perCommit * plane.admittedCount;
    plane.grants.sweep(plane.nowMs, places);
  }

  /** Hits first: they need no commit and must not wait for one (V24). Then the commit, then those it was for. */
  #flush(): void {
    const { plane } = this;
    for (let l = 0; l < plane.listeners.length; l++) flushReplies(plane, l);
    flushQuestions(plane);
    if (plane.admittedCount === 0 && plane.submittedCount === 0) return;
    this.#server.commit();
    for (let l = 0; l < plane.listeners.length; l++) flushReplies(plane, l);
  }

  /** Nothing waits for a commit afterwards. Blocks: for changes of policy, and at the end. */
  #finishCommits(): void {
    this.#flush();
    while (this.plane.submittedCount > 0 || this.plane.admittedCount > 0) {
      this.#channel?.waitUntilDone(MAX_WAIT_MS);
      this.#flush();
    }
  }

  /** An exception in one query, which got SERVFAIL: counted and told; too many are the end. */
  #onError(error: unknown): void {
    const { plane } = this;
    plane.count(COUNT.internal_errors);
    if (plane.nowMs - this.#errorsSince > 60_000) {
      this.#errorsSince = plane.nowMs;
      this.#errors = 0;
      this.#events.onInternalError(error);
    }
    if (++this.#errors >= FATAL_ERRORS_PER_MINUTE) throw error;
  }
}

/** The memory that the loop shares with the main thread. */
export interface Shared {
  /** To the committer's thread; without it the loop waits for the kernel itself. */
  readonly channel?: CommitChannel;
  readonly control: Control;
  readonly counters: Counters;
  readonly ring: AuditRing;
}
