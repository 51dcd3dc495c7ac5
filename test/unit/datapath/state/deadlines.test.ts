import { expect, test } from 'vitest';
import { Deadlines } from '../../../../src/datapath/state/deadlines.ts';
import { QuerySlots } from '../../../../src/datapath/state/query-slots.ts';

/** `count` slots in use, each with its first attempt under way. */
function taken(count: number): { slots: QuerySlots; ids: number[] } {
  const slots = new QuerySlots(8);
  const ids = Array.from({ length: count }, () => {
    const slot = slots.take();
    slots.attempts[slot] = 1;
    return slot;
  });
  return { slots, ids };
}

test('an attempt is overdue after the patience, not before, and once', () => {
  const { slots, ids } = taken(1);
  const deadlines = new Deadlines(1_200, 4);
  deadlines.push(slots, ids[0]!, 1_000);
  expect(deadlines.popOverdue(slots, 2_199.9)).toBe(-1);
  expect(deadlines.popOverdue(slots, 2_200)).toBe(ids[0]);
  expect(deadlines.popOverdue(slots, 9_999)).toBe(-1);
});

test('overdue attempts come out in the order of sending', () => {
  const { slots, ids } = taken(3);
  const deadlines = new Deadlines(100, 4);
  ids.forEach((slot, i) => deadlines.push(slots, slot, i * 10));
  expect([deadlines.popOverdue(slots, 115), deadlines.popOverdue(slots, 115)]).toEqual([ids[0], ids[1]]);
  expect(deadlines.popOverdue(slots, 115)).toBe(-1);
});

test('a slot that was answered and is used again is not overdue for its old attempt', () => {
  const { slots, ids } = taken(1);
  const deadlines = new Deadlines(100, 4);
  deadlines.push(slots, ids[0]!, 0);
  slots.release(ids[0]!);
  expect(slots.take()).toBe(ids[0]);
  slots.attempts[ids[0]!] = 1;
  expect(deadlines.popOverdue(slots, 1_000)).toBe(-1);
});

test('a slot that asked again is overdue for its last attempt only', () => {
  const { slots, ids } = taken(1);
  const deadlines = new Deadlines(100, 4);
  deadlines.push(slots, ids[0]!, 0);
  slots.attempts[ids[0]!] = 2;
  deadlines.push(slots, ids[0]!, 50);
  expect(deadlines.popOverdue(slots, 120)).toBe(-1);
  expect(deadlines.popOverdue(slots, 150)).toBe(ids[0]);
});

test('full: nothing is taken in, and nothing that is waited for is forgotten', () => {
  const { slots, ids } = taken(3);
  const deadlines = new Deadlines(100, 2);
  expect(ids.map((slot) => deadlines.push(slots, slot, 0))).toEqual([true, true, false]);
  expect([0, 1, 2].map(() => deadlines.popOverdue(slots, 100))).toEqual([ids[0], ids[1], -1]);
});

test('the queue goes round many times its capacity', () => {
  const { slots, ids } = taken(2);
  const deadlines = new Deadlines(10, 3);
  for (let turn = 0; turn < 20; turn++) {
    for (const slot of ids) expect(deadlines.push(slots, slot, turn * 100)).toBe(true);
    expect(ids.map(() => deadlines.popOverdue(slots, turn * 100 + 10))).toEqual(ids);
  }
});

test.each([
  ['nothing waits: the limit', [], 0, 100],
  ['far away: the limit', [0], 0, 100],
  ['near: rounded up, so that it is due when epoll returns', [0], 1_150.5, 50],
  ['due', [0], 1_200, 0],
  ['overdue', [0], 5_000, 0],
  ['the oldest counts', [0, 1_000], 1_190, 10],
])('waiting: %s', (_why, sentMs, nowMs, want) => {
  const { slots, ids } = taken(2);
  const deadlines = new Deadlines(1_200, 4);
  sentMs.forEach((ms, i) => deadlines.push(slots, ids[i]!, ms));
  expect(deadlines.waitMs(nowMs, 100)).toBe(want);
});
