import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../../src/base/ip.ts';
import {
  ClientStreams,
  NO_STREAM,
  STREAM_IN_FLIGHT,
  STREAMS,
  STREAMS_PER_CLIENT,
} from '../../../../src/datapath/state/client-streams.ts';
import { FRAME } from '../../../../src/datapath/state/stream-buffer.ts';
import { SimulatedSys } from '../../../../src/sys/simulated.ts';
import type { FarEnd } from '../../../../src/sys/simulated-streams.ts';
import { Peer } from '../../../../src/sys/streams.ts';
import { INTEREST } from '../../../../src/sys/sys.ts';

const HERE = { address: parseAddress('10.96.0.10') ?? expect.fail(), port: 53 };
const LIMITS = { queryMs: 2_000, idleMs: 10_000 };
const MESSAGE_BYTES = 65_535;
const QUERY = Uint8Array.of(0, 2, 1, 2);

function begin() {
  const sys = new SimulatedSys();
  const clients = new ClientStreams(sys);
  const listener = sys.streams.listen(HERE);
  const interest = new Map<number, number>();
  clients.watchWith({
    opened: (fd) => void interest.set(fd, INTEREST.Input),
    closed: (fd) => void interest.delete(fd),
    wants: (fd, wanted) => void interest.set(fd, wanted),
    gaveUp: () => void givenUp.push(true),
  });
  const peer = new Peer();
  let port = 0;
  const late: number[] = [];
  const givenUp: boolean[] = [];
  return {
    sys,
    clients,
    interest,
    late,
    givenUp,
    /** Somebody at `address` connects at this time. */
    open: (address = '10.0.0.1', nowMs = 0): { stream: number; far: FarEnd } => {
      const from = { address: parseAddress(address) ?? expect.fail(), port: ++port };
      const far = sys.streams.dial(from, HERE) ?? expect.fail();
      return { stream: clients.open(sys.streams.accept(listener, peer), 0, peer, nowMs), far };
    },
    /** Reads what was written and takes all queries of it. */
    take: (stream: number, nowMs: number): number => {
      clients.fill(stream);
      let count = 0;
      for (; clients.mayRead(stream) && clients.buffers[stream]?.next() === FRAME.Message; count++) {
        clients.took(stream, nowMs);
      }
      clients.settle(stream, nowMs);
      return count;
    },
    send: (stream: number, lengthBytes: number): boolean =>
      clients.send(stream, clients.serial[stream] ?? 0, lengthBytes),
    tick: (nowMs: number): void => clients.tick(nowMs, LIMITS, (each) => late.push(each)),
    roused: (): number[] => Array.from({ length: clients.rousedCount }, () => clients.takeRoused()),
  };
}

describe('who may connect', () => {
  test('R14: an address has its share and no more, another one its own', () => {
    const { open, clients } = begin();
    const opened = Array.from({ length: STREAMS_PER_CLIENT + 1 }, () => open('10.0.0.1'));
    expect(opened.filter(({ stream }) => stream === NO_STREAM)).toHaveLength(1);
    expect(opened.at(-1)?.far.ended).toBe('reset');
    expect(open('10.0.0.2').stream).not.toBe(NO_STREAM);
    expect(open('2001:db8::1').stream).not.toBe(NO_STREAM);
    clients.close(opened[3]?.stream ?? expect.fail());
    expect(open('10.0.0.1').stream).toBe(opened[3]?.stream);
  });

  test('addresses that differ in one byte only are two', () => {
    const { open } = begin();
    for (let i = 0; i < STREAMS_PER_CLIENT; i++) open('2001:db8::1');
    expect(open('2001:db8:1::1').stream).not.toBe(NO_STREAM);
    expect(open('2001:db8::2').stream).not.toBe(NO_STREAM);
  });

  function fill() {
    const parts = begin();
    const all = Array.from({ length: STREAMS }, (_, i) => parts.open(`10.0.${i >> 4}.1`, 1_000 + i));
    return { ...parts, all };
  }

  test('I6: when all places are taken, the one that was idle for longest makes room', () => {
    const { all, open, clients } = fill();
    clients.inFlight[0] = 1;
    clients.took(1, 5_000);
    const { stream } = open('10.9.9.9', 6_000);
    expect([all[0]?.far.ended, all[1]?.far.ended, all[2]?.far.ended]).toEqual(['open', 'open', 'closed']);
    expect(stream).toBe(all[2]?.stream);
    expect(clients.count).toBe(STREAMS);
  });

  test('when none of them is idle, the new one is refused', () => {
    const { open, clients, all } = fill();
    for (let stream = 0; stream < STREAMS; stream++) clients.inFlight[stream] = 1;
    const { stream, far } = open('10.9.9.9', 6_000);
    expect([stream, far.ended, all.filter(({ far: each }) => each.ended !== 'open').length]).toEqual([
      NO_STREAM,
      'reset',
      0,
    ]);
  });
});

