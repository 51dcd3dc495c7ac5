// nfnetlink messages as the kernel reads and writes them (linux/netfilter/nfnetlink.h, nf_tables.h). Written from the headers and not from
// src/kernel/netlink.ts, so that a mistake there is not made here again.

const HEADER_BYTES = 16;
const NFGENMSG_BYTES = 4;
const ATTRIBUTE_BYTES = 4;
const NFPROTO_INET = 1;
const NFNL_SUBSYS_NFTABLES = 10;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of an attribute's type. */
const NLA_TYPE_MASK = 0x3fff;
const NFTA_LIST_TABLE = 1;
const NFTA_LIST_SET = 2;
const NFTA_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_EXPIRATION = 5;
const NFTA_DATA_VALUE = 1;
const NLA_F_NESTED = 0x8000;

const nftables = (message: number) => (NFNL_SUBSYS_NFTABLES << 8) | message;
export const NETLINK_TYPE = {
  BatchBegin: 0x10,
  BatchEnd: 0x11,
  DelTable: nftables(2),
  DelSet: nftables(11),
  NewSetElem: nftables(12),
  GetSetElem: nftables(13),
  DelSetElem: nftables(14),
  DestroySetElem: nftables(30),
} as const;

export interface NetlinkMessage {
  readonly type: number;
  readonly sequence: number;
  readonly wantsAck: boolean;
  /** The header, which a report repeats. */
  readonly header: Uint8Array;
  /** Behind the header: nfgenmsg and attributes. */
  readonly body: Uint8Array;
}

export interface ElementText {
  readonly key: Uint8Array;
  readonly timeoutMs: number | undefined;
  readonly expirationMs: number | undefined;
}

/** What a message about elements says; the names are not looked up yet. */
export interface ElementRequest {
  readonly table: string;
  readonly set: string;
  readonly elements: readonly ElementText[];
}

