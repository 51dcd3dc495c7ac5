// Writes down what leaves the process and what the kernel applied, in order, and holds each reply against what namewall promises always,
// whatever the scenario says (design §5, I1–I4).
import { formatAddress, parseAddress } from '../../src/base/ip.ts';
import { RangeMatcher } from '../../src/kernel/protected.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { decide, ruleMatches } from '../../src/policy/match.ts';
import type { ElementChange } from '../../src/sys/simulated-nftables.ts';
import type { FarEnd } from '../../src/sys/simulated-streams.ts';
import type { SentDatagram } from '../../src/sys/simulated-udp.ts';
import type { Endpoint } from '../../src/sys/sys.ts';
import { readMessage } from './scenario-message.ts';
import type { Message, MessageRecord } from './scenario-message.ts';
import { Reassembly } from './scenario-streams.ts';
import type { World } from './scenario-world.ts';

const DNS_PORT = 53;
const MIN_UDP_BYTES = 512;
const MAX_UDP_BYTES = 1232;
const QR = 0x8000;
const RA = 0x0080;
const Z = 0x0040;
const DO = 0x8000;
const COPIED = 0x7800 | 0x0100 | 0x0010; // opcode, RD, CD
const LOOPBACK: readonly string[] = ['127.0.0.1', '::1'];
/** Jiffies and doubles; far below what a client could notice. */
const SLACK_MS = 1;

/** A query as a pod sent it. */
export interface Ask {
  readonly line: number;
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** Undefined when it was made not to be read. */
  readonly message: Message | undefined;
  /** The first two bytes, if there are so many. */
  readonly id: number;
  replies: number;
  /** The scenario says that there is no reply. */
  isSilent: boolean;
}

export interface Seen {
  /** Position among everything that happened. */
  readonly order: number;
  isMentioned: boolean;
}

export interface SeenReply extends Seen {
  readonly to: string;
  readonly message: Message;
}

export interface SeenQuestion extends Seen {
  readonly server: Endpoint;
  readonly from: Endpoint;
  readonly message: Message;
  readonly bytes: Uint8Array;
  /** The connection on which it came; undefined for a datagram. */
  readonly far?: FarEnd;
}

export interface SeenChange extends Seen {
  readonly set: string;
  /** Hexadecimal key of the element. */
  readonly key: string;
  readonly kind: 'add' | 'remove';
  readonly leftMs: number;
}

export class Witness {
  readonly asks: Ask[] = [];
  readonly replies: SeenReply[] = [];
  readonly questions: SeenQuestion[] = [];
  readonly changes: SeenChange[] = [];
  /** Promises that were broken. */
  readonly broken: string[] = [];
  world: World | undefined;
  readonly #reassembly = new Reassembly();
  /** The servers of each zone. */
  zones: ReadonlyMap<string, readonly string[]> = new Map();
  /** Names of these are granted nothing. */
  clusterZones: readonly string[] = [];
  #order = 0;

  committed(changes: readonly ElementChange[]): void {
    const order = this.#order++;
    for (const { set, key, afterMs } of changes) {
      const kind = afterMs > 0 ? 'add' : 'remove';
      this.changes.push({ order, set, key, kind, leftMs: afterMs, isMentioned: false });
    }
  }

  /** A write on a connection; what it completes is looked at as if it were a datagram. */
  wrote(far: FarEnd, bytes: Uint8Array): void {
    for (const message of this.#reassembly.add(far, bytes)) {
      this.sent({ from: far.near, to: far.address, bytes: message }, far);
    }
  }

  sent(datagram: SentDatagram, far?: FarEnd): void {
    try {
      const to = formatAddress(datagram.to.address);
      if (datagram.from.port === DNS_PORT) this.#reply(to, datagram, far);
      else this.#question(to, datagram, far);
    } catch (error) {
      // Thrown here it would be taken for a fault of the loop.
      this.broken.push(`a message left that cannot be read: ${String(error)}`);
    }
  }

