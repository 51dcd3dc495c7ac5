import { expect, test } from 'vitest';
import * as header from '../../../src/dns/header.ts';

test('integers are big-endian and never negative', () => {
  const bytes = new Uint8Array(8).fill(0x55);
  header.writeUint32(bytes, 2, 0xfedcba98);
  expect([...bytes]).toEqual([0x55, 0x55, 0xfe, 0xdc, 0xba, 0x98, 0x55, 0x55]);
  expect(header.readUint32(bytes, 2)).toBe(0xfedcba98);
  expect(header.readUint16(bytes, 4)).toBe(0xba98);
});

test('a header is written whole, over whatever was there', () => {
  const bytes = new Uint8Array(20).fill(0xff);
  header.writeHeader(bytes, 4, 0xabcd, 0x8180, 1);
  expect([...bytes.subarray(4, 16)]).toEqual([0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
  expect(bytes[3]).toBe(0xff);
  expect(bytes[16]).toBe(0xff);
});

test('every field is read where RFC 1035 §4.1.1 has it', () => {
  const bytes = Uint8Array.from([0, 0xab, 0xcd, 0x2b, 0x93, 0, 1, 0, 2, 0, 3, 0, 4]);
  expect(header.readId(bytes, 1)).toBe(0xabcd);
  expect(header.opcodeOf(header.readFlags(bytes, 1))).toBe(5);
  expect(header.rcodeOf(header.readFlags(bytes, 1))).toBe(3);
  expect(header.questionCount(bytes, 1)).toBe(1);
  expect(header.answerCount(bytes, 1)).toBe(2);
  expect(header.authorityCount(bytes, 1)).toBe(3);
  expect(header.additionalCount(bytes, 1)).toBe(4);
});

test('id, flags and counts are written where they are read', () => {
  const bytes = new Uint8Array(13);
  header.writeId(bytes, 1, 0x1234);
  header.writeFlags(bytes, 1, 0x8583);
  header.writeAnswerCount(bytes, 1, 0x0102);
  header.writeAuthorityCount(bytes, 1, 0x0304);
  header.writeAdditionalCount(bytes, 1, 0x0506);
  expect([...bytes]).toEqual([0, 0x12, 0x34, 0x85, 0x83, 0, 0, 1, 2, 3, 4, 5, 6]);
});
