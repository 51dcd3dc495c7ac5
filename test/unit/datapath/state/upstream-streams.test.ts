import { describe, expect, test } from 'vitest';
import type { UpstreamStream } from '../../../../src/datapath/state/upstream-stream.ts';
import { STREAM_INDEX, UpstreamStreams } from '../../../../src/datapath/state/upstream-streams.ts';
import { SimulatedSys } from '../../../../src/sys/simulated.ts';
import type { FarEnd } from '../../../../src/sys/simulated-streams.ts';
import { INTEREST } from '../../../../src/sys/sys.ts';
import { poolOf, server } from './upstreams-world.ts';

const A = server('192.0.2.53');
const B = server('2001:db8::53');
const MOST_QUESTIONS = 10_000;

function begin() {
  const sys = new SimulatedSys();
  const streams = new UpstreamStreams(sys);
  const interest = new Map<number, number>();
  const watched = new Map<number, UpstreamStream>();
  streams.watchWith({
    opened: (stream) => void watched.set(stream.fd, stream),
    closed: (fd) => {
      if (!watched.delete(fd)) expect.fail(`${fd} was closed twice`);
    },
    wants: (fd, wanted) => void interest.set(fd, wanted),
  });
  const random = poolOf();
  let slot = 0;
  /** The server at the other end of each. */
  const farOf = (stream: UpstreamStream): FarEnd =>
    sys.streams.open.find((_, i) => [...watched.keys()].toSorted((a, b) => a - b)[i] === stream.fd) ?? expect.fail();
  return {
    sys,
    streams,
    watched,
    interest,
    farOf,
    pick: (place: number, nowMs = 0): UpstreamStream | undefined => streams.pick(place, place === 1 ? B : A, nowMs),
    /** A question waits on `stream`; how it is answered. */
    wait: (stream: UpstreamStream): (() => void) => {
      const asker = slot++ % 1_000;
      const id = stream.ids.reserve(random, asker);
      return () => stream.ids.release(id, asker);
    },
  };
}

describe('which connection', () => {
  test('R14: questions to one server share one, another server has its own', () => {
    const { pick, sys } = begin();
    const first = pick(0);
    expect([pick(0), pick(1) === first]).toEqual([first, false]);
    expect(sys.streams.open.map(({ address }) => address)).toEqual([A, B]);
    expect(first?.index).toBe(STREAM_INDEX);
  });

  test('one that was silent is passed by while another can be opened, and used when not', () => {
    const { pick, wait } = begin();
    const opened = Array.from({ length: 4 }, () => {
      const stream = pick(0) ?? expect.fail();
      wait(stream);
      stream.isSuspect = true;
      return stream;
    });
    expect(new Set(opened).size).toBe(4);
    expect(opened).toContain(pick(0));
    const [, third] = opened;
    if (third !== undefined) third.isSuspect = false;
    expect(pick(0)).toBe(third);
  });

  test('I6: one that has as many questions as a pod may have in flight is passed by, and used again when one is answered', () => {
    const { pick, wait } = begin();
    const stream = pick(0) ?? expect.fail();
    const answers = Array.from({ length: 1_024 }, () => wait(stream));
    expect(pick(0)).not.toBe(stream);
    answers[500]?.();
    expect(pick(0)).toBe(stream);
  });

  test('when four are full there is none', () => {
    const { pick, wait } = begin();
    for (let i = 0; i < 4; i++) {
      const stream = pick(0) ?? expect.fail();
      for (let asked = 0; asked < 1_024; asked++) wait(stream);
    }
    expect([pick(0), pick(1)?.server]).toEqual([undefined, 1]);
  });

  test('a server that no route leads to has none', () => {
    const { sys, pick } = begin();
    sys.streams.block(A, 'unrouted');
    expect([pick(0), pick(1)?.server]).toEqual([undefined, 1]);
  });

  test('when all places are taken, an idle connection of another server makes room; without one there is none', () => {
    const { sys, streams, pick, wait } = begin();
    const all = Array.from({ length: 64 }, (_, place) => pick(place + 2) ?? expect.fail());
    const answers = all.map(wait);
    expect([pick(0), sys.streams.open.length]).toEqual([undefined, 64]);
    answers[10]?.();
    const stream = pick(0) ?? expect.fail();
    expect([stream.index, streams.at(stream.index) === stream, sys.streams.open.length]).toEqual([
      all[10]?.index,
      true,
      64,
    ]);
  });

  test('one that has had its questions is used no more, and closed as soon as nobody waits there', () => {
    const { streams, pick, wait } = begin();
    const stream = pick(0) ?? expect.fail();
    const answer = wait(stream);
    for (let i = 0; i < MOST_QUESTIONS; i++) stream.ask(12, 0);
    expect(pick(0)).not.toBe(stream);
    streams.tick(0);
    expect(streams.at(stream.index)).toBe(stream);
    answer();
    streams.tick(0);
    expect(streams.at(stream.index)).toBe(undefined);
  });
});

