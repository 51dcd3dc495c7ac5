// Runs a scenario: each statement changes the node, lets something happen, or claims what has happened. At the end nothing may be left that
// the scenario did not mention. The statements are explained in test/scenarios/README.md.
import { readFile } from 'node:fs/promises';
import { parseAddress } from '../../src/base/ip.ts';
import type { RefreshStrategy } from '../../src/kernel/set-writer.ts';
import { ERRNO } from '../../src/sys/sys.ts';
import type { Endpoint } from '../../src/sys/sys.ts';
import { Claims, messageText, unmentioned } from './scenario-claims.ts';
import { readMessage } from './scenario-message.ts';
import type { Message } from './scenario-message.ts';
import { endpoint, Node } from './scenario-node.ts';
import { readQuery } from './scenario-query.ts';
import { readAnswer } from './scenario-records.ts';
import { framed, ScenarioStreams } from './scenario-streams.ts';
import { milliseconds, parseScenario, ScenarioError, Words } from './scenario-text.ts';
import type { SeenQuestion } from './scenario-witness.ts';
import { shortBytes, TABLE } from './scenario-world.ts';
import type { Commits } from './scenario-world.ts';

const DNS_PORT = 53;
const FIRST_PORT = 40_000;
const FIRST_ID = 1_000;

/** Throws ScenarioError with FILE:LINE and what was expected. */
export async function runScenario(file: string, strategy: RefreshStrategy, commits: Commits): Promise<void> {
  return playScenario(await readFile(file, 'utf8'), file, strategy, commits);
}

/** The same for a text; `file` is only used in messages. */
export async function playScenario(
  text: string,
  file: string,
  strategy: RefreshStrategy,
  commits: Commits = 'loop',
): Promise<void> {
  const { statements } = parseScenario(text, file);
  const play = new Play(strategy, commits);
  for (const { line, verb, words } of statements) {
    try {
      await play.statement(line, verb, new Words(words));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ScenarioError(`${file}:${line}: ${[verb, ...words].join(' ')}\n  ${reason}`, { cause: error });
    }
  }
  const left = play.end();
  if (left.length > 0) throw new ScenarioError(`${file}:${statements.at(-1)?.line}: at the end: ${left.join('\n  ')}`);
}

class Play {
  readonly #node: Node;
  readonly #claims: Claims;
  readonly #streams: ScenarioStreams;
  #asked = 0;

  constructor(strategy: RefreshStrategy, commits: Commits) {
    this.#node = new Node(strategy, commits);
    this.#claims = new Claims(this.#node);
    this.#streams = new ScenarioStreams(this.#node);
  }

