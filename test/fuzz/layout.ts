// Where the fields of a message stand, as far as it can be read: what mutations aim at. It forgives everything, and stops where nothing follows
// any more.

export type FieldKind =
  'count' | 'label' | 'pointer' | 'type' | 'class' | 'ttl' | 'rdlength' | 'rdata' | 'option-code' | 'option-length';

export interface Field {
  readonly kind: FieldKind;
  readonly at: number;
  /** Bytes. */
  readonly length: number;
}

/** A record with its owner and rdata. */
export interface Extent {
  /** 0 answer, 1 authority, 2 additional. */
  readonly section: number;
  readonly from: number;
  readonly to: number;
  readonly type: number;
  readonly rdataAt: number;
}

export interface Layout {
  readonly fields: readonly Field[];
  readonly records: readonly Extent[];
  /** Behind the question. */
  readonly questionEnd: number;
}

const HEADER_BYTES = 12;
const OPT = 41;
/** More is not looked at. */
const MOST_RECORDS = 400;

export function layoutOf(bytes: Uint8Array): Layout {
  return new Walk(bytes).layout();
}

class Walk {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fields: Field[] = [];
  readonly #records: Extent[] = [];
  #at = HEADER_BYTES;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  layout(): Layout {
    for (let at = 4; at < HEADER_BYTES; at += 2) if (at + 2 <= this.#bytes.length) this.#note('count', at, 2);
    if (this.#uint16(4) > 0 && this.#name()) this.#fixed('type', 'class');
    const questionEnd = this.#at;
    for (let section = 0; section < 3; section++) {
      const count = this.#uint16(6 + 2 * section);
      for (let i = 0; i < count && this.#records.length < MOST_RECORDS; i++) if (!this.#record(section)) break;
    }
    return { fields: this.#fields, records: this.#records, questionEnd };
  }

  #record(section: number): boolean {
    const from = this.#at;
    if (from >= this.#bytes.length || !this.#name()) return false;
    const type = this.#uint16(this.#at);
    if (!this.#fixed('type', 'class', 'ttl', 'rdlength')) return false;
    const rdataAt = this.#at;
    const to = rdataAt + this.#uint16(rdataAt - 2);
    if (to > this.#bytes.length) return false;
    if (to > rdataAt) this.#note('rdata', rdataAt, to - rdataAt);
    if (type === OPT) this.#options(rdataAt, to);
    this.#records.push({ section, from, to, type, rdataAt });
    this.#at = to;
    return true;
  }

  #options(from: number, to: number): void {
    for (let at = from; at + 4 <= to; at += 4 + this.#uint16(at + 2)) {
      this.#note('option-code', at, 2);
      this.#note('option-length', at + 2, 2);
    }
  }

  #name(): boolean {
    for (;;) {
      const length = this.#bytes[this.#at];
      if (length === undefined) return false;
      if (length >= 0xc0) {
        this.#note('pointer', this.#at, 2);
        this.#at += 2;
        return true;
      }
      this.#note('label', this.#at, 1);
      this.#at += 1 + length;
      if (length === 0) return true;
    }
  }

  #fixed(...kinds: readonly FieldKind[]): boolean {
    for (const kind of kinds) {
      const length = kind === 'ttl' ? 4 : 2;
      if (this.#at + length > this.#bytes.length) return false;
      this.#note(kind, this.#at, length);
      this.#at += length;
    }
    return true;
  }

  #uint16(at: number): number {
    return at + 2 <= this.#bytes.length ? this.#view.getUint16(at) : 0;
  }

  #note(kind: FieldKind, at: number, length: number): void {
    this.#fields.push({ kind, at, length });
  }
}
