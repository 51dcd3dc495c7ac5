import { describe, expect, test } from 'vitest';
import { Answer, ANSWER, parseAnswer, ROLE } from '../../../src/dns/answer.ts';
import { Chain, CHAIN, followChain, MAX_LINKS } from '../../../src/dns/chain.ts';
import { CLASS, TYPE } from '../../../src/dns/codes.ts';
import { formatName } from '../../../src/dns/name.ts';
import type { Bytes, MessageText } from './message.ts';
import { a, cname, inArena, name, pointer, question, record, response, repeat } from './message.ts';

const answer = new Answer();
const chain = new Chain();
function follow(text: MessageText): number {
  const { arena, start, end } = inArena(response(text));
  expect(parseAnswer(arena, start, end, answer)).toBe(ANSWER.Ok);
  return followChain(arena, answer, chain);
}

const SIGN: Record<number, string> = {
  [ROLE.Foreign]: '-',
  [ROLE.Link]: 'L',
  [ROLE.Address]: 'A',
  [ROLE.Owned]: 'o',
  [ROLE.Service]: 's',
};
const roles = (): string => [...answer.role.subarray(0, answer.answerRecords)].map((role) => SIGN[role]).join('');
const ask = 'example.org';
const aaaa = record({ owner: ask, type: TYPE.AAAA, rdata: repeat(1, 16) });
const dname = (owner: string | Bytes, target: string | Bytes, ttl = 300) =>
  record({ owner, type: TYPE.DNAME, ttl, rdata: typeof target === 'string' ? name(target) : target });
const rrsig = (owner: string | Bytes) => record({ owner, type: TYPE.RRSIG, rdata: repeat(0, 20) });
const links = (count: number): Bytes[] =>
  Array.from({ length: count }, (_, i) => cname(i === 0 ? ask : `l${i}.org`, `l${i + 1}.org`));

test.each<[string, readonly Bytes[], string]>([
  ['an address of the question', [a(ask)], 'A'],
  ['owners in another case', [a('EXAMPLE.org')], 'A'],
  ['owners through a pointer', [a(pointer(12))], 'A'],
  ['several addresses', [a(ask), a(ask), a(pointer(12))], 'AAA'],
  ['an unrelated owner (A7)', [a(ask), a('victim.org')], 'A-'],
  ['only an unrelated owner', [a('victim.org')], '-'],
  ['a name below the question', [a('www.example.org')], '-'],
  ['a parent of the question', [a('org')], '-'],
  ['an address of the other family', [a(ask), aaaa], 'Ao'],
  ['a link and its address', [cname(ask, 'a.org'), a('a.org')], 'LA'],
  ['records in any order', [a('b.org'), cname('a.org', 'b.org'), cname(ask, 'a.org')], 'ALL'],
  ['a link in another case', [cname(ask, 'A.org'), a('a.ORG')], 'LA'],
  ['a link whose target is compressed', [cname(ask, [1, 97, ...pointer(12)]), a('a.example.org')], 'LA'],
  ['a gap ends the chain (M55)', [cname(ask, 'a.org'), a('a.org'), cname('x.org', 'y.org'), a('y.org')], 'LA--'],
  ['a chain without its end', [cname(ask, 'a.org')], 'L'],
  ['a chain whose middle is missing', [cname(ask, 'a.org'), a('b.org')], 'L-'],
  ['class 0x8001 is not IN (A16)', [record({ owner: ask, type: 1, class: 0x8001, rdata: [1, 2, 3, 4] })], '-'],
  ['class CH', [record({ owner: ask, type: 1, class: CLASS.CH, rdata: [1, 2, 3, 4] })], '-'],
  [
    'a CNAME of class CH leads nowhere',
    [record({ owner: ask, type: 5, class: 3, rdata: name('a.org') }), a('a.org')],
    '--',
  ],
  ['signatures beside link and address', [cname(ask, 'a.org'), rrsig(ask), a('a.org'), rrsig('a.org')], 'LoAo'],
  ['the same CNAME twice counts once (RFC 2181 §5)', [cname(ask, 'a.org'), cname(ask, 'A.org'), a('a.org')], 'L-A'],
  ['no records', [], ''],
])('%s', (_why, answers, want) => {
  expect(follow({ answers })).toBe(CHAIN.Ok);
  expect(roles()).toBe(want);
  expect(chain.addresses).toBe(want.split('A').length - 1);
  expect(chain.links).toBe(want.split('L').length - 1);
  expect(chain.owned).toBe(want.split('o').length - 1);
});