describe('how long', () => {
  test.each([
    ['nobody waits, for less than 8 s', 7_999, false, false, true],
    ['nobody waits, for 8 s', 8_000, false, false, false],
    ['somebody waits', 60_000, true, false, true],
    ['it was silent, and nobody waits', 1, false, true, false],
    ['it was silent, and somebody waits', 60_000, true, true, true],
  ])('%s', (_why, nowMs, isAwaited, isSuspect, isOpen) => {
    const { streams, pick, wait } = begin();
    const stream = pick(0) ?? expect.fail();
    if (isAwaited) wait(stream);
    stream.isSuspect = isSuspect;
    streams.tick(nowMs);
    expect(streams.at(stream.index) === stream).toBe(isOpen);
  });

  test('what is closed is closed once, and its place is another’s', () => {
    const { streams, pick, watched } = begin();
    const stream = pick(0) ?? expect.fail();
    streams.close(stream);
    const next = pick(0) ?? expect.fail();
    expect(next.index).toBe(stream.index);
    streams.close(stream);
    expect([streams.at(next.index), watched.size]).toEqual([next, 1]);
  });

  test('all of a server go, and none of another', () => {
    const { streams, pick, wait, sys } = begin();
    const [a, b] = [pick(0) ?? expect.fail(), pick(1) ?? expect.fail()];
    wait(a);
    expect([streams.isAwaited(0), streams.isAwaited(1)]).toEqual([true, false]);
    streams.closeOf(0);
    expect([streams.at(a.index), streams.at(b.index), streams.isAwaited(0)]).toEqual([undefined, b, false]);
    streams.closeAll();
    expect(sys.streams.open).toEqual([]);
  });
});

describe('what is sent', () => {
  function ask(stream: UpstreamStream, text: string): boolean {
    stream.bytes.set(Buffer.from(text), stream.questionAt);
    return stream.ask(text.length, 0);
  }

  test('a question is one write, its length before it', () => {
    const { pick, farOf } = begin();
    const stream = pick(0) ?? expect.fail();
    expect(ask(stream, 'question')).toBe(true);
    expect(Buffer.concat(farOf(stream).written).toString('latin1')).toBe('\0\x08question');
    expect(farOf(stream).written).toHaveLength(1);
  });

  test('what is not taken at once follows in order, and only as long is its taking watched for', () => {
    const { streams, pick, farOf, interest } = begin();
    const stream = pick(0) ?? expect.fail();
    const far = farOf(stream);
    far.window = 5;
    ask(stream, 'one');
    ask(stream, 'two');
    streams.settle(stream);
    expect([far.written.length, interest.get(stream.fd)]).toEqual([1, INTEREST.Input | INTEREST.Output]);
    far.window = 3;
    stream.flush();
    far.window = 100;
    stream.flush();
    streams.settle(stream);
    expect(Buffer.concat(far.written).toString('latin1')).toBe('\0\x03one\0\x03two');
    expect(interest.get(stream.fd)).toBe(INTEREST.Input);
  });

  test('there is room for as long as the server takes what it is sent', () => {
    const { pick } = begin();
    const stream = pick(0) ?? expect.fail();
    for (let i = 0; i < 1_000; i++) {
      expect(stream.hasRoom).toBe(true);
      expect(stream.ask(282, 0)).toBe(true);
    }
  });

  test('a question that was asked counts as use', () => {
    const { streams, pick } = begin();
    const stream = pick(0) ?? expect.fail();
    stream.ask(12, 5_000);
    streams.tick(12_999);
    expect(streams.at(stream.index)).toBe(stream);
    streams.tick(13_000);
    expect(streams.at(stream.index)).toBe(undefined);
  });

  test('while it is being made, questions wait, as many as fit; then another is opened', () => {
    const { sys, pick } = begin();
    sys.streams.block(A, 'connecting');
    const stream = pick(0) ?? expect.fail();
    let asked = 0;
    for (; stream.hasRoom; asked++) expect(stream.ask(282, 0)).toBe(true); // the longest that there is
    expect(asked).toBe(128);
    expect([stream.buffer.isPartial, pick(0) === stream]).toEqual([false, false]);
  });

  test('a connection that is refused or reset says so when it is written to', () => {
    const { sys, pick, farOf } = begin();
    const reset = pick(0) ?? expect.fail();
    sys.streams.finish(farOf(reset), 'reset');
    sys.streams.block(B, 'refused');
    const refused = pick(1) ?? expect.fail();
    expect([ask(reset, 'question'), ask(refused, 'question')]).toEqual([false, false]);
  });
});
