// Runs a scenario: each statement does something to the world or says what must have happened. At its end nothing may be left that the
// scenario did not mention. The statements are explained in test/scenarios/README.md.
import { readFile } from 'node:fs/promises';
import { parseAddress } from '../../src/base/ip.ts';
import { COUNTERS } from '../../src/bridge/counters.ts';
import type { CounterName } from '../../src/bridge/counters.ts';
import type { Denial } from '../../src/datapath/settings.ts';
import { extraRanges } from '../../src/kernel/protected.ts';
import type { RefreshStrategy } from '../../src/kernel/set-writer.ts';
import type { Pod } from '../../src/pods/pod.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { loadPolicies } from '../../src/policy/sources/files.ts';
import { ERRNO } from '../../src/sys/sys.ts';
import type { Endpoint } from '../../src/sys/sys.ts';
import { readMessage } from './scenario-message.ts';
import type { Message } from './scenario-message.ts';
import { readQuery } from './scenario-query.ts';
import { readAnswer } from './scenario-records.ts';
import { compareReply } from './scenario-reply.ts';
import { milliseconds, parseScenario, ScenarioError, Words } from './scenario-text.ts';
import { Witness } from './scenario-witness.ts';
import type { SeenChange, SeenQuestion } from './scenario-witness.ts';
import { elementKey, shortBytes, TABLE, World } from './scenario-world.ts';

const DNS_PORT = 53;
const DENIALS: readonly Denial[] = ['nxdomain', 'refused', 'nodata', 'drop'];
const FIRST_PORT = 40_000;
/** Lifetimes are written in whole seconds; the kernel's are exact. */
const TOLERANCE_MS = 500;

/** Throws ScenarioError with FILE:LINE and what was expected. */
export async function runScenario(file: string, strategy: RefreshStrategy): Promise<void> {
  const { statements } = parseScenario(await readFile(file, 'utf8'), file);
  const play = new Play(strategy);
  for (const { line, verb, words } of statements) {
    try {
      await play.statement(line, verb, new Words(words));
    } catch (error) {
      throw new ScenarioError(`${file}:${line}: ${verb} ${words.join(' ')}\n  ${reasonOf(error)}`, { cause: error });
    }
  }
  try {
    play.end();
  } catch (error) {
    throw new ScenarioError(`${file}:${statements.at(-1)?.line ?? 1}: at the end: ${reasonOf(error)}`, { cause: error });
  }
}

