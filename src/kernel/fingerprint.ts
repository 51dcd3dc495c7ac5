// One hash over all of our table that decides about packets, to notice foreign hands by (fault F5): what somebody changed in its chains, rules,
// sets or small sets' elements changes it; grants, counters and what packets add to dynamic sets do not. It never says what was changed,
// and looks at no other table. Named counters and flowtables are left out: what they hold decides nothing, and a rule names them.
import { createHash } from 'node:crypto';
import { eachAttribute, valueAt, valueBytes } from './messages.ts';
import type { Messages } from './messages.ts';
import { ATTRIBUTE_BYTES } from './netlink.ts';
import { ANONYMOUS_SET, eachElement, setHead } from './table-dump.ts';
import { LIST } from './table-reader.ts';
import type { TableReader } from './table-reader.ts';

// Attributes that count, by type (linux/netfilter/nf_tables.h): handles, numbers of users and of elements, what expires and what is counted
// are not among them, nor what later kernels may add.
const TABLE = kept(1 /* name */, 2 /* flags: dormant */);
const CHAIN = kept(3 /* name */, 4 /* hook, priority */, 5 /* policy */, 7 /* type */, 10 /* flags */);
const RULE_EXPRESSIONS = 4;
const RULE = kept(2 /* chain */, 5 /* of iptables */, 7 /* comment */);
const SET = kept(
  2 /* name */,
  3 /* flags */,
  4,
  5 /* key */,
  6,
  7 /* data */,
  9 /* size, fields */,
  11 /* timeout */,
  12,
);
const SET_HANDLE = kept(16);
const ELEMENT = kept(
  1 /* key */,
  2 /* data */,
  3 /* flags */,
  4 /* timeout */,
  6 /* comment */,
  9 /* object */,
  10 /* key end */,
);

/** NFT_SET_EVAL: filled by packets. */
const DYNAMIC_SET = 0x10;
const EXPRESSION_NAME = 1;
/** Expressions whose data are what they have counted, `NAME\0`. */
const COUNTING = ['counter', 'quota', 'last'].map((name) => Buffer.from(`${name}\0`, 'latin1'));

/**
 * SHA-256 in hexadecimal digits; without a table, that of nothing. `isVolatile` says whose elements come and go (the grants); those of sets
 * that packets fill are left out in any case. Throws SysError.
 */
export function fingerprint(reader: TableReader, isVolatile: (set: string) => boolean): string {
  const canon = new Canon();
  canon.section(reader.list(LIST.Tables), TABLE);
  canon.section(reader.list(LIST.Chains), CHAIN);
  canon.rules(reader.list(LIST.Rules));
  const sets = reader.list(LIST.Sets);
  canon.section(sets, SET);
  sets.forEach((view, from, to) => {
    const { name, flags } = setHead(view, from, to);
    // The kernel refuses to change a rule's anonymous set (EBUSY), so that its handle stands for its elements.
    if ((flags & ANONYMOUS_SET) !== 0) return canon.attributes(view, from, to, SET_HANDLE);
    if ((flags & DYNAMIC_SET) === 0 && !isVolatile(name)) canon.elements(reader, name);
  });
  return canon.digest();
}

/** What is hashed, in one piece: a call of the hash for each attribute would take longer than all the rest. */
class Canon {
  #bytes = Buffer.alloc(256 * 1024);
  #end = 0;

  digest(): string {
    return createHash('sha256').update(this.#bytes.subarray(0, this.#end)).digest('hex');
  }

  /** Keeps apart what stands before it and behind it. */
  mark(text: string): void {
    const bytes = Buffer.from(`\0${text}\0`, 'latin1');
    this.#reserve(bytes.length);
    this.#end += bytes.copy(this.#bytes, this.#end);
  }

  section(messages: Messages, wanted: number): void {
    this.mark('section');
    messages.forEach((view, from, to) => this.attributes(view, from, to, wanted));
  }

  rules(messages: Messages): void {
    this.mark('rules');
    messages.forEach((view, from, to) => {
      this.attributes(view, from, to, RULE);
      const list = valueAt(view, from, to, RULE_EXPRESSIONS);
      if (list < 0) return;
      eachAttribute(view, list, list + valueBytes(view, list), (_type, at, end) => {
        if (isCounting(view, at, end)) this.attributes(view, at, end, kept(EXPRESSION_NAME));
        else this.#copy(view, at, end);
      });
    });
  }

  /** In the order of their bytes: a hash set is listed in another one after it has grown. */
  elements(reader: TableReader, set: string): void {
    this.mark(set);
    const start = this.#end;
    const ends: number[] = [];
    eachElement(reader, set, (view, from, to) => {
      this.attributes(view, from, to, ELEMENT);
      ends.push(this.#end);
    });
    const elements = ends.map((end, i) => Buffer.from(this.#bytes.subarray(ends[i - 1] ?? start, end)));
    this.#end = start;
    for (const element of elements.toSorted((a, b) => a.compare(b))) this.#end += element.copy(this.#bytes, this.#end);
  }

  attributes(view: DataView, from: number, to: number, wanted: number): void {
    eachAttribute(view, from, to, (type, at, end) => {
      if (type <= 31 && (wanted & (1 << type)) !== 0) this.#copy(view, at - ATTRIBUTE_BYTES, end);
    });
  }

  /** Some ten bytes each: a loop beats the views that `set` would need. */
  #copy(view: DataView, from: number, to: number): void {
    this.#reserve(to - from);
    const bytes = this.#bytes;
    for (let at = from; at < to; at++) bytes[this.#end++] = view.getUint8(at);
  }

  #reserve(lengthBytes: number): void {
    if (this.#end + lengthBytes <= this.#bytes.length) return;
    const larger = Buffer.alloc(2 * this.#bytes.length + lengthBytes);
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

function isCounting(view: DataView, from: number, to: number): boolean {
  const at = valueAt(view, from, to, EXPRESSION_NAME);
  return at >= 0 && COUNTING.some((name) => isAt(view, at, name));
}

function isAt(view: DataView, at: number, name: Uint8Array): boolean {
  return valueBytes(view, at) === name.length && name.every((byte, i) => view.getUint8(at + i) === byte);
}

function kept(...types: readonly number[]): number {
  return types.reduce((bits, type) => bits | (1 << type), 0);
}