describe('what is read', () => {
  test('a connection with as many queries in flight as it may have is not read until one is over', () => {
    const { sys, open, take, clients, interest, roused } = begin();
    const { stream, far } = open();
    sys.streams.deliver(far, new Uint8Array(Buffer.concat(Array(STREAM_IN_FLIGHT + 5).fill(QUERY))));
    clients.fill(stream);
    for (let i = 0; i < STREAM_IN_FLIGHT; i++) {
      expect([clients.mayRead(stream), clients.buffers[stream]?.next()]).toEqual([true, FRAME.Message]);
      clients.took(stream, 0);
      clients.inFlight[stream]!++;
    }
    clients.settle(stream, 0);
    expect([clients.mayRead(stream), [...interest.values()]]).toEqual([false, [0]]);
    // What is told in this turn was asked for before; from the next one on only an error is.
    expect(clients.isAwaited(stream)).toBe(true);
    clients.beginTurn();
    expect(clients.isAwaited(stream)).toBe(false);
    clients.done(stream, clients.serial[stream] ?? 0);
    expect(roused()).toEqual([stream]);
    expect(take(stream, 0)).toBe(5);
    expect([...interest.values()]).toEqual([INTEREST.Input]);
  });

  test('a query that is over rouses nobody whose client is listened to anyway', () => {
    const { open, clients } = begin();
    const { stream } = open();
    clients.inFlight[stream] = 2;
    clients.done(stream, clients.serial[stream] ?? 0);
    expect([clients.inFlight[stream], clients.rousedCount]).toEqual([1, 0]);
  });

  /** A connection that has had its queries, and one of them is not answered. */
  function spend() {
    const parts = begin();
    const { open, clients, roused } = parts;
    const { stream, far } = open();
    clients.inFlight[stream] = 1;
    for (let i = 0; i < 20_000; i++) {
      expect(clients.mayRead(stream)).toBe(true);
      clients.took(stream, 0);
    }
    clients.settle(stream, 0);
    const answer = (nowMs: number): void => {
      clients.done(stream, clients.serial[stream] ?? 0);
      for (const each of roused()) clients.settle(each, nowMs);
    };
    return { ...parts, stream, far, answer };
  }

  test('after so many queries no more are taken, and when the last one is answered the client is told', () => {
    const { clients, stream, far, answer, interest } = spend();
    expect([clients.mayRead(stream), far.ended, clients.isTold(stream)]).toEqual([false, 'open', false]);
    answer(1_000);
    expect([clients.isTold(stream), far.ended, clients.isOpen(stream)]).toEqual([true, 'closed', true]);
    expect([...interest.values()]).toEqual([INTEREST.Input]);
  });

  test('what a client that was told still writes is forgotten, until it ends or 2 s are over', () => {
    for (const ends of [true, false]) {
      const { sys, clients, stream, far, answer, tick } = spend();
      answer(1_000);
      sys.streams.deliver(far, QUERY);
      clients.discard(stream);
      clients.settle(stream, 1_500);
      expect([clients.buffers[stream]?.isPartial, clients.isOpen(stream)]).toEqual([false, true]);
      tick(2_999);
      expect(clients.isOpen(stream)).toBe(true);
      if (ends) sys.streams.finish(far, 'finished');
      if (ends) clients.discard(stream);
      else tick(3_000);
      expect(clients.isOpen(stream)).toBe(false);
    }
  });

  test('a client that was told and has its place taken says nothing about the next', () => {
    const { clients, stream, answer, open } = spend();
    answer(1_000);
    clients.close(stream);
    expect([open().stream, clients.isTold(stream), clients.mayRead(stream)]).toEqual([stream, false, true]);
  });

  test('a client that writes no more gets its answers, and is closed after the last', () => {
    const { open, clients, send, roused } = begin();
    const { stream, far } = open();
    clients.inFlight[stream] = 2;
    clients.endSoon(stream);
    expect([clients.mayRead(stream), far.ended]).toEqual([false, 'open']);
    for (const left of [1, 0]) {
      expect(send(stream, 20)).toBe(true);
      clients.done(stream, clients.serial[stream] ?? 0);
      for (const each of roused()) clients.settle(each, 0);
      expect(far.ended).toBe(left === 1 ? 'open' : 'closed');
    }
    expect(far.written).toHaveLength(2);
  });

  test('who is held is not read until it is resumed, and is not closed as idle, held or waiting for its turn', () => {
    const { open, clients, tick, roused } = begin();
    const { stream, far } = open();
    expect([clients.hold(stream), clients.hold(stream)]).toEqual([true, false]);
    expect([clients.mayRead(stream), clients.heldCount]).toEqual([false, 1]);
    tick(100_000);
    clients.resumeHeld();
    tick(100_100);
    expect(far.ended).toBe('open');
    expect([clients.mayRead(stream), roused(), clients.heldCount]).toEqual([true, [stream], 0]);
    expect(clients.hold(stream)).toBe(false);
    clients.caughtUp(stream);
    expect(clients.hold(stream)).toBe(true);
  });

  test('of those that are held each is resumed first as often as the others; who has ended meanwhile is not', () => {
    const { open, clients, roused } = begin();
    const streams = Array.from({ length: STREAMS_PER_CLIENT }, () => open().stream);
    const firsts = new Map<number, number>();
    for (let i = 0; i < 3 * STREAMS_PER_CLIENT; i++) {
      for (const stream of streams) clients.hold(stream);
      clients.resumeHeld();
      const first = roused()[0] ?? NO_STREAM;
      firsts.set(first, (firsts.get(first) ?? 0) + 1);
    }
    expect([...firsts.values()]).toEqual(streams.map(() => 3));
    for (const stream of streams) clients.hold(stream);
    clients.close(streams[0] ?? NO_STREAM);
    expect(clients.heldCount).toBe(STREAMS_PER_CLIENT - 1);
    clients.resumeHeld();
    expect(roused()).toHaveLength(STREAMS_PER_CLIENT - 1);
  });
});

