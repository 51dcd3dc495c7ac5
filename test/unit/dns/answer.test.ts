import { expect, test } from 'vitest';
import { Answer, ANSWER, MAX_RECORDS, parseAnswer, questionMatches, SECTION } from '../../../src/dns/answer.ts';
import { CLASS, FLAG, TYPE } from '../../../src/dns/codes.ts';
import type { MessageText } from './message.ts';
import { a, cname, inArena, name, opt, option, pointer, question, record, response, u16, repeat } from './message.ts';

const answer = new Answer();
function parse(bytes: Uint8Array): number {
  const { arena, start, end } = inArena(bytes);
  return parseAnswer(arena, start, end, answer);
}

test('records are indexed with absolute offsets', () => {
  const bytes = response({
    id: 9,
    answers: [cname('example.org', 'www.example.org', 60), a('www.example.org', [192, 0, 2, 7], 30)],
    authority: [record({ owner: pointer(12), type: TYPE.NS, rdata: name('ns.example.org') })],
    additional: [a('ns.example.org'), opt([], { ttl: 0x0100_0000 })],
  });
  expect(parse(bytes)).toBe(ANSWER.Ok);
  expect(answer).toMatchObject({ id: 9, recordCount: 5, answerRecords: 2, authorityRecords: 1, qtype: 1, qclass: 1 });
  expect(answer).toMatchObject({ hasOpt: true, isOptLast: true, optIndex: 4, rcode: 16, start: 700, qnameLength: 13 });
  expect([...answer.section.subarray(0, 5)]).toEqual([0, 0, 1, 2, 2]);
  expect([...answer.type.subarray(0, 5)]).toEqual([5, 1, 2, 1, 41]);
  expect([...answer.ttl.subarray(0, 3)]).toEqual([60, 30, 300]);
  expect(answer.questionEnd).toBe(700 + 12 + 17);
  expect(answer.ownerOffset[0]).toBe(answer.questionEnd);
  expect(answer.ttlOffset[0]).toBe(answer.rdataOffset[0]! - 6);
  const { arena } = inArena(bytes);
  expect([...arena.subarray(answer.rdataOffset[1], answer.rdataOffset[1]! + answer.rdataLength[1]!)]).toEqual([
    192, 0, 2, 7,
  ]);
  expect(answer.optOffset).toBe(700 + bytes.length - 11);
  expect(answer.section[3]).toBe(SECTION.Additional);
  expect(answer.additionalStart).toBe(answer.ownerOffset[3]);
});

test('without additional records additionalStart is the end', () => {
  const bytes = response({ answers: [a('example.org')] });
  expect(parse(bytes)).toBe(ANSWER.Ok);
  expect(answer.additionalStart).toBe(700 + bytes.length);
  expect(answer).toMatchObject({ hasOpt: false, optIndex: -1, isOptLast: false, rcode: 0 });
});

test.each([
  ['0', 0],
  ['2^31 is not negative (RFC 8767 §4)', 0x8000_0000],
  ['2^32 − 1', 0xffff_ffff],
])('TTL %s', (_why, ttl) => {
  expect(parse(response({ answers: [a('example.org', [1, 2, 3, 4], ttl)] }))).toBe(ANSWER.Ok);
  expect(answer.ttl[0]).toBe(ttl);
});

const addressOf = (type: number, length: number, rdlength?: number, klass: number = CLASS.IN) =>
  record({
    owner: pointer(12),
    type,
    class: klass,
    rdata: repeat(1, length),
    ...(rdlength === undefined ? {} : { rdlength }),
  });

