import { expect, test } from 'vitest';
import { CLASS, FLAG, TYPE } from '../../../src/dns/codes.ts';
import { parseQuery, QUERY, Query } from '../../../src/dns/query.ts';
import type { MessageText } from './message.ts';
import { a, inArena, message, name, opt, option, pointer, question, record, repeat } from './message.ts';

const query = new Query(); // reused, as on the data plane: what one message leaves must not show in the next
function parse(bytes: Uint8Array): number {
  const { arena, start, end } = inArena(bytes);
  const code = parseQuery(arena, start, end, query);
  if (code !== QUERY.Drop) expect(query.questionEnd).toBeLessThanOrEqual(end);
  return code;
}

test('a query is read whole', () => {
  const bytes = message({
    id: 0xbeef,
    flags: FLAG.RD | FLAG.CD | FLAG.AD,
    questions: [question('wWw.Example.org', 28)],
  });
  expect(parse(bytes)).toBe(QUERY.Ok);
  expect(query).toMatchObject({ id: 0xbeef, opcode: 0, qtype: 28, qclass: 1, hasOpt: false, payloadBytes: 512 });
  expect(query).toMatchObject({ recursionDesired: true, checkingDisabled: true, authenticData: true, dnssecOk: false });
  expect([...query.qname.subarray(0, query.questionLength)]).toEqual(question('wWw.Example.org', 28));
  expect([...query.folded.subarray(0, query.qnameLength)]).toEqual(name('www.example.org'));
  expect(query.questionEnd).toBe(700 + bytes.length);
});

test.each([
  ['what the client says', 4096, 4096],
  ['less than 512 means 512 (RFC 6891 §6.2.3)', 100, 512],
  ['0 means 512', 0, 512],
  ['the most', 65535, 65535],
])('payload size: %s', (_why, payload, want) => {
  expect(parse(message({ additional: [opt([], { payload })] }))).toBe(QUERY.Ok);
  expect(query).toMatchObject({ hasOpt: true, payloadBytes: want, dnssecOk: false, ednsVersion: 0 });
});

test('DO is read from OPT', () => {
  expect(parse(message({ additional: [opt([], { ttl: 0x8000 })] }))).toBe(QUERY.Ok);
  expect(query.dnssecOk).toBe(true);
  expect(parse(message({}))).toBe(QUERY.Ok);
  expect(query.dnssecOk).toBe(false);
});

const soa = record({ owner: 'example.org', type: TYPE.SOA, rdata: repeat(0, 22) });
const tsig = record({ owner: 'key.example.org', type: TYPE.TSIG, class: 255, ttl: 0, rdata: [0] });
const sig0 = record({ owner: '.', type: TYPE.SIG, class: 255, ttl: 0, rdata: repeat(0, 20) });
const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;

