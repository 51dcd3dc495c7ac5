import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Answer, ANSWER, parseAnswer } from '../../../src/dns/answer.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { copyService, readSvcbHints, strike, SvcbHints } from '../../../src/dns/svcb.ts';
import type { Bytes } from './message.ts';
import { inArena, name, option, pointer, record, response, repeat, u16 } from './message.ts';

const answer = new Answer();
const hints = new SvcbHints();
function read(rdata: Bytes): { ok: boolean; v4: number[]; v6: number[] } {
  const { arena, start, end } = inArena(
    response({ answers: [record({ owner: 'example.org', type: TYPE.HTTPS, rdata })] }),
  );
  expect(parseAnswer(arena, start, end, answer)).toBe(ANSWER.Ok);
  const ok = readSvcbHints(arena, answer, 0, hints);
  return {
    ok,
    v4: [...arena.subarray(hints.ipv4Offset, hints.ipv4Offset + hints.ipv4Length)],
    v6: [...arena.subarray(hints.ipv6Offset, hints.ipv6Offset + hints.ipv6Length)],
  };
}

const V6 = repeat(7, 16);
const V4 = [192, 0, 2, 1];
const alpn = option(1, [2, 104, 50]);

test('both hints are found among other parameters (R24)', () => {
  const got = read([0, 1, 0, ...alpn, ...option(4, [169, 254, 169, 254, 192, 0, 2, 1]), ...option(6, V6)]);
  expect(got).toEqual({ ok: true, v4: [169, 254, 169, 254, 192, 0, 2, 1], v6: V6 });
});

test.each<[string, Bytes, boolean]>([
  ['AliasMode has no parameters', [0, 0, ...name('a.org')], true],
  ['no hints', [0, 1, 0, ...alpn], true],
  ['no target', [0, 1], false],
  ['nothing', [], false],
  ['a target that is cut', [0, 1, 3, 97], false],
  ['a compressed target', [0, 1, ...pointer(12)], false],
  ['a key twice', [0, 1, 0, ...option(4, [1, 1, 1, 1]), ...option(4, [2, 2, 2, 2])], false],
  ['keys out of order', [0, 1, 0, ...option(6, V6), ...option(4, [1, 1, 1, 1])], false],
  ['an IPv4 hint of 5 bytes', [0, 1, 0, ...option(4, [1, 1, 1, 1, 1])], false],
  ['an empty IPv4 hint', [0, 1, 0, ...option(4, [])], false],
  ['an IPv6 hint of 4 bytes', [0, 1, 0, ...option(6, [1, 1, 1, 1])], false],
  ['a parameter that runs past the record', [0, 1, 0, 0, 4, 0, 8, 1, 1, 1, 1], false],
  ['half a parameter header', [0, 1, 0, 0, 4, 0], false],
  ['a mandatory hint that is there', [0, 1, 0, ...option(0, u16(4)), ...option(4, V4)], true],
  ['several mandatory keys', [0, 1, 0, ...option(0, [0, 1, 0, 6]), ...alpn, ...option(4, V4), ...option(6, V6)], true],
  ['a mandatory key that is not there', [0, 1, 0, ...option(0, u16(6)), ...option(4, V4)], false],
  ['one of several that is not there', [0, 1, 0, ...option(0, [0, 1, 0, 4]), ...option(4, V4)], false],
  ['no mandatory key', [0, 1, 0, ...option(0, []), ...option(4, V4)], false],
  ['half a mandatory key', [0, 1, 0, ...option(0, [0, 4, 0]), ...option(4, V4)], false],
  ['mandatory itself', [0, 1, 0, ...option(0, [0, 0, 0, 4]), ...option(4, V4)], false],
  ['mandatory keys out of order', [0, 1, 0, ...option(0, [0, 4, 0, 1]), ...alpn, ...option(4, V4)], false],
  ['a mandatory key twice', [0, 1, 0, ...option(0, [0, 4, 0, 4]), ...option(4, V4)], false],
])('%s', (_why, rdata, want) => expect(read(rdata).ok).toBe(want));

test('what a record says of itself: AliasMode, and the hints without which it cannot be used', () => {
  read([0, 0, ...name('a.org')]);
  expect(hints.isAlias).toBe(true);
  read([0, 1, 0, ...option(0, u16(6)), ...option(4, V4), ...option(6, V6)]);
  expect(hints).toMatchObject({ isAlias: false, needsIpv4: false, needsIpv6: true });
  read([0, 1, 0, ...option(4, V4)]);
  expect(hints.needsIpv6).toBe(false);
});