describe('whose answer it is', () => {
  test('a place that another connection has taken gets no answer, and no count, of the one before', () => {
    const { open, clients } = begin();
    const { stream } = open();
    const before = clients.serial[stream] ?? 0;
    clients.inFlight[stream] = 1;
    clients.close(stream);
    const next = open();
    expect([next.stream, clients.inFlight[stream]]).toEqual([stream, 0]);
    expect(clients.send(stream, before, 20)).toBe(false);
    clients.done(stream, before);
    expect([next.far.written, clients.inFlight[stream], clients.rousedCount]).toEqual([[], 0, 0]);
  });

  test('nothing of the connection before stays at its place: not its end, its late query, its untaken answer, nor its pause', () => {
    const { sys, open, clients, take, send, tick, late } = begin();
    const { stream, far } = open();
    sys.streams.deliver(far, QUERY.subarray(0, 1));
    take(stream, 1_000);
    far.window = 1;
    send(stream, 10);
    clients.hold(stream);
    clients.endSoon(stream);
    clients.reset(stream);
    const next = open('10.0.0.1', 1_000);
    expect([next.stream, clients.mayRead(stream), clients.isAwaited(stream)]).toEqual([stream, true, true]);
    tick(4_000);
    expect([late, next.far.ended]).toEqual([[], 'open']);
    expect([send(stream, 1), next.far.written.length]).toEqual([true, 1]);
  });

  test('connections that were roused are looked at in that order, once, and not when they have ended', () => {
    const { open, clients, roused } = begin();
    const streams = [open(), open(), open()].map(({ stream }) => stream);
    for (const stream of [2, 0, 1, 2]) clients.rouse(streams[stream] ?? 0);
    clients.close(streams[0] ?? 0);
    expect(roused()).toEqual([streams[2], NO_STREAM, streams[1]]);
    for (let i = 0; i < STREAMS; i++) {
      clients.rouse(streams[1] ?? 0);
      expect(roused()).toEqual([streams[1]]);
    }
  });
});

