import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapedText, rdataText } from '../../../../src/cli/dig/rdata.ts';
import { ANSWER, Answer, parseAnswer } from '../../../../src/dns/answer.ts';
import { TYPE } from '../../../../src/dns/codes.ts';
import { ascii, name, pointer, question, record, response, u16, u32 } from '../../dns/message.ts';
import type { Bytes } from '../../dns/message.ts';

const QNAME = 'example.org';
/** Where the question's name stands. */
const TO_QNAME = pointer(12);

function parsed(type: number, rdata: Bytes, cls = 1): { bytes: Uint8Array; answer: Answer } {
  const bytes = response({
    questions: [question(QNAME, type)],
    answers: [record({ owner: QNAME, type, class: cls, rdata })],
  });
  const answer = new Answer();
  expect(parseAnswer(bytes, 0, bytes.length, answer)).toBe(ANSWER.Ok);
  return { bytes, answer };
}

const text = (type: number, rdata: Bytes, cls = 1): string => {
  const { bytes, answer } = parsed(type, rdata, cls);
  return rdataText(bytes, answer, 0);
};

const IPV6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8];
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 8];

test.each([
  ['an address', TYPE.A, [192, 0, 2, 8], '192.0.2.8'],
  ['an IPv6 address', TYPE.AAAA, IPV6, '2001:db8::8'],
  ['an IPv4 address inside an IPv6 one is none of IPv4', TYPE.AAAA, MAPPED, '::ffff:192.0.2.8'],
  ['a name', TYPE.CNAME, name('edge.example.net'), 'edge.example.net'],
  ['a compressed name', TYPE.PTR, TO_QNAME, 'example.org'],
  ['a mail server', TYPE.MX, [...u16(10), ...TO_QNAME], '10 example.org'],
  ['a service', TYPE.SRV, [...u16(1), ...u16(2), ...u16(443), ...name('a.example.org')], '1 2 443 a.example.org'],
  [
    'a start of authority',
    TYPE.SOA,
    [...TO_QNAME, ...name('root.example.org'), ...[7, 2, 3, 4, 3_600].flatMap(u32)],
    'example.org root.example.org 7 2 3 4 3600',
  ],
  ['texts', TYPE.TXT, [3, ...ascii('a b'), 1, ...ascii('"')], '"a b" "\\034"'],
  ['no text at all', TYPE.TXT, [], ''],
  ['a type without a form here', TYPE.TLSA, [1, 2, 0xff], '\\# 3 0102ff'],
  ['nothing of such a type', 65_280, [], '\\# 0'],
])('%s', (_what, type, rdata, expected) => {
  expect(text(type, rdata)).toBe(expected);
});

test('a class that is not IN has no form here', () => {
  expect(text(TYPE.A, [1, 2, 3, 4], 3)).toBe('\\# 4 01020304');
});

test('bytes that would move the cursor of a terminal are escaped', () => {
  expect(text(TYPE.CNAME, [4, 0x1b, 0x5b, 0x32, 0x4a, 0])).toBe('\\027[2J');
  expect(text(TYPE.TXT, [4, 0x1b, 0x5b, 0x32, 0x4a])).toBe('"\\027[2J"');
  expect(escapedText(Uint8Array.of(0x0a, 0x41, 0x5c, 0x7f, 0xff))).toBe('\\010A\\092\\127\\255');
});

test('whatever stands in rdata, its text is printable ASCII, and there is one', () => {
  const types = [TYPE.TXT, TYPE.TLSA, TYPE.CAA, TYPE.HINFO, TYPE.SVCB];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 300 }), (type, rdata) => {
      expect(text(type, [...rdata])).toMatch(/^[\x20-\x7e]*$/);
    }),
  );
});
