// Ways to make a message wrong, or right in another way. Each is chosen and aimed by two numbers, so that what was done can be done again and
// fast-check can shrink it.
import { assertNever } from '../../src/base/errors.ts';
import { layoutOf } from './layout.ts';
import type { Extent, Field, FieldKind, Layout } from './layout.ts';

export interface Mutation {
  readonly how: (typeof HOW)[number];
  /** Where: whatever there is to choose from is counted through by it. */
  readonly where: number;
  /** What: likewise. */
  readonly what: number;
}

export const HOW = [
  'flip',
  'set',
  'cut',
  'insert',
  'remove',
  'append',
  'flags',
  'count',
  'rdlength',
  'pointer',
  'point',
  'label',
  'case',
  'type',
  'class',
  'ttl',
  'address',
  'repeat-record',
  'remove-record',
  'move-record',
  'swap-records',
  'owner',
  'repeat-option',
  'option-code',
  'option-length',
  'bomb',
] as const;

const BYTES = [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xc1, 0xff, 0x2e, 0x5c, 0x41, 0x7f];
const COUNTS = [0, 1, 2, 3, 255, 256, 4095, 4096, 65_535];
const LENGTHS = [0, 1, 3, 4, 5, 15, 16, 17, 255, 65_535];
const TYPES = [1, 28, 5, 2, 6, 12, 15, 16, 24, 30, 33, 35, 39, 41, 46, 47, 64, 65, 250, 251, 252, 255, 65_280];
const CLASSES = [1, 3, 4, 254, 255, 0, 0x8001, 0xffff];
const TTLS = [0, 1, 5, 300, 86_400, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const FLAGS = [0x8000, 0x0200, 0x0400, 0x0800, 0x2800, 0x3000, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010, 1, 2, 3, 5, 15];
const TIMES = [1, 2, 3, 30, 300];
/** Of either family: what is never granted, what some names are, and what anybody is. */
const ADDRESSES = [
  '7f000001',
  '00000000',
  'a9fea9fe',
  'e0000001',
  'ffffffff',
  'a83f8110',
  '0a600001',
  '0a140507',
  '0a1e0007',
  '0a000001',
  'c0000207',
  '00000000000000000000ffff7f000001',
  '0064ff9b0000000000000000a9fea9fe',
  '0064ff9b00000000000000000a000001',
  '20017f00000000000000000000000001',
  'fe800000000000000000000000000001',
  'fd003000000000000000000000000007',
  '20010db8000000000000000000000007',
].map((hex) => [...Buffer.from(hex, 'hex')]);

export function mutate(bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  return mutations.reduce((message, mutation) => mutateOnce(message, mutation), bytes);
}

function mutateOnce(bytes: Uint8Array, { how, where, what }: Mutation): Uint8Array {
  const draft = new Draft(bytes, where, what);
  switch (how) {
    case 'flip':
      return draft.bytewise((byte) => byte ^ (1 << (what & 7)));
    case 'set':
      return draft.bytewise(() => pick(BYTES, what));
    case 'cut':
      return bytes.slice(0, where % (bytes.length + 1));
    case 'insert':
      return splice(bytes, where % (bytes.length + 1), 0, [pick(BYTES, what)]);
    case 'remove':
      return splice(bytes, where % (bytes.length + 1), 1 + (what % 4), []);
    case 'append':
      return splice(bytes, bytes.length, 0, repeat(pick(BYTES, what), 1 + (where % 12)));
    case 'flags':
      return draft.number(2, 2, (flags) => flags ^ pick(FLAGS, what));
    case 'count':
      return draft.field('count', (count) => pick([...COUNTS, count + 1, count - 1, count + 1], what));
    case 'rdlength':
      return draft.field('rdlength', (length) => pick([...LENGTHS, length + 1, length - 1], what));
    case 'pointer':
      return draft.field('pointer', (_, at) => 0xc000 | (draft.target(at) & 0x3fff));
    case 'point':
      return draft.point();
    case 'label':
      return draft.field('label', (length) => pick([length + 1, length - 1, 0, 63, 64, 0x80, 0xc0], what));
    case 'case':
      return draft.bytewise((byte) => (/[a-z]/i.test(String.fromCharCode(byte)) ? byte ^ 0x20 : byte));
    case 'type':
      return draft.field('type', () => pick(TYPES, what));
    case 'class':
      return draft.field('class', () => pick(CLASSES, what));
    case 'ttl':
      return draft.field('ttl', () => pick(TTLS, what));
    case 'address':
      return draft.address();
    case 'repeat-record':
      return draft.repeatRecord(pick(TIMES, what));
    case 'remove-record':
      return draft.moveRecord(undefined);
    case 'move-record':
      return draft.moveRecord(what % 3);
    case 'swap-records':
      return draft.swapRecords();
    case 'owner':
      return draft.owner();
    case 'repeat-option':
      return draft.repeatOption(pick(TIMES, what));
    case 'option-code':
      return draft.field('option-code', () => pick([3, 8, 10, 11, 12, 15, 18, 65_001], what));
    case 'option-length':
      return draft.field('option-length', (length) => pick([...LENGTHS, 7, 8, 40, 41, length + 1, length - 1], what));
    case 'bomb':
      return draft.bomb();
    default:
      return assertNever(how);
  }
}

class Draft {
  readonly #bytes: Uint8Array;
  readonly #layout: Layout;
  readonly #where: number;
  readonly #what: number;

  constructor(bytes: Uint8Array, where: number, what: number) {
    this.#bytes = bytes.slice();
    this.#layout = layoutOf(bytes);
    this.#where = where;
    this.#what = what;
  }

  bytewise(change: (byte: number) => number): Uint8Array {
    const at = this.#where % Math.max(1, this.#bytes.length);
    return this.#bytes.length === 0 ? this.#bytes : this.#bytes.with(at, change(this.#bytes[at] ?? 0));
  }

  number(at: number, length: number, change: (value: number) => number): Uint8Array {
    if (at + length > this.#bytes.length) return this.#bytes;
    const view = new DataView(this.#bytes.buffer);
    if (length === 1) view.setUint8(at, change(view.getUint8(at)));
    else if (length === 2) view.setUint16(at, change(view.getUint16(at)));
    else view.setUint32(at, change(view.getUint32(at)));
    return this.#bytes;
  }

  field(kind: FieldKind, change: (value: number, at: number) => number): Uint8Array {
    const field = this.#choose(this.#layout.fields.filter((each) => each.kind === kind));
    return field === undefined ? this.#bytes : this.number(field.at, field.length, (value) => change(value, field.at));
  }

  /** Where a pointer at `at` may be made to lead: to itself, forward, into the header, into rdata, to other names. */
  target(at: number): number {
    const { fields, questionEnd } = this.#layout;
    const places = fields.filter(({ kind }) => kind === 'rdata' || kind === 'label' || kind === 'pointer');
    const other = places[this.#what % Math.max(1, places.length)]?.at ?? 0;
    return pick(
      [at, at + 2, at - 2, at - 1, 0, 2, 11, 12, 13, questionEnd, other, other, other + 1, 0x3fff],
      this.#what >>> 8,
    );
  }

  /** A name's rest becomes a pointer. */
  point(): Uint8Array {
    const field = this.#choose(this.#layout.fields.filter(({ kind }) => kind === 'label'));
    if (field === undefined) return this.#bytes;
    let end = field.at;
    while (end < this.#bytes.length && this.#bytes[end] !== 0 && (this.#bytes[end] ?? 0) < 0xc0)
      end += 1 + (this.#bytes[end] ?? 0);
    const target = 0xc000 | (this.target(field.at) & 0x3fff);
    return splice(this.#bytes, field.at, end - field.at + 1, [target >> 8, target & 0xff]);
  }

  address(): Uint8Array {
    const record = this.#choose(this.#layout.records.filter(({ type }) => [1, 28, 64, 65].includes(type)));
    if (record === undefined) return this.#bytes;
    const room = record.to - record.rdataAt;
    const address = pick(
      ADDRESSES.filter(({ length }) => length <= room),
      this.#what,
    );
    if (address !== undefined) this.#bytes.set(address, record.to - address.length); // hints come last
    return this.#bytes;
  }

  repeatRecord(times: number): Uint8Array {
    const record = this.#choose(this.#layout.records);
    if (record === undefined) return this.#bytes;
    const one = [...this.#bytes.subarray(record.from, record.to)];
    this.number(6 + 2 * record.section, 2, (count) => count + times);
    return splice(this.#bytes, record.to, 0, Array.from({ length: times }, () => one).flat());
  }

  /** To the end of another section, or away. */
  moveRecord(section: number | undefined): Uint8Array {
    const record = this.#choose(this.#layout.records);
    if (record === undefined) return this.#bytes;
    const one = [...this.#bytes.subarray(record.from, record.to)];
    this.number(6 + 2 * record.section, 2, (count) => count - 1);
    if (section === undefined) return splice(this.#bytes, record.from, one.length, []);
    this.number(6 + 2 * section, 2, (count) => count + 1);
    const end = this.#layout.records.findLast((each) => each.section <= section)?.to ?? this.#layout.questionEnd;
    const isBefore = end > record.from;
    const without = splice(this.#bytes, record.from, one.length, []);
    return splice(without, isBefore ? end - one.length : end, 0, one);
  }

  swapRecords(): Uint8Array {
    const { records } = this.#layout;
    const [a, b] = [this.#choose(records), records[this.#what % Math.max(1, records.length)]].toSorted(byPlace);
    if (a === undefined || b === undefined || a === b) return this.#bytes;
    const bytes = [...this.#bytes];
    const first = bytes.slice(a.from, a.to);
    const between = bytes.slice(a.to, b.from);
    const second = bytes.slice(b.from, b.to);
    return splice(this.#bytes, a.from, b.to - a.from, [...second, ...between, ...first]);
  }

  /** A record is owned by another one's name, where that stands. */
  owner(): Uint8Array {
    const record = this.#choose(this.#layout.records);
    if (record === undefined) return this.#bytes;
    const fixed = record.rdataAt - 10;
    const target = 0xc000 | (this.target(record.from) & 0x3fff);
    return splice(this.#bytes, record.from, fixed - record.from, [target >> 8, target & 0xff]);
  }

  repeatOption(times: number): Uint8Array {
    const opt = this.#layout.records.find(({ type }) => type === 41);
    const code = this.#choose(this.#layout.fields.filter(({ kind }) => kind === 'option-code'));
    if (opt === undefined || code === undefined) return this.#bytes;
    const length = 4 + ((this.#bytes[code.at + 2] ?? 0) << 8) + (this.#bytes[code.at + 3] ?? 0);
    const one = [...this.#bytes.subarray(code.at, code.at + length)];
    this.number(opt.rdataAt - 2, 2, (before) => before + one.length * times);
    return splice(this.#bytes, code.at, 0, Array.from({ length: times }, () => one).flat());
  }

  /** Names that are chains of pointers, and records that are owned by the longest of them (V13). */
  bomb(): Uint8Array {
    const { records, questionEnd } = this.#layout;
    const hops = 2 + (this.#what % 140);
    const owners = 1 + (this.#where % 300);
    const at = questionEnd + 11;
    const chain = Array.from({ length: hops }, (_, i) => [
      0xc0 | (Math.max(12, i === 0 ? 12 : at + 2 * i - 2) >> 8),
      (i === 0 ? 12 : at + 2 * i - 2) & 0xff,
    ]);
    const holder = [0, 0xff, 0, 0, 1, 0, 0, 0, 9, (2 * hops) >> 8, (2 * hops) & 0xff, ...chain.flat()];
    const last = at + 2 * hops - 2;
    const one = [0xc0 | (last >> 8), last & 0xff, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1];
    const answers = records.filter(({ section }) => section === 0).length;
    const end = records.findLast(({ section }) => section === 0)?.to ?? questionEnd;
    this.number(6, 2, () => answers + 1 + owners);
    const bombed = splice(this.#bytes, end, 0, Array.from({ length: owners }, () => one).flat());
    return splice(bombed, questionEnd, 0, holder);
  }

  #choose<T extends Field | Extent>(all: readonly T[]): T | undefined {
    return all[this.#where % Math.max(1, all.length)];
  }
}

/** The head of one message and the tail of another. */
export function spliceMessages(a: Uint8Array, b: Uint8Array, where: number): Uint8Array {
  const at = where % (Math.min(a.length, b.length) + 1);
  return Uint8Array.from([...a.subarray(0, at), ...b.subarray(at)]);
}

function splice(bytes: Uint8Array, at: number, removed: number, added: readonly number[]): Uint8Array {
  return bytes.length + added.length > 65_535 ? bytes : Uint8Array.from([...bytes].toSpliced(at, removed, ...added));
}

function byPlace(a: Extent | undefined, b: Extent | undefined): number {
  return (a?.from ?? 0) - (b?.from ?? 0);
}

function pick<T>(all: readonly T[], which: number): T {
  return all[which % all.length]!;
}

function repeat(byte: number, times: number): number[] {
  return Array.from({ length: times }, () => byte);
}