  async statement(line: number, verb: string, words: Words): Promise<void> {
    if (!(await this.#node.statement(verb, words))) {
      this.#node.open();
      if (verb === 'ask') repeat(words, (each) => this.#ask(line, each));
      else if (verb === 'upstream') repeat(words, (each) => this.#upstream(each));
      else if (verb === 'forge') this.#forge(words);
      else if (verb === 'tcp') this.#streams.statement(words);
      else if (!this.#claims.statement(verb, words)) this.#happen(verb, words);
      words.end();
    }
    const [broken] = this.#node.witness.broken;
    if (broken !== undefined) throw new Error(`Broken promise: ${broken}`);
  }

  end(): string[] {
    return this.#claims.atTheEnd();
  }

  #happen(verb: string, words: Words): void {
    const world = this.#node.open();
    const { sys } = world;
    switch (verb) {
      case 'wait':
        return world.wait(milliseconds(words.next('a time')));
      case 'hold loop':
        return world.holdLoop();
      case 'release loop':
        return world.releaseLoop();
      case 'hold commits':
        return world.holdCommits();
      case 'release commits':
        return world.releaseCommits();
      case 'hold acks':
        return sys.holdAcknowledgements();
      case 'release acks':
        return sys.releaseAcknowledgements();
      case 'overflow':
        return world.overflow();
      case 'fail commit':
        return this.#failCommit(words);
      case 'fail send':
        return sys.network.failNextSend(errnoOf(words));
      case 'fill set': {
        const set = words.next('a set');
        return sys.nftables.fill(TABLE, set, words.skip('leaving') ? words.number('a number of elements') : 0);
      }
      case 'flush set': // its elements only: the kernel's events about those are filtered out (V7)
        return sys.nftables.set(TABLE, words.next('a set'))?.clear();
      case 'delete set':
        sys.nftables.deleteSet(TABLE, words.next('a set'));
        return world.run();
      case 'delete table':
        sys.nftables.deleteTable(TABLE);
        return world.run();
      case 'restore table':
        return world.restoreTable();
      default:
        throw new Error(`There is no statement "${verb}"`);
    }
  }

  #ask(line: number, words: Words): void {
    const world = this.#node.open();
    const address = words.next('the address that asks');
    const n = ++this.#asked;
    const { bytes, port, server, over, split } = readQuery(words, FIRST_ID + n);
    const ends = over === undefined ? undefined : this.#streams.endsOf(over);
    const ask = {
      line,
      client: ends?.client ?? endpoint(address, port ?? FIRST_PORT + n),
      server: ends?.server ?? endpoint(server ?? this.#node.serverFor(address), DNS_PORT),
      message: messageIn(bytes),
      id: ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0),
      replies: 0,
      isSilent: false,
    };
    this.#node.witness.asks.push(ask);
    if (over !== undefined) this.#streams.write(over, framed(bytes), split);
    const isDelivered = ends !== undefined || world.sys.network.deliver(ask.client, ask.server, bytes);
    if (!isDelivered) throw new Error('Nobody listens there');
    world.run();
  }

  #upstream(words: Words): void {
    const type = words.next('a type');
    const name = words.next('a name');
    const server = words.skip('at') ? words.next('a server') : undefined;
    const isByStream = words.skip('tcp');
    const form = ['plain', 'edns'].find((word) => words.skip(word));
    const isAgain = words.skip('again');
    const { questions } = this.#node.witness;
    const matching = questions.filter(
      ({ message: { question, opt }, server: asked, far }) =>
        (far !== undefined) === isByStream &&
        question?.type === type &&
        (form === undefined || (form === 'plain') === (opt === undefined)) &&
        question.name.toLowerCase() === name.toLowerCase() &&
        (server === undefined || isEndpoint(asked, server)),
    );
    const asked = isAgain ? matching.findLast(({ isMentioned }) => isMentioned) : unmentioned(matching)[0];
    if (asked === undefined) {
      const pending = unmentioned(questions).map(({ message }) => messageText(message));
      throw new Error(`No such query is pending at the upstream; pending: ${pending.join(', ') || 'none'}`);
    }
    asked.isMentioned = true;
    if (!words.skip('→') && !words.skip('->')) throw new Error('Write → and what the server answers');
    this.#answer(asked, words);
    this.#node.open().run();
  }

  #answer(asked: SeenQuestion, words: Words): void {
    const { network } = this.#node.open().sys;
    const end = 12 + (asked.message.question?.bytes.length ?? 0) / 2;
    const answer = readAnswer(words, asked.message, [...asked.bytes.subarray(12, end)]);
    if (asked.far !== undefined) {
      const { streams } = this.#node.open().sys;
      for (const message of answer.datagrams) streams.deliver(asked.far, framed(message));
      return;
    }
    const from = answer.from === undefined ? asked.server : endpoint(answer.from, DNS_PORT);
    for (const datagram of answer.datagrams) {
      const to = answer.toAnotherSocket ? this.#otherSocket(asked) : asked.from;
      const isDelivered = network.deliver(from, { ...to, address: from.address }, datagram);
      if (answer.from === undefined && !isDelivered) throw new Error('The socket that asked is gone');
      if (answer.from !== undefined && isDelivered) throw new Error('The kernel let it through');
    }
  }

  /** `forge TYPE NAME N`: somebody who saw the datagram of that question sends so many answers with other ids. */
  #forge(words: Words): void {
    const [type, name] = [words.next('a type'), words.next('a name')];
    const count = words.number('how many');
    const asked = this.#node.witness.questions.find(
      ({ message: { question }, far }) => far === undefined && question?.type === type && question.name === name,
    );
    if (asked === undefined) throw new Error('Nothing of the kind was asked by a datagram');
    const world = this.#node.open();
    const answer = asked.bytes.slice();
    answer[2] = (answer[2] ?? 0) | 0x80;
    for (let i = 1; i <= count; i++) {
      const id = ((asked.message.id + i) & 0xffff) >>> 0;
      answer[0] = id >> 8;
      answer[1] = id & 0xff;
      world.sys.network.deliver(asked.server, { ...asked.from, address: asked.server.address }, answer);
    }
    world.run();
  }

  /** The source of another question to the same server. */
  #otherSocket(asked: SeenQuestion): Endpoint {
    const other = this.#node.witness.questions.find(({ from }) => from.port !== asked.from.port);
    if (other === undefined) throw new Error('All questions so far came from one socket: ask for another name first');
    return other.from;
  }

  /** `fail commit ERRNO [times N] [of ADDRESS]` */
  #failCommit(words: Words): void {
    const errno = errnoOf(words);
    const times = words.skip('times') ? words.number('a number') : 1;
    const destination = words.skip('of') ? { destination: shortBytes(words.next('an address')) } : {};
    this.#node.open().sys.nftables.refuse({ errno, times, ...destination });
  }
}

/** With `times=N` as often, `#` in a word being 1 to N. */
function repeat(words: Words, once: (words: Words) => void): void {
  const all = words.rest();
  const times = all.find((word) => word.startsWith('times='));
  const kept = all.filter((word) => word !== times);
  for (let i = 1; i <= Number(times?.slice(6) ?? 1); i++) {
    const each = new Words(kept.map((word) => word.replaceAll('#', String(i))));
    once(each);
    each.end();
  }
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

/** Undefined for a datagram that was written to be unreadable. */
function messageIn(bytes: Uint8Array): Message | undefined {
  try {
    return readMessage(bytes);
  } catch {
    return undefined;
  }
}
