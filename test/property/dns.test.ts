// What must hold of src/dns for every input: hostile bytes are only ever refused, and what we write we can read.
import * as packet from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Answer, ANSWER, parseAnswer, ROLE } from '../../src/dns/answer.ts';
import { buildDenial, buildQuery, buildTruncated } from '../../src/dns/build-reply.ts';
import { Chain, CHAIN, followChain } from '../../src/dns/chain.ts';
import { TYPE } from '../../src/dns/codes.ts';
import { equalsFolded, markOf, MAX_NAME_WORK, NameCursor, readName, skipName } from '../../src/dns/compressed-name.ts';
import {
  countLabels,
  equalNamesFolded,
  foldName,
  formatName,
  hasHostileByte,
  parseNameText,
} from '../../src/dns/name.ts';
import { parseQuery, QUERY, Query } from '../../src/dns/query.ts';
import { ReplyWriter } from '../../src/dns/reply-writer.ts';
import { readSvcbHints, SvcbHints } from '../../src/dns/svcb.ts';
import type { Bytes } from '../unit/dns/message.ts';
import {
  message,
  name,
  opt,
  option,
  pointer,
  poisonedRoom,
  question,
  record,
  response,
  repeat,
} from '../unit/dns/message.ts';

const answer = new Answer();
const chain = new Chain();
const query = new Query();
const writer = new ReplyWriter();
const hints = new SvcbHints();

/** Work that one walk may still add once the cap is passed, before the next check: a name's labels, pointers and bytes. */
const ONE_NAME = 512;

const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
const wireName = fc
  .array(fc.oneof({ weight: 3, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }) }, label), { maxLength: 12 })
  .map((labels) => {
    const wire: number[] = [];
    for (const it of labels) if (wire.length + it.length + 1 < 255) wire.push(it.length, ...it);
    return [...wire, 0];
  });

/** Few names, so that chains, loops, equal owners and other cases happen; pointers right and wrong. */
const owner: fc.Arbitrary<Bytes> = fc.oneof(
  fc.constantFrom('example.org', 'EXAMPLE.org', 'a.org', 'b.org', 'c.example.org', '.').map(name),
  fc.constantFrom<Bytes>(pointer(12), pointer(20), [1, 97, ...pointer(20)], pointer(12)),
  fc.integer({ min: 0, max: 200 }).map(pointer),
);
const anyRecord: fc.Arbitrary<Bytes> = fc.oneof(
  fc.record({ owner, target: owner }).map((it) => record({ owner: it.owner, type: TYPE.CNAME, rdata: it.target })),
  fc
    .record({ owner, ttl: fc.nat(), rdata: fc.uint8Array({ minLength: 4, maxLength: 4 }) })
    .map((it) => record({ ...it, rdata: [...it.rdata], type: TYPE.A })),
  fc
    .record({ owner, target: owner })
    .map((it) => record({ owner: it.owner, type: TYPE.MX, rdata: [0, 1, ...it.target] })),
  fc
    .record({
      owner,
      type: fc.constantFrom(1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 41, 46, 65, 250, 65280),
      rdata: fc.uint8Array({ maxLength: 40 }),
    })
    .map((it) => record({ ...it, rdata: [...it.rdata] })),
);
const optRecord = fc
  .record({
    ttl: fc.constantFrom(0, 0x8000, 0x10000),
    code: fc.constantFrom(3, 8, 10, 15),
    data: fc.uint8Array({ maxLength: 40 }),
  })
  .map((it) => opt(option(it.code, [...it.data]), { ttl: it.ttl }));
const someRecords = fc.array(anyRecord, { maxLength: 6 });

const anyResponse = fc
  .record({
    qtype: fc.constantFrom(1, 28, 5, 15, 65, 255),
    answers: someRecords,
    authority: fc.array(anyRecord, { maxLength: 2 }),
    additional: fc.array(fc.oneof(anyRecord, optRecord), { maxLength: 3 }),
  })
  .map((it) => response({ ...it, questions: [question('example.org', it.qtype)] }));
