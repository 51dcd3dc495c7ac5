import { NO_ANSWER } from '../../../src/datapath/state/answer-store.ts';
import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../src/datapath/cache.ts';
import { isCacheable } from '../../../src/datapath/extract.ts';
import { NAME_BYTES } from '../../../src/datapath/state/query-slots.ts';
import { FLAG, RCODE, TYPE } from '../../../src/dns/codes.ts';
import { formatName } from '../../../src/dns/name.ts';
import {
  a,
  cname,
  name,
  opt,
  option,
  pointer,
  question,
  record,
  type Bytes,
  type MessageText,
} from '../dns/message.ts';
import { readStored, type StoredBody } from './state/stored-answer.ts';
import {
  NAME,
  SLOT,
  NOW_MS,
  QNAME,
  plane,
  addressesOf,
  V4,
  V6,
  https,
  rrsig,
  ns,
  txt,
  extracted,
  answerTo,
  recordsOf,
  type Asked,
  soa,
  MAX_TTL_SECONDS,
} from './extracting.ts';

describe('what is shown of it', () => {
  const ADDRESS = 'answer A 300 192.0.2.1';

  test.each<[string, MessageText, Asked, string[], string[]]>([
    ['an address as it is', { answers: [a(NAME)] }, {}, [ADDRESS], [ADDRESS]],
    [
      'a chain with it',
      { answers: [cname(NAME, 'b.example.net'), a('b.example.net')] },
      {},
      ['answer CNAME 300', ADDRESS],
      ['answer CNAME 300', ADDRESS],
    ],
    [
      'signatures with what they sign',
      { answers: [a(NAME), rrsig(NAME)] },
      { dnssecOk: true },
      [ADDRESS, 'answer RRSIG 300'],
      [ADDRESS, 'answer RRSIG 300'],
    ],
    [
      'name servers, but not their addresses',
      { answers: [a(NAME)], authority: [ns('example.org')], additional: [a('ns.example.org', [192, 0, 2, 53])] },
      {},
      [ADDRESS, 'authority NS 300'],
      [ADDRESS, 'authority NS 300', 'additional A 300 192.0.2.53'],
    ],
    [
      'no address in the authority section',
      { answers: [a(NAME)], authority: [a('ns.example.org', [192, 0, 2, 53])] },
      {},
      [ADDRESS],
      [ADDRESS, 'authority A 300 192.0.2.53'],
    ],
    [
      'no record of another name',
      { answers: [a(NAME), txt('b.example.net')] },
      {},
      [ADDRESS],
      [ADDRESS, 'answer TXT 300'],
    ],
    [
      'no address beside what was asked',
      { answers: [txt(NAME), a(NAME)] },
      { qtype: TYPE.TXT },
      ['answer TXT 300'],
      ['answer TXT 300', ADDRESS],
    ],
    [
      'no address that is never granted',
      { answers: [a(NAME), a(NAME, [127, 0, 0, 1])] },
      {},
      [ADDRESS],
      [ADDRESS, 'answer A 300 127.0.0.1'],
    ],
    [
      'a service without the hints that are never granted',
      { answers: [https(NAME, option(1, [2, 0x68, 0x32]), option(4, [127, 0, 0, 1, ...V4]))] },
      { qtype: TYPE.HTTPS },
      ['answer HTTPS 300 192.0.2.4'],
      ['answer HTTPS 300 127.0.0.1 192.0.2.4'],
    ],
    [
      'no malformed service',
      { answers: [https(NAME, option(6, V6), option(4, V4)), https(NAME, option(4, V4))] },
      { qtype: TYPE.HTTPS },
      ['answer HTTPS 300 192.0.2.4'],
      ['answer HTTPS 300 malformed', 'answer HTTPS 300 192.0.2.4'],
    ],
    ['no OPT: it is between us and upstream', { answers: [a(NAME)], additional: [opt()] }, {}, [ADDRESS], [ADDRESS]],
    [
      'a record that is there twice, once',
      { answers: [cname(NAME, 'b.example.net'), cname(NAME, 'b.example.net'), a('b.example.net')] },
      {},
      ['answer CNAME 300', ADDRESS],
      ['answer CNAME 300', 'answer CNAME 300', ADDRESS],
    ],
  ])('for a granted name (and for one that may only be asked): %s', (_why, it, asked, judged, plain) => {
    const stored = answerTo(it, asked);
    expect([recordsOf(stored.judged), recordsOf(stored.plain)]).toEqual([judged, plain]);
  });

  test('where nothing was left out or changed it is one message, kept once', () => {
    const whole = answerTo({ answers: [a(NAME)], authority: [ns('example.org', 60)], additional: [opt()] });
    expect(whole.judged.at).toBe(whole.plain.at);
    const cut = answerTo({ answers: [a(NAME)], additional: [a('ns.example.org')] });
    expect(cut.judged.at).not.toBe(cut.plain.at);
  });

  test('an answer that was edited is not the one that was authenticated (R12)', () => {
    const flags = FLAG.QR | FLAG.RA | FLAG.AD;
    const flagsOf = ({ bytes }: StoredBody): number => Buffer.from(bytes).readUInt16BE(2) & FLAG.AD;
    const edited = answerTo({ flags, answers: [a(NAME), a(NAME, [127, 0, 0, 1])] });
    expect([flagsOf(edited.judged), flagsOf(edited.plain)]).toEqual([0, FLAG.AD]);
    expect(flagsOf(answerTo({ flags, answers: [a(NAME)] }).judged)).toBe(FLAG.AD);
  });
});

