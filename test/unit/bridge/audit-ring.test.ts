import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { AUDIT_RING_BYTES, AuditRing } from '../../../src/bridge/audit-ring.ts';
import { checkRecord, lengthOf, writeRecord, type RingWriterStart } from './ring-writer.ts';

const HEAD_BYTES = 64;

/** A ring whose positions stand at `position`, as after that many bytes. */
function ringOf(capacity: number, position = 0): AuditRing {
  const buffer = new SharedArrayBuffer(HEAD_BYTES + capacity);
  new Uint32Array(buffer, 0, 2).fill(position);
  return new AuditRing(buffer);
}

function put(ring: AuditRing, ...content: number[]): boolean {
  const at = ring.reserve(content.length);
  if (at < 0) return false;
  ring.bytes.set(content, at);
  ring.commit(content.length);
  return true;
}

function takeAll(ring: AuditRing, maximum = Number.MAX_SAFE_INTEGER): number[][] {
  const found: number[][] = [];
  ring.drain((offset, length) => found.push([...ring.bytes.subarray(offset, offset + length)]), maximum);
  return found;
}

test('records come out whole and in order', () => {
  const ring = ringOf(64);
  put(ring, 1);
  put(ring, 2, 3, 4, 5);
  put(ring);
  expect(takeAll(ring)).toEqual([[1], [2, 3, 4, 5], []]);
  expect(takeAll(ring)).toEqual([]);
});

test('nothing is visible before commit', () => {
  const ring = ringOf(64);
  const at = ring.reserve(4);
  ring.bytes.fill(9, at, at + 4);
  expect(takeAll(ring)).toEqual([]);
  ring.commit(4);
  expect(takeAll(ring)).toEqual([[9, 9, 9, 9]]);
});

test('a reservation that is not committed is given out again', () => {
  const ring = ringOf(64);
  expect(ring.reserve(8)).toBe(ring.reserve(20));
});

test('a record may be shorter than what was reserved for it', () => {
  const ring = ringOf(64);
  const at = ring.reserve(40);
  ring.bytes[at] = 7;
  ring.commit(1);
  put(ring, 8);
  expect(takeAll(ring)).toEqual([[7], [8]]);
});

test('a record that does not fit before the end goes to the beginning', () => {
  const ring = ringOf(64);
  put(ring, ...Array<number>(40).fill(1));
  takeAll(ring);
  expect(ring.reserve(24)).toBe(4); // 20 bytes are left before the end
  ring.commit(24);
  expect(takeAll(ring)).toHaveLength(1);
});

test('a record that just fits before the end stays there', () => {
  const ring = ringOf(64);
  put(ring, ...Array<number>(40).fill(1));
  takeAll(ring);
  expect(ring.reserve(16)).toBe(48);
  ring.commit(16);
  put(ring, 2);
  expect(takeAll(ring).map((record) => record.length)).toEqual([16, 1]);
});

test('the ring may be full to the last byte', () => {
  const ring = ringOf(64);
  expect(put(ring, ...Array<number>(28).fill(1))).toBe(true);
  expect(put(ring, ...Array<number>(28).fill(2))).toBe(true);
  expect(put(ring)).toBe(false);
  expect(takeAll(ring).map(([first]) => first)).toEqual([1, 2]);
  expect(put(ring, 3)).toBe(true);
});

test('a record is refused, and what is there is kept, when the reader is too far behind', () => {
  const ring = ringOf(64);
  put(ring, ...Array<number>(40).fill(1));
  expect(put(ring, ...Array<number>(20).fill(2))).toBe(false); // 20 bytes before the end, none at the beginning
  expect(put(ring, ...Array<number>(16).fill(3))).toBe(true);
  expect(takeAll(ring).map(([first]) => first)).toEqual([1, 3]);
});

test('a record larger than the ring is refused for ever, and the ring goes on', () => {
  const ring = ringOf(64);
  expect(ring.reserve(61)).toBe(-1);
  expect(put(ring, 1)).toBe(true);
  expect(takeAll(ring)).toEqual([[1]]);
});

test('a reader that takes a few leaves the rest for the next time', () => {
  const ring = ringOf(64);
  for (const n of [1, 2, 3]) put(ring, n);
  expect(takeAll(ring, 2)).toEqual([[1], [2]]);
  expect(takeAll(ring, 2)).toEqual([[3]]);
});