  #question(to: string, datagram: SentDatagram, far: FarEnd | undefined): void {
    const message = readMessage(datagram.bytes);
    const { from, to: server, bytes } = datagram;
    const seen = { order: this.#order++, server, from, message, bytes, isMentioned: false };
    this.questions.push(far === undefined ? seen : { ...seen, far });
    const { question, opt, records } = message;
    if (question?.labels.length === 0 && question.type === 'NS') return; // a probe: nobody waits for it
    if (server.port !== DNS_PORT || !this.#serversFor(question?.labels ?? []).includes(to)) {
      this.broken.push(`${question?.name} was asked of ${to} port ${server.port}, no server of its zone`);
    }
    const waiting = this.asks.filter(({ replies, message: asked }) => replies === 0 && isSameQuestion(asked, message));
    if (!waiting.some((ask) => this.#mayAsk(ask))) {
      this.broken.push(
        `${question?.name} ${question?.type} was asked upstream, and no pod that may ask it waits for it`,
      );
    }
    const isBare =
      (opt === undefined || opt.options === 0) && records.length === 0 && (message.flags & 0xff8f & ~0x0100) === 0;
    if (opt !== undefined && opt.payloadBytes !== MAX_UDP_BYTES)
      this.broken.push(`the query for ${question?.name} says that we take ${opt.payloadBytes} bytes`);
    if (!isBare)
      this.broken.push(`the query for ${question?.name} carries more upstream than a question and an empty OPT`);
  }

  #reply(to: string, datagram: SentDatagram, far: FarEnd | undefined): void {
    const message = readMessage(datagram.bytes);
    this.replies.push({ order: this.#order++, to, message, isMentioned: false });
    const isAsker = (ask: Ask) => isSameEndpoint(ask.client, datagram.to) && isSameEndpoint(ask.server, datagram.from);
    const ask =
      this.asks.find((each) => isAsker(each) && each.id === message.id && each.replies === 0) ??
      this.asks.find((each) => isAsker(each) && each.id === message.id);
    if (ask === undefined) {
      this.broken.push(`${to} got a reply with id ${message.id} to nothing that it asked there`);
      return;
    }
    ask.replies++;
    const complain = (what: string): void => {
      this.broken.push(`the reply to line ${ask.line} ${what}`);
    };
    if (ask.replies > 1) complain('is the second one');
    if (ask.isSilent) complain('came after all');
    if (ask.message !== undefined)
      this.#form(ask.message, message, far === undefined ? datagram.bytes.length : 0, complain);
    this.#addresses(to, message, complain);
  }

  #form(asked: Message, reply: Message, lengthBytes: number, complain: (what: string) => void): void {
    const { flags } = reply;
    if ((flags & QR) === 0 || (flags & RA) === 0 || (flags & Z) !== 0) complain('has wrong flags QR, RA or Z');
    if (((flags ^ asked.flags) & COPIED) !== 0) complain('does not copy opcode, RD and CD');
    if (reply.question !== undefined && reply.question.bytes !== asked.question?.bytes)
      complain('repeats another question');
    // What is no query need not be read as far as its OPT.
    const mayLackOpt = reply.rcode === 'FORMERR' && reply.opt === undefined;
    if ((reply.opt === undefined) !== (asked.opt === undefined) && !mayLackOpt)
      complain('has OPT and the query not, or the reverse');
    if (reply.opt !== undefined && reply.opt.flags !== ((asked.opt?.flags ?? 0) & DO))
      complain('does not copy DO, or more');
    if (reply.opt?.texts.some((text) => !/^[ -~]{0,64}$/.test(text)) === true)
      complain('has text in an Extended DNS Error that is long or not printable');
    if (reply.opt !== undefined && reply.opt.options > reply.opt.ede.length) complain('has an option that is no error');
    const limit = Math.min(Math.max(asked.opt?.payloadBytes ?? 0, MIN_UDP_BYTES), MAX_UDP_BYTES);
    if (lengthBytes > limit) complain(`is ${lengthBytes} bytes long, the client takes ${limit}`);
    if ((flags & 0x0200) !== 0 && reply.records.length > 0) complain('is truncated and has records all the same');
  }

  /** What the client sees of a granted name is what the kernel allows, for as long as the reply says (I1, I3, I4, design §6). */
  #addresses(to: string, reply: Message, complain: (what: string) => void): void {
    const shown = reply.records.flatMap(addressesOf);
    const { world } = this;
    if (world === undefined || shown.length === 0 || reply.question === undefined) return;
    const { compiled, registry } = world.state;
    const index = registry.pods.findIndex(({ pod }) => pod.addresses.includes(to));
    const program = compiled.programOfPod[index] ?? -1;
    if (index < 0) return complain('shows addresses to a client that is no pod');
    if (program < 0) return;
    const { labels } = reply.question;
    // RFC 6761 §6.3: a name of the pod's own, which needs no grant, and which every pod may ask.
    if (labels.at(-1)?.toLowerCase() === 'localhost' && shown.every(({ rdata }) => LOOPBACK.includes(rdata))) return;
    const { mayAskUdp, classes } = decide(compiled, program, labels);
    if (!mayAskUdp) return complain('shows addresses of a name that the pod may not ask');
    const name = `.${labels.join('.').toLowerCase()}`;
    if (this.clusterZones.some((zone) => name.endsWith(`.${zone}`))) return;
    if (classes.length > 0 && shown.some(({ rdata }) => rdata === MALFORMED)) complain('shows a malformed service');
    for (const { rdata, ttl } of shown) {
      const opened = openedFor(compiled, program, labels, rdata);
      for (const id of (opened.length > 0 ? opened : classes).map((each) => compiled.classes[each]?.id)) {
        const family = rdata.includes(':') || rdata === 'mapped' ? 6 : 4;
        const sources = (registry.pods[index]?.pod.addresses ?? []).filter(
          (each) => each.includes(':') === (family === 6),
        );
        for (const source of sources.length === 0 ? ['none'] : sources) {
          const isReadable = rdata !== 'mapped' && rdata !== MALFORMED && source !== 'none';
          const leftMs = isReadable ? world.leftMs(`grants${family}_${id}`, source, rdata) : 0;
          if (leftMs === 0) complain(`shows ${rdata}, which the kernel has not granted to ${source} (${id})`);
          else if (leftMs + SLACK_MS < ttl * 1000) {
            complain(`shows ${rdata} for ${ttl} s, which the kernel allows for ${leftMs / 1000} s (${id})`);
          }
        }
      }
    }
  }

