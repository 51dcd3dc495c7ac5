// How long answers may be kept: RFC 2308 (negative ones), RFC 2181 §5.2 and RFC 8767 §4 (TTLs).
import { describe, expect, test } from 'vitest';
import { ServerHealth } from '../../../src/datapath/state/server-health.ts';
import { Zone } from '../../../src/datapath/state/zone.ts';
import { mostNegativeSeconds, settleTtls } from '../../../src/datapath/validity.ts';
import { ANSWER, Answer, parseAnswer } from '../../../src/dns/answer.ts';
import { CHAIN, Chain, followChain } from '../../../src/dns/chain.ts';
import { CLASS, FLAG, RCODE, TYPE, typeName } from '../../../src/dns/codes.ts';
import type { Bytes, MessageText } from '../dns/message.ts';
import { a, cname, inArena, name, opt, pointer, question, record, repeat, response, u32 } from '../dns/message.ts';

const NAME = 'a.b.example.org';
const NXDOMAIN = FLAG.QR | RCODE.NXDomain;
const answer = new Answer();
const chain = new Chain();

interface Soa {
  readonly ttl?: number;
  readonly minimum?: number;
  readonly class?: number;
}
const soa = (owner: string | Bytes, it: Soa = {}): Bytes =>
  record({
    owner,
    type: TYPE.SOA,
    ttl: it.ttl ?? 20,
    class: it.class ?? CLASS.IN,
    rdata: [...name('ns.example.org'), ...name('h.example.org'), ...[1, 2, 3, 4, it.minimum ?? 3_600].flatMap(u32)],
  });
const txt = (owner: string, ttl = 300): Bytes => record({ owner, type: TYPE.TXT, ttl, rdata: [2, 0x68, 0x69] });
const rrsig = (owner: string, ttl: number): Bytes => record({ owner, type: TYPE.RRSIG, ttl, rdata: repeat(0, 20) });

/** Seconds for which the response to NAME may be kept. */
function keptFor(it: MessageText, qtype: number = TYPE.A, zone?: Zone): number {
  const { arena, start, end } = inArena(response({ questions: [question(NAME, qtype)], ...it }));
  expect(parseAnswer(arena, start, end, answer)).toBe(ANSWER.Ok);
  expect(followChain(arena, answer, chain)).toBe(CHAIN.Ok);
  return settleTtls(arena, answer, chain, mostNegativeSeconds(zone));
}

/** `TYPE TTL` of each record as it stands in the index now. */
const ttls = (): string[] =>
  Array.from({ length: answer.recordCount }, (_, i) => `${typeName(answer.type[i] ?? 0)} ${answer.ttl[i]}`);

describe('R7: a negative answer is kept', () => {
  test.each<[string, Bytes, number]>([
    ['for the TTL of its SOA', soa('example.org', { ttl: 20 }), 20],
    ['for the MINIMUM of its SOA, when that is less', soa('example.org', { ttl: 20, minimum: 5 }), 5],
    ['for half a minute at most (A24)', soa('example.org', { ttl: 10_800, minimum: 10_800 }), 30],
    ['for half a minute, when both look negative', soa('example.org', { ttl: 2 ** 32 - 1, minimum: 2 ** 31 }), 30],
    ['not, when the TTL is 0', soa('example.org', { ttl: 0 }), 0],
    ['not, when the MINIMUM is 0', soa('example.org', { minimum: 0 }), 0],
    ['by a SOA of the name itself', soa(NAME), 20],
    ['by a SOA of the name above', soa('b.example.org'), 20],
    ['by a SOA of the root', soa('.'), 20],
    ['by a SOA in another case', soa('EXAMPLE.Org'), 20],
    ['by a SOA whose owner is a pointer', soa(pointer(12 + 4)), 20], // b.example.org
    ['not by a SOA of a name below', soa(`www.${NAME}`), 0],
    ['not by a SOA of a sibling', soa('c.example.org'), 0],
    ['not by a SOA of another zone of the same length', soa('example.net'), 0],
    ['not by a SOA whose name only ends alike', soa('e.org'), 0],
    ['not by a SOA of another class', soa('example.org', { class: CLASS.CH }), 0],
    ['not by something else', txt('example.org'), 0],
  ])('%s', (_why, authority, want) => {
    expect(keptFor({ authority: [authority] })).toBe(want);
    expect(keptFor({ flags: NXDOMAIN, authority: [authority] })).toBe(want);
  });

  test.each([
    ['five seconds at most in a zone of its own, as the cluster’s is', 'cluster.local', 5],
    ['half a minute in the zone of everything', '.', 30],
  ])('for %s', (_why, zone, want) => {
    const it = { flags: NXDOMAIN, authority: [soa('example.org', { ttl: 3_600 })] };
    expect(keptFor(it, TYPE.A, new Zone(Uint8Array.from(name(zone)), [0], new ServerHealth()))).toBe(want);
    expect(ttls()).toEqual([`SOA ${want}`]);
  });

  test('and says so: its SOA has that TTL', () => {
    keptFor({ flags: NXDOMAIN, authority: [soa('example.org', { ttl: 900, minimum: 12 })] });
    expect(ttls()).toEqual(['SOA 12']);
  });

  test('not without a SOA, wherever else one stands', () => {
    expect(keptFor({})).toBe(0);
    expect(keptFor({ flags: NXDOMAIN })).toBe(0);
    expect(keptFor({ flags: NXDOMAIN, answers: [soa('example.org')] })).toBe(0);
    expect(keptFor({ flags: NXDOMAIN, additional: [soa('example.org')] })).toBe(0);
    expect(ttls()).toEqual(['SOA 20']);
  });

  test('not when one of two SOAs is of another zone', () => {
    expect(keptFor({ authority: [soa('example.org'), soa('example.net')] })).toBe(0);
    expect(keptFor({ authority: [soa('example.org'), soa('org', { ttl: 7 })] })).toBe(7);
  });

  test('no longer than what proves it', () => {
    expect(keptFor({ flags: NXDOMAIN, authority: [soa('example.org'), rrsig('example.org', 8)] })).toBe(8);
  });

  test('when another type stands at the name', () => {
    expect(keptFor({ answers: [txt(NAME)], authority: [soa('example.org')] })).toBe(20);
  });
});