const anyQuery = fc
  .record({
    qname: wireName,
    qtype: fc.constantFrom(1, 28, 65, 251, 252),
    additional: fc.array(optRecord, { maxLength: 2 }),
  })
  .map((it) => message({ questions: [question(it.qname, it.qtype)], additional: it.additional }));

interface Mutation {
  at: number;
  byte: number;
  how: 'set' | 'cut' | 'insert' | 'flip';
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(400),
  byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 0xc0, 0x0c, 0x3f, 0x40, 0xff)),
  how: fc.constantFrom('set', 'cut', 'insert', 'flip'),
});
function mutate(bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  const mutated = [...bytes];
  for (const { at, byte, how } of mutations) {
    const index = at % (mutated.length + 1);
    if (how === 'cut') mutated.length = index;
    else if (how === 'insert') mutated.splice(index, 0, byte);
    else if (index < mutated.length) mutated[index] = how === 'set' ? byte : mutated[index]! ^ (1 << (byte & 7));
  }
  return Uint8Array.from(mutated);
}
const hostile = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc
    .record({ bytes: fc.oneof(anyResponse, anyQuery), mutations: fc.array(mutation, { maxLength: 4 }) })
    .map((it) => mutate(it.bytes, it.mutations)),
);

/** The message with `poison` on both sides, at an offset where relative and absolute offsets cannot be mixed up unnoticed. */
function surrounded(bytes: Uint8Array, poison: number): { arena: Uint8Array; start: number; end: number } {
  const arena = new Uint8Array(bytes.length + 600).fill(poison);
  arena.set(bytes, 333);
  return { arena, start: 333, end: 333 + bytes.length };
}

/** Everything that reading a message gives, as one comparable value. */
function readAll(bytes: Uint8Array, poison: number): unknown {
  const { arena, start, end } = surrounded(bytes, poison);
  const before = arena.slice();
  const asQuery = parseQuery(arena, start, end, query);
  expect(query.cursor.work).toBeLessThanOrEqual(MAX_NAME_WORK + ONE_NAME);
  const asAnswer = parseAnswer(arena, start, end, answer);
  const seen: unknown[] = [asQuery, asAnswer];
  if (asQuery !== QUERY.Drop) {
    seen.push(query.id, query.flags, query.qtype, query.qclass, query.questionEnd, query.hasOpt, query.payloadBytes);
    seen.push([...query.qname.subarray(0, query.questionLength)], [...query.folded.subarray(0, query.qnameLength)]);
  }
  if (asAnswer === ANSWER.Ok) {
    const { recordCount } = answer;
    seen.push(recordCount, answer.rcode, answer.optOffset, answer.additionalStart, followChain(arena, answer, chain));
    for (const field of [
      'ownerOffset',
      'ownerLength',
      'type',
      'class',
      'ttl',
      'rdataOffset',
      'rdataLength',
      'role',
    ] as const) {
      seen.push([...answer[field].subarray(0, recordCount)]);
    }
    for (let i = 0; i < recordCount; i++) {
      expect(answer.ownerOffset[i]).toBeGreaterThanOrEqual(answer.questionEnd);
      expect(answer.rdataOffset[i]! + answer.rdataLength[i]!).toBeLessThanOrEqual(end);
      if (answer.type[i] === TYPE.HTTPS)
        seen.push(readSvcbHints(arena, answer, i, hints), [
          hints.ipv4Offset,
          hints.ipv4Length,
          hints.ipv6Offset,
          hints.ipv6Length,
        ]);
    }
    seen.push(chain.links, chain.addresses, chain.minTtl, [...chain.name.subarray(0, chain.nameLength)]);
  }
  expect(answer.cursor.work).toBeLessThanOrEqual(MAX_NAME_WORK + ONE_NAME);
  expect(arena).toEqual(before); // readers write nothing into the arena
  return seen;
}

