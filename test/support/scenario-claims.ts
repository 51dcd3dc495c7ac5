// What a scenario claims to have happened, held against what the witness saw. Each claim throws when it is wrong.
import { COUNTERS } from '../../src/bridge/counters.ts';
import type { Message } from './scenario-message.ts';
import type { Node } from './scenario-node.ts';
import { compareReply } from './scenario-reply.ts';
import { checkSpread } from './scenario-spread.ts';
import type { Words } from './scenario-text.ts';
import type { Seen, SeenChange } from './scenario-witness.ts';
import { elementKey } from './scenario-world.ts';

/** Lifetimes are written in whole seconds; the kernel's are exact. */
const TOLERANCE_MS = 500;

export class Claims {
  readonly #node: Node;
  readonly #ignored = new Set<string>();
  readonly #heardAudit = new Set<unknown>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** False when the statement is no claim. */
  statement(verb: string, words: Words): boolean {
    switch (verb) {
      case 'reply':
        this.#reply(words);
        return true;
      case 'no reply':
        this.#noReply();
        return true;
      case 'no upstream':
        if (!words.skip('query')) throw new Error('Write "no upstream query"');
        none('upstream query', this.#node.witness.questions, ({ message }) => messageText(message));
        return true;
      case 'kernel':
        this.#kernel(words);
        return true;
      case 'audit':
        this.#audit(words);
        return true;
      case 'count':
        this.#count(words);
        return true;
      case 'incomplete':
        if (this.#node.open().complaints.shift() === undefined) throw new Error('The last change was complete');
        return true;
      case 'asked':
        this.#asked(words);
        return true;
      case 'upstream-spread':
        checkSpread(this.#node.witness.questions.map(({ message, from }) => ({ id: message.id, port: from.port })));
        return true;
      case 'ignore':
        this.#ignored.add(words.next('replies, upstream or kernel'));
        return true;
      default:
        return false;
    }
  }

  /** Everything that happened and was not mentioned. */
  atTheEnd(): string[] {
    const world = this.#node.open();
    const { asks, replies, questions, changes, broken, zones } = this.#node.witness;
    const left = <T extends Seen>(kind: string, seen: readonly T[], text: (one: T) => string): string[] =>
      this.#ignored.has(kind) ? [] : unmentioned(seen).map(text);
    const unanswered = this.#ignored.has('replies') ? [] : asks.filter((ask) => ask.replies === 0 && !ask.isSilent);
    const isSettled = asks.every((ask) => ask.replies > 0);
    const servers = new Set([...zones.values()].flat()).size;
    return [
      ...broken,
      ...world.complaints,
      ...left('replies', replies, ({ to, message }) => `unmentioned reply to ${to}: ${messageText(message)}`),
      ...left('upstream', questions, ({ message }) => `unmentioned upstream query ${messageText(message)}`),
      ...left('kernel', changes, (change) => `unmentioned kernel change ${changeText(change)}`),
      ...unanswered.map((ask) => `the query of line ${ask.line} has no answer`),
      ...(isSettled && world.slotsInUse > 0 ? [`${world.slotsInUse} slots are still in use`] : []),
      ...(isSettled && world.upstreamServers !== servers
        ? [`sockets to ${world.upstreamServers} servers are open`]
        : []),
    ];
  }

  #reply(words: Words): void {
    const to = words.skip('to') ? words.next('an address') : undefined;
    const reply = unmentioned(this.#node.witness.replies).find((each) => to === undefined || each.to === to);
    if (reply === undefined) throw new Error(`No reply${to === undefined ? '' : ` to ${to}`} was sent`);
    reply.isMentioned = true;
    const differences = compareReply(words, reply.message);
    if (differences.length === 0) return;
    throw new Error(`${differences.join('; ')}\n  the reply is ${messageText(reply.message)}`);
  }

  #noReply(): void {
    const { replies, asks } = this.#node.witness;
    none('reply', replies, ({ to, message }) => `to ${to}: ${messageText(message)}`);
    for (const ask of asks) if (ask.replies === 0) ask.isSilent = true;
  }

  /** `asked [at most] N TYPE NAME` */
  #asked(words: Words): void {
    const isEnough = limitOf(words);
    const [type, name] = [words.next('a type'), words.next('a name')];
    const questions = this.#node.witness.questions.map(({ message }) => message.question);
    const asked = questions.filter((each) => each?.type === type && each.name.toLowerCase() === name.toLowerCase());
    if (!isEnough(asked.length)) throw new Error(`It was asked ${asked.length} times`);
  }

  #kernel(words: Words): void {
    const what = words.next('add, removed, absent, has or count');
    const set = words.next('a set');
    const world = this.#node.open();
    if (what === 'count') {
      const [want, elements] = [words.number('a number'), world.liveElements(set)];
      if (elements.length !== want) throw new Error(`${set} has ${elements.length} elements: ${elements.join(' ')}`);
      return;
    }
    const pod = words.next('the pod');
    if (!words.skip('.')) throw new Error('Write POD . ADDRESS');
    const address = words.next('an address');
    const isSame = (change: SeenChange) => change.set === set && change.key === elementKey(pod, address);
    const pending = unmentioned(this.#node.witness.changes).filter(isSame);
    const leftMs = world.leftMs(set, pod, address);
    if (what === 'add') return this.#added(words, pending, pod, address);
    if (what === 'has') {
      if (leftMs === 0) throw new Error('The kernel does not have it');
      if (words.skip('left')) checkSeconds(words.number('seconds'), leftMs);
      return;
    }
    if (what !== 'removed' && what !== 'absent')
      throw new Error(`"${what}" is none of add, removed, absent, has, count`);
    if (leftMs > 0) throw new Error(`The kernel has it for ${leftMs / 1000} s`);
    const removal = pending.find(({ kind }) => kind === 'remove');
    if (removal !== undefined) removal.isMentioned = true;
    else if (what === 'removed') throw new Error('It was not removed');
  }

  #added(words: Words, pending: readonly SeenChange[], pod: string, address: string): void {
    const { witness } = this.#node;
    const change = pending.find(({ kind }) => kind === 'add');
    if (change === undefined) {
      const others = unmentioned(witness.changes).map(changeText);
      throw new Error(`It was not added; unmentioned: ${others.join(', ') || 'none'}`);
    }
    change.isMentioned = true;
    if (words.skip('timeout')) checkSeconds(words.number('seconds'), change.leftMs);
    const early = unmentioned(witness.replies).find(
      ({ order, to, message }) =>
        to === pod && order < change.order && message.records.some(({ rdata }) => rdata === address),
    );
    if (early !== undefined) throw new Error('The reply with this address was sent before the commit');
  }

