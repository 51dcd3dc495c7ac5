import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../src/datapath/cache.ts';
import { extract } from '../../../src/datapath/extract.ts';
import { NO_ANSWER } from '../../../src/datapath/state/answer-store.ts';
import { NAME_BYTES } from '../../../src/datapath/state/query-slots.ts';
import { parseAnswer } from '../../../src/dns/answer.ts';
import { FLAG, RCODE, TYPE } from '../../../src/dns/codes.ts';
import { formatName } from '../../../src/dns/name.ts';
import {
  a,
  cname,
  inArena,
  name,
  opt,
  option,
  pointer,
  question,
  record,
  response,
  type Bytes,
  type MessageText,
} from '../dns/message.ts';
import { readStored, type StoredBody } from './state/stored-answer.ts';

import {
  NAME,
  SLOT,
  NOW_MS,
  QNAME,
  bytesOf,
  plane,
  addressesOf,
  aaaa,
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
} from './extracting.ts';

describe('which addresses may be granted', () => {
  test.each<[string, MessageText, Asked, string[]]>([
    ['those of the name', { answers: [a(NAME), a(NAME, [192, 0, 2, 9])] }, {}, ['192.0.2.1', '192.0.2.9']],
    ['IPv6 ones, for AAAA', { answers: [aaaa(NAME, '2001:db8::1')] }, { qtype: TYPE.AAAA }, ['2001:db8::1']],
    ['those at the end of a chain', { answers: [cname(NAME, 'b.example.net'), a('b.example.net')] }, {}, ['192.0.2.1']],
    ['none of another name', { answers: [a(NAME), a('b.example.net', [192, 0, 2, 9])] }, {}, ['192.0.2.1']],
    ['none of the other family', { answers: [aaaa(NAME, '2001:db8::1'), a(NAME)] }, {}, ['192.0.2.1']],
    ['none in the authority section', { answers: [a(NAME)], authority: [a(NAME, [192, 0, 2, 9])] }, {}, ['192.0.2.1']],
    [
      'none in the additional section',
      { answers: [a(NAME)], additional: [a(NAME, [192, 0, 2, 9])] },
      {},
      ['192.0.2.1'],
    ],
    [
      'hints of both families',
      { answers: [https(NAME, option(4, [192, 0, 2, 1, 192, 0, 2, 2]), option(6, V6))] },
      { qtype: TYPE.HTTPS },
      ['192.0.2.1', '192.0.2.2', '2001:db8::6'],
    ],
    [
      'hints at the end of a chain',
      { answers: [cname(NAME, 'b.example.net'), https('b.example.net', option(4, V4))] },
      { qtype: TYPE.HTTPS },
      ['192.0.2.4'],
    ],
    [
      'no hint that is never granted',
      { answers: [https(NAME, option(4, [127, 0, 0, 1, ...V4]))] },
      { qtype: TYPE.HTTPS },
      ['192.0.2.4'],
    ],
    [
      'no mapped hint',
      { answers: [https(NAME, option(6, [...bytesOf('192.0.2.1'), ...V6]))] },
      { qtype: TYPE.HTTPS },
      ['2001:db8::6'],
    ],
    ['no hint of an alias', { answers: [https(NAME, option(4, V4), { priority: 0 })] }, { qtype: TYPE.HTTPS }, []],
    ['no hint of another type', { answers: [https(NAME, option(4, V4))] }, { qtype: TYPE.SVCB }, []],
    ['no hint of another name', { answers: [https('b.example.net', option(4, V4))] }, { qtype: TYPE.HTTPS }, []],
    [
      'no hint of NXDOMAIN',
      { flags: FLAG.QR | RCODE.NXDomain, answers: [https(NAME, option(4, V4))] },
      { qtype: TYPE.HTTPS },
      [],
    ],
    [
      'no hint of a malformed record',
      { answers: [https(NAME, option(6, V6), option(4, V4))] },
      { qtype: TYPE.HTTPS },
      [],
    ],
    [
      'none of a record that cannot be used without what is taken from it',
      {
        answers: [
          https(NAME, option(0, [0, 4]), option(4, [127, 0, 0, 1]), option(6, V6)),
          https(NAME, option(6, [...bytesOf('2001:db8::7')])),
        ],
      },
      { qtype: TYPE.HTTPS },
      ['2001:db8::7'],
    ],
    ['none of an answer to another type', { answers: [txt(NAME), a(NAME)] }, { qtype: TYPE.TXT }, []],
    ['none that is never granted', { answers: [a(NAME, [203, 0, 113, 5]), a(NAME)] }, {}, ['192.0.2.1']],
    ['no loopback', { answers: [a(NAME, [127, 0, 0, 1])] }, {}, []],
    ['no IPv4 in an AAAA record (V10)', { answers: [aaaa(NAME, '::ffff:192.0.2.1')] }, { qtype: TYPE.AAAA }, []],
    ['none of NXDOMAIN', { flags: FLAG.QR | RCODE.NXDomain, answers: [a(NAME)] }, {}, []],
    ['none of SERVFAIL', { flags: FLAG.QR | RCODE.ServFail, answers: [a(NAME)] }, {}, []],
    ['none of no answer', {}, {}, []],
  ])('%s', (_why, it, asked, want) => {
    const stored = answerTo(it, asked);
    expect(addressesOf(stored)).toEqual(want);
    const shown = recordsOf(stored.judged).flatMap(
      (each) => / (?:A|AAAA|HTTPS) \d+ (.*)/.exec(each)?.[1]?.split(' ') ?? [],
    );
    expect(shown).toEqual(want); // I3: what is shown is what is granted
  });

  test.each<[string, MessageText, Asked, number]>([
    ['none', { answers: [a(NAME)] }, {}, 0],
    [
      'in a range that is never granted',
      { answers: [a(NAME), a(NAME, [203, 0, 113, 5]), a(NAME, [127, 0, 0, 1])] },
      {},
      2,
    ],
    [
      'hints',
      { answers: [https(NAME, option(4, [127, 0, 0, 1, ...V4, 203, 0, 113, 7]), option(6, V6))] },
      { qtype: TYPE.HTTPS },
      2,
    ],
    [
      'hints of an alias mean nothing',
      { answers: [https(NAME, option(4, [127, 0, 0, 1]), { priority: 0 })] },
      { qtype: TYPE.HTTPS },
      0,
    ],
    ['mapped', { answers: [aaaa(NAME, '::ffff:192.0.2.1'), aaaa(NAME, '2001:db8::1')] }, { qtype: TYPE.AAAA }, 1],
    ['of another name is not withheld but foreign', { answers: [a(NAME), a('b.example.net', [127, 0, 0, 1])] }, {}, 0],
    [
      'of an error is not withheld but none',
      { flags: FLAG.QR | RCODE.NXDomain, answers: [a(NAME, [127, 0, 0, 1])] },
      {},
      0,
    ],
  ])('withheld: %s', (_why, it, asked, want) => {
    expect(answerTo(it, asked).withheld).toBe(want);
  });
});

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

