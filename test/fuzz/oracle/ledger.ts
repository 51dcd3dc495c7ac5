// The account of one world: who asked what, what upstreams were asked and said, what the kernel was given, what was replied. Each thing that
// leaves is held against what came before it (design §5), and what breaks a promise is written down.
import type { ElementChange } from '../../../src/sys/simulated-nftables.ts';
import type { SimulatedObserver } from '../../../src/sys/simulated.ts';
import type { SentDatagram } from '../../../src/sys/simulated-udp.ts';
import type { Endpoint } from '../../../src/sys/sys.ts';
import { textOf } from './addresses.ts';
import type { AddressHex } from './addresses.ts';
import { Answers, keyOf } from './answers.ts';
import type { Known } from './answers.ts';
import { CLASS_IN, tryMessage, TYPE } from './message.ts';
import type { Message, Question } from './message.ts';
import { nameText } from './name.ts';
import { classesFor, LIFETIMES, mayAsk, podAt, serversFor } from './node.ts';
import type { FuzzPod } from './node.ts';
import { readQuery } from './query.ts';
import type { Reading } from './query.ts';
import { wrongInReply } from './reply.ts';
import { wrongInShown } from './shown.ts';

const TYPE_NS = 2;
const DNS_PORT = 53;
const OPT_ONLY_FLAGS = 0x0130; // RD, AD, CD
const CD = 0x0010;
const COOKIE = 10;
/** Jiffies and doubles. */
const SLACK_MS = 1;
/** Nobody waits longer for an upstream: resolv.conf(5). */
const PATIENCE_MS = 5_000;

/** What the kernel has at the moment. */
export interface Kernel {
  nowMs(): number;
  /** Milliseconds left of an element; 0 when it is not there. */
  leftMs(set: string, key: string): number;
}

/** A message that left. */
export interface Sent extends SentDatagram {
  readonly transport: 'udp' | 'tcp';
}

/** A broken promise. Findings of one kind are taken for one fault. */
export interface Finding {
  readonly kind: string;
  readonly text: string;
}

export interface Ask {
  readonly client: AddressHex;
  readonly pod: FuzzPod | undefined;
  /** The pod has left since: what comes now is for nobody. */
  isOrphan: boolean;
  readonly query: Uint8Array;
  readonly reading: Reading;
  replies: number;
  /** The turn in which it was answered; 0: it waits. */
  answeredIn: number;
}

/** A question that went upstream. */
export interface Asked {
  readonly from: Endpoint;
  readonly server: Endpoint;
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly question: Question;
  /** With CD. */
  readonly isUnchecked: boolean;
  readonly atMs: number;
}

export class Ledger implements SimulatedObserver {
  readonly findings: Finding[] = [];
  readonly asked: Asked[] = [];
  /** How much was held against the promises: a fuzzer that judges nothing finds nothing. */
  readonly judged = { replies: 0, addresses: 0, questions: 0, grants: 0 };
  kernel: Kernel | undefined;
  /** Counted by whoever lets the loop run: within a turn, replies leave before questions. */
  turn = 1;
  /** What grants may outlive their answer by, because somebody held the kernel's lock. */
  heldMs = 0;
  readonly #asks = new Map<string, Ask>();
  /** `POD question` of every query that came. */
  readonly #wanted = new Set<string>();
  /** Names of pods that are not here at the moment. */
  readonly #gone = new Set<string>();
  readonly #answers = new Answers();

  /** A client sends this; `port` is no other query's. */
  query(client: AddressHex, port: number, bytes: Uint8Array): void {
    const reading = readQuery(bytes);
    const pod = this.#podAt(client);
    const ask = { client, pod, isOrphan: false, query: bytes, reading, replies: 0, answeredIn: 0 };
    this.#asks.set(`${client} ${port}`, ask);
    if (pod !== undefined && reading.question !== undefined) this.#wanted.add(`${pod.name} ${keyOf(reading.question)}`);
  }

