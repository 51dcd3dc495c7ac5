import * as packet from 'dns-packet';
import { expect, test } from 'vitest';
import * as build from '../../../src/dns/build-reply.ts';
import { EDE, FLAG, RCODE } from '../../../src/dns/codes.ts';
import { parseQuery, QUERY, Query } from '../../../src/dns/query.ts';
import type { MessageText } from './message.ts';
import { inArena, message, opt, option, poisonedRoom, question, repeat } from './message.ts';

const query = new Query();
function ask(text: MessageText): Query {
  const { arena, start, end } = inArena(message(text));
  parseQuery(arena, start, end, query);
  return query;
}

/** Builds twice over different poison: equal results mean that every byte was written, and the surroundings must be untouched. */
function built(size: number, make: (room: build.Room) => number): Buffer {
  const rooms = [poisonedRoom(size, 0xa5), poisonedRoom(size, 0x5a)];
  const [first, second] = rooms.map((room) => {
    const length = make(room);
    const poison = room.bytes[0]!;
    expect([...room.bytes.subarray(0, 100)].every((byte) => byte === poison)).toBe(true);
    expect([...room.bytes.subarray(100 + size)].every((byte) => byte === poison)).toBe(true);
    return Buffer.from(room.bytes.subarray(100, 100 + length));
  });
  expect(first).toEqual(second);
  return first!;
}

const blocked: build.Denial = { rcode: RCODE.NXDomain, ede: { code: EDE.Blocked, text: Buffer.from('not allowed') } };

test('a denial echoes id and question byte by byte, and copies opcode, RD and CD (R1)', () => {
  const asked = ask({
    id: 0xbeef,
    flags: FLAG.RD | FLAG.CD | FLAG.AD | FLAG.Z,
    questions: [question('wWw.Example.org', 28)],
  });
  const reply = built(512, (room) => build.buildDenial(room, asked, blocked));
  expect([...reply]).toEqual([0xbe, 0xef, 0x81, 0x93, 0, 1, 0, 0, 0, 0, 0, 0, ...question('wWw.Example.org', 28)]);
});

test('a client with OPT gets one: version 0, our size, DO copied, the error (R13, R23, R36)', () => {
  const asked = ask({ additional: [opt(option(10, [1, 2, 3, 4, 5, 6, 7, 8]), { payload: 4096, ttl: 0x8000 })] });
  const reply = built(512, (room) => build.buildDenial(room, asked, blocked));
  const decoded = packet.decode(reply);
  expect(decoded).toMatchObject({ rcode: 'NXDOMAIN' });
  expect(decoded.authorities).toEqual([]);
  expect(decoded.additionals?.[0]).toMatchObject({ type: 'OPT', udpPayloadSize: 1232, ednsVersion: 0, flag_do: true });
  expect([...reply.subarray(-15)]).toEqual([0, 15, 0, 13, 0, 15, ...Buffer.from('not allowed')].slice(-15));
  expect(reply.length).toBe(12 + 17 + 11 + 6 + 11);
});

const hinfo = build.recordOfQuestion(13, 3_600, Uint8Array.from([7, ...Buffer.from('RFC8482'), 0]));
const withRecord: build.Denial = { rcode: RCODE.NoError, ede: undefined, record: hinfo };

test('a record of our own is the whole answer, owned by the name in the question', () => {
  const asked = ask({ questions: [question('wWw.Example.org', 255)], additional: [opt()] });
  const reply = built(512, (room) => build.buildDenial(room, asked, withRecord));
  const decoded = packet.decode(reply);
  expect(decoded.answers).toMatchObject([{ name: 'wWw.Example.org', type: 'HINFO', ttl: 3_600, class: 'IN' }]);
  expect(decoded.answers?.[0]).toMatchObject({ data: { cpu: 'RFC8482', os: '' } });
  expect([decoded.authorities, decoded.additionals?.length]).toEqual([[], 1]);
  expect(reply.length).toBeLessThanOrEqual(12 + 21 + 11 + 100); // R20: as long as the query and 100 bytes more
});

test('a record of our own that does not fit makes no reply', () => {
  const asked = ask({});
  const length = 12 + 17 + hinfo.length;
  expect(built(length, (room) => build.buildDenial(room, asked, withRecord)).length).toBe(length);
  expect(build.buildDenial(poisonedRoom(length - 1), asked, withRecord)).toBe(0);
  expect(build.buildDenial(poisonedRoom(20), asked, withRecord)).toBe(0);
});

test('BADVERS has its upper bits in OPT (M21)', () => {
  const asked = ask({ additional: [opt([], { ttl: 0x0001_0000 })] });
  const reply = built(512, (room) => build.buildDenial(room, asked, { rcode: RCODE.BadVers, ede: undefined }));
  expect(reply[3]! & 15).toBe(0);
  expect([...reply.subarray(-11)]).toEqual([0, 0, 41, 0x04, 0xd0, 1, 0, 0, 0, 0, 0]);
});