class Play {
  readonly #strategy: RefreshStrategy;
  readonly #settings = {
    listen: ['10.96.0.10', 'fd00:96::a'],
    upstreams: ['198.51.100.53'],
    denial: 'nxdomain' as Denial,
    lifetimes: { minTtlMs: 5_000, maxTtlMs: 3_600_000, graceMs: 60_000 },
    protect: [] as string[],
  };
  readonly #ignored = new Set<string>();
  #policies: readonly Policy[] = [];
  #pods: readonly Pod[] = [];
  #world: World | undefined;
  #witness = new Witness([]);
  #isStateNew = true;
  #asked = 0;
  #line = 0;
  readonly #heardAudit = new Set<unknown>();

  constructor(strategy: RefreshStrategy) {
    this.#strategy = strategy;
  }

  async statement(line: number, verb: string, words: Words): Promise<void> {
    this.#line = line;
    if (await this.#set(verb, words)) return;
    this.#open();
    this.#do(verb, words);
    words.end();
    const [broken] = this.#witness.broken;
    if (broken !== undefined) throw new Error(`Broken promise: ${broken}`);
  }

  end(): void {
    const world = this.#open();
    const { asks, replies, questions, changes, broken } = this.#witness;
    const left = [
      ...broken,
      ...world.complaints,
      ...this.#unmentioned('replies', replies).map(({ to, message }) => `unmentioned reply to ${to}: ${textOf(message)}`),
      ...this.#unmentioned('upstream', questions).map(({ message }) => `unmentioned upstream query ${textOf(message)}`),
      ...this.#unmentioned('kernel', changes).map((change) => `unmentioned kernel change ${changeText(change)}`),
      ...asks
        .filter((ask) => ask.replies === 0 && !ask.isSilent && !this.#ignored.has('replies'))
        .map((ask) => `the query of line ${ask.line} has no answer`),
      ...(world.slotsInUse > 0 && asks.every((ask) => ask.replies > 0) ? [`${world.slotsInUse} slots are still in use`] : []),
    ];
    if (left.length > 0) throw new Error(left.join('\n  '));
  }

  /** Statements that make the state of the node; true when it was one. */
  async #set(verb: string, words: Words): Promise<boolean> {
    const rest = () => Array.from({ length: 64 }, () => (words.isEmpty ? [] : [words.next('')])).flat();
    switch (verb) {
      case 'denied':
      case 'lifetimes':
      case 'servers':
      case 'upstreams':
      case 'protect':
        if (this.#world !== undefined) throw new Error('Settings come before everything that happens');
        this.#setting(verb, rest());
        return true;
      case 'policy':
        this.#policies = [...this.#policies, ...(await load(rest()))];
        break;
      case 'policy-change': {
        const paths = rest();
        this.#policies = paths[0] === 'none' ? [] : await load(paths);
        break;
      }
      case 'pod':
        this.#pods = [...this.#pods, readPod(words)];
        break;
      case 'remove pod': {
        const name = words.next('NS/NAME');
        const kept = this.#pods.filter((pod) => podName(pod) !== name);
        if (kept.length === this.#pods.length) throw new Error(`There is no pod ${name}`);
        this.#pods = kept;
        break;
      }
      default:
        return false;
    }
    this.#isStateNew = true;
    if (this.#world !== undefined && verb !== 'policy') this.#open(); // later on a change is something that happens
    return true;
  }

  #setting(verb: string, values: readonly string[]): void {
    const settings = this.#settings;
    const [first = ''] = values;
    if (verb === 'servers') settings.listen = [...values];
    else if (verb === 'upstreams') settings.upstreams = [...values];
    else if (verb === 'protect') settings.protect = [...values];
    else if (verb === 'denied') {
      const denial = DENIALS.find((each) => each === first);
      if (denial === undefined) throw new Error(`Write one of ${DENIALS.join(', ')}`);
      settings.denial = denial;
    } else {
      const [, min = '', , max = '', , grace = ''] = values; // lifetimes min 5s max 1h grace 60s
      const ms = milliseconds;
      settings.lifetimes = { minTtlMs: ms(min), maxTtlMs: ms(max), graceMs: ms(grace) };
    }
  }

  /** The node as it stands now, started when it was not yet. */
  #open(): World {
    const { lifetimes, denial } = this.#settings;
    if (this.#world === undefined) {
      const witness = new Witness(this.#settings.upstreams);
      const endpoints = (texts: readonly string[]) => texts.map((text) => endpoint(text, DNS_PORT));
      this.#witness = witness;
      this.#world = witness.world = new World({
        settings: {
          listen: endpoints(this.#settings.listen),
          upstreams: endpoints(this.#settings.upstreams),
          protect: extraRanges(this.#settings.protect),
          lifetimes,
          denial,
        },
        strategy: this.#strategy,
        observer: witness,
      });
    }
    if (this.#isStateNew) {
      this.#isStateNew = false;
      this.#world.apply(this.#policies, this.#pods);
    }
    return this.#world;
  }

  #do(verb: string, words: Words): void {
    const world = this.#open();
    const { nftables } = world.sys;
    switch (verb) {
      case 'ask':
        return this.#ask(words);
      case 'upstream':
        return this.#upstream(words);
      case 'reply':
        return this.#reply(words);
      case 'no reply':
        return this.#noReply();
      case 'no upstream':
        if (!words.skip('query')) throw new Error('Write "no upstream query"');
        return this.#none('upstream query', this.#witness.questions, ({ message }) => textOf(message));
      case 'kernel':
        return this.#kernel(words);
      case 'wait':
        return world.wait(milliseconds(words.next('a time')));
      case 'audit':
        return this.#audit(words);
      case 'count':
        return this.#count(words);
      case 'hold loop':
        return world.holdLoop();
      case 'release loop':
        return world.releaseLoop();
      case 'hold acks':
        return world.sys.holdAcknowledgements();
      case 'release acks':
        return world.sys.releaseAcknowledgements();
      case 'overflow':
        return world.sys.overflow();
      case 'fail commit':
        return this.#failCommit(words);
      case 'fail send':
        return world.sys.network.failNextSend(errnoOf(words));
      case 'delete table':
        nftables.deleteTable(TABLE);
        return world.run();
      case 'delete set':
        nftables.deleteSet(TABLE, words.next('a set'));
        return world.run();
      case 'restore table':
        return world.restoreTable();
      case 'fill set': {
        const set = words.next('a set');
        return nftables.fill(TABLE, set, words.skip('leaving') ? words.number('a number of elements') : 0);
      }
      case 'incomplete':
        if (world.complaints.shift() === undefined) throw new Error('The last change was complete');
        return;
      case 'ignore':
        this.#ignored.add(words.next('replies, upstream or kernel'));
        return;
      default:
        throw new Error(`There is no statement "${verb}"`);
    }
  }

  #ask(words: Words): void {
    const world = this.#open();
    const address = words.next('the address that asks');
    const n = ++this.#asked;
    const { bytes, port, server } = readQuery(words, 1_000 + n);
    const usual = this.#settings.listen.find((each) => each.includes(':') === address.includes(':'));
    const ask = {
      line: this.#line,
      client: endpoint(address, port ?? FIRST_PORT + n),
      server: endpoint(server ?? usual ?? '', DNS_PORT),
      message: attempt(() => readMessage(bytes)),
      id: ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0),
      replies: 0,
      isSilent: false,
    };
    this.#witness.asks.push(ask);
    if (!world.sys.network.deliver(ask.client, ask.server, bytes)) throw new Error('Nobody listens there');
    world.run();
  }

  #upstream(words: Words): void {
    const world = this.#open();
    const type = words.next('a type');
    const name = words.next('a name');
    const server = words.skip('at') ? words.next('a server') : undefined;
    const isAgain = words.skip('again');
    const matching = this.#witness.questions.filter(
      ({ message: { question }, server: asked }) =>
        question?.type === type &&
        question.name.toLowerCase() === name.toLowerCase() &&
        (server === undefined || isEndpoint(asked, server)),
    );
    const asked = isAgain
      ? matching.findLast(({ isMentioned }) => isMentioned)
      : matching.find(({ isMentioned }) => !isMentioned);
    if (asked === undefined) {
      const found = this.#witness.questions.filter(({ isMentioned }) => !isMentioned).map(({ message }) => textOf(message));
      throw new Error(`No such query is pending at the upstream; pending: ${found.join(', ') || 'none'}`);
    }
    asked.isMentioned = true;
    if (!words.skip('→') && !words.skip('->')) throw new Error('Write → and what the server answers');
    this.#answer(world, asked, words);
    world.run();
  }

  #answer(world: World, asked: SeenQuestion, words: Words): void {
    const end = 12 + (asked.message.question?.bytes.length ?? 0) / 2;
    const answer = readAnswer(words, asked.message, [...asked.bytes.subarray(12, end)]);
    const from = answer.from === undefined ? asked.server : endpoint(answer.from, DNS_PORT);
    for (const datagram of answer.datagrams) {
      const to = answer.toAnotherSocket ? this.#otherSocket(asked) : asked.from;
      const isExpected = answer.from === undefined;
      const isDelivered = world.sys.network.deliver(from, { ...to, address: from.address }, datagram);
      if (isDelivered !== isExpected) throw new Error(isExpected ? 'The socket that asked is gone' : 'The kernel let it through');
    }
  }

  /** The source of another question to the same server. */
  #otherSocket(asked: SeenQuestion): Endpoint {
    const other = this.#witness.questions.find(
      ({ from, server }) => from.port !== asked.from.port && server.port === asked.server.port,
    );
    if (other === undefined) throw new Error('All questions so far came from one socket: ask for another name first');
    return other.from;
  }

  #reply(words: Words): void {
    const to = words.skip('to') ? words.next('an address') : undefined;
    const pending = this.#witness.replies.filter((reply) => !reply.isMentioned && (to === undefined || reply.to === to));
    const [reply] = pending;
    if (reply === undefined) throw new Error(`No reply${to === undefined ? '' : ` to ${to}`} was sent`);
    reply.isMentioned = true;
    const differences = compareReply(words, reply.message);
    if (differences.length > 0) throw new Error(`${differences.join('; ')}\n  the reply is ${textOf(reply.message)}`);
  }

  #noReply(): void {
    this.#none('reply', this.#witness.replies, ({ to, message }) => `to ${to}: ${textOf(message)}`);
    for (const ask of this.#witness.asks) if (ask.replies === 0) ask.isSilent = true;
  }

  #kernel(words: Words): void {
    const what = words.next('add, removed, absent, has or count');
    const set = words.next('a set');
    const world = this.#open();
    if (what === 'count') {
      const [want, got] = [words.number('a number'), world.liveElements(set).length];
      if (got !== want) throw new Error(`${set} has ${got} elements: ${world.liveElements(set).join(' ')}`);
      return;
    }
    const pod = words.next('the pod');
    if (!words.skip('.')) throw new Error('Write POD . ADDRESS');
    const address = words.next('an address');
    const leftMs = world.leftMs(set, pod, address);
    const isSame = (change: SeenChange) => change.set === set && change.key === elementKey(pod, address);
    const pending = this.#witness.changes.filter((change) => isSame(change) && !change.isMentioned);
    if (what === 'add') return this.#added(words, pending, pod, address);
    if (what === 'has') {
      if (leftMs === 0) throw new Error('The kernel does not have it');
      if (words.skip('left')) checkSeconds(words.number('seconds'), leftMs);
      return;
    }
    if (what !== 'removed' && what !== 'absent') throw new Error(`"${what}" is none of add, removed, absent, has, count`);
    if (leftMs > 0) throw new Error(`The kernel has it for ${leftMs / 1000} s`);
    const removal = pending.find(({ kind }) => kind === 'remove');
    if (removal !== undefined) removal.isMentioned = true;
    else if (what === 'removed') throw new Error('It was not removed');
  }

  #added(words: Words, pending: readonly SeenChange[], pod: string, address: string): void {
    const change = pending.find(({ kind }) => kind === 'add');
    if (change === undefined) throw new Error(`It was not added; unmentioned: ${this.#changesText()}`);
    change.isMentioned = true;
    if (words.skip('timeout')) checkSeconds(words.number('seconds'), change.leftMs);
    const early = this.#witness.replies.find(
      ({ order, isMentioned, to, message }) =>
        !isMentioned && to === pod && order < change.order && message.records.some(({ rdata }) => rdata === address),
    );
    if (early !== undefined) throw new Error('The reply with this address was sent before the commit');
  }

  #audit(words: Words): void {
    const name = words.next('an event');
    const wanted: [string, string][] = [];
    while (!words.isEmpty) {
      const [key = '', value = ''] = words.next('').split(/=(.*)/s, 2);
      wanted.push([key, value]);
    }
    const events = this.#open().audit.filter((event) => !this.#heardAudit.has(event));
    const found = events.find(
      (event) => event.event === name && wanted.every(([key, value]) => auditText(Reflect.get(event, key)) === value),
    );
    if (found === undefined) throw new Error(`No such event; there are ${events.map((each) => JSON.stringify(each)).join('\n    ')}`);
    this.#heardAudit.add(found);
  }

  #count(words: Words): void {
    const name = COUNTERS.find((each: CounterName) => each === words.peek());
    if (name === undefined) throw new Error(`There is no counter "${words.peek()}"`);
    words.next('a counter');
    const [want, got] = [words.number('a number'), this.#open().counters.read()[name]];
    if (want !== got) throw new Error(`It is ${got}`);
  }

  /** `fail commit ERRNO [times N] [of ADDRESS]` */
  #failCommit(words: Words): void {
    const errno = errnoOf(words);
    const times = words.skip('times') ? words.number('a number') : 1;
    const destination = words.skip('of') ? { destination: shortBytes(words.next('an address')) } : {};
    this.#open().sys.nftables.refuse({ errno, times, ...destination });
  }

  #none<T extends { isMentioned: boolean }>(what: string, seen: readonly T[], text: (one: T) => string): void {
    const found = seen.filter(({ isMentioned }) => !isMentioned);
    if (found.length > 0) throw new Error(`There is a ${what} ${found.map(text).join(', ')}`);
  }

  #unmentioned<T extends { isMentioned: boolean }>(kind: string, seen: readonly T[]): readonly T[] {
    return this.#ignored.has(kind) ? [] : seen.filter(({ isMentioned }) => !isMentioned);
  }

  #changesText(): string {
    const pending = this.#witness.changes.filter(({ isMentioned }) => !isMentioned);
    return pending.map(changeText).join(', ') || 'none';
  }
}

