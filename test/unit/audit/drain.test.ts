import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { AuditDrain } from '../../../src/audit/drain.ts';
import type { AuditNames } from '../../../src/audit/decode.ts';
import type { Sink } from '../../../src/audit/sinks/sink.ts';
import { StreamSink } from '../../../src/audit/sinks/stream.ts';
import { putRecord } from './record.ts';

const DRAIN_MS = 50;
const NOBODY: AuditNames = { pod: () => undefined, rule: () => undefined, portClass: () => undefined };

/** Takes `room` lines, all of a call or none; nothing is written yet of what it takes before `drained`. */
class NarrowSink implements Sink {
  readonly taken: string[] = [];
  room = Infinity;
  /** What it took and then could not write: moved here from `taken` by `fail`. */
  lost = 0;
  isClosed = false;

  write(lines: readonly string[]): boolean {
    expect(this.isClosed).toBe(false);
    if (lines.length > this.room) return false;
    this.taken.push(...lines);
    this.room -= lines.length;
    return true;
  }

  /** The last `count` lines did not reach the disk. */
  fail(count: number): void {
    this.lost += this.taken.splice(-count).length;
  }

  takeLost(): number {
    const { lost } = this;
    this.lost = 0;
    return lost;
  }

  async drained(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** One batch at a time, each some milliseconds under way: refuses while one is. */
class SlowSink extends NarrowSink {
  refused = 0;
  #underWay: Promise<void> | undefined;

  override write(lines: readonly string[]): boolean {
    if (this.#underWay !== undefined) {
      this.refused++;
      return false;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#underWay = promise;
    setTimeout(() => {
      this.#underWay = undefined;
      resolve();
    }, 3);
    return super.write(lines);
  }

  override async drained(): Promise<void> {
    await this.#underWay;
  }
}

interface Line {
  readonly event: string;
  readonly ttlSeconds?: number;
  readonly records?: number;
}

/** How many records a story accounts for: those that are there and those that are said to be lost. */
const accounted = (taken: readonly string[]): number =>
  linesOf(taken).reduce((sum, { event, records = 0 }) => sum + (event === 'audit.lost' ? records : 1), 0);

const linesOf = (taken: readonly string[]): Line[] => taken.map((line) => JSON.parse(line) as Line);
/** Numbers of the records, and what was said to be lost, in the order of the log. */
const story = (taken: readonly string[]): unknown[] =>
  linesOf(taken).map(({ event, ttlSeconds, records }) => (event === 'audit.lost' ? `${records} lost` : ttlSeconds));

function setUp(sink: Sink = new NarrowSink()) {
  const ring = new AuditRing();
  const counters = new Counters();
  const drain = new AuditDrain(ring, counters, NOBODY, sink);
  /** As the data plane does: what finds no room is counted. */
  const put = (n: number): void => {
    if (!putRecord(ring, { ttlSeconds: n })) counters.words[COUNT.audit_lost]! += 1;
  };
  return { ring, counters, drain, put };
}

describe('in time', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('records are handed over within a twentieth of a second, in order', async () => {
    const sink = new NarrowSink();
    const { drain, put } = setUp(sink);
    drain.start();
    [1, 2, 3].forEach(put);
    expect(sink.taken).toEqual([]);
    vi.advanceTimersByTime(DRAIN_MS);
    expect(story(sink.taken)).toEqual([1, 2, 3]);
    put(4);
    vi.advanceTimersByTime(DRAIN_MS);
    expect(story(sink.taken)).toEqual([1, 2, 3, 4]);
    await drain.stop();
  });

  test('nothing happened: nothing is written', async () => {
    const sink = new NarrowSink();
    const { drain } = setUp(sink);
    drain.start();
    vi.advanceTimersByTime(100 * DRAIN_MS);
    await drain.stop();
    expect(sink.taken).toEqual([]);
  });

  test('many records are made into lines in several goes, one right after the other', async () => {
    const sink = new NarrowSink();
    const write = vi.spyOn(sink, 'write');
    const { drain, put } = setUp(sink);
    drain.start();
    for (let n = 0; n < 4_500; n++) put(n);
    vi.advanceTimersByTime(DRAIN_MS + 5);
    expect(write.mock.calls.map(([lines]) => lines.length)).toEqual([2_000, 2_000, 500]);
    await drain.stop();
  });

  test('what the ring could not take is said in its place, once', async () => {
    const sink = new NarrowSink();
    const { drain, put, counters } = setUp(sink);
    drain.start();
    put(1);
    counters.words[COUNT.audit_lost]! += 5;
    vi.advanceTimersByTime(DRAIN_MS);
    put(2);
    vi.advanceTimersByTime(DRAIN_MS);
    counters.words[COUNT.audit_lost]! += 2;
    vi.advanceTimersByTime(DRAIN_MS);
    await drain.stop();
    expect(story(sink.taken)).toEqual([1, '5 lost', 2, '2 lost']);
  });

  test('what the sink took and could not write after all is said, once', async () => {
    const sink = new NarrowSink();
    const { drain, put } = setUp(sink);
    drain.start();
    [1, 2, 3].forEach(put);
    vi.advanceTimersByTime(DRAIN_MS);
    sink.fail(2);
    put(4);
    vi.advanceTimersByTime(3 * DRAIN_MS);
    await drain.stop();
    expect(story(sink.taken)).toEqual([1, 4, '2 lost']);
  });

  test('what fails while it is stopping is said, too', async () => {
    const sink = new NarrowSink();
    const { drain, put } = setUp(sink);
    drain.start();
    [1, 2, 3].forEach(put);
    let isFirst = true;
    vi.spyOn(sink, 'drained').mockImplementation(async () => {
      if (sink.taken.length === 3 && isFirst) {
        isFirst = false;
        sink.fail(2);
      }
    });
    await drain.stop();
    expect(story(sink.taken)).toEqual([1, '2 lost']);
  });

  test('what the sink could not take is said as soon as it takes lines again', async () => {
    const sink = new NarrowSink();
    const { drain, put } = setUp(sink);
    drain.start();
    put(1);
    vi.advanceTimersByTime(DRAIN_MS);
    sink.room = 0;
    [2, 3].forEach(put);
    vi.advanceTimersByTime(DRAIN_MS);
    sink.room = Infinity;
    vi.advanceTimersByTime(DRAIN_MS);
    await drain.stop();
    expect(story(sink.taken)).toEqual([1, '2 lost']);
  });

  test('a note of loss that is lost itself is not the end of the account: every lost record is said in the end', async () => {
    const sink = new NarrowSink();
    const { drain, put } = setUp(sink);
    drain.start();
    sink.room = 0;
    for (let n = 0; n < 10; n++) put(n);
    vi.advanceTimersByTime(5 * DRAIN_MS); // the note of ten finds no room either, again and again
    sink.room = Infinity;
    vi.advanceTimersByTime(2 * DRAIN_MS);
    await drain.stop();
    expect(story(sink.taken)).toEqual(['10 lost']);
  });

  test('loss beside loss: what the ring, the sink and a refused note lose adds up, and nothing is counted twice', async () => {
    const sink = new NarrowSink();
    const { drain, put, counters } = setUp(sink);
    drain.start();
    for (let n = 0; n < 60; n++) {
      put(n);
      if (n % 7 === 0) counters.words[COUNT.audit_lost]! += 1; // a record that the ring could not take
      if (n % 5 === 0) sink.room = n % 10 === 0 ? 2 : Infinity;
      vi.advanceTimersByTime(DRAIN_MS);
      if (n % 11 === 0 && story(sink.taken).at(-1) === n) sink.fail(1);
    }
    sink.room = Infinity;
    await drain.stop();
    expect(accounted(sink.taken)).toBe(60 + 9);
  });

  test('stop takes everything that is left, then closes the sink, and nothing is drained afterwards', async () => {
    const sink = new NarrowSink();
    const { drain, put, counters } = setUp(sink);
    drain.start();
    for (let n = 0; n < 5_000; n++) put(n);
    counters.words[COUNT.audit_lost]! += 1;
    await drain.stop();
    expect(sink.isClosed).toBe(true);
    expect(story(sink.taken).filter((each) => each !== '1 lost')).toEqual([...Array(5_000).keys()]);
    expect(story(sink.taken)).toContain('1 lost');
    put(1);
    vi.advanceTimersByTime(10 * DRAIN_MS);
    expect(sink.taken).toHaveLength(5_001);
  });
});

test('a sink that is slow over stop loses nothing: what is left waits for its turn', async () => {
  const sink = new SlowSink();
  const { drain, put } = setUp(sink);
  for (let n = 0; n < 9_000; n++) put(n);
  sink.write(['{"event":"before"}']); // under way when it is told to stop
  await drain.stop();
  expect(story(sink.taken.slice(1))).toEqual([...Array(9_000).keys()]);
  expect([sink.refused, sink.isClosed]).toEqual([0, true]);
});

describe('to a file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'namewall-drain-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const toFile = (file: string) => StreamSink.toFile(file, (error) => expect.fail(error.message));
  /** Puts records until the ring is full; how many it holds. */
  function fill({ put, counters }: ReturnType<typeof setUp>): number {
    let n = 0;
    while (counters.words[COUNT.audit_lost] === 0) put(n++);
    return n - 1;
  }

  test('a full ring at the end: every record is in the file, once and in order, and the one beyond it is said to be lost', async () => {
    const file = join(folder, 'audit.log');
    const part = setUp(toFile(file));
    const held = fill(part);
    part.drain.start();
    await part.drain.stop();
    const told = story(readFileSync(file, 'utf8').trimEnd().split('\n'));
    expect(told.filter((each) => each !== '1 lost')).toEqual([...Array(held).keys()]);
    expect(told).toHaveLength(held + 1);
  });

  test('a reader that is slow over stop, far behind by then, gets every record', async () => {
    const pipe = join(folder, 'pipe');
    const file = join(folder, 'audit.log');
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
    const reader = spawn('sh', ['-c', 'exec < "$0"; sleep 0.2; exec cat > "$1"', pipe, file]);
    const ended = once(reader, 'exit');
    const part = setUp(toFile(pipe)); // waits for the reader to open it
    const held = fill(part);
    part.drain.start();
    await part.drain.stop();
    await ended;
    const told = story(readFileSync(file, 'utf8').trimEnd().split('\n'));
    expect(told.filter((each) => each !== '1 lost')).toEqual([...Array(held).keys()]);
  });

  test('a disk that is full: stopping ends, and throws nothing at the agent', async () => {
    const onError = vi.fn();
    const part = setUp(StreamSink.toFile('/dev/full', onError));
    for (let n = 0; n < 3_000; n++) part.put(n);
    part.drain.start();
    await expect(part.drain.stop()).resolves.toBeUndefined();
    expect(onError).toHaveBeenCalledOnce();
  });
});
