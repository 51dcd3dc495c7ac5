import { expect, test } from 'vitest';
import { Answer, ANSWER, parseAnswer } from '../../../src/dns/answer.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { readSvcbHints, SvcbHints } from '../../../src/dns/svcb.ts';
import type { Bytes } from './message.ts';
import { inArena, name, option, pointer, record, response, repeat } from './message.ts';

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
])('%s', (_why, rdata, want) => expect(read(rdata).ok).toBe(want));