  /** An upstream sends this to the socket that `asked` left by. */
  answer(asked: Asked, bytes: Uint8Array): void {
    const message = tryMessage(bytes);
    if (typeof message === 'string') return;
    const nowMs = this.#now();
    const ours = this.asked.filter(
      (each) =>
        each.from.port === asked.from.port &&
        isSameAddress(each.server, asked.server) &&
        each.id === message.id &&
        each.atMs + PATIENCE_MS + this.heldMs >= nowMs &&
        isAnswerTo(message, each.question),
    );
    for (const { isUnchecked } of ours.slice(0, 1)) this.#answers.note(message, isUnchecked, nowMs);
  }

  /** It is gone from here on, or another one with its name and addresses begins (I4). */
  podLeft(name: string, isReplaced: boolean): void {
    for (const ask of this.#asks.values()) if (ask.pod?.name === name) ask.isOrphan = true;
    for (const wanted of this.#wanted) if (wanted.startsWith(`${name} `)) this.#wanted.delete(wanted);
    if (isReplaced) this.#gone.delete(name);
    else this.#gone.add(name);
  }

  sent(datagram: SentDatagram): void {
    this.left({ ...datagram, transport: 'udp' });
  }

  /** A whole message left, over whatever. */
  left(sent: Sent): void {
    const message = tryMessage(sent.bytes);
    if (typeof message === 'string') return this.#report('unreadable message sent', `${message}: ${hex(sent.bytes)}`);
    if (sent.from.port === DNS_PORT) this.#replied(sent, message);
    else this.#forwarded(sent, message);
  }

  committed(changes: readonly ElementChange[]): void {
    for (const { set, key, afterMs } of changes) if (afterMs > 0) this.#granted(set, key, afterMs);
  }

  /** Everybody had time to be answered: the account is closed, and what comes next begins a new one. */
  close(): void {
    for (const { replies, reading, query, client } of this.#asks.values()) {
      if (replies === 0 && reading.fate !== 'silent') {
        this.#report('query without an answer', `${reading.fate} query of ${textOf(client)}: ${hex(query)}`);
      }
    }
    this.#asks.clear();
    this.#wanted.clear();
    this.asked.length = 0;
    this.#answers.clear();
    this.heldMs = 0;
  }

  #replied({ to, bytes, transport }: Sent, reply: Message): void {
    const client = hexOfEndpoint(to);
    const ask = this.#asks.get(`${client} ${to.port}`);
    if (ask === undefined) return this.#report('reply to nobody', `${textOf(client)} port ${to.port}: ${hex(bytes)}`);
    const about = (what: string): string =>
      `the reply to ${textOf(client)} ${what}\n  query ${hex(ask.query)}\n  reply ${hex(bytes)}`;
    ask.answeredIn = this.turn;
    this.judged.replies++;
    this.judged.addresses += reply.records.filter(({ type }) => type === TYPE.A || type === TYPE.AAAA).length;
    if (++ask.replies > 1) this.#report('second reply', about('is the second one'));
    const { reading, query } = ask;
    const { question } = reading;
    const known = question === undefined ? [] : this.#answers.to(question, (reading.flags & CD) !== 0);
    const isForwarded = question !== undefined && this.asked.some((each) => keyOf(each.question) === keyOf(question));
    const form = { query, reading, reply, replyBytes: bytes.length, isDatagram: transport === 'udp', isForwarded };
    for (const wrong of wrongInReply(form)) this.#report(`form of a reply: ${wrong}`, about(wrong));
    const shown = {
      pod: ask.isOrphan ? undefined : ask.pod,
      reading,
      reply,
      known,
      leftMs: (set: string, key: string) => this.#leftMs(set, key),
    };
    for (const wrong of wrongInShown(shown)) this.#report(`contents of a reply: ${wrong.kind}`, about(wrong.text));
  }

  #forwarded({ from, to, bytes }: Sent, message: Message): void {
    const [question] = message.questions;
    const about = (what: string): string => `${what}: ${hex(bytes)}`;
    this.judged.questions++;
    if (question === undefined || message.questions.length > 1) {
      return this.#report('upstream: no question', about('sent without one question'));
    }
    const isUnchecked = (message.flags & CD) !== 0;
    this.asked.push({ from, server: to, bytes, id: message.id, question, isUnchecked, atMs: this.#now() });
    const { opt, records, flags } = message;
    const isBare = records.length === 0 && (flags & ~OPT_ONLY_FLAGS) === 0 && question.class === CLASS_IN;
    const options = opt?.options ?? [];
    if (!isBare || !options.every(({ code }) => code === COOKIE)) {
      this.#report('upstream: smuggled', about('carries more upstream than a question and an OPT of ours'));
    }
    const { labels } = question.name;
    // A probe: servers that are down are asked without OPT whether they are back. Nobody waits for it, and it says nothing of anybody.
    if (labels.length === 0 && question.type === TYPE_NS && opt === undefined) return;
    if (!serversFor(labels).some((server) => server === textOf(hexOfEndpoint(to)))) {
      this.#report('upstream: wrong server', about(`${nameText(labels)} asked of ${textOf(hexOfEndpoint(to))}`));
    }
    const waiting = [...this.#asks.values()].some(
      (ask) =>
        (ask.replies === 0 || ask.answeredIn === this.turn) &&
        isWaitingFor(ask, question) &&
        ask.pod !== undefined &&
        mayAsk(ask.pod, labels),
    );
    if (!waiting)
      this.#report('upstream: nobody asked', about(`${nameText(labels)} asked, and nobody who may waits for it`));
  }

  /** I2 and I4: some pod with this address asked for a name whose answer has it, and a rule of that pod opens this class for it. */
  #granted(set: string, key: string, leftMs: number): void {
    const [, family, portClass = ''] = /^grants([46])_(.+)$/.exec(set) ?? [];
    this.judged.grants++;
    const client = key.slice(0, key.length / 2);
    const address = key.slice(key.length / 2);
    const what = `${set} ${textOf(client)} . ${textOf(address)} for ${leftMs} ms`;
    const pod = this.#podAt(client);
    if (pod === undefined || client.length !== (family === '4' ? 8 : 32)) {
      return this.#report('grant to nobody', what);
    }
    const reasons = this.#answers
      .with(address)
      .filter(
        ({ question }) =>
          this.#wanted.has(`${pod.name} ${keyOf(question)}`) &&
          classesFor(pod, question.name.labels, address).includes(portClass),
      );
    if (reasons.length === 0) return this.#report('grant outside I2', what);
    if (!reasons.some((reason) => leftMs <= longestMs(reason) + SLACK_MS)) this.#report('grant for too long', what);
    if (!reasons.some((reason) => this.#now() <= reason.atMs + longestMs(reason) + this.heldMs)) {
      this.#report('grant out of an answer that has expired', what);
    }
  }

  #podAt(address: AddressHex): FuzzPod | undefined {
    const pod = podAt(address);
    return pod !== undefined && this.#gone.has(pod.name) ? undefined : pod;
  }

  #leftMs(set: string, key: string): number {
    return this.kernel?.leftMs(set, key) ?? 0;
  }

