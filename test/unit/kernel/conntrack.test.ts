import { beforeEach, expect, test } from 'vitest';
import { formatAddress } from '../../../src/base/ip.ts';
import { ConntrackEvents } from '../../../src/kernel/conntrack-events.ts';
import type { Flow } from '../../../src/kernel/conntrack-flow.ts';
import { Conntrack } from '../../../src/kernel/conntrack.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import { attribute, done, message, NetlinkAnswers, report, tuple } from './netlink-answers.ts';

const NEW = 0x100;
const DELETE = 0x102;
const DUMP_INTERRUPTED = 0x10;
const POD = [10, 0, 1, 7];
const SERVER = [192, 0, 2, 8];

let kernel: NetlinkAnswers;
let conntrack: Conntrack;

beforeEach(() => {
  kernel = new NetlinkAnswers();
  conntrack = Conntrack.open(kernel.sys);
});

const names = (id: number, port = 443) => [tuple(1, POD, SERVER, port), attribute(12, 0, 0, 0, id)];
const flow = (sequence: number, id: number, flags = 0, type = NEW) =>
  message({ type, sequence, flags }, ...names(id), tuple(2, SERVER, POD, 40_000), attribute(8, 0, 0x10, 0, 0));
const ids = (flows: readonly Flow[]) => flows.map(({ id }) => id);
const listed = (match: (flow: Flow) => boolean = () => true) => ids(conntrack.flows(match));

test('a listing goes over several messages and datagrams, to its end', () => {
  kernel.answer((sequence) => [
    new Uint8Array(Buffer.concat([flow(sequence, 1), flow(sequence, 2)])),
    flow(sequence, 3),
    done(sequence),
  ]);
  expect(listed(({ id }) => id !== 2)).toEqual([1, 3]);
});

test('a flow has addresses in 16 byte form, and what is not told is undefined', () => {
  kernel.answer((sequence) => [flow(sequence, 1), done(sequence)]);
  const [found] = conntrack.flows(() => true);
  expect(formatAddress(found?.source ?? new Uint8Array(16))).toBe('10.0.1.7');
  expect(found).toMatchObject({ family: 4, protocol: 6, sourcePort: 40_000, destinationPort: 443, mark: 0x100000 });
  expect(found).toMatchObject({ originalBytes: undefined, startedWallMs: undefined, zone: 0 });
});

test('an interrupted listing is made again', () => {
  kernel.answer((sequence) => [flow(sequence, 1, DUMP_INTERRUPTED), done(sequence)]);
  kernel.answer((sequence) => [flow(sequence, 1), flow(sequence, 2), done(sequence)]);
  expect(listed()).toEqual([1, 2]);
});

test('a listing that is always interrupted is what the last one says', () => {
  for (let i = 1; i <= 9; i++) {
    kernel.answer((sequence) => [flow(sequence, i, DUMP_INTERRUPTED), done(sequence)]);
  }
  expect(listed()).toEqual([4]);
});

test('what is left of an earlier answer is not taken for this one', () => {
  kernel.answer((sequence) => [flow(sequence - 1, 9), done(sequence - 1), flow(sequence, 1), done(sequence)]);
  expect(listed()).toEqual([1]);
});

test.each([
  [
    'the kernel refuses',
    (sequence: number) => [report(sequence, ERRNO.EPERM)],
    'Cannot list what the kernel holds: EPERM',
  ],
  [
    'it ends with an error',
    (sequence: number) => [done(sequence, ERRNO.ENOMEM)],
    'Cannot list what the kernel holds: ENOMEM',
  ],
  ['the end is missing', (sequence: number) => [flow(sequence, 1)], "Cannot read the kernel's answer: EAGAIN"],
  ['a part was lost', () => [-ERRNO.ENOBUFS], "Cannot read the kernel's answer: ENOBUFS"],
  ['a length lies', (sequence: number) => [flow(sequence, 1).with(0, 255)], "Cannot read the kernel's answer: EINVAL"],
])('a listing throws when %s, and the next one works', (_why, answer, text) => {
  kernel.answer(answer);
  expect(() => listed()).toThrow(text);
  kernel.answer((sequence) => [flow(sequence, 1), done(sequence)]);
  expect(listed()).toEqual([1]);
});