describe('what the client has not taken', () => {
  test('R3: an answer is one write, its length before it', () => {
    const { open, clients, send } = begin();
    const { stream, far } = open();
    clients.out.bytes.set([7, 8, 9], 2);
    expect(send(stream, 3)).toBe(true);
    expect(far.written.map((each) => [...each])).toEqual([[0, 3, 7, 8, 9]]);
  });

  test.each([0, 1, 2, 100, 65_536])(
    'when %i bytes are taken, the rest follows in order as the client takes it',
    (window) => {
      const { open, clients, send, interest } = begin();
      const { stream, far } = open();
      far.window = window;
      clients.out.bytes[2] = 1;
      clients.out.bytes[MESSAGE_BYTES + 1] = 2;
      expect(send(stream, MESSAGE_BYTES)).toBe(true);
      clients.settle(stream, 0);
      expect([clients.mayRead(stream), interest.get(4)]).toEqual([false, INTEREST.Output]);
      for (far.window = 10_000; clients.isOpen(stream) && !clients.mayRead(stream); far.window = 10_000) {
        expect(clients.flush(stream, 1)).toBe(true);
        clients.settle(stream, 1);
      }
      const all = Buffer.concat(far.written);
      expect([all.length, all.readUInt16BE(0), all[2], all.at(-1)]).toEqual([MESSAGE_BYTES + 2, MESSAGE_BYTES, 1, 2]);
      expect(interest.get(4)).toBe(INTEREST.Input);
    },
  );

  test('C10: one of the largest answers is kept, and some that were corked before it; more resets the connection', () => {
    const { open, send, givenUp } = begin();
    const { stream, far } = open();
    far.window = 0;
    expect([send(stream, 4_000), send(stream, MESSAGE_BYTES), far.ended]).toEqual([true, true, 'open']);
    expect([send(stream, 100), far.ended]).toEqual([false, 'reset']);
    expect([send(stream, 1), givenUp]).toEqual([false, [true]]);
  });

  test('replies are corked and written at once, those to others meanwhile directly, and what exceeds the cork with it', () => {
    const { open, send, clients } = begin();
    const [one, other] = [open(), open()];
    const lengths = (far: FarEnd): number[] => far.written.map(({ length }) => length);
    clients.cork(one.stream);
    for (const length of [10, 20]) expect(send(one.stream, length)).toBe(true);
    expect([clients.outAt, send(other.stream, 5)]).toEqual([12 + 22, true]);
    expect([lengths(one.far), lengths(other.far)]).toEqual([[], [7]]);
    expect([send(one.stream, MESSAGE_BYTES), lengths(one.far), clients.outAt]).toEqual([
      true,
      [12 + 22 + MESSAGE_BYTES + 2],
      0,
    ]);
    send(one.stream, 30);
    clients.uncork();
    expect(lengths(one.far).slice(1)).toEqual([32]);
    expect([send(one.stream, 1), lengths(one.far).length]).toEqual([true, 3]);
  });

  test('what was corked for a connection that has ended goes to nobody, not to the next at its place either', () => {
    const { open, send, clients } = begin();
    const { stream } = open();
    clients.cork(stream);
    send(stream, 10);
    clients.reset(stream);
    const next = open();
    expect([next.stream, clients.outAt]).toEqual([stream, 0]);
    clients.uncork();
    expect(next.far.written).toEqual([]);
  });

  test('C10: so many clients may leave something; the next is reset, and there is room when one has taken its answer', () => {
    const { open, send, clients } = begin();
    const opened = Array.from({ length: 257 }, (_, i) => open(`10.0.${i}.1`.replace('256', '1')));
    for (const { far } of opened) far.window = 1;
    const kept = opened.filter(({ stream }) => send(stream, 10));
    expect([kept.length, opened.at(-1)?.far.ended]).toEqual([256, 'reset']);
    clients.reset(opened[0]?.stream ?? 0);
    const again = open('10.1.1.1');
    again.far.window = 1;
    expect(send(again.stream, 10)).toBe(true);
  });

  test('a client that writes no more and has not taken its answer is closed when it has', () => {
    const { open, clients, send } = begin();
    const { stream, far } = open();
    far.window = 5;
    send(stream, 10);
    clients.endSoon(stream);
    expect(far.ended).toBe('open');
    far.window = 100;
    clients.flush(stream, 0);
    clients.settle(stream, 0);
    expect([far.ended, Buffer.concat(far.written).length]).toEqual(['closed', 12]);
  });

  test('who is gone when its answer is written, or taken, is closed', () => {
    const { open, send, clients, sys } = begin();
    const [one, two] = [open(), open()];
    two.far.window = 1;
    expect(send(two.stream, 10)).toBe(true);
    for (const { far } of [one, two]) sys.streams.finish(far, 'reset');
    expect([send(one.stream, 10), clients.flush(two.stream, 0)]).toEqual([false, false]);
    expect(clients.count).toBe(0);
  });
});

