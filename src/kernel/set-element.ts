// The attributes of a set element message (linux/netfilter/nf_tables.h): the part that never changes, made once for each set, and the
// reading of what the kernel answers. Not for the hot path.
import {
  aligned,
  ATTRIBUTE_BYTES,
  HEADER_BYTES,
  MESSAGE,
  NFGENMSG_BYTES,
  NFPROTO_INET,
  NLA_F_NESTED,
} from './netlink.ts';
import type { Family } from '../base/ip.ts';
import { ERRNO } from '../sys/sys.ts';

const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_EXPIRATION = 5;

/** Attribute types inside a message's element list. */
export const SET_ELEMENT = {
  ListElement: 1 | NLA_F_NESTED,
  Key: 1 | NLA_F_NESTED,
  DataValue: 1,
  Timeout: NFTA_SET_ELEM_TIMEOUT,
  Expiration: NFTA_SET_ELEM_EXPIRATION,
} as const;

/** A set of pairs of addresses, prepared for writing. */
export interface ElementSet {
  /** What stands between the nlmsghdr and the first element of every message; its last 4 bytes open the element list. */
  readonly header: Uint8Array;
  /** Bytes of each of the two addresses of a key. */
  readonly addressBytes: 4 | 16;
}

export function elementSet(table: string, set: string, family: Family): ElementSet {
  const names = [attribute(NFTA_SET_ELEM_LIST_TABLE, table), attribute(NFTA_SET_ELEM_LIST_SET, set)];
  const list = new Uint8Array(ATTRIBUTE_BYTES);
  new DataView(list.buffer).setUint16(2, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, true);
  const header = new Uint8Array(Buffer.concat([Uint8Array.of(NFPROTO_INET, 0, 0, 0), ...names, list]));
  return { header, addressBytes: family === 4 ? 4 : 16 };
}

/** Milliseconds left of the one element in an answer to GETSETELEM; 0 for ENOENT, Infinity without an expiry, else -errno. */
export function remainingMs(reply: DataView, lengthBytes: number, sequence: number): number {
  if (lengthBytes < HEADER_BYTES + NFGENMSG_BYTES || reply.getUint32(8, true) !== sequence) return -ERRNO.EINVAL;
  if (reply.getUint16(4, true) !== MESSAGE.NewSetElement) {
    const errno = Math.abs(reply.getInt32(HEADER_BYTES, true));
    return errno === ERRNO.ENOENT ? 0 : -errno;
  }
  const end = Math.min(lengthBytes, reply.getUint32(0, true));
  const list = find(reply, HEADER_BYTES + NFGENMSG_BYTES, end, NFTA_SET_ELEM_LIST_ELEMENTS);
  const element = list && find(reply, list.from, list.to, 1);
  if (!element) return 0;
  const expiration = find(reply, element.from, element.to, NFTA_SET_ELEM_EXPIRATION);
  if (expiration) return Number(reply.getBigUint64(expiration.from));
  return find(reply, element.from, element.to, NFTA_SET_ELEM_TIMEOUT) ? 0 : Infinity;
}

function attribute(type: number, text: string): Uint8Array {
  const value = Buffer.from(`${text}\0`, 'latin1');
  const bytes = new Uint8Array(aligned(ATTRIBUTE_BYTES + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ATTRIBUTE_BYTES + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, ATTRIBUTE_BYTES);
  return bytes;
}

/** Where the value of the first attribute of this type lies between `from` and `to`. */
function find(reply: DataView, from: number, to: number, type: number): { from: number; to: number } | undefined {
  for (let at = from; at + ATTRIBUTE_BYTES <= to;) {
    const lengthBytes = reply.getUint16(at, true);
    if (lengthBytes < ATTRIBUTE_BYTES || at + lengthBytes > to) return undefined;
    if ((reply.getUint16(at + 2, true) & ~NLA_F_NESTED) === type) {
      return { from: at + ATTRIBUTE_BYTES, to: at + lengthBytes };
    }
    at += aligned(lengthBytes);
  }
  return undefined;
}
