// What the kernel holds of our table, as values: the names of its objects, the grants with what is left of them, the elements of small sets
// and verdict maps. It only reads; what follows from it is its callers' decision.
import { ADDRESS_BYTES } from '../base/ip.ts';
import { eachAttribute, valueAt, valueBytes } from './messages.ts';
import { LIST } from './table-reader.ts';
import type { TableReader } from './table-reader.ts';

// linux/netfilter/nf_tables.h
const CHAIN_NAME = 3;
const SET_NAME = 2;
const SET_FLAGS = 3;
/** NFT_SET_ANONYMOUS: a rule's own. */
export const ANONYMOUS_SET = 0x1;
const NFT_SET_MAP = 0x8;
const ELEMENT_LIST = 3;
const ELEMENT = { Key: 1, Data: 2, Timeout: 4, Expiration: 5, UserData: 6, Expression: 7 } as const;
const EXPRESSION_DATA = 2;
const COUNTER_PACKETS = 2;
const OBJECT_NAME = 2;
const OBJECT_DATA = 4;
const KEY_VALUE = 1;
const DATA_VERDICT = 2;
const VERDICT_CHAIN = 2;
/** libnftnl/udata.h: type, length, value. */
const COMMENT = 0;
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
const GRANTS = ['grants4_', 'grants6_'];

export interface DumpedGrant {
  readonly classId: string;
  /** Both in 16 byte form. */
  readonly pod: Uint8Array;
  readonly destination: Uint8Array;
  /** Infinity for one without a lifetime, which is not ours (V1). */
  readonly leftMs: number;
}

export interface DumpedElement {
  /** As it lies in the kernel: addresses in network order, each part of a concatenation filled up to 4 bytes. */
  readonly key: Uint8Array;
  readonly comment: string | undefined;
  /** Where an element of a verdict map jumps or goes to. */
  readonly chain: string | undefined;
}

export interface DumpedNames {
  readonly sets: readonly string[];
  readonly maps: readonly string[];
  readonly chains: readonly string[];
}

/** Of the named sets, maps and chains; empty lists without a table. Throws SysError. */
export function readNames(reader: TableReader): DumpedNames {
  const sets: string[] = [];
  const maps: string[] = [];
  const chains: string[] = [];
  reader.list(LIST.Sets).forEach((view, from, to) => {
    const { name, flags } = setHead(view, from, to);
    if ((flags & ANONYMOUS_SET) === 0) ((flags & NFT_SET_MAP) === 0 ? sets : maps).push(name);
  });
  reader.list(LIST.Chains).forEach((view, from, to) => chains.push(text(view, from, to, CHAIN_NAME)));
  return { sets, maps, chains };
}

/** All that is granted now, of all classes. Throws SysError: `EINTR` when other programs' transactions never leave it the time. */
export function readGrants(reader: TableReader): DumpedGrant[] {
  const grants: DumpedGrant[] = [];
  for (const set of readNames(reader).sets) {
    const prefix = GRANTS.find((each) => set.startsWith(each));
    if (prefix === undefined) continue;
    const classId = set.slice(prefix.length);
    const half = prefix === GRANTS[0] ? 4 : ADDRESS_BYTES;
    eachElement(reader, set, (view, from, to) => {
      const key = keyAt(view, from, to);
      if (key < 0 || valueBytes(view, key) !== 2 * half) return;
      const [pod, destination] = [addressAt(view, key, half), addressAt(view, key + half, half)];
      grants.push({ classId, pod, destination, leftMs: leftMs(view, from, to) });
    });
  }
  return grants;
}

/** For sets and maps of a few thousand elements. None without such a set. Throws SysError. */
export function readElements(reader: TableReader, set: string): DumpedElement[] {
  const elements: DumpedElement[] = [];
  eachElement(reader, set, (view, from, to) => {
    const key = keyAt(view, from, to);
    if (key < 0) return;
    const chain = chainOf(view, from, to);
    elements.push({ key: bytes(view, key, valueBytes(view, key)).slice(), comment: commentOf(view, from, to), chain });
  });
  return elements;
}

