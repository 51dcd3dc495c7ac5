// A DNS message as the RFCs have it, read slowly and strictly, and written apart from src/dns: what the data plane is held against. Whatever
// two readers could take for two things is malformed.
import { Malformed, NameReader } from './name.ts';
import type { Name } from './name.ts';
import { rdataText } from './rdata.ts';

export const CLASS_IN = 1;
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  AAAA: 28,
  SIG: 24,
  DNAME: 39,
  OPT: 41,
  TSIG: 250,
  SVCB: 64,
  HTTPS: 65,
} as const;
export const SECTION = { answer: 0, authority: 1, additional: 2 } as const;

/** One record that is not OPT. */
export interface Rr {
  readonly section: number;
  readonly owner: Name;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Hexadecimal, the names in it written out: equal records have equal texts wherever they stand. */
  readonly rdata: string;
}

/** The OPT record (RFC 6891 §6.1). */
export interface Opt {
  readonly payloadBytes: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  /** The flags besides DO, which are to be zero. */
  readonly reserved: number;
  /** Of version 0: what the options of others look like is not known. */
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
  readonly recordsBefore: number;
}

export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
  /** As it stands on the wire. */
  readonly bytes: Uint8Array;
}

export interface Message {
  readonly id: number;
  readonly flags: number;
  readonly opcode: number;
  /** With the upper bits of OPT. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly records: readonly Rr[];
  readonly opt: Opt | undefined;
  /** Labels and pointers of all names: what reading it costs at least. */
  readonly steps: number;
  /** It may be refused and may be read: a name overlaps its pointer, or OPT is of a version of which nobody knows what its options look like. */
  readonly isArguable: boolean;
}

/** `opaque`: rdata is only counted, as in a query, where records besides OPT mean nothing. */
export type RdataReading = 'checked' | 'opaque';

/** Throws Malformed. */
export function readMessage(bytes: Uint8Array, rdata: RdataReading = 'checked'): Message {
  return new Reading(bytes, rdata).message();
}

/** The same, with the reason as a text when it is malformed. */
export function tryMessage(bytes: Uint8Array, rdata: RdataReading = 'checked'): Message | string {
  try {
    return readMessage(bytes, rdata);
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    throw error;
  }
}

class Reading {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #names: NameReader;
  readonly #rdata: RdataReading;
  readonly #records: Rr[] = [];
  #opt: Opt | undefined;
  #upperRcode = 0;
  #at = 12;

  constructor(bytes: Uint8Array, rdata: RdataReading) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#names = new NameReader(bytes);
    this.#rdata = rdata;
    if (bytes.length < 12) throw new Malformed('no header');
  }

  message(): Message {
    const [id, flags, questions, ...counts] = [0, 2, 4, 6, 8, 10].map((at) => this.#view.getUint16(at));
    if (id === undefined || flags === undefined || questions === undefined) throw new Malformed('no header');
    const asked = Array.from({ length: Math.min(questions, this.#bytes.length) }, () => this.#question());
    counts.forEach((count, section) => {
      for (let i = 0; i < count; i++) this.#record(section);
    });
    if (this.#at !== this.#bytes.length) throw new Malformed('bytes behind the last record');
    return {
      id,
      flags,
      opcode: (flags >> 11) & 15,
      rcode: (this.#upperRcode << 4) | (flags & 15),
      questions: asked,
      records: this.#records,
      opt: this.#opt,
      steps: this.#names.steps,
      isArguable: this.#names.isOverlapping || (this.#opt !== undefined && this.#opt.version !== 0),
    };
  }

  #question(): Question {
    const from = this.#at;
    const name = this.#name();
    const type = this.#uint16();
    return { name, type, class: this.#uint16(), bytes: this.#bytes.slice(from, this.#at) };
  }

  #record(section: number): void {
    const from = this.#at;
    const owner = this.#name();
    const type = this.#uint16();
    const klass = this.#uint16();
    const ttl = this.#uint32();
    const length = this.#uint16();
    const rdataAt = this.#at;
    if (rdataAt + length > this.#bytes.length) throw new Malformed('rdata over the end');
    this.#at = rdataAt + length;
    if (type === TYPE.OPT) {
      if (rdataAt !== from + 11 || this.#bytes[from] !== 0) throw new Malformed('OPT that is not owned by the root');
      return this.#readOpt(section, { klass, ttl, rdataAt });
    }
    const place = { type, klass, from: rdataAt, to: rdataAt + length };
    const isOpaque = this.#rdata === 'opaque';
    const rdata = isOpaque ? '' : rdataText(this.#bytes, place, this.#names);
    this.#records.push({ section, owner, type, class: klass, ttl, rdata });
  }

  #readOpt(section: number, fixed: { klass: number; ttl: number; rdataAt: number }): void {
    if (section !== SECTION.additional) throw new Malformed('OPT outside additional');
    if (this.#opt !== undefined) throw new Malformed('second OPT');
    const { klass, ttl, rdataAt } = fixed;
    const version = (ttl >>> 16) & 0xff;
    this.#upperRcode = ttl >>> 24;
    this.#opt = {
      payloadBytes: klass,
      version,
      dnssecOk: (ttl & 0x8000) !== 0,
      reserved: ttl & 0x7fff,
      options: version === 0 ? this.#options(rdataAt) : [],
      recordsBefore: this.#records.length,
    };
  }

  /** From `from` to where the next record begins. */
  #options(from: number): Opt['options'] {
    const options: { code: number; data: Uint8Array }[] = [];
    for (let at = from; at < this.#at;) {
      if (at + 4 > this.#at) throw new Malformed('piece of an option');
      const end = at + 4 + this.#view.getUint16(at + 2);
      if (end > this.#at) throw new Malformed('option over the end of OPT');
      options.push({ code: this.#view.getUint16(at), data: this.#bytes.slice(at + 4, end) });
      at = end;
    }
    return options;
  }

  #name(): Name {
    const name = this.#names.read(this.#at);
    this.#at = name.end;
    return name;
  }

  #uint16(): number {
    if (this.#at + 2 > this.#bytes.length) throw new Malformed('cut');
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  #uint32(): number {
    if (this.#at + 4 > this.#bytes.length) throw new Malformed('cut');
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }
}