test.each<[string, Bytes[]]>([
  ['a loop', [cname(NAME, 'b.example.net'), cname('b.example.net', NAME), a(NAME)]],
  ['a name that is its own alias', [cname(NAME, NAME), a(NAME)]],
  ['two aliases of one name', [cname(NAME, 'b.example.net'), cname(NAME, 'c.example.net'), a('b.example.net')]],
  ['an alias beside an address', [cname(NAME, 'b.example.net'), a(NAME)]],
  [
    'a chain that is too long',
    Array.from({ length: 40 }, (_, i) => cname(i === 0 ? NAME : `n${i}.example.net`, `n${i + 1}.example.net`)),
  ],
])('%s makes the whole message unusable', (_why, answers) => {
  expect(extracted({ answers })).toBe(false);
});

test('names that grow too long when they are written out make it unusable, not cut', () => {
  const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.example.net`;
  // 400 times a pointer to one long name: 6 kB here, 90 kB with every name in full, and a message has 64 KiB
  const target = 12 + question(NAME, TYPE.NS).length + 2 + 10;
  const first = record({ owner: QNAME, type: TYPE.NS, rdata: name(long) });
  const others = Array.from({ length: 400 }, () => record({ owner: QNAME, type: TYPE.NS, rdata: pointer(target) }));
  expect(extracted({ answers: [first, ...others] }, { qtype: TYPE.NS })).toBe(false);
  expect(extracted({ answers: [first, ...others.slice(0, 3)] }, { qtype: TYPE.NS })).toBe(true);
});

test('as many addresses as a datagram holds are all extracted', () => {
  const answers = Array.from({ length: 250 }, (_, i) => a(QNAME, [198, 51, 100, i]));
  const stored = answerTo({ answers });
  expect(addressesOf(stored)).toHaveLength(250);
  expect(recordsOf(stored.judged)).toHaveLength(250);
});

test('it knows what it answers: the folded name, the type, DO and CD, in bytes of its own', () => {
  const asked = { qname: 'API.Example.ORG', flags: FLAG.RD | FLAG.CD, dnssecOk: true };
  expect(extracted({ answers: [a(NAME)] }, asked)).toBe(true);
  const answer = plane.store.keep(keyOf(plane, SLOT), plane.draft);
  const asking = { ...keyOf(plane, SLOT), name: plane.slots.folded.slice() };
  plane.slots.folded.fill(0, SLOT * NAME_BYTES, (SLOT + 1) * NAME_BYTES);
  for (const body of [plane.draft.plain, plane.draft.judged]) body.bytes.fill(0);
  plane.draft.addresses.fill(0);
  expect(plane.store.find(asking, NOW_MS)).toBe(answer);
  const stored = readStored(plane.store, answer);
  expect(formatName(stored.name, 0)).toBe(NAME);
  expect(stored.rcode).toBe(RCODE.NoError);
  expect(addressesOf(stored)).toEqual(['192.0.2.1']);
  expect(recordsOf(stored.plain)).toEqual(['answer A 300 192.0.2.1']);
  expect(formatName(stored.plain.bytes, 12)).toBe('API.Example.ORG'); // as it was asked; replies bring their client's spelling
  for (const changes of [{ qtype: TYPE.AAAA }, { flags: 0 }, { flags: 1 }, { flags: 2 }])
    expect(plane.store.find({ ...asking, ...changes }, NOW_MS)).toBe(NO_ANSWER);
});

test('a code that needs OPT is remembered whole', () => {
  const extended = 23; // BADCOOKIE (RFC 7873 §8)
  const stored = answerTo({ flags: FLAG.QR | (extended & 15), additional: [opt([], { ttl: (extended >> 4) << 24 })] });
  expect(stored.rcode).toBe(extended);
});

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
