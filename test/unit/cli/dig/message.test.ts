import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readChain, readMessage } from '../../../../src/cli/dig/message.ts';
import { FLAG, TYPE } from '../../../../src/dns/codes.ts';
import { a, cname, message, name, opt, option, question, record, response, u16 } from '../../dns/message.ts';

const NAME = 'api.example.org';
const OK = FLAG.QR | FLAG.RD | FLAG.RA;

test('header, records of each section and size', () => {
  const bytes = response({
    flags: OK | FLAG.AA | FLAG.AD | FLAG.CD,
    questions: [question(NAME)],
    answers: [cname(NAME, 'edge.example.net', 300), a('edge.example.net', [192, 0, 2, 8], 30)],
    authority: [record({ owner: 'example.net', type: TYPE.NS, ttl: 60, rdata: name('ns.example.net') })],
    additional: [opt(), a('ns.example.net', [192, 0, 2, 53], 60)],
  });
  expect(readMessage(bytes)).toEqual({
    rcode: 'NOERROR',
    flags: ['qr', 'aa', 'rd', 'ra', 'ad', 'cd'],
    ede: [],
    records: [
      { section: 'answer', name: NAME, ttl: 300, type: 'CNAME', data: 'edge.example.net' },
      { section: 'answer', name: 'edge.example.net', ttl: 30, type: 'A', data: '192.0.2.8' },
      { section: 'authority', name: 'example.net', ttl: 60, type: 'NS', data: 'ns.example.net' },
      { section: 'additional', name: 'ns.example.net', ttl: 60, type: 'A', data: '192.0.2.53' },
    ],
    bytes: bytes.length,
  });
});

test('Extended DNS Errors among other options', () => {
  const options = [
    ...option(10, [1, 2, 3, 4, 5, 6, 7, 8]),
    ...option(15, [...u16(22), ...Buffer.from('no\u001b', 'latin1')]),
    ...option(15, u16(49_152)),
    ...option(15, [1]),
  ];
  const bytes = message({ flags: OK | 2, questions: [question(NAME)], additional: [opt(options)] });
  expect(readMessage(bytes)?.ede).toEqual([
    { code: 22, name: 'No Reachable Authority', text: 'no\\027' },
    { code: 49_152, name: '', text: '' },
  ]);
});

test('an rcode whose upper bits travel in OPT', () => {
  const bytes = message({ flags: OK, questions: [question(NAME)], additional: [opt([], { ttl: 1 << 24 })] });
  expect(readMessage(bytes)?.rcode).toBe('BADVERS');
});

test.each([
  ['cut in a record', response({ questions: [question(NAME)], answers: [a(NAME)] }).slice(0, -1), 'NOERROR'],
  ['without a question', message({ flags: OK | 1, questions: [] }), 'FORMERR'],
])('of a message %s only the header is told', (_what, bytes, rcode) => {
  expect(readMessage(bytes)).toMatchObject({ rcode, records: [], ede: [] });
  expect(readChain(bytes)).toEqual([]);
});

test('what is no response is none', () => {
  expect(readMessage(new Uint8Array(11))).toBeUndefined();
  expect(readMessage(message({ flags: FLAG.RD }))).toBeUndefined();
});

test('a truncated reply says so', () => {
  expect(readMessage(message({ flags: OK | FLAG.TC, questions: [question(NAME)] }))?.flags).toContain('tc');
});

test('the chain stands in its own order, whatever that of the message is; what does not belong to it is left out', () => {
  const bytes = response({
    questions: [question(NAME)],
    answers: [
      a('c.example.net', [192, 0, 2, 1], 30),
      cname('b.example.net', 'C.example.net', 60),
      a('elsewhere.example.net', [192, 0, 2, 2]),
      cname('API.example.org', 'b.example.net', 300),
      a('C.EXAMPLE.net', [192, 0, 2, 3], 30),
    ],
  });
  expect(readChain(bytes).map(({ name: owner, type, data }) => `${owner} ${type} ${data}`)).toEqual([
    'API.example.org CNAME b.example.net',
    'b.example.net CNAME C.example.net',
    'c.example.net A 192.0.2.1',
    'C.EXAMPLE.net A 192.0.2.3',
  ]);
});

test('a chain that is a loop is none', () => {
  const answers = [cname(NAME, 'b.example.net'), cname('b.example.net', NAME)];
  expect(readChain(response({ questions: [question(NAME)], answers }))).toEqual([]);
});

test('an alias that was asked for itself stands once', () => {
  const bytes = response({ questions: [question(NAME, TYPE.CNAME)], answers: [cname(NAME, 'b.example.net')] });
  expect(readChain(bytes)).toHaveLength(1);
});

test('whatever the bytes are, reading them ends without an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (tail) => {
      const bytes = Uint8Array.from([0, 0, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 1, ...tail]);
      readMessage(bytes);
      readChain(bytes);
    }),
  );
});