describe('R7: a chain that leads to nothing is kept', () => {
  const links = [cname(NAME, 'a.example.net', 25), cname('a.example.net', 'b.example.net', 15)];
  test.each<[string, Bytes, number]>([
    ['for the least TTL of the chain', soa('example.net'), 15],
    ['for the TTL of its SOA', soa('example.net', { ttl: 9 }), 9],
    ['not by a SOA of the first name', soa('example.org'), 0],
    ['not by a SOA of a name between', soa('a.example.net'), 0],
  ])('%s', (_why, authority, want) => {
    expect(keptFor({ answers: links, authority: [authority] })).toBe(want);
    expect(keptFor({ flags: NXDOMAIN, answers: links, authority: [authority] })).toBe(want);
  });

  test('not without a SOA', () => expect(keptFor({ answers: links })).toBe(0));
});

describe('a positive answer is kept', () => {
  test.each<[string, MessageText, number, number]>([
    ['for its TTL', { answers: [a(NAME)] }, TYPE.A, 300],
    ['for the least TTL in it', { answers: [a(NAME)], authority: [txt('example.org', 40)] }, TYPE.A, 40],
    ['for its TTL, whatever OPT says', { answers: [a(NAME)], additional: [opt()] }, TYPE.A, 300],
    ['whatever its SOA says', { answers: [a(NAME)], authority: [soa('example.org', { minimum: 1, ttl: 40 })] }, 1, 40],
    ['when it is the SOA that was asked for', { answers: [soa(NAME, { ttl: 500 })] }, TYPE.SOA, 500],
    ['when it is the CNAME that was asked for', { answers: [cname(NAME, 'b.org')] }, TYPE.CNAME, 300],
    ['for seven days at most', { answers: [a(NAME, [192, 0, 2, 1], 2 ** 31)] }, TYPE.A, 604_800],
    ['not at all with TTL 0 (R5)', { answers: [a(NAME, [192, 0, 2, 1], 0)] }, TYPE.A, 0],
    ['not by a record of another name', { answers: [a('b.org')] }, TYPE.A, 0],
    ['not when it says that there is no such name', { flags: NXDOMAIN, answers: [a(NAME)] }, TYPE.A, 0],
  ])('%s', (_why, it, qtype, want) => expect(keptFor(it, qtype)).toBe(want));

  test('and no other rcode is (M70)', () => {
    for (let rcode = 0; rcode < 16; rcode++) {
      if (rcode === RCODE.NoError || rcode === RCODE.NXDomain) continue;
      expect(keptFor({ flags: FLAG.QR | rcode, answers: [a(NAME)] })).toBe(0);
      expect(keptFor({ flags: FLAG.QR | rcode, authority: [soa('example.org')] })).toBe(0);
    }
    const extended = [opt([], { ttl: 0x0100_0000 })]; // 16 + the lower four bits
    expect(keptFor({ answers: [a(NAME)], additional: extended })).toBe(0);
    expect(keptFor({ flags: NXDOMAIN, authority: [soa('example.org')], additional: extended })).toBe(0);
  });
});

describe('R6: the TTLs of one set are the least of them', () => {
  const address = (last: number, ttl: number, owner = NAME): Bytes => a(owner, [192, 0, 2, last], ttl);

  test.each<[string, Bytes[], string[]]>([
    ['the last', [address(1, 300), address(2, 200), address(3, 10)], ['A 10', 'A 10', 'A 10']],
    ['the first', [address(1, 10), address(2, 200), address(3, 300)], ['A 10', 'A 10', 'A 10']],
    ['in another case', [address(1, 300), address(2, 10, NAME.toUpperCase())], ['A 10', 'A 10']],
    ['with others between them', [address(1, 300), txt('b.org', 77), address(2, 10)], ['A 10', 'TXT 77', 'A 10']],
    ['not of other names', [address(1, 300), address(2, 10, 'c.b.example.org')], ['A 300', 'A 10']],
    ['not of other types', [address(1, 300), txt(NAME, 10)], ['A 300', 'TXT 10']],
    ['not of signatures', [address(1, 300), rrsig(NAME, 300), rrsig(NAME, 10)], ['A 300', 'RRSIG 300', 'RRSIG 10']],
    ['never more than seven days', [address(1, 2 ** 32 - 1), address(2, 604_801)], ['A 604800', 'A 604800']],
  ])('%s', (_why, answers, want) => {
    keptFor({ answers });
    expect(ttls()).toEqual(want);
  });

  test.each([0, 1_000, 3_999])('however many there are: at %i', (at) => {
    const answers = Array.from({ length: 4_000 }, (_, i) =>
      a(pointer(12), [192, 0, i >> 8, i & 255], i === at ? 7 : 300),
    );
    const began = performance.now();
    expect(keptFor({ answers })).toBe(7);
    expect(performance.now() - began).toBeLessThan(200); // 4 ms; by comparing each with each, seconds
    expect(new Set(ttls())).toEqual(new Set(['A 7']));
  });
});