describe('many addresses (A14, M61)', () => {
  const MOST = 256;
  /** As many as a message has room for, of two names of which the second is foreign. */
  const answers = Array.from({ length: 4_000 }, (_, i) => a(QNAME, [198, 18, i >> 8, i & 255]));

  test('the first 256 are granted and shown, the others counted; what may only be asked is whole', () => {
    const { plain, judged } = plane.draft;
    const small = [plain.bytes, judged.bytes];
    plain.bytes = new Uint8Array(70_000);
    judged.bytes = new Uint8Array(70_000);
    const stored = answerTo({ answers });
    [plain.bytes, judged.bytes] = [small[0] ?? expect.fail(), small[1] ?? expect.fail()];
    expect(addressesOf(stored)).toHaveLength(MOST);
    expect(addressesOf(stored).at(-1)).toBe('198.18.0.255');
    expect(recordsOf(stored.judged)).toHaveLength(MOST);
    expect(recordsOf(stored.plain)).toHaveLength(4_000);
    expect([stored.withheld, plane.draft.capped]).toEqual([0, 4_000 - MOST]);
  });

  test('4,000 of them, and as many hints, take less than 10 ms', () => {
    plane.draft.plain.bytes = new Uint8Array(70_000);
    plane.draft.judged.bytes = new Uint8Array(70_000);
    const hints = Array.from({ length: 4_000 }, (_, i) => [198, 18, i >> 8, i & 255]).flat();
    const messages: [MessageText, Asked][] = [
      [{ answers }, {}],
      [{ answers: [https(NAME, option(4, hints)), https(NAME, option(4, hints))] }, { qtype: TYPE.HTTPS }],
    ];
    for (const [it, asked] of messages) {
      const tookMs = Array.from({ length: 20 }, () => {
        expect(extracted(it, asked)).toBe(true);
        const { arena, start, end } = inArena(response({ questions: [question(NAME, asked.qtype ?? TYPE.A)], ...it }));
        const beginMs = performance.now();
        parseAnswer(arena, start, end, plane.answer);
        extract(plane, SLOT, arena);
        return performance.now() - beginMs;
      });
      expect(plane.draft.addressCount).toBe(MOST);
      expect(Math.min(...tookMs)).toBeLessThan(10);
    }
  });
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