  #audit(words: Words): void {
    const name = words.next('an event');
    const wanted = words.rest().map((word) => word.split(/=(.*)/s, 2));
    const events = this.#node.open().audit.filter((event) => !this.#heardAudit.has(event));
    const found = events.find(
      (event) =>
        event.event === name && wanted.every(([key = '', value = '']) => auditText(Reflect.get(event, key)) === value),
    );
    if (found === undefined) {
      throw new Error(`No such event; there are\n    ${events.map((each) => JSON.stringify(each)).join('\n    ')}`);
    }
    this.#heardAudit.add(found);
  }

  #count(words: Words): void {
    const text = words.next('a counter');
    const name = COUNTERS.find((each) => each === text);
    if (name === undefined) throw new Error(`There is no counter "${text}"`);
    const isEnough = limitOf(words);
    const got = this.#node.open().counters.read()[name];
    if (!isEnough(got)) throw new Error(`It is ${got}`);
  }
}

/** `N` or `at most N` */
function limitOf(words: Words): (got: number) => boolean {
  const isLimit = words.skip('at') && words.skip('most');
  const want = words.number('a number');
  return (got) => (isLimit ? got <= want : got === want);
}

export function messageText({ rcode, question, records, opt, flags }: Message): string {
  const shown = records.map(({ section, type, rdata, ttl }) => `${section} ${type} ${rdata} ttl ${ttl}`);
  const ede = opt === undefined ? [] : [`OPT ede ${opt.ede.join()}`];
  const extras = [...shown, ...ede, ...((flags & 0x200) === 0 ? [] : ['TC'])];
  return `${rcode} to ${question?.name ?? '-'} ${question?.type ?? '-'} [${extras.join('; ')}]`;
}

export function unmentioned<T extends Seen>(seen: readonly T[]): T[] {
  return seen.filter(({ isMentioned }) => !isMentioned);
}

function none<T extends Seen>(what: string, seen: readonly T[], text: (one: T) => string): void {
  const found = unmentioned(seen);
  if (found.length > 0) throw new Error(`There is a ${what} ${found.map(text).join(', ')}`);
}

function checkSeconds(seconds: number, actualMs: number): void {
  if (Math.abs(actualMs - seconds * 1000) > TOLERANCE_MS) throw new Error(`It is ${actualMs / 1000} s`);
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
