import { expect, test } from 'vitest';
import { AUDIT_KIND } from '../../../../src/bridge/audit-record.ts';
import { AuditBudget, RECORDS_PER_SECOND } from '../../../../src/datapath/state/audit-budget.ts';

const { Allowed, Denied, Failed, Grant } = AUDIT_KIND;

function setUp() {
  const budget = new AuditBudget(4);
  const told: { pod: number; allowed: number; denied: number; failed: number; grants: number }[] = [];
  const tell = (pod: number, counts: Uint32Array): void => {
    const [allowed = -1, denied = -1, failed = -1, grants = -1] = [Allowed, Denied, Failed, Grant].map(
      (k) => counts[k],
    );
    told.push({ pod, allowed, denied, failed, grants });
  };
  /** How many of `times` events may be written. */
  const take = (pod: number, kind: number, times = 1): number =>
    Array.from({ length: times }, () => budget.take(pod, kind)).filter(Boolean).length;
  return { budget, told, tell, take };
}

test('a pod writes so many records a second; the rest is counted by kind and told at the end of the second', () => {
  const { budget, told, tell, take } = setUp();
  budget.turn(0, tell);
  expect(take(1, Allowed, RECORDS_PER_SECOND + 5)).toBe(RECORDS_PER_SECOND);
  expect(take(1, Grant, 2)).toBe(0);
  budget.turn(999, tell);
  expect(told).toEqual([]);
  budget.turn(1_000, tell);
  expect(told).toEqual([{ pod: 1, allowed: 5, denied: 0, failed: 0, grants: 2 }]);
});

test('a flood of denied names does not hide what was allowed, nor the other way round', () => {
  const { budget, tell, take } = setUp();
  budget.turn(0, tell);
  take(1, Denied, 3 * RECORDS_PER_SECOND);
  expect([take(1, Failed), take(1, Allowed), take(1, Grant)]).toEqual([0, 1, 1]);
  take(2, Grant, 3 * RECORDS_PER_SECOND);
  expect([take(2, Allowed), take(2, Denied), take(2, Failed)]).toEqual([0, 1, 1]);
});

test('a flood of one pod costs no other pod a record (I6)', () => {
  const { tell, budget, take } = setUp();
  budget.turn(0, tell);
  take(1, Denied, 3 * RECORDS_PER_SECOND);
  expect(take(2, Denied, RECORDS_PER_SECOND)).toBe(RECORDS_PER_SECOND);
  expect(take(0, Denied, RECORDS_PER_SECOND)).toBe(RECORDS_PER_SECOND);
});

test('a new second begins with a whole budget, and is told nothing of the one before', () => {
  const { budget, told, tell, take } = setUp();
  budget.turn(0, tell);
  take(1, Denied, RECORDS_PER_SECOND + 1);
  budget.turn(1_000, tell);
  expect(take(1, Denied, RECORDS_PER_SECOND)).toBe(RECORDS_PER_SECOND);
  budget.turn(2_000, tell);
  expect(told).toHaveLength(1);
});

test('who stayed within the budget is not told of', () => {
  const { budget, told, tell, take } = setUp();
  budget.turn(0, tell);
  take(1, Allowed, RECORDS_PER_SECOND);
  take(2, Denied, RECORDS_PER_SECOND + 1);
  budget.turn(1_000, tell);
  expect(told.map(({ pod }) => pod)).toEqual([2]);
});

test('the end comes at once, and nothing is told twice', () => {
  const { budget, told, tell, take } = setUp();
  budget.turn(0, tell);
  take(3, Denied, RECORDS_PER_SECOND + 7);
  budget.end(tell);
  budget.end(tell);
  budget.turn(1_000, tell);
  expect(told).toEqual([{ pod: 3, allowed: 0, denied: 7, failed: 0, grants: 0 }]);
});

test('every event is either written or told, whatever the mixture', () => {
  const { budget, told, tell, take } = setUp();
  let written = 0;
  let events = 0;
  for (let turn = 0; turn < 40; turn++) {
    budget.turn(turn * 300, tell);
    for (const [i, kind] of [Allowed, Denied, Failed, Grant].entries()) {
      const times = 100 * i + 37 * turn;
      events += times;
      written += take((turn + i) % 4, kind, times);
    }
  }
  budget.end(tell);
  const folded = told.reduce((sum, { allowed, denied, failed, grants }) => sum + allowed + denied + failed + grants, 0);
  expect(folded).toBeGreaterThan(0);
  expect(written + folded).toBe(events);
});