test.each<[string, MessageText, keyof typeof ANSWER]>([
  ['a query', { flags: FLAG.RD }, 'NotAResponse'],
  ['no question', { questions: [] }, 'Malformed'],
  ['two questions', { questions: [question('example.org'), question('example.org')] }, 'Malformed'],
  ['another opcode', { flags: FLAG.QR | (4 << 11) }, 'Malformed'],
  ['NXDOMAIN is an answer', { flags: FLAG.QR | 3 }, 'Ok'],
  ['TC=1 with whole records is not used (A18)', { flags: FLAG.QR | FLAG.TC, answers: [a('example.org')] }, 'Truncated'],
  ['TC=1 with a cut record', { flags: FLAG.QR | FLAG.TC, answers: [a('example.org').slice(0, -3)] }, 'Truncated'],
  ['TC=1 with a cut question', { flags: FLAG.QR | FLAG.TC, questions: [[1, 97]] }, 'Malformed'],
  ['A of 4', { answers: [addressOf(TYPE.A, 4)] }, 'Ok'],
  ['A of 0 (A15)', { answers: [addressOf(TYPE.A, 0)] }, 'Malformed'],
  ['A of 2', { answers: [addressOf(TYPE.A, 2)] }, 'Malformed'],
  ['A of 5', { answers: [addressOf(TYPE.A, 5)] }, 'Malformed'],
  ['A of 4 that says 5 (CVE-2026-5172)', { answers: [addressOf(TYPE.A, 4, 5)] }, 'Malformed'],
  ['A of 5 that says 4', { answers: [addressOf(TYPE.A, 5, 4)] }, 'Malformed'],
  ['AAAA of 16', { answers: [addressOf(TYPE.AAAA, 16)] }, 'Ok'],
  ['AAAA of 4', { answers: [addressOf(TYPE.AAAA, 4)] }, 'Malformed'],
  ['A of a bad length in additional', { additional: [addressOf(TYPE.A, 5)] }, 'Malformed'],
  ['A of class CH is something else', { answers: [addressOf(TYPE.A, 6, undefined, CLASS.CH)] }, 'Ok'],
  ['an unknown type is opaque (RFC 3597)', { answers: [addressOf(65280, 3)] }, 'Ok'],
  ['CNAME with a byte behind its name', { answers: [cname('example.org', [...name('a.org'), 0])] }, 'Malformed'],
  ['CNAME with two names', { answers: [cname('example.org', [...name('a.org'), ...name('b.org')])] }, 'Malformed'],
  ['CNAME without a name', { answers: [cname('example.org', [])] }, 'Malformed'],
  ['CNAME cut in its name', { answers: [cname('example.org', [1, 97])] }, 'Malformed'],
  ['CNAME pointing at itself', { answers: [cname(pointer(12), pointer(12 + 17 + 12))] }, 'Malformed'],
  ['CNAME pointing back', { answers: [cname(pointer(12), [1, 97, ...pointer(20)])] }, 'Ok'],
  ['two OPT', { additional: [opt(), opt()] }, 'Malformed'],
  ['OPT in the answer section', { answers: [opt()] }, 'Malformed'],
  ['OPT not owned by the root', { additional: [opt([], { owner: pointer(12) })] }, 'Malformed'],
  ['OPT with options that lie', { additional: [opt([...u16(15), ...u16(9), 0])] }, 'Malformed'],
  ['OPT with options', { additional: [opt(option(15, [0, 15]))] }, 'Ok'],
  ['a record less than counted (M48)', { answers: [a('example.org')], counts: [1, 2, 0, 0] }, 'Malformed'],
  ['a record more than counted', { answers: [a('example.org'), a('example.org')], counts: [1, 1, 0, 0] }, 'Malformed'],
  ['counts far beyond the message (CVE-2026-82399)', { counts: [1, 65535, 65535, 65535] }, 'Malformed'],
  ['bytes behind the last record (I9)', { answers: [a('example.org')], trailing: [0] }, 'Malformed'],
])('%s', (_why, text, want) => expect(parse(response(text))).toBe(ANSWER[want]));

test('OPT that is not last is found, and said not to be last', () => {
  expect(parse(response({ additional: [opt(), a('example.org')] }))).toBe(ANSWER.Ok);
  expect(answer).toMatchObject({ hasOpt: true, isOptLast: false, optIndex: 0 });
});

test('every cut of a response is malformed', () => {
  const bytes = response({ answers: [cname('example.org', 'a.org'), a('a.org')], additional: [opt()] });
  for (let length = 12; length < bytes.length; length++)
    expect(parse(bytes.subarray(0, length))).toBe(ANSWER.Malformed);
  for (let length = 0; length < 12; length++) expect(parse(bytes.subarray(0, length))).toBe(ANSWER.NotAResponse);
});

test('as many addresses as 64 KiB hold are indexed, one record more than MAX_RECORDS is not', () => {
  const full = response({ answers: Array.from({ length: 4094 }, () => a(pointer(12))) });
  expect(full.length).toBeLessThan(65536);
  expect(parse(full)).toBe(ANSWER.Ok);
  expect(answer.recordCount).toBe(4094);
  const roots = (count: number) => Array.from({ length: count }, () => record({ owner: '.', type: 10, rdata: [] }));
  expect(parse(response({ answers: roots(MAX_RECORDS) }))).toBe(ANSWER.Ok);
  expect(parse(response({ answers: roots(MAX_RECORDS + 1) }))).toBe(ANSWER.Malformed);
});

test.each([
  ['the same question', question('example.org'), true],
  ['in another case', question('EXAMPLE.org'), true],
  ['another name of the same length', question('example.orh'), false],
  ['a longer name', question('example.org.net'), false],
  ['a shorter name', question('example'), false],
  ['another type', question('example.org', 28), false],
  ['another class', question('example.org', 1, 0x8001), false],
  ['a cut question', question('example.org').slice(0, -1), false],
])('questionMatches: %s', (_why, text, want) => {
  const { arena, start, end } = inArena(response({ questions: [text] }));
  const asked = { folded: Uint8Array.from(name('example.org')), qnameLength: 13, qtype: 1 };
  expect(questionMatches(arena, start, end, asked)).toBe(want);
});

test('questionMatches does not look behind the question, and wants exactly one', () => {
  const asked = { folded: Uint8Array.from(name('example.org')), qnameLength: 13, qtype: 1 };
  const broken = inArena(response({ counts: [1, 9, 9, 9] }));
  expect(questionMatches(broken.arena, broken.start, broken.end, asked)).toBe(true);
  const two = inArena(response({ questions: [question('example.org'), question('example.org')] }));
  expect(questionMatches(two.arena, two.start, two.end, asked)).toBe(false);
  expect(questionMatches(new Uint8Array(4), 0, 4, asked)).toBe(false);
});
