// The attributes of a netlink message (netlink(7)) as values: where one lies, what it says, every length checked; and the writing of one.
// For the main thread: it allocates.
import { ADDRESS_BYTES } from '../base/ip.ts';
import { aligned, ATTRIBUTE_BYTES } from './netlink.ts';
import type { MessageBuffer } from './netlink.ts';

const TYPE_MASK = 0x3fff; // NLA_TYPE_MASK: without the flags for nesting and byte order

/** Bytes from .. to-1 of the view: a list of attributes, or the value of one. */
export interface Span {
  readonly view: DataView;
  readonly from: number;
  readonly to: number;
}

/** The value of the first attribute of this type; undefined when there is none before the first whose length cannot be. */
export function find(list: Span | undefined, type: number): Span | undefined {
  if (list === undefined) return undefined;
  const { view, to } = list;
  for (let at = list.from; at + ATTRIBUTE_BYTES <= to;) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || length > to - at) return undefined;
    if ((view.getUint16(at + 2, true) & TYPE_MASK) === type)
      return { view, from: at + ATTRIBUTE_BYTES, to: at + length };
    at += aligned(length);
  }
  return undefined;
}

/** Numbers of netfilter are in network byte order. */
export function readU8(value: Span | undefined): number | undefined {
  return value === undefined || value.to - value.from < 1 ? undefined : value.view.getUint8(value.from);
}

export function readU16(value: Span | undefined): number | undefined {
  return value === undefined || value.to - value.from < 2 ? undefined : value.view.getUint16(value.from);
}

export function readU32(value: Span | undefined): number | undefined {
  return value === undefined || value.to - value.from < 4 ? undefined : value.view.getUint32(value.from);
}

export function readU64(value: Span | undefined): bigint | undefined {
  return value === undefined || value.to - value.from < 8 ? undefined : value.view.getBigUint64(value.from);
}

/** 4 or 16 bytes as an address in 16 byte form (base/ip.ts). */
export function readAddress(value: Span | undefined): Uint8Array | undefined {
  const lengthBytes = value === undefined ? 0 : value.to - value.from;
  if (value === undefined || (lengthBytes !== 4 && lengthBytes !== ADDRESS_BYTES)) return undefined;
  const address = new Uint8Array(ADDRESS_BYTES);
  if (lengthBytes === 4) address[10] = address[11] = 0xff;
  for (let i = 0; i < lengthBytes; i++) address[ADDRESS_BYTES - lengthBytes + i] = value.view.getUint8(value.from + i);
  return address;
}

/** At most `limitBytes` up to the NUL, one character a byte. */
export function readText(value: Span | undefined, limitBytes: number): string {
  if (value === undefined) return '';
  let text = '';
  for (let at = value.from; at < value.to && text.length < limitBytes; at++) {
    const byte = value.view.getUint8(at);
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The caller knows that there is room. */
export function writeAttribute(request: MessageBuffer, type: number, value: Uint8Array): void {
  const start = request.openAttribute(type);
  request.copy(value, 0, value.length);
  request.closeAttribute(start);
}

export function bigEndian16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

export function bigEndian32(value: number): Uint8Array {
  return Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
}
