import { beforeEach, expect, test } from 'vitest';
import { NetlinkSocket, OUTCOME } from '../../../src/kernel/netlink-socket.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Fd, Memory, Sys } from '../../../src/sys/sys.ts';

const FIRST = 0xffff_fffe; // the sequence wraps within the batch: first, 0xffffffff, 0
const LAST = 0;
const NLMSG_ERROR = 2;

let queue: (Uint8Array | number)[];
let opened: number;
let socket: NetlinkSocket;
const memory: Memory = { bytes: new Uint8Array(4096), address: 0 };

/** An acknowledgement (errno 0) or a refusal, as NETLINK_CAP_ACK shortens it. */
function report(sequence: number, errno: number, type = NLMSG_ERROR): Uint8Array {
  const view = new DataView(new ArrayBuffer(36));
  view.setUint32(0, 36, true);
  view.setUint16(4, type, true);
  view.setUint32(8, sequence, true);
  view.setInt32(16, -errno, true);
  return new Uint8Array(view.buffer);
}

beforeEach(() => {
  queue = [];
  opened = 0;
  const part: Partial<Sys> = {
    netlinkOpen: () => ++opened as Fd,
    close: () => undefined,
    send: (_fd, _memory, _offset, length) => length,
    receive: (_fd, into) => {
      const next = queue.shift() ?? -ERRNO.EAGAIN;
      if (typeof next === 'number') return next;
      into.bytes.set(next);
      return next.length;
    },
  };
  socket = new NetlinkSocket(part as Sys, 1_000, memory); // the socket calls nothing else
});

test.each([
  ['the acknowledgement of the last message alone means done', [report(LAST, 0)], OUTCOME.Done],
  ['an acknowledgement of another message of the batch does not', [report(FIRST + 1, 0)], OUTCOME.Unknown],
  ['silence is unknown', [], OUTCOME.Unknown],
  ['an old acknowledgement is no proof', [report(FIRST - 3, 0)], OUTCOME.Unknown],
  ['a foreign message beside the acknowledgement makes it doubtful', [report(7, 0), report(LAST, 0)], OUTCOME.Unknown],
  ['a message that is no report makes it doubtful', [report(LAST, 0, 0x0a0c), report(LAST, 0)], OUTCOME.Unknown],
  ['a refused message refuses the batch', [report(FIRST + 1, 23)], 23],
  [
    'a refused commit stands under the first sequence, beside an acknowledgement',
    [report(FIRST, 16), report(LAST, 0)],
    16,
  ],
  [
    'an over-run hides errors, so the acknowledgement does not count',
    [-ERRNO.ENOBUFS, report(LAST, 0)],
    OUTCOME.Unknown,
  ],
  ['an error seen after an over-run is an error', [-ERRNO.ENOBUFS, report(FIRST + 1, 2)], 2],
  ['a signal while reading changes nothing', [-ERRNO.EINTR, report(LAST, 0)], OUTCOME.Done],
])('%s', (_rule, replies, outcome) => {
  queue.push(...replies);
  expect(socket.outcome(FIRST, LAST)).toBe(outcome);
  expect(queue).toEqual([]);
});

test('a doubtful outcome replaces the socket, a clear one keeps it', () => {
  queue.push(report(LAST, 0));
  socket.outcome(FIRST, LAST);
  expect(opened).toBe(1);
  queue.push(-ERRNO.ENOBUFS, report(LAST, 0));
  socket.outcome(FIRST, LAST);
  expect(opened).toBe(2);
});

test('what was queued before a send is not taken for its answer', () => {
  queue.push(report(LAST, 0), -ERRNO.ENOBUFS, report(LAST, 0));
  socket.send(memory, 0, 20);
  expect(socket.outcome(FIRST, LAST)).toBe(OUTCOME.Unknown);
});

test('a closed socket that cannot be opened again refuses to send', () => {
  const broken: Partial<Sys> = {
    netlinkOpen: () => {
      opened++;
      if (opened > 2) throw new Error('EMFILE');
      return opened as Fd;
    },
    close: () => undefined,
  };
  const fragile = new NetlinkSocket(broken as Sys, 1_000, memory); // never gets as far as send
  fragile.reopen();
  expect(fragile.reopen()).toBe(false);
  expect(fragile.send(memory, 0, 20)).toBe(-ERRNO.EMFILE);
});
