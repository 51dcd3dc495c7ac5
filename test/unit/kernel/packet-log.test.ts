import { beforeEach, expect, test } from 'vitest';
import { formatAddress } from '../../../src/base/ip.ts';
import { PacketLog } from '../../../src/kernel/packet-log.ts';
import type { LoggedPacket } from '../../../src/kernel/packet-log.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import { attribute, message, NetlinkAnswers, report, tuple } from './netlink-answers.ts';

const PACKET = 0x400;
const EOPNOTSUPP = 95;
const SYN = Buffer.from('4500000000000000400600000a000107c00002089c401f900000000000000000500200000000000000', 'hex'); // → 192.0.2.8:8080
const PREFIX = attribute(10, ...Buffer.from('no-rule 0123456789ab\0', 'latin1'));
const NEW = 2;
const REPLY = 3;

let kernel: NetlinkAnswers;
beforeEach(() => {
  kernel = new NetlinkAnswers();
});

function open(...errnos: readonly number[]): PacketLog {
  for (const errno of errnos) kernel.answer((sequence) => [report(sequence, errno)]);
  return PacketLog.open(kernel.sys, 5310, 4_096);
}

const u32 = (value: number) => [value >>> 24, value >>> 16, value >>> 8, value].map((byte) => byte & 255);
const sequence = (value: number) => attribute(12, ...u32(value));
const packet = (...more: readonly Uint8Array[]) =>
  message({ type: PACKET }, attribute(1, 8, 0, 2, 0), attribute(9, SYN), PREFIX, attribute(4, 0, 0, 0, 7), ...more);

/** What is read of these datagrams. */
function read(...datagrams: readonly (Uint8Array | number)[]) {
  const log = open(0);
  kernel.push(...datagrams);
  const packets: LoggedPacket[] = [];
  return { ...log.read((each) => packets.push(each), 100), seen: packets };
}

test('a packet has the prefix of its rule, hook, interface and time', () => {
  const time = attribute(3, 0, 0, 0, 0, ...u32(1_700_000_000), 0, 0, 0, 0, ...u32(250_000));
  const [seen] = read(packet(time)).seen;
  expect(seen).toMatchObject({ prefix: 'no-rule 0123456789ab', hook: 2, inputInterface: 7, destinationPort: 8080 });
  expect(seen?.wallMs).toBe(1_700_000_000_250);
});

test('a prefix is read to its end or to 64 characters', () => {
  const long = message({ type: PACKET }, attribute(9, SYN), attribute(10, ...new Uint8Array(200).fill(0x61)));
  expect(read(long).seen[0]?.prefix).toBe('a'.repeat(64));
});

test('several packets come in one datagram, and the message that ends them is none', () => {
  const end = message({ type: 3 });
  const { packets, seen } = read(new Uint8Array(Buffer.concat([packet(), packet(), end])));
  expect([packets, seen.length]).toEqual([2, 2]);
});

test.each([
  ['no payload', message({ type: PACKET }, PREFIX)],
  ['a payload that is no IP packet', message({ type: PACKET }, attribute(9, 1, 2, 3, 4))],
])('a packet that cannot be read is counted: %s', (_why, bytes) => {
  expect(read(bytes, packet())).toMatchObject({ packets: 1, unreadable: 1, isLossy: false });
});

test.each([
  ['none', [0, 1, 2], 0],
  ['some between', [0, 3, 4], 2],
  ['some before the first', [4], 4],
])('packets that are missing are counted by the numbers of the others: %s', (_why, numbers, lost) => {
  const datagrams = numbers.map((number) => packet(sequence(number)));
  expect(read(...datagrams)).toMatchObject({ packets: numbers.length, lost, isLossy: lost > 0 });
});

test('a full buffer is told as loss before a number shows it', () => {
  expect(read(packet(sequence(0)), -ERRNO.ENOBUFS)).toMatchObject({ packets: 1, lost: 0, isLossy: true });
});

const asked = (info: number, destination: readonly number[], port: number) => [
  attribute(0x8000 | 18, tuple(1, [10, 0, 1, 7], destination, port)),
  attribute(19, ...u32(info)),
];

test('what was asked for before translation is told', () => {
  const [seen] = read(packet(...asked(NEW, [10, 96, 0, 20], 80))).seen;
  expect(seen?.original?.destinationPort).toBe(80);
  expect(formatAddress(seen?.original?.destination ?? new Uint8Array(16))).toBe('10.96.0.20');
});

test.each([
  ['nobody translated', asked(NEW, [192, 0, 2, 8], 8080)],
  ['the packet is a reply: its destination is the client', asked(REPLY, [10, 96, 0, 20], 80)],
  ['the kernel does not tell', []],
])('there is no original where %s', (_why, attributes) => {
  expect(read(packet(...attributes)).seen[0]?.original).toBeUndefined();
});

test('a port alone that was translated is told', () => {
  expect(read(packet(...asked(NEW, [192, 0, 2, 8], 80))).seen[0]?.original?.destinationPort).toBe(80);
});

test('a kernel that has no connections to tell is asked again without them', () => {
  expect(open(EOPNOTSUPP, 0).tellsOriginal).toBe(false);
  expect(kernel.sent).toHaveLength(2);
});

test.each([
  ['held', ERRNO.EBUSY],
  ['held by another socket', ERRNO.EPERM],
])('a group that is %s is refused with the reason', (_why, errno) => {
  expect(() => open(errno)).toThrow('Cannot read packet log group 5310: another program has it');
});

test('another refusal is told as it is', () => {
  expect(() => open(ERRNO.ENOMEM)).toThrow(/^Cannot read packet log group 5310: ENOMEM$/);
});
