// Plays cases in one world, whose loop is the real one: delivers, lets time pass, and between cases lets every deadline pass, so that each begins
// where the first began. What it finds is the ledger's, an exception, a leak, or a message that cost too much.
import { readFileSync } from 'node:fs';
import { COUNTERS } from '../../src/bridge/counters.ts';
import type { Denial } from '../../src/datapath/settings.ts';
import { extraRanges } from '../../src/kernel/protected.ts';
import type { RefreshStrategy } from '../../src/kernel/set-writer.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import { ERRNO } from '../../src/sys/sys.ts';
import { endpoint } from '../support/scenario-node.ts';
import { TABLE, World } from '../support/scenario-world.ts';
import type { Commits } from '../support/scenario-world.ts';
import type { Case, Step } from './case.ts';
import { checkCodec } from './codec.ts';
import { cutForClient, cutForUpstream, deliverToAsker, deliverToServer } from './deliver.ts';
import { hexOf } from './oracle/addresses.ts';
import { Ledger } from './oracle/ledger.ts';
import type { Asked, Finding } from './oracle/ledger.ts';
import { CLIENTS, INTERNAL_ZONE, LIFETIMES, PODS, PROTECT, SERVERS, SERVICE_RANGE, ZONES } from './oracle/node.ts';
import { Stopwatch } from './stopwatch.ts';

const DNS_PORT = 53;
const FIRST_PORT = 1_024;
/** Longer than all attempts of a query together. */
const PATIENCE = { steps: 5, milliseconds: 1_300 };
/** Longer than anything that a message can ask for: grants, cached answers, also those that say no (RFC 2308 §5: three hours). */
const FOR_GOOD_MS = 4 * 3_600_000;
/** What World says of a change that the kernel did not take. */
const REFUSED_CHANGE = 'the kernel refused to change';
/** Who asks a case to wait asks for no more than this. */
const LONGEST_WAIT_MS = 30_000;
const WAIT_STEP_MS = 500;

export interface PlayerOptions {
  readonly strategy: RefreshStrategy;
  readonly commits: Commits;
  /** How denied names are answered; never by silence, which the ledger takes for a lost query. */
  readonly denial: Exclude<Denial, 'drop'>;
}

export interface Played {
  readonly findings: readonly Finding[];
  readonly messages: number;
  /** Of the message that cost most. */
  readonly slowestMs: number;
  readonly slowestStep: number;
  /** What it made the loop do, roughly: cases with the same are of one sort. */
  readonly signature: string;
}

export class Player {
  readonly #world: World;
  readonly #ledger = new Ledger();
  readonly #watch: Stopwatch;
  readonly #commits: Commits;
  #port = FIRST_PORT;
  #pending = 0;
  #isHeld = false;
  #isLocked = false;
  /** Reports of the kernel were lost in this case. */
  #isUnheard = false;
  #replaced = 0;
  readonly #policies = policies();
  readonly #pods = new Map(PODS.map(({ name }) => [name, podOf(name, name)]));
  #messages = 0;
  #slowestMs = 0;
  #slowestStep = 0;
  #step = 0;
  readonly #before = new Float64Array(COUNTERS.length);
  readonly #found: Finding[] = [];