  /** Those of the longest zone, looked for from the whole name on. */
  #serversFor(labels: readonly string[]): readonly string[] {
    const servers = this.zones.get(labels.join('.').toLowerCase() || '.');
    return servers ?? (labels.length > 0 ? this.#serversFor(labels.slice(1)) : []);
  }

  #mayAsk(ask: Ask): boolean {
    const state = this.world?.state;
    const client = formatAddress(ask.client.address);
    const index = state?.registry.pods.findIndex(({ pod }) => pod.addresses.includes(client)) ?? -1;
    const program = state?.compiled.programOfPod[index] ?? -1;
    if (state === undefined || index < 0) return false;
    return program < 0 || decide(state.compiled, program, ask.message?.question?.labels ?? []).mayAskUdp;
  }
}

const MALFORMED = 'malformed';

/** What a client may connect to because of this record. */
function addressesOf({ type, rdata, ttl, hints = [MALFORMED] }: MessageRecord): { rdata: string; ttl: number }[] {
  if (type === 'HTTPS' || type === 'SVCB') return hints.map((each) => ({ rdata: each, ttl }));
  return type === 'A' || type === 'AAAA' ? [{ rdata, ttl }] : [];
}

/** The classes of rules that open the address's range, if any does: others need not be granted it. */
function openedFor(compiled: CompiledPolicy, program: number, labels: readonly string[], address: string): number[] {
  const bytes = parseAddress(address);
  const rules = (compiled.programs[program]?.names ?? []).filter(({ answerRanges = [], ...rule }) => {
    const ranges = new RangeMatcher(answerRanges.map((cidr) => ({ cidr, reason: 'opened' })));
    return bytes !== undefined && ranges.includes(bytes, 0) && ruleMatches(rule, labels);
  });
  return rules.flatMap(({ classes }) => classes);
}

function isSameQuestion(a: Message | undefined, b: Message): boolean {
  const key = (message: Message | undefined) =>
    message?.question && `${message.question.name.toLowerCase()} ${message.question.type}`;
  return key(a) !== undefined && key(a) === key(b);
}

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && formatAddress(a.address) === formatAddress(b.address);
}