test('reading hostile bytes never throws, and nothing outside start … end matters', () => {
  fc.assert(
    fc.property(hostile, (bytes) => {
      expect(readAll(bytes, 0x00)).toEqual(readAll(bytes, 0xc1));
    }),
    { numRuns: 3000 },
  );
});

test('a role other than foreign is given only to class IN records of the answer section', () => {
  fc.assert(
    fc.property(anyResponse, (bytes) => {
      if (parseAnswer(bytes, 0, bytes.length, answer) !== ANSWER.Ok) return;
      if (followChain(bytes, answer, chain) !== CHAIN.Ok) return;
      for (let i = 0; i < answer.recordCount; i++) {
        if (answer.role[i] === ROLE.Foreign) continue;
        expect(i).toBeLessThan(answer.answerRecords);
        expect(answer.class[i]).toBe(1);
        expect(answer.ttl[i]).toBeGreaterThanOrEqual(chain.minTtl);
        if (answer.role[i] === ROLE.Address) expect(answer.type[i]).toBe(answer.qtype);
      }
    }),
    { numRuns: 2000 },
  );
});

/** Which records followChain must keep, said slowly with maps and texts: the oracle. Undefined where it must refuse. */
function slowChain(bytes: Uint8Array): string[] | undefined {
  const cursor = new NameCursor();
  const textAt = (offset: number): string => {
    const plain = new Uint8Array(255);
    readName(bytes, 0, bytes.length, offset, plain, 0, cursor);
    foldName(plain, 0, cursor.lengthBytes);
    return formatName(plain);
  };
  const kept: string[] = [];
  const seen = new Set<string>();
  for (let at = textAt(12); ;) {
    if (seen.has(at) || seen.size > 11) return undefined;
    seen.add(at);
    const targets = new Set<string>();
    let others = 0;
    for (let i = 0; i < answer.answerRecords; i++) {
      if (answer.class[i] !== 1 || textAt(answer.ownerOffset[i]!) !== at) continue;
      const type = answer.type[i]!;
      if (type === TYPE.CNAME) {
        const target = textAt(answer.rdataOffset[i]!);
        if (!targets.has(target)) kept.push(`${i}`);
        targets.add(target);
        continue;
      }
      kept.push(`${i}`);
      if (type !== TYPE.RRSIG) others++;
    }
    if (targets.size > 1 || (targets.size === 1 && others > 0)) return undefined;
    const [target] = targets;
    if (target === undefined || answer.qtype === TYPE.CNAME || answer.qtype === TYPE.ANY) return kept.toSorted();
    at = target;
  }
}

test('followChain keeps what a slow reading of the rules keeps', () => {
  fc.assert(
    fc.property(anyResponse, (bytes) => {
      fc.pre(parseAnswer(bytes, 0, bytes.length, answer) === ANSWER.Ok);
      const want = slowChain(bytes);
      const code = followChain(bytes, answer, chain);
      if (want === undefined) {
        expect(code).not.toBe(CHAIN.Ok);
        return;
      }
      expect(code).toBe(CHAIN.Ok);
      const kept = [...answer.role.subarray(0, answer.answerRecords)].flatMap((role, i) =>
        role === ROLE.Foreign ? [] : [`${i}`],
      );
      expect(kept.toSorted()).toEqual(want);
    }),
    { numRuns: 3000 },
  );
});

