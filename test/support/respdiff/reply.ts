// Reads a reply for comparison: header, question and records as texts that are equal when they mean the same. Written apart from src/dns,
// and it throws at whatever a strict client would not read.
import { rcodeName } from '../../../src/dns/codes.ts';
import { mnemonicOf } from './types.ts';

const OPT = 41;

type Layout = readonly [before: number, names: number];

/** Types whose rdata may hold compressed names (RFC 1035, RFC 3597 §4): bytes before the first name, and how many names follow. */
const NAMES_IN_RDATA: ReadonlyMap<number, Layout> = new Map([
  ...laidOut([2, 5, 7, 8, 9, 12, 39], [0, 1]),
  ...laidOut([6, 14, 17], [0, 2]),
  ...laidOut([15, 18, 21, 36], [2, 1]),
  ...laidOut([26], [2, 2]),
  ...laidOut([33], [6, 1]),
]);

function laidOut(types: readonly number[], layout: Layout): (readonly [number, Layout])[] {
  return types.map((type) => [type, layout]);
}

export const SECTIONS = ['answer', 'authority', 'additional'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Record {
  readonly type: string;
  /** Owner in lower case, type, class and rdata; names in it are written out, in lower case. */
  readonly text: string;
  readonly ttl: number;
}

export interface Reply {
  readonly opcode: number;
  readonly rcode: string;
  readonly flags: number;
  /** As it came, in hexadecimal. */
  readonly question: string;
  readonly sections: Readonly<globalThis.Record<Section, readonly Record[]>>;
  readonly opt?: { readonly version: number; readonly flags: number; readonly options: readonly number[] };
}

export function readReply(bytes: Buffer): Reply {
  return new Reading(bytes).reply();
}

class Reading {
  readonly #bytes: Buffer;
  #at = 12;
  #opt: Reply['opt'] | undefined;
  #upperRcode = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  reply(): Reply {
    const b = this.#bytes;
    const flags = b.readUInt16BE(2);
    const questionAt = this.#at;
    for (let i = b.readUInt16BE(4); i > 0; i--) {
      this.#name();
      this.#at += 4;
    }
    const question = b.toString('hex', questionAt, this.#at);
    const [answer, authority, additional] = [6, 8, 10].map((at) => this.#records(b.readUInt16BE(at)));
    if (this.#at !== b.length) throw new Error(`${b.length - this.#at} bytes behind the last record`);
    return {
      opcode: (flags >>> 11) & 0xf,
      rcode: rcodeName((this.#upperRcode << 4) | (flags & 0xf)),
      flags,
      question,
      sections: { answer: answer ?? [], authority: authority ?? [], additional: additional ?? [] },
      ...(this.#opt && { opt: this.#opt }),
    };
  }

  /** Without OPT. */
  #records(count: number): Record[] {
    const records: Record[] = [];
    for (let i = 0; i < count; i++) {
      const owner = this.#name();
      const type = this.#bytes.readUInt16BE(this.#at);
      const [cls, ttl] = [this.#bytes.readUInt16BE(this.#at + 2), this.#bytes.readUInt32BE(this.#at + 4)];
      const end = this.#at + 10 + this.#bytes.readUInt16BE(this.#at + 8);
      if (end > this.#bytes.length) throw new Error(`Record of ${owner} runs over the end`);
      this.#at += 10;
      if (type === OPT) this.#readOpt(ttl, end);
      else records.push({ type: mnemonicOf(type), text: `${owner} ${type} ${cls} ${this.#rdata(type, end)}`, ttl });
      if (this.#at !== end) throw new Error(`Record of ${owner}: RDLENGTH is not that of its rdata`);
    }
    return records;
  }

  #readOpt(ttl: number, end: number): void {
    if (this.#opt !== undefined) throw new Error('Second OPT');
    const options: number[] = [];
    while (this.#at < end) {
      options.push(this.#bytes.readUInt16BE(this.#at));
      this.#at += 4 + this.#bytes.readUInt16BE(this.#at + 2);
    }
    this.#upperRcode = ttl >>> 24;
    this.#opt = { version: (ttl >>> 16) & 0xff, flags: ttl & 0xffff, options };
  }

  #rdata(type: number, end: number): string {
    const [before = end - this.#at, names = 0] = NAMES_IN_RDATA.get(type) ?? [];
    const parts = [this.#bytes.toString('hex', this.#at, this.#at + before)];
    this.#at += before;
    for (let i = 0; i < names; i++) parts.push(this.#name());
    parts.push(this.#bytes.toString('hex', this.#at, end));
    this.#at = end;
    return parts.join(' ');
  }

  /** Labels in angle brackets, so that a dot inside one is told from a dot between two. Pointers point back. */
  #name(): string {
    let text = '';
    let at = this.#at;
    let next = -1;
    for (let barrier = at; ;) {
      const length = this.#bytes.readUInt8(at);
      if (length >= 0xc0) {
        const target = this.#bytes.readUInt16BE(at) & 0x3fff;
        if (target >= barrier) throw new Error('Compression pointer that does not point back');
        if (next < 0) next = at + 2;
        at = barrier = target;
        continue;
      }
      if (length > 63) throw new Error('Label longer than 63 bytes');
      text += `<${this.#bytes.toString('latin1', at + 1, at + 1 + length).replaceAll(/[A-Z]/g, (c) => c.toLowerCase())}>`;
      at += 1 + length;
      if (length === 0) break;
    }
    this.#at = next < 0 ? at : next;
    return text;
  }
}