  #now(): number {
    return this.kernel?.nowMs() ?? 0;
  }

  #report(kind: string, text: string): void {
    this.findings.push({ kind, text });
  }
}

/** Design §6. */
function longestMs({ ttlSeconds }: Known): number {
  const { minTtlMs, maxTtlMs, graceMs } = LIFETIMES;
  return Math.min(Math.max(ttlSeconds * 1000, minTtlMs), maxTtlMs) + graceMs;
}

function isWaitingFor({ reading }: Ask, question: Question): boolean {
  return reading.question?.class === CLASS_IN && keyOf(reading.question) === keyOf(question);
}

function isAnswerTo({ questions, flags }: Message, question: Question): boolean {
  const [echoed] = questions;
  const isResponse = (flags & 0x8000) !== 0;
  return isResponse && echoed?.class === CLASS_IN && questions.length === 1 && keyOf(echoed) === keyOf(question);
}

function isSameAddress(a: Endpoint, b: Endpoint): boolean {
  return Buffer.from(a.address).equals(Buffer.from(b.address));
}

/** Addresses of sockets are 16 bytes, IPv4 as ::ffff:a.b.c.d. */
function hexOfEndpoint({ address }: Endpoint): AddressHex {
  const all = Buffer.from(address).toString('hex');
  return all.startsWith('00000000000000000000ffff') ? all.slice(24) : all;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