test('an error of the caller in the middle of a listing leaves nothing behind', () => {
  kernel.answer((sequence) => [flow(sequence, 1), flow(sequence, 2), done(sequence)]);
  expect(() =>
    listed(() => {
      throw new Error('mine');
    }),
  ).toThrow('mine');
  expect(kernel.opened).toBe(1);
  kernel.answer((sequence) => [flow(sequence, 3), done(sequence)]);
  expect(listed()).toEqual([3]);
  expect(kernel.opened).toBe(2);
});

test('of more flows than the capacity as many are answered', () => {
  kernel.answer((sequence) => {
    const thousand = new Uint8Array(Buffer.concat(Array.from({ length: 400 }, (_, i) => flow(sequence, i & 127))));
    return [...Array.from({ length: 656 }, () => thousand), done(sequence)];
  });
  expect(conntrack.flows(() => true)).toHaveLength(262_144);
});

test('a request to delete names tuple, zone and id as the kernel wrote them', () => {
  const zone = attribute(18, 0, 5);
  kernel.answer((sequence) => [
    message({ type: NEW, sequence }, ...names(7), tuple(2, SERVER, POD, 40_000), zone),
    done(sequence),
  ]);
  const [found] = conntrack.flows(() => true);
  if (found === undefined) throw new Error('no flow');
  kernel.answer((sequence) => [report(sequence, 0)]);
  expect(conntrack.delete(found)).toBe(1);
  const request = kernel.sent.at(-1) ?? new Uint8Array();
  expect(new DataView(request.buffer).getUint16(4, true)).toBe(DELETE);
  const [original = zone, id = zone] = names(7);
  expect(Buffer.from(request.subarray(20))).toEqual(Buffer.concat([original, zone, id]));
});

test.each([
  ['done', 0, 1],
  ['gone already', ERRNO.ENOENT, 0],
])('deleting: %s', (_why, errno, want) => {
  kernel.answer((sequence) => [flow(sequence, 1), done(sequence)]);
  const [found] = conntrack.flows(() => true);
  kernel.answer((sequence) => [report(sequence, errno)]);
  expect(found && conntrack.delete(found)).toBe(want);
});

test('a refusal to delete is thrown', () => {
  kernel.answer((sequence) => [flow(sequence, 1), done(sequence)]);
  const [found] = conntrack.flows(() => true);
  kernel.answer((sequence) => [report(sequence, ERRNO.EPERM)]);
  expect(() => found && conntrack.delete(found)).toThrow('Cannot delete a connection: EPERM');
});

test('events are told by kind, others and unreadable ones are passed over, and loss is told beside them', () => {
  const events = ConntrackEvents.open(kernel.sys, 4_096);
  const seen: string[] = [];
  const unreadable = message({ type: NEW }, ...names(9));
  kernel.push(
    flow(0, 1),
    unreadable,
    -ERRNO.ENOBUFS,
    flow(0, 1, 0, DELETE),
    flow(0, 2, 0, 0x0a00),
    -ERRNO.EAGAIN,
    flow(0, 3),
  );
  expect(events.read((kind, { id }) => seen.push(`${kind} ${id}`), 10)).toEqual({ events: 2, isLossy: true });
  expect(seen).toEqual(['new 1', 'destroyed 1']);
  expect(events.read(() => undefined, 10)).toEqual({ events: 1, isLossy: false });
});

test('a socket that fails is told', () => {
  const events = ConntrackEvents.open(kernel.sys, 4_096);
  kernel.push(-ERRNO.ENOMEM);
  expect(() => events.read(() => undefined, 10)).toThrow('Cannot read what the kernel reports: ENOMEM');
});