test('a rebuilt reply stays in its room, is written whole, and reads as the records that went in', () => {
  fc.assert(
    fc.property(anyResponse, anyQuery, fc.integer({ min: 0, max: 700 }), (bytes, asked, size) => {
      parseQuery(asked, 0, asked.length, query);
      if (parseAnswer(bytes, 0, bytes.length, answer) !== ANSWER.Ok) return;
      const total = answer.recordCount;
      const rooms = [poisonedRoom(size, 0xa5), poisonedRoom(size, 0x5a)];
      let complete = true;
      const lengths = rooms.map((room) => {
        complete = writer.begin(room, query, answer.rcode, 0);
        for (let i = 0; i < total && complete; i++) complete = writer.add(bytes, answer, i, answer.ttl[i]!);
        return writer.end(undefined);
      });
      for (const room of rooms) {
        expect(room.bytes.subarray(0, 100).every((byte) => byte === room.bytes[0])).toBe(true);
        expect(room.bytes.subarray(100 + size).every((byte) => byte === room.bytes[0])).toBe(true);
      }
      const [first, second] = rooms.map((room) => room.bytes.subarray(100, 100 + lengths[0]!));
      expect(first).toEqual(second);
      expect(lengths[0]).toBeLessThanOrEqual(size);
      if (lengths[0] === 0 || query.questionLength === 0) return;
      const again = new Answer();
      expect(parseAnswer(first!, 0, first!.length, again)).toBe(ANSWER.Ok);
      const own = [...answer.type.subarray(0, total)].filter((type) => type !== TYPE.OPT && type !== TYPE.TSIG);
      const written = [...again.type.subarray(0, again.recordCount)].filter((type) => type !== TYPE.OPT);
      expect(written).toEqual(complete ? own : own.slice(0, written.length));
      expect(again.hasOpt).toBe(query.hasOpt);
    }),
    { numRuns: 2000 },
  );
});

test('whatever the query, the replies we make ourselves stay in their room and are well formed', () => {
  fc.assert(
    fc.property(hostile, fc.integer({ min: 0, max: 400 }), fc.nat(4095), (bytes, size, rcode) => {
      if (parseQuery(bytes, 0, bytes.length, query) === QUERY.Drop) return;
      const denial = { rcode, ede: { code: 15, text: new Uint8Array(size % 70).fill(97) } };
      const upstream = {
        id: 1,
        flags: query.flags,
        qname: query.qname,
        questionLength: query.questionLength,
        dnssecOk: query.dnssecOk,
        hasOpt: query.hasOpt,
      };
      const room = poisonedRoom(size);
      for (const length of [
        buildDenial(room, query, denial),
        buildTruncated(room, query),
        buildQuery(room, upstream),
      ]) {
        expect(length).toBeLessThanOrEqual(size);
        expect(room.bytes.subarray(0, 100).every((byte) => byte === 0xa5)).toBe(true);
        expect(room.bytes.subarray(100 + size).every((byte) => byte === 0xa5)).toBe(true);
      }
      if (query.opcode !== 0 || query.questionLength === 0) return;
      const reply = room.bytes.subarray(100, 100 + buildDenial(room, query, denial));
      if (reply.length === 0) return;
      expect(parseAnswer(reply, 0, reply.length, answer)).toBe(ANSWER.Ok);
      expect(answer.rcode).toBe(query.hasOpt ? rcode : rcode & 15);
    }),
    { numRuns: 2000 },
  );
});

test('the query for an upstream reads back as what was asked', () => {
  fc.assert(
    fc.property(wireName, fc.nat(65535), fc.nat(65535), (wire, id, qtype) => {
      const room = poisonedRoom(400);
      const qname = Uint8Array.from(question(wire, qtype));
      const length = buildQuery(room, {
        id,
        flags: 0xffff,
        qname,
        questionLength: qname.length,
        dnssecOk: true,
        hasOpt: true,
      });
      const code = parseQuery(room.bytes, 100, 100 + length, query);
      expect(code).toBe(qtype === TYPE.AXFR || qtype === TYPE.IXFR ? QUERY.Refused : QUERY.Ok);
      expect(query).toMatchObject({
        id,
        qtype,
        qclass: 1,
        dnssecOk: true,
        recursionDesired: true,
        qnameLength: wire.length,
      });
      expect([...query.qname.subarray(0, wire.length)]).toEqual(wire);
    }),
  );
});