test('I4: connections of pods that are gone, or have another address now, are reset; those of nobody known stay', () => {
  const { open, clients } = begin();
  const opened = [7, 8, 9, 0].map((podId, i) => {
    const connection = open(`10.0.0.${i + 1}`);
    clients.podId[connection.stream] = podId;
    return connection;
  });
  const now = new Map([
    [1, 7],
    [2, 70],
    [4, 5],
  ]);
  clients.dropStrangers((offset) => now.get(clients.address[offset + 15] ?? 0) ?? 0);
  expect(opened.map(({ far }) => far.ended)).toEqual(['open', 'reset', 'reset', 'open']);
  clients.close(opened[0]?.stream ?? 0);
  expect([open().stream, clients.podId[opened[0]?.stream ?? 0]]).toEqual([opened[0]?.stream, 0]);
});

describe('time', () => {
  test.each([
    ['nothing was ever written: idle', [], 9_999, 'open', false],
    ['and closed then', [], 10_000, 'closed', false],
    ['C9: a query began and has not ended', [1], 1_999, 'open', false],
    ['it is late then', [1], 2_000, 'open', true],
  ] as const)('%s', (_why, bytes, nowMs, ended, isLate) => {
    const { sys, open, take, tick, late } = begin();
    const { stream, far } = open('10.0.0.1', 0);
    if (bytes.length > 0) sys.streams.deliver(far, Uint8Array.from(bytes));
    take(stream, 0.001);
    tick(nowMs + 0.001);
    expect([far.ended, late]).toEqual([ended, isLate ? [stream] : []]);
  });

  test('M32: a query that trickles is late from its first byte on, the next one from its own', () => {
    const { sys, open, take, tick, late } = begin();
    const { stream, far } = open('10.0.0.1', 1_000);
    sys.streams.deliver(far, QUERY.subarray(0, 3));
    take(stream, 1_000);
    sys.streams.deliver(far, Uint8Array.of(9, 0));
    expect(take(stream, 2_900)).toBe(1); // and the next has begun
    tick(3_100);
    expect(late).toEqual([]);
    tick(4_900);
    expect(late).toEqual([stream]);
  });

  test('M32: a query that trickles is late whatever comes of it', () => {
    const { sys, open, take, tick, late } = begin();
    const { stream, far } = open('10.0.0.1', 1_000);
    for (const nowMs of [1_000, 2_500]) {
      sys.streams.deliver(far, Uint8Array.of(1));
      take(stream, nowMs);
    }
    tick(3_000);
    expect(late).toEqual([stream]);
  });

  test('a query that may not be taken yet is not late', () => {
    const { sys, open, take, tick, late, clients } = begin();
    const { stream, far } = open('10.0.0.1', 1_000);
    sys.streams.deliver(far, QUERY.subarray(0, 3));
    take(stream, 1_000);
    clients.inFlight[stream] = STREAM_IN_FLIGHT;
    tick(9_000);
    expect(late).toEqual([]);
  });

  test('a connection with a query that waits is not idle', () => {
    const { open, tick, clients, late } = begin();
    const { stream, far } = open();
    clients.inFlight[stream] = 1;
    tick(60_000);
    expect([far.ended, late]).toEqual(['open', []]);
  });

  test('C10: an answer that is not taken for as long as idle connections are kept is given up', () => {
    const { open, tick, late, send, clients } = begin();
    const { stream, far } = open();
    far.window = 1;
    send(stream, 10);
    clients.inFlight[stream] = 1;
    far.window = 1;
    clients.flush(stream, 5_000);
    tick(14_999);
    expect(late).toEqual([]);
    tick(15_000);
    expect(late).toEqual([stream]);
  });
});
