// Everything around the real loop that a scenario needs: the simulated system, and what the agent does with policies and pods. It decides
// nothing; what happens is handed to `Witness`.
import type { Inputs } from '../../src/agent/inputs.ts';
import { Memory } from '../../src/agent/memory.ts';
import { inheritedAddresses, snapshotOf } from '../../src/agent/state.ts';
import type { State } from '../../src/agent/state.ts';
import { decode } from '../../src/audit/decode.ts';
import type { AuditEvent } from '../../src/audit/event.ts';
import { parseAddress } from '../../src/base/ip.ts';
import { AuditRing } from '../../src/bridge/audit-ring.ts';
import { Control } from '../../src/bridge/control.ts';
import { Counters } from '../../src/bridge/counters.ts';
import { Loop } from '../../src/datapath/loop.ts';
import type { DatapathSettings, UpstreamZone } from '../../src/datapath/settings.ts';
import type { RefreshStrategy } from '../../src/kernel/set-writer.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { EMPTY_REGISTRY, updateRegistry } from '../../src/pods/registry.ts';
import { compile } from '../../src/policy/compile.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { SimulatedSys } from '../../src/sys/simulated.ts';
import type { SimulatedObserver } from '../../src/sys/simulated.ts';
import { Committer } from './committer.ts';

export const TABLE = 'namewall';
/** The loop never sleeps longer (MAX_WAIT_MS of loop.ts), so time moves in such steps. */
const STEP_MS = 100;
const RING_BYTES = 64 + (1 << 18);
const SET_SIZE = 262_144;
const MAX_TURNS = 1_000;
/** What the loop does not look at. */
const NO_INPUTS: Inputs = {
  pods: [],
  knowsAllPods: true,
  nodes: [],
  services: [],
  areDnsServersInside: false,
  podsAt: 'scenario',
  policies: [],
  dnsServers: [],
  zones: [],
  guardedRanges: [],
  protectedRanges: [],
  problems: [],
};

export interface WorldOptions {
  readonly settings: Omit<DatapathSettings, 'table' | 'strategy' | 'transparent'>;
  readonly strategy: RefreshStrategy;
  readonly observer: SimulatedObserver;
  readonly commits: Commits;
  /** Whom pods ask, as policies mean them. */
  readonly dnsServers: readonly string[];
}

/** Who waits for the kernel: the loop itself, or another thread in its stead. */
export type Commits = 'loop' | 'thread';

export class World {
  readonly sys: SimulatedSys;
  readonly counters = new Counters();
  readonly audit: AuditEvent[] = [];
  /** What the loop complained about: each must be expected, or the scenario fails. */
  readonly complaints: string[] = [];
  readonly #ring = new AuditRing(new SharedArrayBuffer(RING_BYTES));
  readonly #memory = new Memory();
  readonly #committer: Committer | undefined;
  readonly #loop: Loop;
  readonly #dnsServers: readonly string[];
  #state: State;
  #isLoopHeld = false;

