// TCP in scenarios: connections of pods to us and of ours to upstreams, `tcp …` statements about them, and the messages in their bytes.
import type { FarEnd } from '../../src/sys/simulated-streams.ts';
import type { Endpoint } from '../../src/sys/sys.ts';
import { endpoint } from './scenario-node.ts';
import type { Node } from './scenario-node.ts';
import { bytesOf } from './scenario-text.ts';
import type { Words } from './scenario-text.ts';

const DNS_PORT = 53;
const FIRST_PORT = 30_000;
const HOW = { closed: 'closed', reset: 'reset', open: 'open' } as const;

export class ScenarioStreams {
  readonly #node: Node;
  readonly #named = new Map<string, FarEnd>();
  #opened = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Who talks to whom on the connection of this name. */
  endsOf(name: string): { client: Endpoint; server: Endpoint } {
    const far = this.#find(name);
    return { client: far.address, server: far.near };
  }

  /** What a pod writes on it; in pieces of `piece` bytes each of which is read by itself. */
  write(name: string, bytes: Uint8Array, piece = bytes.length): void {
    const world = this.#node.open();
    for (let at = 0; at < bytes.length; at += piece) {
      world.sys.streams.deliver(this.#find(name), bytes.subarray(at, at + piece));
      if (at + piece < bytes.length) world.run();
    }
  }

  /** `tcp open|send|end|reset|stall|read|is NAME …` about a pod's connection, `tcp refuse|silence|restore|finish SERVER` about an upstream. */
  statement(words: Words): void {
    const what = words.next('what happens');
    if (['refuse', 'silence', 'restore', 'finish'].includes(what)) this.#upstream(what, words.next('a server'));
    else this.#client(what, words);
    this.#node.open().run();
  }

  #client(what: string, words: Words): void {
    const name = words.next('the name of a connection');
    const { streams } = this.#node.open().sys;
    switch (what) {
      case 'open':
        return this.#open(name, words);
      case 'send':
        return this.write(name, bytesOf(words.next('bytes')));
      case 'end':
        return streams.finish(this.#find(name), 'finished');
      case 'reset':
        return streams.finish(this.#find(name), 'reset');
      case 'stall':
        this.#find(name).window = words.isEmpty ? 0 : words.number('bytes');
        return;
      case 'read':
        this.#find(name).window = Infinity;
        return;
      case 'is':
        return this.#is(name, words.next('closed, reset or open'));
      default:
        throw new Error(`There is no statement "tcp ${what}"`);
    }
  }

  #open(name: string, words: Words): void {
    const address = words.next('the address that connects');
    const server = words.skip('to') ? words.next('a server') : this.#node.serverFor(address);
    const from = endpoint(address, FIRST_PORT + this.#opened++);
    const far = this.#node.open().sys.streams.dial(from, endpoint(server, DNS_PORT));
    if (far === undefined) throw new Error('Nobody listens there');
    this.#named.set(name, far);
  }

  #is(name: string, how: string): void {
    const far = this.#find(name);
    if (!Object.hasOwn(HOW, how)) throw new Error('Write closed, reset or open');
    if (far.ended !== how) throw new Error(`It is ${far.ended}`);
  }

  #upstream(what: string, server: string): void {
    const { streams } = this.#node.open().sys;
    const at = endpoint(server, DNS_PORT);
    if (what === 'refuse') streams.block(at, 'refused');
    else if (what === 'silence') streams.block(at, 'connecting');
    else if (what === 'restore') streams.unblock(at);
    else {
      const name = Buffer.from(at.address).toString('hex');
      const open = streams.open.filter(({ address }) => Buffer.from(address.address).toString('hex') === name);
      for (const far of open) streams.finish(far, 'finished');
    }
  }

  #find(name: string): FarEnd {
    const far = this.#named.get(name);
    if (far === undefined) throw new Error(`There is no connection ${name}`);
    return far;
  }
}

/** A message as it stands on a connection (RFC 1035 §4.2.2). */
export function framed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(bytes.length >> 8, bytes.length & 0xff, ...bytes);
}

/** Bytes of connections → whole messages. */
export class Reassembly {
  readonly #held = new Map<FarEnd, Uint8Array>();

  /** The messages that end with these bytes. */
  add(far: FarEnd, bytes: Uint8Array): Uint8Array[] {
    let all = Uint8Array.of(...(this.#held.get(far) ?? []), ...bytes);
    const messages: Uint8Array[] = [];
    for (;;) {
      const length = ((all[0] ?? 0) << 8) | (all[1] ?? 0);
      if (all.length < 2 || all.length < 2 + length) break;
      messages.push(all.slice(2, 2 + length));
      all = all.slice(2 + length);
    }
    this.#held.set(far, all);
    return messages;
  }
}
