// Upstream's answers: chains that lead somewhere, and everything that stands around them.
import fc from 'fast-check';
import type { Bytes } from '../../unit/dns/message.ts';
import { name, opt, option, u16, u32 } from '../../unit/dns/message.ts';
import type { QueryAsk } from './queries.ts';
import { target } from './names.ts';
import { COMPRESSION, writeStory } from './write.ts';
import type { Story, Told } from './write.ts';

const QR_RD_RA = 0x8180;
const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  RRSIG: 46,
  SVCB: 64,
  HTTPS: 65,
};

const ttl = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(5, 10, 300) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff) },
);
const ordinary4 = fc.nat(255).map((last): Bytes => [192, 0, 2, last]);
const address4 = fc.oneof(
  { weight: 5, arbitrary: ordinary4 },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Bytes>(
      [127, 0, 0, 1],
      [169, 254, 169, 254],
      [10, 96, 0, 1],
      [10, 20, 1, 1],
      [10, 30, 0, 9],
      [10, 1, 1, 1],
      [255, 255, 255, 255],
      [100, 64, 0, 1],
    ),
  },
);
const address6 = fc.oneof(
  { weight: 5, arbitrary: fc.nat(255).map((last): Bytes => v6('20010db8', last)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Bytes>(
      v6('fe80', 1),
      v6('fd0000300000000000', 1),
      v6('0064ff9b0000000000000000c0000201'),
      v6('0064ff9b00000000000000007f000001'),
      v6('00000000000000000000ffffc0000201'),
      v6('2002', 1),
      v6('', 1),
    ),
  },
);

function v6(head: string, last = 0): Bytes {
  const bytes = Buffer.alloc(16);
  Buffer.from(head, 'hex').copy(bytes);
  if (head.length < 32) bytes[15] = last;
  return [...bytes];
}

function hints(qname: Bytes): fc.Arbitrary<Bytes> {
  const list = (key: number, addresses: readonly Bytes[]): Bytes => [
    ...u16(key),
    ...u16(addresses.flat().length),
    ...addresses.flat(),
  ];
  return fc
    .record({
      priority: fc.constantFrom(0, 1, 1, 1, 16),
      target: fc.constantFrom<Bytes>([0], qname, name('edge.cdn.example.org')),
      alpn: fc.boolean(),
      v4: fc.array(address4, { maxLength: 4 }),
      ech: fc.boolean(),
      v6: fc.array(address6, { maxLength: 3 }),
    })
    .map((it) => [
      ...u16(it.priority),
      ...it.target,
      ...(it.alpn ? [...u16(1), 0, 3, 2, 104, 50] : []),
      ...(it.v4.length > 0 ? list(4, it.v4) : []),
      ...(it.ech ? [...u16(5), 0, 4, 1, 2, 3, 4] : []),
      ...(it.v6.length > 0 ? list(6, it.v6) : []),
    ]);
}

/** Records of the asked type, which end a chain well. */
function endOf(owner: Bytes, { qtype, qname }: QueryAsk): fc.Arbitrary<readonly Told[]> {
  const told = (rdata: fc.Arbitrary<Bytes>, most: number): fc.Arbitrary<Told[]> =>
    fc.array(fc.record({ owner: fc.constant(owner), type: fc.constant(qtype), ttl, rdata }), { maxLength: most });
  switch (qtype) {
    case TYPE.A:
      return fc.oneof({ weight: 9, arbitrary: told(address4, 6) }, { weight: 1, arbitrary: many(owner, qtype, 4) });
    case TYPE.AAAA:
      return fc.oneof({ weight: 9, arbitrary: told(address6, 6) }, { weight: 1, arbitrary: many(owner, qtype, 16) });
    case TYPE.HTTPS:
    case TYPE.SVCB:
      return told(hints(qname), 3);
    case TYPE.MX:
      return told(
        target.map((it) => [0, 10, ...it]),
        2,
      );
    case TYPE.SRV:
      return told(
        target.map((it) => [0, 1, 0, 2, 0, 80, ...it]),
        2,
      );
    case TYPE.NS:
    case TYPE.DNAME:
      return told(target, 2);
    case TYPE.NAPTR:
      return told(
        target.map((it) => [0, 1, 0, 2, 1, 83, 0, 3, 97, 98, 99, ...it]),
        2,
      );
    default:
      return told(
        fc.uint8Array({ maxLength: 20 }).map((it) => [...it]),
        2,
      );
  }
}

function many(owner: Bytes, type: number, length: number): fc.Arbitrary<Told[]> {
  return fc.integer({ min: 20, max: 300 }).map((count) =>
    Array.from({ length: count }, (_, i) => {
      const rdata = length === 4 ? [192, 0, 2 + (i >> 8), i & 255] : [...v6('20010db8').slice(0, 14), i >> 8, i & 255];
      return { owner, type, ttl: 60, rdata };
    }),
  );
}

/** Beside the way: other owners, other types, other classes, signatures. */
function strangers(names: readonly Bytes[]): fc.Arbitrary<Told[]> {
  const owner = fc.oneof(fc.constantFrom(...names), target);
  const of = (type: number, rdata: fc.Arbitrary<Bytes>): fc.Arbitrary<Told> =>
    fc.record({ owner, type: fc.constant(type), class: fc.constantFrom(1, 1, 1, 3, 0x8001), ttl, rdata });
  const stranger = fc.oneof(
    of(TYPE.A, address4),
    of(TYPE.AAAA, address6),
    of(TYPE.CNAME, target),
    of(TYPE.DNAME, target),
    of(TYPE.TXT, fc.constant<Bytes>([3, 97, 98, 99])),
    of(
      TYPE.RRSIG,
      fc.constant<Bytes>([0, 1, 13, 3, ...u32(300), ...u32(1), ...u32(1), 0, 1, ...name('example.org'), 1, 2, 3]),
    ),
    of(TYPE.HTTPS, hints([0])),
    of(65_280, fc.constant<Bytes>([0xc0, 12])),
  );
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant<Told[]>([]) },
    { weight: 3, arbitrary: fc.array(stranger, { maxLength: 3 }) },
  );
}