test.each<[string, MessageText, keyof typeof QUERY]>([
  ['a response is dropped (M5)', { flags: FLAG.QR }, 'Drop'],
  ['no question (M2)', { questions: [] }, 'FormErr'],
  ['two questions (M3, RFC 9619)', { questions: [question('example.org'), question('example.org')] }, 'FormErr'],
  ['a question count that lies', { counts: [65535, 0, 0, 0] }, 'FormErr'],
  ['a record count that lies (C2)', { counts: [1, 0, 0, 65535] }, 'FormErr'],
  ['an answer record', { answers: [a('example.org')] }, 'FormErr'],
  ['an authority record', { authority: [a('example.org')] }, 'FormErr'],
  ['OPT in the answer section', { answers: [opt()] }, 'FormErr'],
  ['OPT in the authority section', { authority: [opt()] }, 'FormErr'],
  ['IQUERY', { flags: 1 << 11 }, 'NotImp'],
  ['STATUS', { flags: 2 << 11 }, 'NotImp'],
  ['NOTIFY (M7)', { flags: 4 << 11 }, 'NotImp'],
  ['UPDATE (CVE-2026-86003)', { flags: 5 << 11, authority: [a('example.org')] }, 'NotImp'],
  ['DSO (RFC 8490)', { flags: 6 << 11, questions: [] }, 'NotImp'],
  ['opcode 15', { flags: 15 << 11 }, 'NotImp'],
  ['class CH', { questions: [question('version.bind', TYPE.TXT, CLASS.CH)] }, 'Refused'],
  ['class ANY', { questions: [question('example.org', 1, CLASS.ANY)] }, 'Refused'],
  ['class 0', { questions: [question('example.org', 1, 0)] }, 'Refused'],
  ['class 0x8001 is not IN', { questions: [question('example.org', 1, 0x8001)] }, 'Refused'],
  ['AXFR (M8)', { questions: [question('example.org', TYPE.AXFR)] }, 'Refused'],
  ['IXFR', { questions: [question('example.org', TYPE.IXFR)] }, 'Refused'],
  ['IXFR with its SOA (RFC 1995 §3)', { questions: [question('example.org', TYPE.IXFR)], authority: [soa] }, 'Refused'],
  ['IXFR with an OPT for SOA', { questions: [question('example.org', TYPE.IXFR)], authority: [opt()] }, 'FormErr'],
  ['ANY is a query like others', { questions: [question('example.org', TYPE.ANY)] }, 'Ok'],
  ['an unknown type', { questions: [question('example.org', 65280)] }, 'Ok'],
  ['the root', { questions: [question('.', TYPE.NS)] }, 'Ok'],
  ['a name of 255', { questions: [question(longest)] }, 'Ok'],
  ['a name of 256 (M12)', { questions: [question([...name(longest).slice(0, -1), 1, 97, 0])] }, 'FormErr'],
  ['a label of 64 (M11)', { questions: [question([64, ...repeat(97, 64), 0])] }, 'FormErr'],
  ['label type 01', { questions: [question([0x41, 97, 0])] }, 'FormErr'],
  ['label type 10', { questions: [question([0x80, 97, 0])] }, 'FormErr'],
  ['a pointer to itself (M13)', { questions: [question(pointer(12))] }, 'FormErr'],
  ['a pointer to the header', { questions: [question(pointer(0))] }, 'FormErr'],
  ['a pointer forward', { questions: [question([...pointer(18)]), [0]], counts: [1, 0, 0, 0] }, 'FormErr'],
  ['labels, then a pointer', { questions: [question([1, 97, ...pointer(12)])] }, 'FormErr'],
  [
    'a dot inside a label has a meaning; the policy refuses it (M15)',
    { questions: [question([3, 97, 46, 98, 0])] },
    'Ok',
  ],
  ['a Z bit is ignored (RFC 8906 §3.1.3)', { flags: FLAG.Z }, 'Ok'],
  ['one OPT', { additional: [opt()] }, 'Ok'],
  ['two OPT (M20)', { additional: [opt(), opt()] }, 'FormErr'],
  ['an OPT that is not owned by the root', { additional: [opt([], { owner: name('a') })] }, 'FormErr'],
  [
    'an OPT whose owner points to a root',
    { questions: [question('.')], additional: [opt([], { owner: pointer(12) })] },
    'FormErr',
  ],
  ['version 1 (M21)', { additional: [opt([], { ttl: 0x0001_0000 })] }, 'BadVers'],
  ['version 1 with options that version 0 has not', { additional: [opt([1], { ttl: 0x0001_0000 })] }, 'BadVers'],
  ['flags of OPT that nobody knows (RFC 6891 §6.1.4)', { additional: [opt([], { ttl: 0x4000 })] }, 'Ok'],
  ['an unknown option (M22)', { additional: [opt(option(100, [1]))] }, 'Ok'],
  ['a cookie of 9 (M25)', { additional: [opt(option(10, repeat(0, 9)))] }, 'FormErr'],
  ['another additional record is ignored', { additional: [a('example.org'), opt()] }, 'Ok'],
  ['one that is cut', { additional: [a('example.org').slice(0, -1)] }, 'FormErr'],
  ['TSIG cannot survive a rebuilt query (M28)', { additional: [opt(), tsig] }, 'NotImp'],
  ['SIG(0) neither', { additional: [sig0] }, 'NotImp'],
  ['TSIG that is not last (R31)', { additional: [tsig, opt()] }, 'FormErr'],
  ['one byte behind the question (CVE-2018-14663)', { trailing: [0] }, 'FormErr'],
  ['a whole record behind the last one', { additional: [opt()], trailing: opt() }, 'FormErr'],
])('%s', (_why, text, want) => {
  expect(parse(message(text))).toBe(QUERY[want]);
});

test('every message of 0 to 11 bytes is dropped (M1)', () => {
  const bytes = message({});
  for (let length = 0; length < 12; length++) expect(parse(bytes.subarray(0, length))).toBe(QUERY.Drop);
});

test('every cut of a query is FORMERR, and the question is echoed as soon as it is whole (M4)', () => {
  const bytes = message({ id: 7, additional: [opt()] });
  for (let length = 12; length < bytes.length; length++) {
    expect(parse(bytes.subarray(0, length))).toBe(QUERY.FormErr);
    expect(query.id).toBe(7);
    expect(query.recursionDesired).toBe(true);
    expect(query.questionLength).toBe(length < 12 + 17 ? 0 : 17);
  }
});

test('what an earlier query left does not show', () => {
  parse(message({ questions: [question('example.org', 28)], additional: [opt([], { ttl: 0x8000, payload: 4096 })] }));
  expect(parse(message({ questions: [] }))).toBe(QUERY.FormErr);
  expect(query).toMatchObject({ hasOpt: false, dnssecOk: false, payloadBytes: 512, questionLength: 0, qtype: 0 });
});