test('drain answers how many records it handed over', () => {
  const ring = ringOf(64);
  for (const n of [1, 2, 3]) put(ring, n);
  expect(ring.drain(() => undefined, 2)).toBe(2);
  expect(ring.drain(() => undefined, 2)).toBe(1);
  expect(ring.drain(() => undefined, 2)).toBe(0);
});

test.each([
  ['the record ends where the count starts again', 2 ** 32 - 16, 12],
  ['the record lies across 2^32', 2 ** 32 - 8, 12],
  ['the ring is left before its end, and the count starts again there', 2 ** 32 - 4, 12],
])('positions run over 2^32: %s', (_why, position, bytes) => {
  const ring = ringOf(64, position);
  for (let n = 1; n <= 8; n++) {
    const record = Array<number>(bytes).fill(n);
    expect(put(ring, ...record)).toBe(true);
    expect(takeAll(ring)).toEqual([record]);
  }
});

test('a full ring is full also when the writer is over 2^32 and the reader is not', () => {
  const ring = ringOf(64, 2 ** 32 - 32);
  expect(put(ring, ...Array<number>(28).fill(1))).toBe(true);
  expect(put(ring, ...Array<number>(28).fill(2))).toBe(true);
  expect(new Uint32Array(ring.buffer, 0, 2)).toEqual(Uint32Array.of(32, 2 ** 32 - 32));
  expect(put(ring)).toBe(false);
  expect(takeAll(ring).map(([first]) => first)).toEqual([1, 2]);
});

test('whatever is written and read in whatever turns, the ring is a queue that sometimes refuses', () => {
  const step = fc.oneof(
    fc.record({ put: fc.integer({ min: 0, max: 70 }) }),
    fc.record({ take: fc.integer({ min: 0, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(64), (steps, before) => {
      const ring = ringOf(128, (2 ** 32 - before * 4) >>> 0);
      const queue: number[][] = [];
      let n = 0;
      for (const now of steps) {
        if ('take' in now) {
          expect(takeAll(ring, now.take)).toEqual(queue.splice(0, now.take));
          continue;
        }
        const record = Array<number>(now.put).fill(++n & 0xff);
        const isPut = put(ring, ...record);
        if (isPut) queue.push(record);
        // It may refuse only for want of room: an empty ring takes what fits into it twice (once before the end, once after).
        else expect(queue.length > 0 || record.length > 56).toBe(true);
      }
      expect(takeAll(ring)).toEqual(queue);
    }),
    { numRuns: 1_000 },
  );
});

test('a full ring holds the 60,000 usual records that its size promises', () => {
  const ring = new AuditRing();
  let n = 0;
  while (ring.reserve(56 + 20 + 48) >= 0) {
    ring.commit(56 + 20 + 48);
    n++;
  }
  expect(ring.buffer.byteLength).toBe(HEAD_BYTES + AUDIT_RING_BYTES);
  expect(n).toBeGreaterThan(60_000);
});

test('a million records of another thread arrive whole, in order, and once', async () => {
  const records = 1_000_000;
  // Small, so that writer and reader meet at every place; and the count starts again in the middle.
  const ring = ringOf(1 << 16, 2 ** 32 - (1 << 26));
  const workerData: RingWriterStart = { ringBuffer: ring.buffer, records };
  const writer = new Worker(new URL('./ring-writer.ts', import.meta.url), { workerData });
  const failed = once(writer, 'error').then(([error]) => error as unknown);
  let next = 0;
  for (let taken = 0; taken < records;) {
    const drained = ring.drain((offset, length) => checkRecord(ring, next++, offset, length), 4_096);
    taken += drained;
    if (drained > 0) continue;
    // Nothing there: the writer's start, or its errors, need the event loop.
    const failure = await Promise.race([failed, setImmediate('none')]);
    if (failure !== 'none') throw failure;
  }
  expect(next).toBe(records);
  expect(ring.drain(() => undefined, 1)).toBe(0);
});

test('the check of the thread test sees a torn record', () => {
  const ring = ringOf(1_024);
  writeRecord(ring, 5);
  ring.bytes[4 + lengthOf(5) - 1]! ^= 1;
  expect(() => ring.drain((offset, length) => checkRecord(ring, 5, offset, length), 1)).toThrow('Record 5 is torn');
});
