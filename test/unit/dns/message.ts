// Messages written by hand for the tests of src/dns: plain arrays of bytes, so that wrong ones are as easy to write as right ones.
import { CLASS, FLAG, TYPE } from '../../../src/dns/codes.ts';
import { parseNameText } from '../../../src/dns/name.ts';

export type Bytes = readonly number[];

export const u16 = (value: number): Bytes => [(value >>> 8) & 0xff, value & 0xff];
export const u32 = (value: number): Bytes => [...u16(value >>> 16), ...u16(value & 0xffff)];
export const pointer = (offset: number): Bytes => u16(0xc000 | offset);
/** `byte`, `count` times. */
export const repeat = (byte: number, count: number): number[] => Array.from({ length: count }, () => byte);
export const ascii = (text: string): Bytes => [...Buffer.from(text, 'latin1')];

/** Wire form of a name in presentation form. */
export function name(text: string): Bytes {
  const wire = parseNameText(text);
  if (wire === undefined) throw new Error(`Not a name: ${text}`);
  return [...wire];
}

export function question(qname: string | Bytes, qtype: number = TYPE.A, qclass: number = CLASS.IN): Bytes {
  return [...(typeof qname === 'string' ? name(qname) : qname), ...u16(qtype), ...u16(qclass)];
}

export interface RecordText {
  owner: string | Bytes;
  type: number;
  class?: number;
  ttl?: number;
  rdata: Bytes;
  /** Says something else than the rdata's true length. */
  rdlength?: number;
}

export function record(it: RecordText): Bytes {
  const owner = typeof it.owner === 'string' ? name(it.owner) : it.owner;
  const fixed = [...u16(it.type), ...u16(it.class ?? CLASS.IN), ...u32(it.ttl ?? 300)];
  return [...owner, ...fixed, ...u16(it.rdlength ?? it.rdata.length), ...it.rdata];
}

export const a = (owner: string | Bytes, address: Bytes = [192, 0, 2, 1], ttl = 300): Bytes =>
  record({ owner, type: TYPE.A, ttl, rdata: address });
export const cname = (owner: string | Bytes, target: string | Bytes, ttl = 300): Bytes =>
  record({ owner, type: TYPE.CNAME, ttl, rdata: typeof target === 'string' ? name(target) : target });
export const opt = (options: Bytes = [], over: { payload?: number; ttl?: number; owner?: Bytes } = {}): Bytes =>
  record({
    owner: over.owner ?? [0],
    type: TYPE.OPT,
    class: over.payload ?? 1232,
    ttl: over.ttl ?? 0,
    rdata: options,
  });
export const option = (code: number, data: Bytes): Bytes => [...u16(code), ...u16(data.length), ...data];

export interface MessageText {
  id?: number;
  flags?: number;
  questions?: readonly Bytes[];
  answers?: readonly Bytes[];
  authority?: readonly Bytes[];
  additional?: readonly Bytes[];
  /** Counts that lie. */
  counts?: readonly [number, number, number, number];
  trailing?: Bytes;
}

export function message(it: MessageText): Uint8Array {
  const sections = [
    it.questions ?? [question('example.org')],
    it.answers ?? [],
    it.authority ?? [],
    it.additional ?? [],
  ];
  const counts = it.counts ?? sections.map((section) => section.length);
  return Uint8Array.from([
    ...u16(it.id ?? 0x1234),
    ...u16(it.flags ?? FLAG.RD),
    ...counts.flatMap((count) => u16(count)),
    ...sections.flat(2),
    ...(it.trailing ?? []),
  ]);
}

/** A response without errors to the question `example.org A`, or to the one given. */
export function response(it: MessageText): Uint8Array {
  return message({ flags: FLAG.QR | FLAG.RD | FLAG.RA, ...it });
}

/** The message in the middle of a larger buffer of poison, as it stands in a receive arena. */
export function inArena(bytes: Uint8Array, start = 700): { arena: Uint8Array; start: number; end: number } {
  const arena = new Uint8Array(start + bytes.length + 300).fill(0xc0);
  arena.set(bytes, start);
  return { arena, start, end: start + bytes.length };
}

/** A buffer full of poison, to see that nothing is written outside a room and everything inside the message. */
export function poisonedRoom(bytes: number, poison = 0xa5): { bytes: Uint8Array; at: number; limit: number } {
  return { bytes: new Uint8Array(bytes + 200).fill(poison), at: 100, limit: 100 + bytes };
}