  constructor({ strategy, commits, denial }: PlayerOptions) {
    this.#commits = commits;
    this.#world = new World({
      settings: settings(denial),
      strategy,
      commits,
      observer: this.#ledger,
      dnsServers: SERVERS,
    });
    const { sys } = this.#world;
    this.#ledger.kernel = {
      nowMs: () => sys.nowMs(),
      leftMs: (set, key) => sys.nftables.set(TABLE, set)?.leftMs(key, sys.nowMs()) ?? 0,
    };
    this.#watch = new Stopwatch(sys);
    this.#world.apply(this.#policies, [...this.#pods.values()]);
  }

  get judged(): Ledger['judged'] {
    return this.#ledger.judged;
  }

  play(steps: Case): Played {
    this.#messages = this.#slowestMs = this.#slowestStep = 0;
    this.#before.set(this.#world.counters.words);
    try {
      steps.forEach((step, i) => {
        this.#step = i;
        this.#play(step);
      });
      this.#settle();
    } catch (error) {
      this.#find('exception', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const findings = [...this.#found, ...this.#ledger.findings];
    this.#found.length = this.#ledger.findings.length = 0;
    const slowest = { slowestMs: this.#slowestMs, slowestStep: this.#slowestStep };
    return { findings, messages: this.#messages, ...slowest, signature: this.#signature() };
  }

  #play(step: Step): void {
    switch (step.verb) {
      case 'ask':
        return this.#ask(step.client, cutForClient(step.bytes));
      case 'answer':
      case 'stray':
        return this.#answer(step.which, step.bytes, step.verb === 'stray');
      case 'read':
        return this.#read(step.bytes);
      case 'wait':
        return this.#wait(Math.min(step.milliseconds, LONGEST_WAIT_MS));
      case 'refuse':
        return this.#world.sys.nftables.refuse({ errno: ERRNO.ENFILE, times: step.times });
      case 'overflow':
        this.#isUnheard = true;
        return this.#world.overflow();
      case 'busy':
        return this.#world.sys.network.failNextSend(ERRNO.EAGAIN);
      case 'damage':
        this.#world.sys.nftables.deleteTable(TABLE);
        return this.#world.run(); // no message: what it costs does not count
      case 'restore':
        return this.#world.restoreTable();
      case 'leave':
      case 'join':
        return this.#change(step.pod, step.verb === 'join');
      case 'hold':
        this.#isHeld = true;
        return this.#world.holdLoop();
      case 'release':
        return this.#release();
      case 'lock':
        if (this.#commits === 'thread') this.#world.holdCommits();
        this.#isLocked = this.#commits === 'thread';
        return;
      case 'unlock':
        this.#isLocked = false;
        return this.#timed(() => this.#world.releaseCommits());
      case 'settle':
        return this.#settle();
    }
  }

  #ask(client: string, bytes: Uint8Array): void {
    this.#read(bytes);
    const address = CLIENTS.get(client) ?? '';
    const port = this.#port++;
    this.#ledger.query(hexOf(address), port, bytes);
    deliverToServer(this.#world, address, port, bytes);
    this.#delivered();
  }

  #answer(which: number, template: Uint8Array, isStray: boolean): void {
    const { asked } = this.#ledger;
    const to = asked[asked.length - 1 - (which % Math.max(1, asked.length))];
    if (to === undefined) return; // nothing went upstream
    const bytes = cutForUpstream(answerTo(to, template));
    this.#read(bytes);
    const other = asked.find(({ from, server }) => from.port !== to.from.port && isSameServer(server, to.server));
    const at = isStray && other !== undefined ? { ...to, from: other.from } : to;
    this.#ledger.answer(at, bytes);
    if (deliverToAsker(this.#world, at, bytes)) this.#delivered();
  }

  /** Without the loop, which takes no message as long as a stream may carry. */
  #read(bytes: Uint8Array): void {
    const { findings, milliseconds } = checkCodec(bytes);
    for (const { kind, text } of findings) this.#find(kind, text);
    this.#noteCost(milliseconds);
  }

  #delivered(): void {
    this.#messages++;
    this.#pending++;
    this.#run();
  }

  #run(): void {
    if (!this.#isHeld) this.#timed(() => this.#world.run());
  }

  #timed(work: () => void): void {
    this.#ledger.turn++;
    const milliseconds = this.#watch.time(work);
    this.#noteCost(milliseconds / Math.max(1, this.#pending));
    this.#pending = 0;
  }

  #noteCost(milliseconds: number): void {
    if (milliseconds <= this.#slowestMs) return;
    this.#slowestMs = milliseconds;
    this.#slowestStep = this.#step;
  }

  #wait(milliseconds: number): void {
    for (let left = milliseconds; left > 0; left -= WAIT_STEP_MS) {
      const passes = Math.min(left, WAIT_STEP_MS);
      this.#world.sys.advance(passes);
      if (this.#isHeld || this.#isLocked) this.#ledger.heldMs += passes;
      this.#run();
    }
  }

  /** Pods change between turns, and not while the kernel is made to refuse: what is found then is about the change. */
  #change(name: string, isReplaced: boolean): void {
    this.#release();
    this.#repair();
    if (!isReplaced) this.#pods.delete(name);
    else this.#pods.set(name, podOf(name, `${name} ${++this.#replaced}`));
    this.#world.apply(this.#policies, [...this.#pods.values()]);
    this.#ledger.podLeft(name, isReplaced);
    for (const [set, key] of this.#isUnheard ? [] : this.#liveElements()) {
      const source = key.slice(0, key.length / 2);
      const isIts = PODS.some((pod) => pod.name === name && pod.addresses.map(hexOf).includes(source));
      if (isIts) this.#find('leak: grants of a pod that left', `${set} ${key}`);
    }
  }

  #liveElements(): [set: string, key: string][] {
    const sets = this.#world.sys.nftables.setNames(TABLE);
    return sets.flatMap((set) => this.#world.liveElements(set).map((key): [string, string] => [set, key]));
  }

  /** The kernel takes what it is given again. */
  #repair(): void {
    this.#world.sys.nftables.refuse({ errno: 0, times: 0 });
    this.#world.restoreTable();
  }

  #release(): void {
    this.#isHeld = false;
    this.#timed(() => this.#world.releaseLoop());
  }

  #settle(): void {
    const world = this.#world;
    this.#repair();
    this.#release();
    this.#isLocked = false;
    world.releaseCommits();
    for (let i = 0; i < PATIENCE.steps; i++) {
      world.sys.advance(PATIENCE.milliseconds);
      this.#run();
    }
    this.#ledger.close();
    if (world.slotsInUse > 0) this.#find('leak: slots', `${world.slotsInUse} slots are still in use`);
    if (world.inFlight > 0) this.#find('leak: in flight', `${world.inFlight} are still waited for`);
    world.sys.advance(FOR_GOOD_MS);
    this.#run();
    for (const [set, key] of this.#liveElements()) this.#find('leak: grants', `${key} of ${set} lives on`);
    for (const complaint of world.complaints) {
      // A change of pods whose outcome nobody can read is told, and mended in the next second.
      if (!this.#isUnheard || !complaint.startsWith(REFUSED_CHANGE)) this.#find('complaint', complaint);
    }
    world.complaints.length = 0;
    this.#isUnheard = false;
    this.#port = FIRST_PORT;
    for (const { name } of PODS) if (!this.#pods.has(name)) this.#change(name, true);
  }

  #signature(): string {
    const { counters, audit } = this.#world;
    const counts = [...counters.words].map((count, i) => Math.min(3, count - (this.#before[i] ?? 0))).join('');
    const events = new Set(audit.map((event) => `${event.event} ${'reason' in event ? event.reason : ''}`));
    audit.length = 0;
    return `${counts} ${[...events].toSorted().join()}`;
  }

  #find(kind: string, text: string): void {
    this.#found.push({ kind, text });
  }
}

function settings(denial: Denial): ConstructorParameters<typeof World>[0]['settings'] {
  const endpoints = (addresses: readonly string[]) => addresses.map((address) => endpoint(address, DNS_PORT));
  const { protect, cidrs } = extraRanges(PROTECT);
  return {
    listen: endpoints(SERVERS),
    upstreams: Object.entries(ZONES).map(([zone, servers]) => ({ zone, servers: endpoints(servers) })),
    protect: { protect, cidrs: [...cidrs, { cidr: SERVICE_RANGE, reason: 'service range' }] },
    internalZones: [INTERNAL_ZONE],
    lifetimes: LIFETIMES,
    denial,
  };
}

function policies() {
  const read = readPolicies(readFileSync(new URL('policies.yaml', import.meta.url), 'utf8'), 'policies.yaml');
  if (!read.ok) throw new Error(read.problems.map(({ at, message }) => `${at}: ${message}`).join('\n'));
  return read.value;
}

function podOf(name: string, uid: string): Pod {
  const addresses = PODS.find((pod) => pod.name === name)?.addresses ?? [];
  return { uid, namespace: 'shop', name, labels: { app: name }, addresses };
}

/** The template with the id that was asked, and the question as it was written, if it is that question. */
function answerTo(asked: Asked, template: Uint8Array): Uint8Array {
  const bytes = template.slice();
  if (bytes.length < 2) return bytes;
  const id = asked.id ^ (((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
  bytes.set([id >> 8, id & 0xff]);
  const name = asked.question.bytes.subarray(0, -4);
  const there = bytes.subarray(12, 12 + name.length);
  if (folded(there) === folded(name)) there.set(name);
  return bytes;
}

function folded(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1').toLowerCase();
}

function isSameServer(a: Asked['server'], b: Asked['server']): boolean {
  return a.port === b.port && Buffer.from(a.address).equals(Buffer.from(b.address));
}
