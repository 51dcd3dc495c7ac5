import { describe, expect, test } from 'vitest';
import { extract } from '../../../src/datapath/extract.ts';
import { parseAnswer } from '../../../src/dns/answer.ts';
import { FLAG, RCODE, TYPE } from '../../../src/dns/codes.ts';
import { a, cname, inArena, option, question, response, type MessageText } from '../dns/message.ts';
import {
  NAME,
  SLOT,
  QNAME,
  bytesOf,
  plane,
  addressesOf,
  aaaa,
  V4,
  V6,
  https,
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