/** Packets of each named counter. Throws SysError. */
export function readCounters(reader: TableReader): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  reader.list(LIST.Objects).forEach((view, from, to) => {
    const packets = nested(view, valueAt(view, from, to, OBJECT_DATA), COUNTER_PACKETS);
    if (packets < 0) return;
    counters.set(text(view, from, to, OBJECT_NAME), view.getUint32(packets) * 2 ** 32 + view.getUint32(packets + 4)); // be64
  });
  return counters;
}

export interface DumpedCount {
  /** 16 byte form. */
  readonly address: Uint8Array;
  readonly packets: number;
}

/** Of a set of addresses with a counter each. None without such a set. Throws SysError. */
export function readCounts(reader: TableReader, set: string): DumpedCount[] {
  const counts: DumpedCount[] = [];
  eachElement(reader, set, (view, from, to) => {
    const key = keyAt(view, from, to);
    const counter = nested(view, valueAt(view, from, to, ELEMENT.Expression), EXPRESSION_DATA);
    const packets = nested(view, counter, COUNTER_PACKETS);
    if (key < 0 || packets < 0) return;
    const count = view.getUint32(packets) * 2 ** 32 + view.getUint32(packets + 4); // be64
    counts.push({ address: addressAt(view, key, valueBytes(view, key)), packets: count });
  });
  return counts;
}

/** Of the message about a set. */
export function setHead(view: DataView, from: number, to: number): { readonly name: string; readonly flags: number } {
  const flags = valueAt(view, from, to, SET_FLAGS);
  return { name: text(view, from, to, SET_NAME), flags: flags < 0 ? 0 : view.getUint32(flags) };
}

/** `visit` gets the attributes of each element. */
export function eachElement(
  reader: TableReader,
  set: string,
  visit: (view: DataView, from: number, to: number) => void,
): void {
  reader.list(LIST.Elements, set).forEach((view, from, to) => {
    const list = valueAt(view, from, to, ELEMENT_LIST);
    if (list < 0) return;
    eachAttribute(view, list, list + valueBytes(view, list), (_type, at, end) => visit(view, at, end));
  });
}

function keyAt(view: DataView, from: number, to: number): number {
  return nested(view, valueAt(view, from, to, ELEMENT.Key), KEY_VALUE);
}

function leftMs(view: DataView, from: number, to: number): number {
  const at = valueAt(view, from, to, ELEMENT.Expiration);
  if (at >= 0) return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4); // be64
  return valueAt(view, from, to, ELEMENT.Timeout) < 0 ? Number.POSITIVE_INFINITY : 0;
}

function chainOf(view: DataView, from: number, to: number): string | undefined {
  const verdict = nested(view, valueAt(view, from, to, ELEMENT.Data), DATA_VERDICT);
  const chain = nested(view, verdict, VERDICT_CHAIN);
  return chain < 0 ? undefined : cString(view, chain);
}

function commentOf(view: DataView, from: number, to: number): string | undefined {
  const data = valueAt(view, from, to, ELEMENT.UserData);
  if (data < 0) return undefined;
  const end = data + valueBytes(view, data);
  for (let at = data; at + 2 <= end; at += 2 + view.getUint8(at + 1)) {
    const length = view.getUint8(at + 1);
    if (view.getUint8(at) !== COMMENT || length === 0 || at + 2 + length > end) continue;
    return Buffer.from(bytes(view, at + 2, length - 1)).toString('utf8');
  }
  return undefined;
}

/** Where the value of attribute `type` begins within the value at `outer`, or -1. */
function nested(view: DataView, outer: number, type: number): number {
  return outer < 0 ? -1 : valueAt(view, outer, outer + valueBytes(view, outer), type);
}

function addressAt(view: DataView, at: number, lengthBytes: number): Uint8Array {
  const address = new Uint8Array(ADDRESS_BYTES);
  if (lengthBytes === 4) address.set(MAPPED);
  const start = ADDRESS_BYTES - lengthBytes;
  for (let i = 0; i < lengthBytes; i++) address[start + i] = view.getUint8(at + i);
  return address;
}

function text(view: DataView, from: number, to: number, type: number): string {
  const at = valueAt(view, from, to, type);
  return at < 0 ? '' : cString(view, at);
}

function cString(view: DataView, at: number): string {
  return Buffer.from(bytes(view, at, Math.max(0, valueBytes(view, at) - 1))).toString('latin1');
}

function bytes(view: DataView, at: number, lengthBytes: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, lengthBytes);
}
