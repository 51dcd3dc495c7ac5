import { describe, expect, test } from 'vitest';
import { valueAt, valueBytes } from '../../../src/kernel/messages.ts';
import { LIST, TableReader } from '../../../src/kernel/table-reader.ts';
import { ERRNO, SysError, type Fd, type Memory, type Sys } from '../../../src/sys/sys.ts';

const NEW_RULE = 0xa06;
const DONE = 3;
const ERROR = 2;
const INTERRUPTED = 0x10;

interface Reply {
  readonly type?: number;
  readonly flags?: number;
  /** Added to that of the request. */
  readonly sequence?: number;
  readonly generation?: number;
  readonly table?: string;
  /** The word behind the header of the last message. */
  readonly errno?: number;
  /** Said instead of the true one. */
  readonly length?: number;
}

const RULE: Reply = { type: NEW_RULE, table: 'namewall' };
const END: Reply = { type: DONE };

function encode(reply: Reply, sequence: number): Uint8Array {
  const name = Buffer.from(`${reply.table ?? ''}\0`, 'latin1');
  const padded = (name.length + 3) & ~3;
  const isEnd = reply.table === undefined;
  const bytes = new Uint8Array(isEnd ? 20 : 24 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, reply.length ?? bytes.length, true);
  view.setUint16(4, reply.type ?? DONE, true);
  view.setUint16(6, reply.flags ?? 0, true);
  view.setUint32(8, sequence + (reply.sequence ?? 0), true);
  if (isEnd) {
    view.setInt32(16, -(reply.errno ?? 0), true);
    return bytes;
  }
  view.setUint16(18, reply.generation ?? 7);
  view.setUint16(20, 4 + name.length, true);
  view.setUint16(22, 1, true);
  bytes.set(name, 24);
  return bytes;
}

/** A kernel that answers each request with the next of `dumps`: datagrams of messages, or -errno. The last answers for ever. */
function readerOf(...dumps: (readonly (readonly Reply[] | number)[])[]): { reader: TableReader; log: string[] } {
  const log: string[] = [];
  let queue: (readonly Reply[] | number)[] = [];
  let sequence = 0;
  const sys = {
    allocate: (lengthBytes: number): Memory => ({ bytes: new Uint8Array(lengthBytes), address: 0 }),
    netlinkOpen: () => {
      log.push('open');
      queue = [];
      return 7 as Fd;
    },
    close: () => log.push('close'),
    send: (_fd: Fd, { bytes }: Memory, offset: number, lengthBytes: number) => {
      sequence = new DataView(bytes.buffer).getUint32(offset + 8, true);
      queue = [...((dumps.length > 1 ? dumps.shift() : dumps[0]) ?? [])];
      log.push('send');
      return lengthBytes;
    },
    receive: (_fd: Fd, { bytes }: Memory) => {
      const next = queue.shift() ?? -ERRNO.EAGAIN;
      if (typeof next === 'number') return next;
      const datagram = Buffer.concat(next.map((each) => encode(each, sequence)));
      bytes.set(datagram);
      return datagram.length;
    },
  } as unknown as Sys; // no more is asked for
  return { reader: TableReader.open(sys, 'namewall'), log };
}

function names(reader: TableReader): string[] {
  const found: string[] = [];
  reader.list(LIST.Rules).forEach((view, from, to) => {
    const at = valueAt(view, from, to, 1);
    found.push(Buffer.from(view.buffer, at, valueBytes(view, at) - 1).toString('latin1'));
  });
  return found;
}

const count = (reader: TableReader): number => names(reader).length;

test.each<[string, number, readonly (readonly Reply[] | number)[]]>([
  ['in one datagram', 2, [[RULE, RULE, END]]],
  ['in several', 3, [[RULE], [RULE, RULE], [END]]],
  ['after a read that a signal ended', 1, [-ERRNO.EINTR, [RULE], [END]]],
  ['none', 0, [[END]]],
  ['those of another table left out', 1, [[RULE, { ...RULE, table: 'namewall2' }, { ...RULE, table: 'name' }, END]]],
  ['answers to an earlier request left out', 1, [[{ ...RULE, sequence: -1 }, RULE, END]]],
  ['an earlier end is not the end', 2, [[RULE, { ...END, sequence: -1 }, RULE, END]]],
])('a listing is whole: %s', (_why, want, dump) => {
  expect(count(readerOf(dump).reader)).toBe(want);
});

test.each([
  ['no such set', [[{ type: ERROR, errno: ERRNO.ENOENT }]]],
  ['a set that went meanwhile', [[RULE], [{ type: DONE, errno: ERRNO.ENOENT }]]],
])('%s is an empty listing', (_why, dump) => {
  expect(count(readerOf(dump).reader)).toBe(0);
});

describe('interrupted by a transaction, a listing is made again', () => {
  test.each<[string, readonly (readonly Reply[])[]]>([
    ['when a message says so', [[RULE, { ...RULE, flags: INTERRUPTED }], [END]]],
    ['when the end says so', [[RULE], [{ ...END, flags: INTERRUPTED }]]],
    ['when its messages are of two generations', [[RULE, { ...RULE, generation: 8 }], [END]]],
    ['when the kernel gave up', [[RULE], [{ ...END, errno: ERRNO.EINTR }]]],
  ])('%s', (_why, interrupted) => {
    const { reader, log } = readerOf(interrupted, [[RULE, RULE, RULE, END]]);
    expect(count(reader)).toBe(3);
    expect(log).toEqual(['open', 'send', 'send']);
  });

  test('until two in a row agree, though each was interrupted', () => {
    const broken: Reply = { ...END, flags: INTERRUPTED };
    const { reader, log } = readerOf([[RULE, broken]], [[RULE, RULE, broken]]);
    expect(count(reader)).toBe(2);
    expect(log.filter((each) => each === 'send')).toHaveLength(3);
  });

  test('and is refused when none agrees with the one before', () => {
    const broken: Reply = { ...END, flags: INTERRUPTED };
    const dumps = Array.from({ length: 64 }, (_, i) => [[...Array.from({ length: i }, () => RULE), broken]]);
    const { reader, log } = readerOf(...dumps);
    expect(() => count(reader)).toThrow(new SysError('EINTR', 'Cannot list the nftables table: EINTR'));
    expect(log.length).toBeLessThan(64);
  });
});

test.each<[string, readonly (readonly Reply[] | number)[], string]>([
  ['a refusal', [[{ type: ERROR, errno: ERRNO.EPERM }]], 'EPERM'],
  ['a failure in its middle', [[RULE], [{ type: DONE, errno: ERRNO.ENOMEM }]], 'ENOMEM'],
  ['a full buffer', [[RULE], -ERRNO.ENOBUFS], 'ENOBUFS'],
  ['an end that never comes', [[RULE]], 'EAGAIN'],
  ['messages of no length', [[{ ...RULE, length: 0 }]], 'EAGAIN'],
])('%s is thrown, never half a listing; the next one has a socket of its own', (_why, dump, code) => {
  const { reader, log } = readerOf(dump, [[RULE, END]]);
  expect(() => count(reader)).toThrow(expect.objectContaining({ code }));
  expect(count(reader)).toBe(1);
  expect(log).toEqual(['open', 'send', 'close', 'open', 'send']);
});

test('a closed reader closes its socket', () => {
  const { reader, log } = readerOf([[END]]);
  reader.close();
  reader.close();
  expect(log).toEqual(['open', 'close']);
});
