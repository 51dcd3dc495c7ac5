// Well-formed queries, with every option that clients send and some that nobody sends.
import fc from 'fast-check';
import type { Bytes } from '../../unit/dns/message.ts';
import { message, opt, option, question, record } from '../../unit/dns/message.ts';

const RD = 0x0100;
const FLAGS = [RD, RD, RD, RD, 0, RD | 0x0020, RD | 0x0010, RD | 0x0040, RD | 0x2000, RD | 0x2800, RD | 0x0200];
const COOKIE = 10;
const SUBNET = 8;

const bytes = (length: number): number[] => Array.from({ length }, (_, i) => i + 1);

const options = fc.oneof(
  fc.constantFrom(8, 16, 24, 40, 7, 41).map((length) => option(COOKIE, bytes(length))),
  fc
    .constantFrom<Bytes>(
      [0, 1, 24, 0, 192, 0, 2],
      [0, 2, 56, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0],
      [0, 1, 32, 0, 10, 0, 2, 8],
      [0, 0, 0, 0],
      [0, 9, 8, 0, 1],
      [0, 1, 33, 0, 1, 2, 3, 4, 5],
    )
    .map((it) => option(SUBNET, it)),
  fc.constantFrom<Bytes>([], [1, 44]).map((it) => option(11, it)), // keepalive
  fc.nat(400).map((length) =>
    option(
      12,
      bytes(length).map(() => 0),
    ),
  ), // padding
  fc.constant(option(3, [])), // NSID
  fc.constant(option(15, [0, 15, 104, 105])), // an extended error, of all things
  fc.constant(option(18, [...bytes(4), 0])), // report channel
  fc.nat(40).map((length) => option(65_001, bytes(length))),
);

const optRecord = fc
  .record({
    options: fc.array(options, { maxLength: 4 }),
    payload: fc.constantFrom(1232, 512, 0, 511, 4096, 65_535),
    ttl: fc.constantFrom(0, 0, 0, 0x8000, 0x8000, 0x0001, 0x0001_0000, 0x6400_0000),
  })
  .map((it) => opt(it.options.flat(), it));

const otherRecord = fc.constantFrom<Bytes>(
  record({ owner: [0], type: 1, rdata: [192, 0, 2, 1] }),
  record({ owner: [0], type: 250, class: 255, rdata: bytes(30) }), // TSIG
  record({ owner: [0], type: 65_280, rdata: [0xc0, 12] }),
);

export interface QueryAsk {
  readonly qname: Bytes;
  readonly qtype: number;
}

export function queryOf({ qname, qtype }: QueryAsk): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      id: fc.nat(0xffff),
      flags: fc.constantFrom(...FLAGS),
      class: fc.constantFrom(1, 1, 1, 1, 1, 1, 3, 255, 0x8001),
      additional: fc.oneof(
        { weight: 3, arbitrary: fc.constant<Bytes[]>([]) },
        { weight: 5, arbitrary: optRecord.map((it) => [it]) },
        { weight: 1, arbitrary: fc.array(fc.oneof(optRecord, otherRecord), { maxLength: 3 }) },
      ),
    })
    .map((it) => message({ ...it, questions: [question(qname, qtype, it.class)] }));
}