test.each<[string, Bytes, (readonly number[])[], Bytes]>([
  ['nothing', [0, 1, 0, ...alpn, ...option(4, V4)], [], [0, 1, 0, ...alpn, ...option(4, V4)]],
  ['one of two', [0, 1, 0, ...option(4, [...V4, 1, 2, 3, 4])], [[0, 0]], [0, 1, 0, ...option(4, [1, 2, 3, 4])]],
  ['the other of two', [0, 1, 0, ...option(4, [...V4, 1, 2, 3, 4])], [[0, 4]], [0, 1, 0, ...option(4, V4)]],
  [
    'all: an empty hint would be malformed',
    [0, 1, 0, ...option(4, V4), ...option(5, [9])],
    [[0, 0]],
    [0, 1, 0, ...option(5, [9])],
  ],
  [
    'one of each family',
    [
      0,
      1,
      ...name('a.org'),
      ...option(4, [...V4, 1, 2, 3, 4]),
      ...option(6, [...V6, ...repeat(8, 16)]),
      ...option(99, []),
    ],
    [
      [0, 4],
      [1, 0],
    ],
    [0, 1, ...name('a.org'), ...option(4, V4), ...option(6, repeat(8, 16)), ...option(99, [])],
  ],
])('a copy leaves out what is struck: %s', (_why, rdata, struck, want) => {
  // The record stands between two others: nothing of these is struck with it.
  const other = record({ owner: 'example.org', type: TYPE.HTTPS, rdata });
  const { arena, start, end } = inArena(response({ answers: [other, other, other] }));
  expect(parseAnswer(arena, start, end, answer)).toBe(ANSWER.Ok);
  answer.isStruck.fill(1); // left over from an earlier message
  expect(readSvcbHints(arena, answer, 1, hints)).toBe(true);
  for (const [family, at] of struck)
    strike(answer, 1, (family === 0 ? hints.ipv4Offset : hints.ipv6Offset) + (at ?? 0));
  expect([...answer.isEdited.subarray(0, 3)]).toEqual([0, struck.length > 0 ? 1 : 0, 0]);
  if (struck.length === 0) strike(answer, 1, start); // of the header: nothing in it
  const out = new Uint8Array(200).fill(0xee);
  expect(copyService(arena, answer, 1, out, 50, 50 + want.length)).toBe(50 + want.length);
  expect([...out.subarray(49, 51 + want.length)]).toEqual([0xee, ...want, 0xee]);
  for (let limit = 50; limit < 50 + want.length; limit++)
    expect(copyService(arena, answer, 1, new Uint8Array(200), 50, limit)).toBe(-1);
});

test('whatever a record is made of: it is malformed, or what is left of it says the same without what was struck', () => {
  const parameter = fc
    .tuple(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 40 }))
    .map(([key, value]) => [...option(key, [...value])]);
  const hint = fc
    .tuple(fc.constantFrom(4, 16), fc.nat(3), fc.nat(255))
    .map(([size, count, byte]) => [...option(size === 4 ? 4 : 6, repeat(byte, size * (count + 1)))]);
  const made = fc
    .tuple(fc.nat(1), fc.array(fc.oneof(hint, parameter), { maxLength: 5 }))
    .map(([priority, all]) => [0, priority, 0, ...all.flat()]);
  const anything = fc.uint8Array({ maxLength: 60 }).map((bytes) => [...bytes]);
  let good = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 5, arbitrary: made }, anything), fc.integer(), (rdata, mask) => {
      const parse = (bytes: Bytes): { arena: Uint8Array; isGood: boolean } => {
        const text = response({ answers: [record({ owner: 'example.org', type: TYPE.SVCB, rdata: bytes })] });
        const { arena, start, end } = inArena(text);
        expect(parseAnswer(arena, start, end, answer)).toBe(ANSWER.Ok);
        return { arena, isGood: readSvcbHints(arena, answer, 0, hints) };
      };
      const whole = parse(rdata);
      if (!whole.isGood) return;
      good++;
      const places = [
        ...Array.from({ length: hints.ipv4Length / 4 }, (_, i) => ({ at: hints.ipv4Offset + 4 * i, size: 4 })),
        ...Array.from({ length: hints.ipv6Length / 16 }, (_, i) => ({ at: hints.ipv6Offset + 16 * i, size: 16 })),
      ];
      const kept = places.filter((_, i) => ((mask >> (i & 31)) & 1) === 0);
      for (const place of places) if (!kept.includes(place)) strike(answer, 0, place.at);
      if (kept.length === places.length) return; // it is copied as it is
      const keeps = (size: number): boolean => kept.some((place) => place.size === size);
      const isUsable = (!hints.needsIpv4 || keeps(4)) && (!hints.needsIpv6 || keeps(16));
      const out = new Uint8Array(rdata.length + 1).fill(0xee);
      const length = copyService(whole.arena, answer, 0, out, 0, rdata.length);
      expect(length).toBeGreaterThan(0);
      expect(out[rdata.length]).toBe(0xee);
      const wanted = kept.flatMap(({ at, size }) => [...whole.arena.subarray(at, at + size)]);
      const left = parse([...out.subarray(0, length)]);
      expect(left.isGood).toBe(isUsable);
      if (!isUsable) return;
      const found = [
        ...left.arena.subarray(hints.ipv4Offset, hints.ipv4Offset + hints.ipv4Length),
        ...left.arena.subarray(hints.ipv6Offset, hints.ipv6Offset + hints.ipv6Length),
      ];
      expect(found).toEqual(wanted);
    }),
    { numRuns: 2_000 },
  );
  expect(good).toBeGreaterThan(100);
});
