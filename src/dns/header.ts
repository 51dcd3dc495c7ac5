// The 12 bytes that every message starts with (RFC 1035 §4.1.1), and the big-endian integers that all of DNS is made of.
// `start` is the absolute offset of the message; the caller has checked that HEADER_BYTES lie behind it.
import { FLAG } from './codes.ts';

export function readUint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** 0 … 2^32 − 1: never negative, so that a TTL with its top bit set stays the huge positive number that it is. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}

export function writeUint16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

export function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

export function readId(bytes: Uint8Array, start: number): number {
  return readUint16(bytes, start);
}

export function writeId(bytes: Uint8Array, start: number, id: number): void {
  writeUint16(bytes, start, id);
}

/** The second 16-bit word: bits and fields of FLAG. */
export function readFlags(bytes: Uint8Array, start: number): number {
  return readUint16(bytes, start + 2);
}

export function writeFlags(bytes: Uint8Array, start: number, flags: number): void {
  writeUint16(bytes, start + 2, flags);
}

export function opcodeOf(flags: number): number {
  return (flags & FLAG.OpcodeMask) >>> 11;
}

/** The lower four bits only; the rest of an extended rcode is in OPT. */
export function rcodeOf(flags: number): number {
  return flags & FLAG.RcodeMask;
}

export function questionCount(bytes: Uint8Array, start: number): number {
  return readUint16(bytes, start + 4);
}

export function answerCount(bytes: Uint8Array, start: number): number {
  return readUint16(bytes, start + 6);
}

export function authorityCount(bytes: Uint8Array, start: number): number {
  return readUint16(bytes, start + 8);
}

export function additionalCount(bytes: Uint8Array, start: number): number {
  return readUint16(bytes, start + 10);
}

/** Writes a whole header: no record in answer, authority and additional yet. `questions` is 0 or 1. */
export function writeHeader(bytes: Uint8Array, start: number, id: number, flags: number, questions: number): void {
  writeUint16(bytes, start, id);
  writeUint16(bytes, start + 2, flags);
  writeUint16(bytes, start + 4, questions);
  writeUint32(bytes, start + 6, 0);
  writeUint16(bytes, start + 10, 0);
}

export function writeAnswerCount(bytes: Uint8Array, start: number, count: number): void {
  writeUint16(bytes, start + 6, count);
}

export function writeAuthorityCount(bytes: Uint8Array, start: number, count: number): void {
  writeUint16(bytes, start + 8, count);
}

export function writeAdditionalCount(bytes: Uint8Array, start: number, count: number): void {
  writeUint16(bytes, start + 10, count);
}
