import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from '../../../../src/datapath/state/deadlines.ts';

const NONE = -1;

test('an attempt is overdue after the patience, not before, and once', () => {
  const deadlines = new Deadlines([1_200], 4);
  deadlines.start(3, 1_000, 0);
  expect(deadlines.popOverdue(2_199.9)).toBe(NONE);
  expect(deadlines.popOverdue(2_200)).toBe(3);
  expect(deadlines.popOverdue(9_999)).toBe(NONE);
});

test('overdue attempts come out in the order of sending', () => {
  const deadlines = new Deadlines([100], 4);
  [2, 0, 3].forEach((slot, i) => deadlines.start(slot, i * 10, 0));
  expect([1, 2, 3].map(() => deadlines.popOverdue(115))).toEqual([2, 0, NONE]);
  expect(deadlines.popOverdue(120)).toBe(3);
});

test('a slot that was answered is not overdue, and none beside it is forgotten', () => {
  for (const answered of [0, 1, 2]) {
    const deadlines = new Deadlines([100], 3);
    [0, 1, 2].forEach((slot) => deadlines.start(slot, slot, 0));
    deadlines.stop(answered);
    deadlines.stop(answered);
    const left = [0, 1, 2].filter((slot) => slot !== answered);
    expect([1, 2, 3].map(() => deadlines.popOverdue(1_000))).toEqual([...left, NONE]);
  }
});

test('a slot that asked again is overdue for its last attempt only', () => {
  const deadlines = new Deadlines([100], 4);
  deadlines.start(1, 0, 0);
  deadlines.start(2, 10, 0);
  deadlines.start(1, 50, 0);
  expect([deadlines.popOverdue(120), deadlines.popOverdue(120)]).toEqual([2, NONE]);
  expect([deadlines.popOverdue(150), deadlines.popOverdue(9_999)]).toEqual([1, NONE]);
});

test('stopping what was never started does nothing', () => {
  const deadlines = new Deadlines([100], 4);
  deadlines.stop(0);
  deadlines.start(1, 0, 0);
  deadlines.stop(0);
  expect(deadlines.popOverdue(100)).toBe(1);
});

test('every slot may wait at once', () => {
  const deadlines = new Deadlines([100], 64);
  const all = [...Array(64).keys()];
  for (const slot of all) deadlines.start(slot, 0, 0);
  expect(all.map(() => deadlines.popOverdue(100))).toEqual(all);
  expect(deadlines.popOverdue(100)).toBe(NONE);
});

test('whatever is started and stopped, it is the list that it stands for', () => {
  const slot = fc.nat(4);
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('start' as const), slot }),
      fc.record({ kind: fc.constant('stop' as const), slot }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(60) }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const deadlines = new Deadlines([100], 5);
      let list: { slot: number; dueMs: number }[] = [];
      let nowMs = 0;
      for (const step of all) {
        if (step.kind === 'wait') {
          nowMs += step.ms;
          const overdue = list.filter(({ dueMs }) => dueMs <= nowMs).map((each) => each.slot);
          expect([...overdue, NONE].map(() => deadlines.popOverdue(nowMs))).toEqual([...overdue, NONE]);
          list = list.filter(({ dueMs }) => dueMs > nowMs);
        } else {
          list = list.filter((each) => each.slot !== step.slot);
          if (step.kind === 'start') list.push({ slot: step.slot, dueMs: nowMs + 100 });
          if (step.kind === 'start') deadlines.start(step.slot, nowMs, 0);
          else deadlines.stop(step.slot);
        }
        expect(deadlines.waitMs(nowMs, 1_000)).toBe((list[0]?.dueMs ?? nowMs + 1_000) - nowMs);
      }
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ['nothing waits: the limit', [], 0, 100],
  ['far away: the limit', [0], 0, 100],
  ['near: rounded up, so that it is due when epoll returns', [0], 1_150.5, 50],
  ['due', [0], 1_200, 0],
  ['overdue', [0], 5_000, 0],
  ['the oldest counts', [0, 1_000], 1_190, 10],
])('waiting: %s', (_why, sentMs, nowMs, want) => {
  const deadlines = new Deadlines([1_200], 4);
  sentMs.forEach((ms, i) => deadlines.start(i, ms, 0));
  expect(deadlines.waitMs(nowMs, 100)).toBe(want);
});
