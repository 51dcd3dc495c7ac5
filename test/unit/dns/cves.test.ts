// One test for each known hole of another DNS program that a codec can have. The other rows of the list belong to the data plane.
import { expect, test } from 'vitest';
import { Answer, ANSWER, parseAnswer, ROLE } from '../../../src/dns/answer.ts';
import { Chain, CHAIN, followChain } from '../../../src/dns/chain.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { MAX_NAME_WORK } from '../../../src/dns/compressed-name.ts';
import { hasHostileByte } from '../../../src/dns/name.ts';
import { parseQuery, QUERY, Query } from '../../../src/dns/query.ts';
import type { Bytes } from './message.ts';
import { a, cname, message, opt, option, pointer, question, record, response, repeat } from './message.ts';

const answer = new Answer();
const chain = new Chain();
const query = new Query();
const parse = (bytes: Uint8Array): number => parseAnswer(bytes, 0, bytes.length, answer);

/** Shortest of three: a scheduler's pause is not our cost. */
function costMs(run: () => void): number {
  let best = Infinity;
  for (let i = 0; i < 3; i++) {
    const begin = performance.now();
    run();
    best = Math.min(best, performance.now() - begin);
  }
  return best;
}

/** Rdata that is a ladder of 126 pointers, each to the one before, the first to a root byte; and the offset of the last. */
function ladder(at: number): { rdata: Bytes; top: number } {
  const rdata = [0, ...Array.from({ length: 126 }, (_, i) => pointer(i === 0 ? at : at + 1 + 2 * (i - 1))).flat()];
  return { rdata, top: at + 1 + 2 * 125 };
}

function bomb(): { first: Bytes; rest: Bytes[] } {
  const at = 12 + question('example.org').length + 11; // where the rdata of the first record begins, its owner the root
  const { rdata, top } = ladder(at);
  const rest = Array.from({ length: 4000 }, () => record({ owner: [1, 97, ...pointer(top)], type: 10, rdata: [] }));
  return { first: record({ owner: '.', type: 10, rdata }), rest };
}

test('CVE-2026-52682, pointer bomb in an answer: stopped by the work cap in less than 10 ms (M51)', () => {
  const { first, rest } = bomb();
  const bytes = response({ answers: [first, ...rest] });
  expect(bytes.length).toBeLessThan(65_536);
  expect(parse(bytes)).toBe(ANSWER.WorkCap);
  expect(answer.cursor.work).toBe(MAX_NAME_WORK + 1);
  expect(costMs(() => parse(bytes))).toBeLessThan(10);
});

test('CVE-2026-52682, pointer bomb in a query over TCP: FORMERR in less than 10 ms (M14)', () => {
  const { first, rest } = bomb();
  const bytes = message({ additional: [first, ...rest] });
  expect(parseQuery(bytes, 0, bytes.length, query)).toBe(QUERY.FormErr);
  expect(costMs(() => parseQuery(bytes, 0, bytes.length, query))).toBeLessThan(10);
});

test.each<[string, (i: number) => Bytes]>([
  ['4,000 addresses of one name spelled by pointer', () => a(pointer(12))],
  ['addresses of two names in turn', (i) => a(pointer(i % 2 === 0 ? 12 : 20))],
  ['4,000 equal CNAMEs', () => cname(pointer(12), pointer(20))],
  ['a CNAME for each name of a long chain, in reverse', (i) => cname(`c${4000 - i}.org`, `c${4001 - i}.org`)],
  ['owners that differ in the last byte', (i) => a([11, ...repeat(97, 10), i & 255, 0])],
])('the worst 64 KiB cost less than 10 ms, chain included: %s', (_why, make) => {
  const answers: Bytes[] = [];
  let size = 40;
  for (let i = 0; i < 4000; i++) {
    const bytes = make(i);
    size += bytes.length;
    if (size > 65_000) break;
    answers.push(bytes);
  }
  const bytes = response({ answers });
  expect(parse(bytes)).toBe(ANSWER.Ok);
  const cost = costMs(() => {
    parse(bytes);
    followChain(bytes, answer, chain);
  });
  expect(answer.cursor.work).toBeLessThanOrEqual(MAX_NAME_WORK + 512);
  expect(cost).toBeLessThan(10);
});

test('CVE-2026-5172: an address is not read past its RDLENGTH', () => {
  for (const rdlength of [0, 1, 2, 3, 5, 16]) {
    const bytes = response({
      answers: [record({ owner: 'example.org', type: TYPE.A, rdata: [1, 2, 3, 4], rdlength })],
    });
    expect(parse(bytes)).toBe(ANSWER.Malformed);
  }
});

test('CVE-2018-14663: bytes behind a query cannot become a record', () => {
  const bytes = message({ trailing: opt() });
  expect(parseQuery(bytes, 0, bytes.length, query)).toBe(QUERY.FormErr);
});

test('CVE-2026-42004: an OPT that others ignore is refused, not passed', () => {
  const hidden = [
    message({ additional: [opt(), opt()] }),
    message({ answers: [opt()] }),
    message({ authority: [opt()] }),
  ];
  for (const bytes of hidden) expect(parseQuery(bytes, 0, bytes.length, query)).toBe(QUERY.FormErr);
});

test('CVE-2026-42944: repeated options are refused above the cap', () => {
  const nsid = Array.from({ length: 33 }, () => option(3, [])).flat();
  const bytes = message({ additional: [opt(nsid)] });
  expect(parseQuery(bytes, 0, bytes.length, query)).toBe(QUERY.FormErr);
});

test('CVE-2026-82399: counts of 65,535 allocate nothing', () => {
  const bytes = message({ counts: [1, 65535, 65535, 65535] });
  const heap = process.memoryUsage().heapUsed;
  for (let i = 0; i < 100_000; i++) parse(bytes);
  for (let i = 0; i < 100_000; i++) parseQuery(bytes, 0, bytes.length, query);
  expect(process.memoryUsage().heapUsed - heap).toBeLessThan(8e6);
});

test('gopacket pull request 1237, a dot inside a label: it is another name than the two labels', () => {
  const bytes = message({ questions: [question([11, ...Buffer.from('example.org'), 0])] });
  expect(parseQuery(bytes, 0, bytes.length, query)).toBe(QUERY.Ok);
  expect(query.qnameLength).toBe(13);
  expect(query.folded[0]).toBe(11);
  expect(hasHostileByte(query.folded, 0, query.qnameLength)).toBe(true);
});

test('class 0x8001 is not IN, though dns-packet says so (A16)', () => {
  const bytes = response({ answers: [record({ owner: 'example.org', type: 1, class: 0x8001, rdata: [1, 2, 3, 4] })] });
  expect(parse(bytes)).toBe(ANSWER.Ok);
  expect(followChain(bytes, answer, chain)).toBe(CHAIN.Ok);
  expect(answer.role[0]).toBe(ROLE.Foreign);
});

test('Cilium pull request 47383: a response or query without question is no crash', () => {
  const bytes = message({ questions: [] });
  expect(parseQuery(bytes, 0, bytes.length, query)).toBe(QUERY.FormErr);
  expect(parse(response({ questions: [] }))).toBe(ANSWER.Malformed);
});
