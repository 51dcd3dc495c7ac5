import { expect, test } from 'vitest';
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

const SIGN: Record<number, string> = { [ROLE.Foreign]: '-', [ROLE.Link]: 'L', [ROLE.Address]: 'A', [ROLE.Owned]: 'o' };
const roles = (): string => [...answer.role.subarray(0, answer.answerRecords)].map((role) => SIGN[role]).join('');
const ask = 'example.org';
const aaaa = record({ owner: ask, type: TYPE.AAAA, rdata: repeat(1, 16) });
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
  [
    'DNAME gives nothing, the CNAME it made does (A9)',
    [record({ owner: 'org', type: TYPE.DNAME, rdata: name('net') }), cname(ask, 'example.net'), a('example.net')],
    '-LA',
  ],
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
  ['two CNAMEs at a foreign name do not matter', [a(ask), cname('x.org', 'a.org'), cname('x.org', 'b.org')], 'Ok'],
])('%s', (_why, answers, want) => expect(follow({ answers })).toBe(CHAIN[want]));

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