  constructor(options: WorldOptions) {
    const { strategy } = options;
    this.#dnsServers = options.dnsServers;
    this.sys = new SimulatedSys({ observer: options.observer, renews: strategy === 'update' });
    const settings = { ...options.settings, table: TABLE, strategy, transparent: true };
    this.#committer = options.commits === 'thread' ? new Committer(this.sys) : undefined;
    const channel = this.#committer === undefined ? {} : { channel: this.#committer.channel };
    const shared = { control: new Control(), counters: this.counters, ring: this.#ring, ...channel };
    this.#loop = new Loop(this.sys, settings, shared, {
      onWake: () => undefined,
      onOpen: () => undefined,
      onKernelTouched: () => undefined,
      onKernelDamage: () => undefined,
      onInternalError: (error) => this.complaints.push(`exception in a query: ${String(error)}`),
    });
    this.#state = { generation: 0, inputs: NO_INPUTS, registry: EMPTY_REGISTRY, compiled: compile([], []) };
  }

  get state(): State {
    return this.#state;
  }

  /** A slot that nobody answers any more would be lost for good. */
  get slotsInUse(): number {
    return this.#loop.plane.slots.inUse;
  }

  /** Who waits for an upstream, by every account of it that there is. */
  get inFlight(): number {
    const { waiting, asking, pods } = this.#loop.plane;
    let sum = waiting + asking.size;
    for (const each of pods.inFlight) sum += each;
    return sum;
  }

  /** Each has sockets; one that nobody needs any more would keep its for good. */
  get upstreamServers(): number {
    return new Set(this.#loop.plane.upstreams.servers.sockets.flatMap((socket) => socket?.server ?? [])).size;
  }

  /**
   * As Agent.#apply: the sets that the next state needs, its grants, then (the chains being switched) what lost its reason goes, and the
   * sets that no class names any more. An address that changes hands belongs to nobody between.
   */
  apply(policies: readonly Policy[], pods: readonly Pod[]): void {
    const before = this.#state;
    const { registry } = updateRegistry(before.registry, pods);
    const inputs = { ...NO_INPUTS, policies, pods, dnsServers: this.#dnsServers };
    const { knowsAllPods, nodes, services, dnsServers } = inputs;
    const known = registry.pods.map(({ pod }) => pod);
    const compiled = compile(policies, known, { knowsAllPods, nodes, services, dnsServers });
    const next = { generation: before.generation + 1, inputs, registry, compiled };
    const inherited = inheritedAddresses(before, next);
    this.#memory.remember(next);
    this.#addSets(next);
    const isFilled = this.#loop.adopt(snapshotOf(next, inherited));
    this.#state = next; // what was sent meanwhile was under way, by the policy before
    if (isFilled && inherited.size > 0) this.#loop.adopt(snapshotOf(next));
    const isPruned = before.generation === 0 || this.#loop.prune(); // a start has nothing to remove
    if (!isFilled || !isPruned) this.complaints.push('the kernel refused to change some grants');
    const wanted = setNames(next);
    for (const set of this.sys.nftables.setNames(TABLE)) {
      if (!wanted.includes(set)) this.sys.nftables.deleteSet(TABLE, set);
    }
    this.run();
  }

  /** As the thread does with the message of that kind. */
  replaceUpstreams(zones: readonly UpstreamZone[]): void {
    for (const server of this.#loop.replaceUpstreams(zones)) this.complaints.push(`no route to ${server}`);
    this.run();
  }

  /** Makes whatever sets of the policy are not there. */
  restoreTable(): void {
    this.#addSets(this.#state);
  }

  #addSets(state: State): void {
    for (const set of setNames(state)) {
      this.sys.nftables.addSet(TABLE, set, { keyBytes: set.startsWith('grants4') ? 8 : 32, size: SET_SIZE });
    }
  }

  /** The loop is busy with something: what arrives meanwhile waits for its next turn. */
  holdLoop(): void {
    this.#isLoopHeld = true;
  }

  releaseLoop(): void {
    this.#isLoopHeld = false;
    this.run();
  }

  /** Somebody else has the kernel's lock: what is handed over waits for it. */
  holdCommits(): void {
    if (this.#committer === undefined) throw new Error('Nobody waits for the kernel but the loop: see run.test.ts');
    this.#committer.hold();
  }

  releaseCommits(): void {
    this.#committer?.release();
    this.run();
  }

  /** The reports of the next commit are lost. */
  overflow(): void {
    (this.#committer ?? this.sys).overflow();
  }

  /** Turns until nothing is left to read. */
  run(): void {
    if (this.#isLoopHeld) return;
    let turns = 0;
    do {
      this.#loop.turn();
      this.#committer?.work();
      if (++turns > MAX_TURNS) throw new Error(`The loop has something to read even after ${MAX_TURNS} turns`);
    } while (this.sys.hasReady() || this.#loop.plane.clients.rousedCount > 0);
    this.#ring.drain((offset) => {
      this.audit.push(decode(this.#ring.view, this.#ring.bytes, offset, this.#memory));
    }, Infinity);
  }

  wait(milliseconds: number): void {
    for (let left = milliseconds; left > 0; left -= STEP_MS) {
      this.sys.advance(Math.min(left, STEP_MS));
      this.run();
    }
  }

  /** Milliseconds left of `POD . ADDRESS` in a set. */
  leftMs(set: string, pod: string, address: string): number {
    return this.sys.nftables.set(TABLE, set)?.leftMs(elementKey(pod, address), this.sys.nowMs()) ?? 0;
  }

  liveElements(set: string): string[] {
    return this.sys.nftables.set(TABLE, set)?.liveKeys(this.sys.nowMs()) ?? [];
  }
}

function setNames({ compiled }: State): string[] {
  return compiled.classes.flatMap(({ id }) => [`grants4_${id}`, `grants6_${id}`]);
}

/** The key of two addresses of one family, in hexadecimal as SimulatedSet has it. */
export function elementKey(pod: string, address: string): string {
  return [pod, address].map((text) => Buffer.from(shortBytes(text)).toString('hex')).join('');
}

/** 4 or 16 bytes. */
export function shortBytes(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`"${text}" is no address`);
  return text.includes(':') ? bytes : bytes.subarray(12);
}