test.each<[string, readonly Bytes[], keyof typeof CHAIN]>([
  ['11 links (M54)', [...links(MAX_LINKS), a(`l${MAX_LINKS}.org`)], 'Ok'],
  ['12 links (M55)', [...links(MAX_LINKS + 1), a(`l${MAX_LINKS + 1}.org`)], 'TooLong'],
  ['a CNAME to itself', [cname(ask, ask)], 'Loop'],
  ['a loop of two', [cname(ask, 'a.org'), cname('a.org', ask)], 'Loop'],
  ['a loop of two in other case', [cname(ask, 'a.org'), cname('A.org', 'EXAMPLE.org')], 'Loop'],
  ['two CNAMEs at one name (RFC 2181 §10.1)', [cname(ask, 'a.org'), cname(ask, 'b.org')], 'Bogus'],
  ['a CNAME and an address at one name', [cname(ask, 'a.org'), a(ask)], 'Bogus'],
  ['the same in the other order', [a(ask), cname(ask, 'a.org')], 'Bogus'],
  ['a CNAME and a TXT', [record({ owner: ask, type: TYPE.TXT, rdata: [0] }), cname(ask, 'a.org')], 'Bogus'],
  ['the same further down', [cname(ask, 'a.org'), cname('a.org', 'b.org'), a('a.org')], 'Bogus'],
  ['a CNAME and a DNAME at one name (RFC 6672 §2.4)', [cname(ask, 'a.org'), dname(ask, 'b.org')], 'Bogus'],
  ['two CNAMEs at a foreign name do not matter', [a(ask), cname('x.org', 'a.org'), cname('x.org', 'b.org')], 'Ok'],
])('%s', (_why, answers, want) => expect(follow({ answers })).toBe(CHAIN[want]));

describe('DNAME (A9, RFC 6672)', () => {
  const made = cname(ask, 'example.net');
  const end = a('example.net');
  const long = (labels: number): string => Array.from({ length: labels }, () => 'l'.repeat(62)).join('.');

  test.each<[string, readonly Bytes[], string]>([
    ['goes with the CNAME that it made', [dname('org', 'net'), made, end], 'LLA'],
    ['behind it, in another case', [made, end, dname('ORG', 'NET')], 'LAL'],
    ['of the root', [dname('.', 'net'), cname(ask, 'example.org.net'), a('example.org.net')], 'LLA'],
    ['to the root', [dname('org', '.'), cname(ask, 'example'), a('example')], 'LLA'],
    ['whose target is compressed', [dname('org', pointer(12)), cname(ask, 'example.example.org')], 'LL'],
    ['there twice, counts once', [dname('org', 'net'), dname('org', 'NET'), made, end], 'L-LA'],
    ['two in a row', [dname('org', 'net'), made, dname('net', 'com'), cname('example.net', 'example.com')], 'LLLL'],
    ['two above one name that agree', [dname('.', 'a'), dname('org', 'org.a'), cname(ask, 'example.org.a')], 'LLL'],
    ['without a CNAME leads nowhere', [dname('org', 'net'), end], '--'],
    ['beside an address gives nothing', [dname('org', 'net'), a(ask)], '-A'],
    ['of the name itself is about those below it', [dname(ask, 'net'), a(ask)], '-A'],
    ['of another name', [dname('victim.org', 'net'), made, end], '-LA'],
    ['of the end of a label', [dname('ple.org', 'net'), made, end], '-LA'],
    ['below the name', [dname('www.example.org', 'net'), made, end], '-LA'],
    ['of class CH', [record({ owner: 'org', type: TYPE.DNAME, class: CLASS.CH, rdata: name('com') }), made], '-L'],
  ])('%s', (_why, answers, want) => {
    expect(follow({ answers })).toBe(CHAIN.Ok);
    expect(roles()).toBe(want);
  });

  test.each<[string, readonly Bytes[]]>([
    ['a CNAME that it did not make', [dname('org', 'net'), cname(ask, 'example.com')]],
    ['a CNAME to its target itself', [dname('org', 'net'), cname(ask, 'net')]],
    ['a CNAME to a name below what it makes', [dname('org', 'net'), cname(ask, 'www.example.net')]],
    ['a CNAME that keeps the owner', [dname('org', 'net'), cname(ask, 'example.org.net')]],
    ['two of one owner, the first wrong', [dname('org', 'com'), dname('org', 'net'), made, end]],
    ['two of one owner, the second wrong', [dname('org', 'net'), dname('org', 'com'), made, end]],
    ['two of one owner without a CNAME', [dname('org', 'net'), dname('org', 'com'), a(ask)]],
    ['two above one name that disagree', [dname('org', 'net'), dname('.', 'com'), made]],
    ['a name that would be too long', [dname('org', long(4)), cname(ask, long(4))]],
  ])('beside %s the answer contradicts itself', (_why, answers) => {
    expect(follow({ answers })).toBe(CHAIN.Bogus);
  });

  test('its TTL counts with that of its CNAME, and only then', () => {
    follow({ answers: [dname('org', 'net', 7), made, end] });
    expect([chain.minTtl, chain.links]).toEqual([7, 1]);
    follow({ answers: [dname('victim.org', 'net', 7), made, end] });
    expect(chain.minTtl).toBe(300);
  });

  test('asked for is an answer like any other', () => {
    expect(follow({ questions: [question(ask, TYPE.DNAME)], answers: [dname(ask, 'net')] })).toBe(CHAIN.Ok);
    expect(roles()).toBe('o');
  });

  test('as many as a message holds end at the work cap (M51)', () => {
    const others = Array.from({ length: 4_000 }, () => dname('net', [0]));
    expect(follow({ answers: [...others.slice(0, 100), ...links(MAX_LINKS)] })).toBe(CHAIN.Ok);
    expect(follow({ answers: [...others, ...links(MAX_LINKS)] })).toBe(CHAIN.WorkCap);
  });
});