test.each<[string, MessageText, number, number]>([
  ['an unreadable question (M4)', { questions: [[5, 97]], counts: [1, 0, 0, 0] }, RCODE.FormErr, QUERY.FormErr],
  ['two questions', { questions: [question('a.org'), question('a.org')] }, RCODE.FormErr, QUERY.FormErr],
  ['UPDATE', { flags: 5 << 11 }, RCODE.NotImp, QUERY.NotImp],
])('the reply to %s is a header alone', (_why, text, rcode) => {
  const asked = ask({ id: 77, ...text });
  const reply = built(512, (room) => build.buildDenial(room, asked, { rcode, ede: undefined }));
  expect(reply.length).toBe(12);
  expect(reply.readUInt16BE(0)).toBe(77);
  expect(reply.readUInt16BE(2) & (FLAG.QR | FLAG.OpcodeMask | FLAG.RcodeMask)).toBe(
    FLAG.QR | (asked.flags & FLAG.OpcodeMask) | rcode,
  );
  expect(reply.readUInt16BE(4)).toBe(0);
});

test.each([
  ['room for all', 57, 57],
  ['no room for the text', 56, 46],
  ['no room for the error', 45, 40],
  ['no room for OPT', 39, 0],
])('a denial in a small room, %s', (_why, size, want) => {
  const asked = ask({ additional: [opt()] });
  expect(built(size, (room) => build.buildDenial(room, asked, blocked)).length).toBe(want);
});

test('a denial that does not fit is not begun', () => {
  const asked = ask({});
  expect(built(28, (room) => build.buildDenial(room, asked, blocked)).length).toBe(0);
  expect(built(29, (room) => build.buildDenial(room, asked, blocked)).length).toBe(29);
});

test('text above 64 bytes is left out', () => {
  const asked = ask({ additional: [opt()] });
  const long = { rcode: 2, ede: { code: EDE.Other, text: new Uint8Array(65).fill(97) } };
  expect(built(512, (room) => build.buildDenial(room, asked, long)).length).toBe(46);
});

test('a truncated reply is empty and says TC (R2, A18)', () => {
  const asked = ask({ additional: [opt()] });
  const decoded = packet.decode(built(512, (room) => build.buildTruncated(room, asked)));
  expect(decoded.flag_tc).toBe(true);
  expect(decoded).toMatchObject({ answers: [], authorities: [], rcode: 'NOERROR' });
  expect(decoded.additionals).toHaveLength(1);
});

test('a query for an upstream has one form, whatever the client sent (R15 to R18, R34)', () => {
  const subnet = option(8, [0, 1, 24, 0, 192, 0, 2]);
  const cookie = option(10, [1, 2, 3, 4, 5, 6, 7, 8]);
  const padding = option(12, repeat(0, 100));
  const options = [...subnet, ...cookie, ...padding, ...option(18, [1]), ...option(11, [])];
  const asked = ask({
    flags: FLAG.Z | FLAG.TC | FLAG.AA | FLAG.CD,
    additional: [opt(options, { ttl: 0x8000, payload: 65535 })],
  });
  const upstream = {
    id: 1,
    flags: asked.flags,
    qname: asked.qname,
    questionLength: asked.questionLength,
    dnssecOk: asked.dnssecOk,
    hasOpt: true,
  };
  const sent = built(512, (room) => build.buildQuery(room, upstream));
  expect([...sent]).toEqual([
    0,
    1,
    0x01,
    0x10,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    1,
    ...question('example.org'),
    ...opt([], { ttl: 0x8000 }),
  ]);
  const plain = built(512, (room) => build.buildQuery(room, { ...upstream, hasOpt: false }));
  expect([...plain]).toEqual([0, 1, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, ...question('example.org')]);
  expect(built(39, (room) => build.buildQuery(room, upstream)).length).toBe(0);
  expect(built(20, (room) => build.buildQuery(room, upstream)).length).toBe(0);
});

test('our own query is one that we would accept', () => {
  const asked = ask({});
  const sent = built(300, (room) => build.buildQuery(room, asked));
  expect(parseQuery(sent, 0, sent.length, new Query())).toBe(QUERY.Ok);
});

test.each([
  ['the size decides', 100, 1000, 512, 612],
  ['the buffer decides', 100, 200, 512, 200],
  ['65,535 decides', 0, 100_000, 99_999, 65_535],
])('limitOf: %s', (_why, at, roomEnd, size, want) => expect(build.limitOf(at, roomEnd, size)).toBe(want));
