import { describe, expect, test } from 'vitest';
import {
  equalsFolded,
  markOf,
  MAX_NAME_WORK,
  NameCursor,
  readName,
  skipName,
} from '../../../src/dns/compressed-name.ts';
import type { Bytes } from './message.ts';
import { inArena, name, pointer, repeat } from './message.ts';

const HEADER = repeat(0, 12);

/** Reads the name at `offset` (from the message's start) both ways and checks that both agree. */
function read(body: Bytes, offset: number): { ok: boolean; wire: number[]; next: number; cursor: NameCursor } {
  const { arena, start, end } = inArena(Uint8Array.from([...HEADER, ...body]));
  const into = new Uint8Array(300).fill(0xee);
  const cursor = new NameCursor();
  const skipper = new NameCursor();
  const ok = readName(arena, start, end, start + offset, into, 20, cursor);
  expect(skipName(arena, start, end, start + offset, skipper)).toBe(ok);
  if (ok) expect([cursor.next, cursor.lengthBytes]).toEqual([skipper.next, skipper.lengthBytes]);
  expect([...into.subarray(0, 20), ...into.subarray(275)].every((byte) => byte === 0xee)).toBe(true);
  return { ok, wire: [...into.subarray(20, 20 + cursor.lengthBytes)], next: cursor.next - start, cursor };
}

describe('RFC 1035 §4.1.4: names that are well formed', () => {
  test.each<[string, Bytes, number, string, number]>([
    ['labels and the root byte', name('Example.org'), 12, 'Example.org', 25],
    ['the root', [0], 12, '.', 13],
    ['a pointer to a whole name', [...name('example.org'), ...pointer(12)], 25, 'example.org', 27],
    ['labels, then a pointer', [...name('example.org'), 3, 119, 119, 119, ...pointer(12)], 25, 'www.example.org', 31],
    ['a pointer into a name', [...name('example.org'), ...pointer(20)], 25, 'org', 27],
    ['a pointer to a pointer', [...name('org'), ...pointer(12), ...pointer(17)], 19, 'org', 21],
    ['a pointer to the root', [0, ...pointer(12)], 13, '.', 15],
  ])('%s', (_why, body, offset, want, next) => {
    const got = read(body, offset);
    expect(got.ok).toBe(true);
    expect(got.wire).toEqual(name(want));
    expect(got.next).toBe(next);
  });

  test('127 hops are read', () => {
    const body = [0, ...Array.from({ length: 127 }, (_, i) => pointer(i === 0 ? 12 : 13 + 2 * (i - 1))).flat()];
    expect(read(body, 12 + body.length - 2).ok).toBe(true);
  });

  test('255 octets are read, through a pointer too', () => {
    const tail = name(`${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`);
    const body = [...tail, 61, ...repeat(97, 61), ...pointer(12)];
    const got = read(body, 12 + tail.length);
    expect(got.ok).toBe(true);
    expect(got.cursor.lengthBytes).toBe(255);
  });
});

describe('names that are refused', () => {
  test.each<[string, Bytes, number]>([
    ['a pointer to itself', pointer(12), 12],
    ['a pointer forward', [...pointer(14), 0], 12],
    ['a pointer into the header', [0, ...pointer(11)], 13],
    ['a pointer to the header, whose bytes are zero', [0, ...pointer(0)], 13],
    ['a pointer to the start of its own name', [1, 97, ...pointer(12)], 12],
    ['a pointer into its own name', [3, 97, 97, 97, ...pointer(13)], 12],
    ['two pointers in a circle', [...pointer(14), ...pointer(12)], 14],
    ['a label that runs past the end', [5, 97, 97], 12],
    ['no root byte', [1, 97], 12],
    ['half a pointer', [0, 0xc0], 13],
    ['label type 01 (RFC 2673)', [0x41, 97, 0], 12],
    ['label type 10', [0x80, 97, 0], 12],
    ['a label of 64', [64, ...repeat(97, 64), 0], 12],
    ['nothing at all', [], 12],
  ])('%s', (_why, body, offset) => expect(read(body, offset).ok).toBe(false));

  test('128 hops', () => {
    const body = [0, ...Array.from({ length: 128 }, (_, i) => pointer(i === 0 ? 12 : 13 + 2 * (i - 1))).flat()];
    expect(read(body, 12 + body.length - 2).ok).toBe(false);
  });

  test('256 octets, plain and through a pointer', () => {
    const tail = name(`${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`);
    expect(read([62, ...repeat(97, 62), ...tail], 12).ok).toBe(false);
    expect(read([...tail, 62, ...repeat(97, 62), ...pointer(12)], 12 + tail.length).ok).toBe(false);
  });

  test('every name once the work of the message is used up', () => {
    const { arena, start, end } = inArena(Uint8Array.from([...HEADER, ...name('example.org')]));
    const cursor = new NameCursor();
    cursor.work = MAX_NAME_WORK - 3;
    expect(skipName(arena, start, end, start + 12, cursor)).toBe(true);
    expect(skipName(arena, start, end, start + 12, cursor)).toBe(false);
    expect(cursor.work).toBe(MAX_NAME_WORK + 1);
  });
});

test('names behind equal pointers have the same first label', () => {
  const { arena, start, end } = inArena(Uint8Array.from([...HEADER, ...name('org'), ...pointer(12), ...pointer(17)]));
  const cursor = new NameCursor();
  for (const offset of [12, 17, 19]) {
    skipName(arena, start, end, start + offset, cursor);
    expect(cursor.firstLabel).toBe(start + 12);
  }
});

test('comparison and mark see through compression and case', () => {
  const body = [...name('EXAMPLE.org'), 3, 87, 87, 87, ...pointer(12)];
  const { arena, start } = inArena(Uint8Array.from([...HEADER, ...body]));
  const cursor = new NameCursor();
  const same = Uint8Array.from(name('www.example.org'));
  expect(equalsFolded(arena, start, start + 25, same, cursor)).toBe(true);
  expect(cursor.work).toBeGreaterThan(3);
  expect(markOf(arena, start, start + 25)).toBe(markOf(same, 0, 0));
  for (const other of ['wwx.example.org', 'www.example', 'www.example.org.net', 'example.org', '.']) {
    expect(equalsFolded(arena, start, start + 25, Uint8Array.from(name(other)), cursor)).toBe(false);
  }
});
