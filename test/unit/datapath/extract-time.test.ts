import { describe, expect, test } from 'vitest';
import { isCacheable } from '../../../src/datapath/extract.ts';
import { FLAG, RCODE, TYPE } from '../../../src/dns/codes.ts';
import { a, cname, type MessageText } from '../dns/message.ts';

import {
  NAME,
  NOW_MS,
  MAX_TTL_SECONDS,
  plane,
  ns,
  soa,
  txt,
  extracted,
  answerTo,
  recordsOf,
  type Asked,
} from './extracting.ts';

describe('time', () => {
  test.each<[string, MessageText, Asked, { ttl: number; validFor: number }]>([
    [
      'the least of the addresses',
      { answers: [a(NAME, [192, 0, 2, 1], 60), a(NAME, [192, 0, 2, 2], 20)] },
      {},
      { ttl: 20, validFor: 20 },
    ],
    [
      'the least of the chain',
      { answers: [cname(NAME, 'b.example.net', 10), a('b.example.net')] },
      {},
      { ttl: 10, validFor: 10 },
    ],
    [
      'no longer than a day may be',
      { answers: [a(NAME, [192, 0, 2, 1], 86_400)] },
      {},
      { ttl: 3_600, validFor: 3_600 },
    ],
    [
      'a TTL with its top bit is a long one (RFC 8767 §4)',
      { answers: [a(NAME, [192, 0, 2, 1], 0xffff_ffff)] },
      {},
      { ttl: 3_600, validFor: 3_600 },
    ],
    ['nothing', { answers: [a(NAME, [192, 0, 2, 1], 0)] }, {}, { ttl: 0, validFor: 0 }],
    [
      'a foreign record counts for the whole message only',
      { answers: [a(NAME), a('b.example.net', [192, 0, 2, 9], 7)] },
      {},
      { ttl: 300, validFor: 7 },
    ],
    [
      'name servers count for the message only',
      { answers: [a(NAME)], authority: [ns('example.org', 30)] },
      {},
      { ttl: 300, validFor: 30 },
    ],
    [
      'an address that is withheld counts',
      { answers: [a(NAME), a(NAME, [127, 0, 0, 1], 9)] },
      {},
      { ttl: 9, validFor: 9 },
    ],
    ['no answer without a SOA lives no time: it is not kept (R7)', {}, {}, { ttl: 0, validFor: 0 }],
    ['no answer, as long as its SOA says', { authority: [soa('example.org', 20)] }, {}, { ttl: 20, validFor: 20 }],
    [
      'no answer at the end of a chain, as long as both say; the chain has its own TTL',
      { answers: [cname(NAME, 'b.example.net', 90)], authority: [soa('example.net', 20)] },
      {},
      { ttl: 90, validFor: 20 },
    ],
    [
      'a CNAME that was asked for itself',
      { answers: [cname(NAME, 'b.example.net', 90)] },
      { qtype: TYPE.CNAME },
      { ttl: 90, validFor: 90 },
    ],
  ])('%s', (_why, it, asked, { ttl, validFor }) => {
    const stored = answerTo(it, asked);
    expect(stored).toMatchObject({ ttlSeconds: ttl, storedMs: NOW_MS });
    expect(plane.draft.expiryMs).toBe(NOW_MS + validFor * 1_000);
  });

  test('a granted name’s records all have that TTL, since they are granted as one; the others have their own', () => {
    const stored = answerTo({
      answers: [cname(NAME, 'b.example.net', 90), a('b.example.net', [192, 0, 2, 1], 20)],
      authority: [ns('example.org', 5_000)],
    });
    expect(recordsOf(stored.judged)).toEqual(['answer CNAME 20', 'answer A 20 192.0.2.1', 'authority NS 5000']);
    expect(recordsOf(stored.plain)).toEqual(['answer CNAME 90', 'answer A 20 192.0.2.1', 'authority NS 5000']);
  });

  test('TTLs of one set are the least of them for who may only ask, too (R6, M63)', () => {
    const stored = answerTo({
      answers: [a(NAME, [192, 0, 2, 1], 300), a(NAME, [192, 0, 2, 2], 10), a('b.example.net')],
    });
    const level = ['answer A 10 192.0.2.1', 'answer A 10 192.0.2.2'];
    expect(recordsOf(stored.judged)).toEqual(level);
    expect(recordsOf(stored.plain)).toEqual([...level, 'answer A 300 192.0.2.1']);
  });

  test.each([['plain'], ['judged']] as const)('the places of the TTLs are noted: %s', (which) => {
    const stored = answerTo({ answers: [a(NAME, [192, 0, 2, 1], 0x0102_0304)], authority: [ns('example.org', 77)] });
    const { bytes, ttlOffsets } = stored[which];
    const ttls = ttlOffsets.map((at) => Buffer.from(bytes).readUInt32BE(at));
    expect(ttls).toEqual([which === 'plain' ? 604_800 : MAX_TTL_SECONDS, 77]);
  });
});

test.each<[string, MessageText, Asked, boolean]>([
  ['an address', { answers: [a(NAME)] }, {}, true],
  ['a chain that ends in nothing, without a SOA', { answers: [cname(NAME, 'b.example.net')] }, {}, false],
  [
    'a chain that ends in nothing',
    { answers: [cname(NAME, 'b.example.net')], authority: [soa('example.net')] },
    {},
    true,
  ],
  ['another type', { answers: [txt(NAME)] }, { qtype: TYPE.TXT }, true],
  ['a second of time', { answers: [a(NAME, [192, 0, 2, 1], 1)] }, {}, true],
  ['no time at all', { answers: [a(NAME, [192, 0, 2, 1], 0)] }, {}, false],
  ['one record without time', { answers: [a(NAME), a(NAME, [192, 0, 2, 2], 0)] }, {}, false],
  ['no time in the authority section', { answers: [a(NAME)], authority: [ns('example.org', 0)] }, {}, false],
  ['no data, without a SOA', {}, {}, false],
  ['no data', { authority: [soa('example.org')] }, {}, true],
  ['no data of this name', { answers: [a('b.example.net')] }, {}, false],
  ['no such name, without a SOA', { flags: FLAG.QR | RCODE.NXDomain }, {}, false],
  ['no such name', { flags: FLAG.QR | RCODE.NXDomain, authority: [soa('example.org')] }, {}, true],
  [
    'a chain to no such name, without a SOA',
    { flags: FLAG.QR | RCODE.NXDomain, answers: [cname(NAME, 'b.example.net')] },
    {},
    false,
  ],
  ['a failure', { flags: FLAG.QR | RCODE.ServFail, authority: [soa('example.org')] }, {}, false],
])('kept for others or not: %s', (_why, it, asked, want) => {
  expect(extracted(it, asked)).toBe(true);
  expect(isCacheable(plane)).toBe(want);
});