async function load(paths: readonly string[]): Promise<readonly Policy[]> {
  const read = await loadPolicies(paths);
  if (read.ok) return read.value;
  throw new Error(read.problems.map(({ at, message }) => `${at}: ${message}`).join('\n  '));
}

/** ADDRESS[,ADDRESS] NS/NAME label=value … */
function readPod(words: Words): Pod {
  const addresses = words.next('addresses').split(',');
  const full = words.next('NS/NAME');
  const [namespace = '', name = ''] = full.split('/', 2);
  const labels: Record<string, string> = {};
  while (!words.isEmpty) {
    const [key = '', value = ''] = words.next('').split('=', 2);
    labels[key] = value;
  }
  return { uid: full, namespace, name, labels, addresses };
}

function podName({ namespace, name }: Pod): string {
  return `${namespace}/${name}`;
}

function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is no address`);
  return { address, port };
}

function isEndpoint({ address }: Endpoint, text: string): boolean {
  return Buffer.from(parseAddress(text) ?? []).equals(Buffer.from(address));
}

function errnoOf(words: Words): number {
  const name = words.next('an errno');
  const found = Object.entries(ERRNO).find(([each]) => each === name);
  if (found === undefined) throw new Error(`There is no errno ${name}`);
  return found[1];
}

function checkSeconds(seconds: number, milliseconds_: number): void {
  if (Math.abs(milliseconds_ - seconds * 1000) > TOLERANCE_MS) throw new Error(`It is ${milliseconds_ / 1000} s`);
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined; // written to be unreadable
  }
}

function auditText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  if (typeof value !== 'object' || value === null) return String(value);
  const { namespace, name } = value as { namespace?: string; name?: string }; // AuditPod and AuditPolicy have both
  return `${namespace}/${name}`;
}

function changeText({ kind, set, key, leftMs }: SeenChange): string {
  return `${kind} ${set} ${key}${kind === 'add' ? ` for ${leftMs / 1000} s` : ''}`;
}

function textOf({ rcode, question, records, opt, flags }: Message): string {
  const shown = records.map(({ section, type, rdata, ttl }) => `${section} ${type} ${rdata} ttl ${ttl}`);
  const extras = [...shown, ...(opt === undefined ? [] : [`OPT ede ${opt.ede.join()}`]), ...(flags & 0x200 ? ['TC'] : [])];
  return `${rcode} to ${question?.name ?? '-'} ${question?.type ?? '-'} [${extras.join('; ')}]`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