const soa = fc
  .record({ owner: fc.constant(name('example.org')), type: fc.constant(TYPE.SOA), ttl, minimum: ttl })
  .map(({ minimum, ...it }): Told => ({
    ...it,
    rdata: [...name('ns.example.org'), ...name('root.example.org'), ...[1, 2, 3, 4, minimum].flatMap(u32)],
  }));

function storyOf(ask: QueryAsk): fc.Arbitrary<Story> {
  const via = fc.oneof(
    { weight: 5, arbitrary: fc.array(target, { maxLength: 3 }) },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: 9, max: 13 })
        .map((links) => Array.from({ length: links }, (_, i) => name(`c${i}.example.org`))),
    },
  );
  return via.chain((targets) => {
    const names = [ask.qname, ...targets];
    const links = targets.map((to, i): Told => ({ owner: names[i] ?? [0], type: TYPE.CNAME, ttl: 300, rdata: to }));
    return fc
      .record({
        end: endOf(names.at(-1) ?? [0], ask),
        others: strangers(names),
        linkTtl: ttl,
        isShuffled: fc.boolean(),
        withDname: fc.nat(9),
        authority: fc.oneof(
          { weight: 4, arbitrary: fc.constant<Told[]>([]) },
          { weight: 2, arbitrary: soa.map((it) => [it]) },
          { weight: 1, arbitrary: strangers(names) },
        ),
        additional: strangers(names),
      })
      .map((it) => {
        const dname: Told[] =
          it.withDname === 0
            ? [
                {
                  owner: ask.qname.slice(1 + (ask.qname[0] ?? 0)),
                  type: TYPE.DNAME,
                  ttl: 300,
                  rdata: targets[0] ?? [0],
                },
              ]
            : [];
        const way = [...dname, ...links.map((link) => ({ ...link, ttl: it.linkTtl })), ...it.end];
        const answers = it.isShuffled ? [...it.others, ...way.toReversed()] : [...way, ...it.others];
        return { answers, authority: it.authority, additional: it.additional };
      });
  });
}

const clientOpt = fc.constantFrom<Bytes>(
  opt(),
  opt([], { ttl: 0x8000 }),
  opt(option(15, [0, 15, 110, 111])),
  opt(option(10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9])),
  opt([], { ttl: 0x0100_0000 }),
  opt([], { ttl: 0x0001_0000 }),
);

/** An answer with id 0, which case.ts takes for the right one. */
export function answerOf(ask: QueryAsk): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      story: storyOf(ask),
      compression: fc.constantFrom(...COMPRESSION),
      flags: fc.constantFrom(0, 0, 0, 0, 0x0400, 0x0020, 0x0200),
      rcode: fc.constantFrom(0, 0, 0, 0, 0, 0, 3, 3, 2, 5, 1, 4),
      opt: fc.option(clientOpt),
    })
    .map(({ story, compression, flags, rcode, opt: last }) => {
      const { answers, authority, additional } = writeStory(story, ask, compression);
      const all = last === null ? additional : [...additional, last];
      return Uint8Array.from([
        ...u16(0),
        ...u16(QR_RD_RA | flags | rcode),
        ...[1, answers.length, authority.length, all.length].flatMap(u16),
        ...ask.qname,
        ...u16(ask.qtype),
        ...u16(1),
        ...[...answers, ...authority, ...all].flat(),
      ]);
    });
}
