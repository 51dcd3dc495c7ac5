// Reads DNS messages for scenarios: written apart from src/dns, and refusing what a strict client would refuse, so that a reply which only
// our own code can read is found out.
import { formatAddress } from '../../src/base/ip.ts';
import { rcodeName, typeName } from '../../src/dns/codes.ts';
import { readService } from './scenario-services.ts';
import type { Service } from './scenario-services.ts';

const OPT = 41;
const SERVICES = [64, 65];
const EDE = 15;
const NAMED = new Map([
  [2, 'NS'],
  [5, 'CNAME'],
  [12, 'PTR'],
]);

export interface MessageRecord {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly owner: string;
  readonly type: string;
  readonly class: number;
  readonly ttl: number;
  /** Address, name, text of a service (scenario-services.ts), or hexadecimal. */
  readonly rdata: string;
  /** Of an SVCB or HTTPS record; absent where it is malformed. */
  readonly hints?: readonly string[];
}

export interface Message {
  readonly id: number;
  readonly flags: number;
  readonly rcode: string;
  /** As it stands on the wire, and the name in it; absent when QDCOUNT is 0. */
  readonly question?: {
    readonly bytes: string;
    readonly name: string;
    readonly type: string;
    readonly labels: string[];
  };
  /** Without OPT. */
  readonly records: readonly MessageRecord[];
  readonly opt?: {
    readonly payloadBytes: number;
    readonly flags: number;
    readonly ede: readonly number[];
    /** What is said beside these codes. */
    readonly texts: readonly string[];
    readonly options: number;
  };
}

export function readMessage(bytes: Uint8Array): Message {
  return new Reading(bytes).message();
}

class Reading {
  readonly #bytes: Buffer;
  #at = 12;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
    if (bytes.length < 12) throw new Error(`Message of ${bytes.length} bytes`);
  }

  message(): Message {
    const b = this.#bytes;
    const [questions, ...counts] = [4, 6, 8, 10].map((at) => b.readUInt16BE(at));
    if ((questions ?? 0) > 1) throw new Error(`Message with ${questions} questions`);
    const question = questions === 1 ? this.#question() : undefined;
    const records: MessageRecord[] = [];
    let opt: Message['opt'];
    let upper = 0;
    (['answer', 'authority', 'additional'] as const).forEach((section, s) => {
      for (let i = 0; i < (counts[s] ?? 0); i++) {
        const ownerAt = this.#at;
        const owner = textOf(this.#labels());
        const [type, cls, ttl] = [this.#uint16(), this.#uint16(), this.#uint32()];
        const length = this.#uint16();
        const end = this.#at + length;
        if (end > b.length) throw new Error(`Record of ${owner} runs over the end`);
        if (type === OPT) {
          if (opt !== undefined || section !== 'additional' || b[ownerAt] !== 0)
            throw new Error('Misplaced or second OPT');
          upper = ttl >>> 24;
          opt = { payloadBytes: cls, flags: ttl & 0xffff, ...this.#options(end) };
        } else {
          const fixed = { section, owner, type: typeName(type), class: cls, ttl };
          const service = SERVICES.includes(type) ? this.#service(end) : undefined;
          if (service === undefined) records.push({ ...fixed, rdata: this.#rdata(type, length) });
          else records.push({ ...fixed, rdata: service.text, hints: service.hints });
        }
        if (this.#at !== end) throw new Error(`Record of ${owner}: RDLENGTH ${length} is not that of its rdata`);
      }
    });
    if (this.#at !== b.length) throw new Error(`${b.length - this.#at} bytes behind the last record`);
    const flags = b.readUInt16BE(2);
    const rcode = rcodeName((upper << 4) | (flags & 0xf));
    const head = { id: b.readUInt16BE(0), flags, rcode, records };
    return { ...head, ...(question && { question }), ...(opt && { opt }) };
  }

  #question(): NonNullable<Message['question']> {
    const from = this.#at;
    const labels = this.#labels();
    const type = typeName(this.#uint16());
    this.#uint16();
    return { bytes: this.#bytes.toString('hex', from, this.#at), name: textOf(labels), type, labels };
  }

  /** Pointers point back, and never twice to the same place. */
  #labels(): string[] {
    const labels: string[] = [];
    let at = this.#at;
    let next = -1;
    let barrier = at;
    for (;;) {
      const length = this.#bytes.readUInt8(at);
      if (length >= 0xc0) {
        const target = this.#bytes.readUInt16BE(at) & 0x3fff;
        if (target >= barrier) throw new Error('Compression pointer that does not point back');
        if (next < 0) next = at + 2;
        at = barrier = target;
        continue;
      }
      if (length > 63) throw new Error('Label longer than 63 bytes');
      if (length === 0) break;
      labels.push(this.#bytes.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    this.#at = next < 0 ? at + 1 : next;
    return labels;
  }

  #rdata(type: number, length: number): string {
    if (NAMED.has(type)) return textOf(this.#labels());
    const raw = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    if (type === 1 && length === 4) return raw.join('.');
    if (type === 28 && length === 16) return ipv6Text(raw);
    if (type === 1 || type === 28) throw new Error(`Address of ${length} bytes`);
    return raw.toString('hex');
  }

  /** Undefined, and nothing is read, when it is malformed. */
  #service(end: number): Service | undefined {
    const start = this.#at;
    this.#at += 2;
    try {
      const target = textOf(this.#labels());
      const service = readService(this.#bytes.subarray(start, end), target, this.#at - start - 2);
      this.#at = service === undefined ? start : end;
      return service;
    } catch {
      this.#at = start; // a name or a parameter that runs over the end
      return undefined;
    }
  }

  #options(end: number): Omit<NonNullable<Message['opt']>, 'payloadBytes' | 'flags'> {
    const ede: number[] = [];
    const texts: string[] = [];
    let options = 0;
    for (; this.#at < end; options++) {
      const code = this.#uint16();
      const length = this.#uint16();
      if (code === EDE) {
        ede.push(this.#bytes.readUInt16BE(this.#at));
        texts.push(this.#bytes.toString('latin1', this.#at + 2, this.#at + length));
      }
      this.#at += length;
    }
    return { ede, texts, options };
  }

  #uint16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  #uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }
}

/** As IPv6 in every case: ::ffff:192.0.2.1 in an AAAA record is not 192.0.2.1. */
function ipv6Text(bytes: Buffer): string {
  return bytes.toString('hex').startsWith('00000000000000000000ffff') ? 'mapped' : formatAddress(bytes);
}

/** As in a scenario: what would be read as something else is `\DDD`. */
function textOf(labels: readonly string[]): string {
  const escape = (character: string) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`;
  return labels.length === 0 ? '.' : labels.map((label) => label.replaceAll(/[^!-~]|[.\\]/g, escape)).join('.');
}