test('text of a name gives back its bytes, in printable ASCII (F1)', () => {
  fc.assert(
    fc.property(wireName, (wire) => {
      const text = formatName(Uint8Array.from(wire));
      expect(text).toMatch(/^[\x21-\x7e]+$/);
      expect([...(parseNameText(text) ?? [])]).toEqual(wire);
      expect(countLabels(Uint8Array.from(wire), 0)).toBe(text === '.' ? 0 : text.split('.').length);
      const isHostile = text !== '.' && /\\(?!032)/.test(text); // a space is escaped, yet harmless
      expect(hasHostileByte(Uint8Array.from(wire), 0, wire.length)).toBe(isHostile);
    }),
  );
});

test('parseNameText of any text never throws and gives only names', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('a', '.', '\\', '0', '9', 'é') })),
      (text) => {
        const wire = parseNameText(text);
        if (wire === undefined) return;
        const framed = Uint8Array.from([...repeat(0, 12), ...wire]);
        const cursor = new NameCursor();
        expect(skipName(framed, 0, framed.length, 12, cursor)).toBe(true);
        expect(cursor.next).toBe(framed.length);
      },
    ),
    { numRuns: 2000 },
  );
});

test('compression changes nothing: a name cut anywhere into label and pointer reads the same', () => {
  fc.assert(
    fc.property(wireName, fc.nat(12), fc.boolean(), (wire, cut, upper) => {
      let at = 0;
      for (let i = 0; i < cut && wire[at]! > 0; i++) at += wire[at]! + 1;
      const bytes = Uint8Array.from([...repeat(0, 12), ...wire, ...wire.slice(0, at), ...pointer(12 + at)]);
      const plain = new Uint8Array(255);
      const cursor = new NameCursor();
      const offset = 12 + wire.length;
      expect(readName(bytes, 0, bytes.length, offset, plain, 0, cursor)).toBe(true);
      expect([...plain.subarray(0, cursor.lengthBytes)]).toEqual(wire);
      expect(cursor.next).toBe(bytes.length);
      const folded = plain.slice(0, cursor.lengthBytes);
      foldName(folded, 0, folded.length);
      expect(equalsFolded(bytes, 0, offset, folded, cursor)).toBe(true);
      expect(markOf(bytes, 0, offset)).toBe(markOf(folded, 0, 0));
      if (upper) expect(equalNamesFolded(plain, 0, folded, 0, folded.length)).toBe(true);
    }),
  );
});

const hostname = fc
  .array(fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join('.'));

test('what dns-packet encodes for friendly clients and servers reads the same here', () => {
  fc.assert(
    fc.property(hostname, hostname, fc.ipV4(), fc.nat(0x7fffffff), (qname, target, address, ttl) => {
      fc.pre(qname !== target);
      const asked = packet.encode({
        type: 'query',
        id: 7,
        flags: packet.RECURSION_DESIRED,
        questions: [{ type: 'A', name: qname }],
      });
      expect(parseQuery(asked, 0, asked.length, query)).toBe(QUERY.Ok);
      expect(formatName(query.qname)).toBe(qname);
      const replied = packet.encode({
        type: 'response',
        id: 7,
        questions: [{ type: 'A', name: qname }],
        answers: [
          { type: 'CNAME', name: qname, ttl, data: target },
          { type: 'A', name: target, ttl, data: address },
        ],
      });
      expect(parseAnswer(replied, 0, replied.length, answer)).toBe(ANSWER.Ok);
      expect(followChain(replied, answer, chain)).toBe(CHAIN.Ok);
      expect([answer.role[0], answer.role[1], chain.minTtl]).toEqual([ROLE.Link, ROLE.Address, ttl]);
      expect(replied.subarray(answer.rdataOffset[1], answer.rdataOffset[1]! + 4).join('.')).toBe(address);
    }),
  );
});