test('addresses in authority and additional are nothing (A8, M53)', () => {
  expect(follow({ answers: [], authority: [a(ask)], additional: [a(ask)] })).toBe(CHAIN.Ok);
  expect([...answer.role.subarray(0, 2)]).toEqual([ROLE.Foreign, ROLE.Foreign]);
  expect(chain).toMatchObject({ addresses: 0, links: 0, owned: 0, minTtl: 0xffffffff });
});

test.each<[string, number, readonly Bytes[], string]>([
  ['the question is for the CNAME', TYPE.CNAME, [cname(ask, 'a.org'), a('a.org')], 'L-'],
  ['the question is for every type', TYPE.ANY, [a(ask), aaaa], 'oo'],
  [
    'MX is owned, the address of its target is foreign',
    TYPE.MX,
    [record({ owner: ask, type: 15, rdata: [0, 1, ...name('m.org')] }), a('m.org')],
    'o-',
  ],
  [
    'a PTR answer with an address (R37)',
    TYPE.PTR,
    [record({ owner: ask, type: 12, rdata: name('p.org') }), a(ask)],
    'oo',
  ],
])('%s', (_why, qtype, answers, want) => {
  expect(follow({ questions: [question(ask, qtype)], answers })).toBe(CHAIN.Ok);
  expect(roles()).toBe(want);
  expect(chain.addresses).toBe(0);
});

test.each<[string, readonly Bytes[], number]>([
  ['the least of an RRset (M63)', [a(ask, [1, 1, 1, 1], 300), a(ask, [1, 1, 1, 2], 10)], 10],
  ['a link with less than the address', [cname(ask, 'a.org', 5), a('a.org', [1, 1, 1, 1], 300)], 5],
  ['foreign records do not count', [a(ask, [1, 1, 1, 1], 300), a('x.org', [1, 1, 1, 1], 1)], 300],
  ['0 stays 0', [a(ask, [1, 1, 1, 1], 0)], 0],
  ['2^31 is more than 300 (M62)', [a(ask, [1, 1, 1, 1], 0x8000_0000), a(ask, [1, 1, 1, 2], 300)], 300],
])('minTtl: %s', (_why, answers, want) => {
  expect(follow({ answers })).toBe(CHAIN.Ok);
  expect(chain.minTtl).toBe(want);
});

test('the last name of the chain is given, folded', () => {
  follow({ answers: [cname(ask, 'WWW.a.org')] });
  expect(formatName(chain.name)).toBe('www.a.org');
  expect(chain.nameLength).toBe(11);
});
