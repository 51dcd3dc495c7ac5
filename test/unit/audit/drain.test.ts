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

/** Takes `room` lines at a time; the rest is lost, as at a reader that falls behind. */
class NarrowSink implements Sink {
  readonly taken: string[] = [];
  room = Infinity;
  isClosed = false;
  #lost = 0;

  write(lines: readonly string[]): void {
    expect(this.isClosed).toBe(false);
    if (lines.length <= this.room) {
      this.taken.push(...lines);
      this.room -= lines.length;
    } else this.#lost += lines.length;
  }

  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

interface Line {
  readonly event: string;
  readonly ttlSeconds?: number;
  readonly records?: number;
}

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
    const said = linesOf(sink.taken).reduce((sum, { records = 0 }) => sum + records, 0);
    expect(said).toBe(10);
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

describe('to a file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'namewall-drain-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('a full ring at the end: every record is in the file once and in order, or said to be lost', async () => {
    const file = join(folder, 'audit.log');
    const { drain, put, counters } = setUp(StreamSink.toFile(file, (error) => expect.fail(error.message)));
    let n = 0;
    while (counters.words[COUNT.audit_lost] === 0) put(n++);
    drain.start();
    await drain.stop();
    const lines = linesOf(readFileSync(file, 'utf8').trimEnd().split('\n'));
    const numbers = lines.flatMap(({ ttlSeconds }) => ttlSeconds ?? []);
    expect(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)).toBe(true);
    expect(numbers.length + lines.reduce((sum, { records = 0 }) => sum + records, 0)).toBe(n);
  });

  test('a full ring at the end: a disk that keeps up loses nothing', async () => {
    const file = join(folder, 'audit.log');
    const { drain, put, counters } = setUp(StreamSink.toFile(file, (error) => expect.fail(error.message)));
    let n = 0;
    while (counters.words[COUNT.audit_lost] === 0) put(n++);
    drain.start();
    await drain.stop();
    const numbers = linesOf(readFileSync(file, 'utf8').trimEnd().split('\n')).flatMap(
      ({ ttlSeconds }) => ttlSeconds ?? [],
    );
    expect(numbers.length).toBe(n - 1);
  });
});
