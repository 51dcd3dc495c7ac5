import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventWindows } from '../../../../src/datapath/state/event-windows.ts';

const WINDOW_MS = 10_000;

function setUp(keys = 4) {
  const windows = new EventWindows(keys);
  const told: string[] = [];
  const tell = (key: number, count: number): void => void told.push(`${key}: ${count}`);
  /** What a turn at this time tells. */
  const turn = (nowMs: number): string[] => {
    windows.turn(nowMs, tell);
    return told.splice(0);
  };
  return { windows, turn, tell, told };
}

test('the first event is told at once, with all of its turn', () => {
  const { windows, turn } = setUp();
  windows.add(2);
  windows.add(2, 6);
  expect(turn(500)).toEqual(['2: 7']);
});

test('what comes after is told when the window ends, once', () => {
  const { windows, turn } = setUp();
  windows.add(1);
  turn(0);
  windows.add(1);
  expect(turn(WINDOW_MS - 1)).toEqual([]);
  windows.add(1);
  expect(turn(WINDOW_MS)).toEqual(['1: 2']);
  expect(turn(2 * WINDOW_MS)).toEqual([]);
});

test('a window in which nothing came is the last one: the next event is told at once', () => {
  const { windows, turn } = setUp();
  windows.add(1);
  turn(0);
  expect(turn(WINDOW_MS)).toEqual([]);
  windows.add(1);
  expect(turn(WINDOW_MS + 1)).toEqual(['1: 1']);
});

test('windows of different keys end each by itself', () => {
  const { windows, turn } = setUp();
  windows.add(0);
  turn(0);
  windows.add(3);
  turn(4_000);
  windows.add(0);
  windows.add(3);
  expect(turn(WINDOW_MS)).toEqual(['0: 1']);
  expect(turn(WINDOW_MS + 4_000)).toEqual(['3: 1']);
});

test('every key may have a window at once', () => {
  const { windows, turn } = setUp(3);
  for (const nowMs of [0, WINDOW_MS, 2 * WINDOW_MS]) {
    for (const key of [0, 1, 2]) windows.add(key);
    expect(turn(nowMs)).toEqual(['0: 1', '1: 1', '2: 1']);
  }
});

test('the end of one key, and of all, tells what is left, and nothing twice', () => {
  const { windows, turn, tell, told } = setUp();
  for (const key of [0, 1, 2]) windows.add(key);
  turn(0);
  for (const key of [0, 1, 2]) windows.add(key, key + 1);
  windows.endOf(1, tell);
  expect(told.splice(0)).toEqual(['1: 2']);
  windows.end(tell);
  windows.end(tell);
  expect(told.splice(0)).toEqual(['0: 1', '2: 3']);
  expect(turn(WINDOW_MS)).toEqual([]);
});

test('an event between two ends of one key is not told before its window ends', () => {
  const { windows, turn, tell } = setUp();
  windows.add(1);
  turn(0);
  windows.endOf(1, tell);
  windows.add(1);
  expect(turn(WINDOW_MS - 1)).toEqual([]);
  expect(turn(WINDOW_MS)).toEqual(['1: 1']);
});

test('whatever comes: every event is in one number, and a key is told once a window at most', () => {
  const step = fc.oneof(
    fc.record({ key: fc.nat(3), events: fc.integer({ min: 1, max: 1_000 }) }),
    fc.record({ laterMs: fc.nat(15_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const windows = new EventWindows(4);
      const added = [0, 0, 0, 0];
      const told = [0, 0, 0, 0];
      const lastMs = [-WINDOW_MS, -WINDOW_MS, -WINDOW_MS, -WINDOW_MS];
      let nowMs = 0;
      for (const each of steps) {
        if ('key' in each) {
          windows.add(each.key, each.events);
          added[each.key]! += each.events;
        } else nowMs += each.laterMs;
        windows.turn(nowMs, (key, count) => {
          told[key]! += count;
          expect(nowMs - lastMs[key]!).toBeGreaterThanOrEqual(WINDOW_MS);
          lastMs[key] = nowMs;
        });
      }
      windows.end((key, count) => void (told[key]! += count));
      expect(told).toEqual(added);
    }),
  );
});
