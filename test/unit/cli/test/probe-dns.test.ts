import { decode as decodePacket, encode as encodePacket, type Packet } from 'dns-packet';
import { expect, test } from 'vitest';
import { decode, encode } from '../../../../src/cli/test/probe-dns.ts';

const A = 1;
const questions: Packet['questions'] = [{ name: 'api.example.org', type: 'A' }];
const OPT = {
  name: '.',
  type: 'OPT',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
} as const;
const address = (data: string) => ({ name: 'api.example.org', type: 'A', ttl: 5, data }) as const;

const NXDOMAIN = 3;
const TRUNCATED = 0x200;

test('a query is one question with recursion desired and OPT', () => {
  const packet = decodePacket(Buffer.from(encode('API.example.org.', A).query));
  expect(packet).toMatchObject({ type: 'query', flag_rd: true, questions: [{ name: 'API.example.org', type: 'A' }] });
  expect(packet.additionals).toMatchObject([{ type: 'OPT' }]);
});

test('addresses are counted and printed, aliases are not counted', () => {
  const alias = { name: 'api.example.org', type: 'CNAME', ttl: 5, data: 'api.example.org' } as const;
  const answers = [alias, address('192.0.2.1'), address('192.0.2.2')];
  expect(decode(encodePacket({ type: 'response', questions, answers }), A)).toEqual({
    outcome: 'reply',
    rcode: 0,
    ede: null,
    records: 2,
    addresses: ['192.0.2.1', '192.0.2.2'],
  });
});

test('the Extended DNS Error is found behind other options', () => {
  const options = [
    { code: 10, data: Buffer.alloc(8) },
    { code: 15, data: Buffer.from([0, 15, 0x6e, 0x6f]) },
  ] as never;
  const message = encodePacket({ type: 'response', flags: NXDOMAIN, questions, additionals: [{ ...OPT, options }] });
  expect(decode(message, A)).toMatchObject({ rcode: NXDOMAIN, ede: 15, records: 0 });
});

test('OPT without options has none', () => {
  const message = encodePacket({ type: 'response', questions, additionals: [{ ...OPT, options: [] }] });
  expect(decode(message, A)).toMatchObject({ ede: null });
});

test('a truncated answer is not taken for one without records', () => {
  expect(decode(encodePacket({ type: 'response', flags: TRUNCATED, questions }), A)).toEqual({
    outcome: 'failed',
    why: 'the answer is truncated',
  });
});

test('nor is one that cannot be read', () => {
  const message = encodePacket({ type: 'response', questions, answers: [address('192.0.2.1')] });
  expect(decode(message.subarray(0, message.length - 1), A)).toMatchObject({ outcome: 'failed' });
});