/** The messages of one datagram; undefined when its lengths do not add up, or one is no request. */
export function splitMessages(bytes: Uint8Array): NetlinkMessage[] | undefined {
  const view = viewOf(bytes);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + HEADER_BYTES + NFGENMSG_BYTES > bytes.length) return undefined;
    const length = view.getUint32(at, true);
    const flags = view.getUint16(at + 6, true);
    if (length < HEADER_BYTES + NFGENMSG_BYTES || at + length > bytes.length || (flags & NLM_F_REQUEST) === 0) {
      return undefined;
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      sequence: view.getUint32(at + 8, true),
      wantsAck: (flags & NLM_F_ACK) !== 0,
      header: bytes.slice(at, at + HEADER_BYTES),
      body: bytes.slice(at + HEADER_BYTES, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** True for a begin or end of a batch that names nf_tables as its subsystem (nfgenmsg.res_id, network order). */
export function framesNftables({ body }: NetlinkMessage): boolean {
  return body.length === NFGENMSG_BYTES && viewOf(body).getUint16(2) === NFNL_SUBSYS_NFTABLES;
}

/** Undefined for what the kernel would answer EINVAL. */
export function readElements({ body }: NetlinkMessage): ElementRequest | undefined {
  if (body[0] !== NFPROTO_INET) return undefined;
  const attributes = readAttributes(body.subarray(NFGENMSG_BYTES));
  const table = attributes && readText(attributes.get(NFTA_LIST_TABLE));
  const set = attributes && readText(attributes.get(NFTA_LIST_SET));
  const list = attributes?.get(NFTA_LIST_ELEMENTS);
  if (table === undefined || set === undefined || list === undefined) return undefined;
  const elements: ElementText[] = [];
  const isRead = eachAttribute(list, (type, value) => {
    const element = type === NFTA_LIST_ELEM ? readElement(value) : undefined;
    if (element !== undefined) elements.push(element);
    return element !== undefined;
  });
  return isRead && elements.length > 0 ? { table, set, elements } : undefined;
}

/** NLMSG_ERROR as NETLINK_CAP_ACK shortens it; errno 0 is an acknowledgement. */
export function report(message: NetlinkMessage, errno: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + 4 + HEADER_BYTES);
  const view = viewOf(bytes);
  writeHeader(view, bytes.length, NLMSG_ERROR, message.sequence);
  view.setInt32(HEADER_BYTES, -errno, true);
  bytes.set(message.header, HEADER_BYTES + 4);
  return bytes;
}

/** The answer to GETSETELEM. */
export function elementReply(sequence: number, request: ElementRequest, element: ElementText): Uint8Array {
  const key = attribute(NFTA_SET_ELEM_KEY | NLA_F_NESTED, attribute(NFTA_DATA_VALUE, element.key));
  const times = [
    ...(element.timeoutMs === undefined ? [] : attribute(NFTA_SET_ELEM_TIMEOUT, be64(element.timeoutMs))),
    ...(element.expirationMs === undefined ? [] : attribute(NFTA_SET_ELEM_EXPIRATION, be64(element.expirationMs))),
  ];
  const list = attribute(NFTA_LIST_ELEM | NLA_F_NESTED, Uint8Array.from([...key, ...times]));
  return nftablesMessage(NETLINK_TYPE.NewSetElem, sequence, [
    ...attribute(NFTA_LIST_TABLE, textBytes(request.table)),
    ...attribute(NFTA_LIST_SET, textBytes(request.set)),
    ...attribute(NFTA_LIST_ELEMENTS | NLA_F_NESTED, list),
  ]);
}

/** What subscribers get when a table, or a set of it, is deleted: both have the table's name as attribute 1. */
export function deletionEvent(type: number, table: string, set?: string): Uint8Array {
  const names = [table, ...(set === undefined ? [] : [set])];
  return nftablesMessage(
    type,
    0,
    names.flatMap((name, i) => [...attribute(i + 1, textBytes(name))]),
  );
}

function readElement(bytes: Uint8Array): ElementText | undefined {
  const attributes = readAttributes(bytes);
  const keyBytes = attributes?.get(NFTA_SET_ELEM_KEY);
  const key = keyBytes && readAttributes(keyBytes)?.get(NFTA_DATA_VALUE);
  const timeout = attributes?.get(NFTA_SET_ELEM_TIMEOUT);
  const expiration = attributes?.get(NFTA_SET_ELEM_EXPIRATION);
  const isWhole = [timeout, expiration].every((value) => value === undefined || value.length === 8);
  if (key === undefined || !isWhole) return undefined;
  return { key, timeoutMs: timeout && readBe64(timeout), expirationMs: expiration && readBe64(expiration) };
}

/** By type; undefined when lengths do not add up or a type is there twice. */
function readAttributes(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const found = new Map<number, Uint8Array>();
  const isRead = eachAttribute(bytes, (type, value) => {
    if (found.has(type)) return false;
    found.set(type, value);
    return true;
  });
  return isRead ? found : undefined;
}

function eachAttribute(bytes: Uint8Array, visit: (type: number, value: Uint8Array) => boolean): boolean {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    if (at + ATTRIBUTE_BYTES > bytes.length) return false;
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > bytes.length) return false;
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    if (!visit(type, bytes.slice(at + ATTRIBUTE_BYTES, at + length))) return false;
    at += aligned(length);
  }
  return true;
}

/** A text that ends with its only zero byte. */
function readText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined || bytes.length < 2 || bytes.indexOf(0) !== bytes.length - 1) return undefined;
  return Buffer.from(bytes.subarray(0, -1)).toString('latin1');
}

function readBe64(bytes: Uint8Array): number {
  return Number(viewOf(bytes).getBigUint64(0));
}

function be64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(Math.ceil(value)));
  return bytes;
}

function textBytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(`${text}\0`, 'latin1'));
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(ATTRIBUTE_BYTES + value.length));
  viewOf(bytes).setUint16(0, ATTRIBUTE_BYTES + value.length, true);
  viewOf(bytes).setUint16(2, type, true);
  bytes.set(value, ATTRIBUTE_BYTES);
  return bytes;
}

function nftablesMessage(type: number, sequence: number, attributes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + NFGENMSG_BYTES + attributes.length);
  writeHeader(viewOf(bytes), bytes.length, type, sequence);
  bytes[HEADER_BYTES] = NFPROTO_INET;
  bytes.set(attributes, HEADER_BYTES + NFGENMSG_BYTES);
  return bytes;
}

function writeHeader(view: DataView, lengthBytes: number, type: number, sequence: number): void {
  view.setUint32(0, lengthBytes, true);
  view.setUint16(4, type, true);
  view.setUint32(8, sequence, true);
}

function aligned(lengthBytes: number): number {
  return (lengthBytes + 3) & ~3;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
