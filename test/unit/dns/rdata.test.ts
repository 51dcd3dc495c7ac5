import { expect, test } from 'vitest';
import { Answer, ANSWER, parseAnswer } from '../../../src/dns/answer.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { copyBytes, copyRdata } from '../../../src/dns/rdata.ts';
import type { Bytes } from './message.ts';
import { inArena, name, pointer, record, response, repeat } from './message.ts';

const zeros = (length: number): Bytes => repeat(0, length);
const WWW: Bytes = [3, 119, 119, 119, ...pointer(12)];
const PLAIN = name('www.example.org');

/** Rdata that uses compression, and the same written out. */
const forms: [string, number, Bytes, Bytes][] = [
  ['CNAME', TYPE.CNAME, WWW, PLAIN],
  ['NS', TYPE.NS, WWW, PLAIN],
  ['PTR', TYPE.PTR, WWW, PLAIN],
  ['DNAME', TYPE.DNAME, WWW, PLAIN],
  ['MX', TYPE.MX, [0, 10, ...WWW], [0, 10, ...PLAIN]],
  ['SOA', TYPE.SOA, [...WWW, ...WWW, ...zeros(20)], [...PLAIN, ...PLAIN, ...zeros(20)]],
  ['SRV', TYPE.SRV, [...zeros(6), ...WWW], [...zeros(6), ...PLAIN]],
  ['RP', TYPE.RP, [...WWW, ...WWW], [...PLAIN, ...PLAIN]],
  ['PX', TYPE.PX, [0, 1, ...WWW, ...WWW], [0, 1, ...PLAIN, ...PLAIN]],
  ['NAPTR', TYPE.NAPTR, [0, 1, 0, 2, 1, 85, 0, 2, 97, 98, ...WWW], [0, 1, 0, 2, 1, 85, 0, 2, 97, 98, ...PLAIN]],
  ['SIG', TYPE.SIG, [...zeros(18), ...WWW, 1, 2], [...zeros(18), ...PLAIN, 1, 2]],
  ['NXT', TYPE.NXT, [...WWW, 64], [...PLAIN, 64]],
  ['an unknown type stays byte for byte (R8)', 65280, pointer(12), pointer(12)],
  ['TXT', TYPE.TXT, [1, 97], [1, 97]],
];

const answer = new Answer();
function parse(type: number, rdata: Bytes): { code: number; arena: Uint8Array } {
  const { arena, start, end } = inArena(response({ answers: [record({ owner: pointer(12), type, rdata })] }));
  return { code: parseAnswer(arena, start, end, answer), arena };
}

test.each(forms)('%s is copied with its names written out', (_why, type, rdata, want) => {
  const { code, arena } = parse(type, rdata);
  expect(code).toBe(ANSWER.Ok);
  const out = new Uint8Array(600).fill(0xee);
  expect(copyRdata(arena, answer, 0, out, 5, 5 + want.length)).toBe(5 + want.length);
  expect([...out.subarray(5, 5 + want.length)]).toEqual(want);
  expect(copyRdata(arena, answer, 0, out, 5, 4 + want.length)).toBe(-1);
  expect([...out.subarray(0, 5), ...out.subarray(5 + want.length)].every((byte) => byte === 0xee)).toBe(true);
});

test.each(forms.filter(([, type]) => type !== 65280 && type !== TYPE.TXT))('%s must be whole', (_why, type, rdata) => {
  const names = type === TYPE.SIG ? rdata.slice(0, -2) : type === TYPE.NXT ? rdata.slice(0, -1) : rdata;
  for (let length = 0; length < names.length; length++) {
    expect(parse(type, rdata.slice(0, length)).code).toBe(ANSWER.Malformed);
  }
  if (names === rdata) expect(parse(type, [...rdata, 0]).code).toBe(ANSWER.Malformed);
});

test('NAPTR strings that run past the rdata are malformed', () => {
  expect(parse(TYPE.NAPTR, [0, 1, 0, 2, 200, 85, 0, 0, ...WWW]).code).toBe(ANSWER.Malformed);
});

test('copyBytes writes up to its limit and not beyond', () => {
  const out = new Uint8Array(4);
  expect(copyBytes(Uint8Array.from([1, 2, 3]), 0, 3, out, 1, 4)).toBe(4);
  expect(copyBytes(Uint8Array.from([1, 2, 3]), 0, 3, out, 1, 3)).toBe(-1);
  expect([...out]).toEqual([0, 1, 2, 3]);
});
