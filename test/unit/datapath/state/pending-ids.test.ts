import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PendingIds } from '../../../../src/datapath/state/pending-ids.ts';
import { NO_SLOT, SLOTS } from '../../../../src/datapath/state/query-slots.ts';
import { poolOf } from './upstreams-world.ts';

function waiting(ids: PendingIds): number[] {
  const slots: number[] = [];
  ids.forEach((slot) => slots.push(slot));
  return slots.toSorted((a, b) => a - b);
}

test('every slot that waits is told, once for each id', () => {
  const ids = new PendingIds();
  expect(waiting(ids)).toEqual([]);
  const random = poolOf(65_535, 0, 1, 2);
  for (const slot of [0, 5, SLOTS - 1, 5]) ids.reserve(random, slot);
  expect(waiting(ids)).toEqual([0, 5, 5, SLOTS - 1]);
});

test('R10: the ids that are given out are those drawn', () => {
  const ids = new PendingIds();
  const drawn = [0, 65_535, 4_711];
  expect(drawn.map((_, slot) => ids.reserve(poolOf(...drawn.slice(slot)), slot))).toEqual(drawn);
});

test('D4: an answer that comes late is known once, one that came is not late', () => {
  const ids = new PendingIds();
  for (const [id, slot] of [[1, 10] as const, [2, 20] as const]) ids.reserve(poolOf(id), slot);
  ids.giveUp(1, 10);
  ids.release(2, 20);
  expect([ids.count, waiting(ids)]).toEqual([0, []]);
  expect([ids.slotOf(1), ids.slotOf(2)]).toEqual([NO_SLOT, NO_SLOT]);
  expect([ids.takeLate(1), ids.takeLate(1), ids.takeLate(2), ids.takeLate(3)]).toEqual([true, false, false, false]);
});

test('an id that was given up may be given out again, and is not late then', () => {
  const ids = new PendingIds();
  ids.reserve(poolOf(7), 1);
  ids.giveUp(7, 1);
  expect(ids.reserve(poolOf(7), 2)).toBe(7);
  expect([ids.takeLate(7), ids.slotOf(7), ids.count]).toEqual([false, 2, 1]);
});

test('who does not hold an id neither releases it nor gives it up', () => {
  const ids = new PendingIds();
  ids.reserve(poolOf(7), 1);
  ids.release(7, 2);
  ids.giveUp(7, 2);
  ids.giveUp(8, 2);
  expect([ids.slotOf(7), ids.count, ids.takeLate(7), ids.takeLate(8)]).toEqual([1, 1, false, false]);
});

test('whatever is reserved, released and given up, it is the map that it stands for', () => {
  const step = fc.record({
    kind: fc.constantFrom('reserve', 'release', 'giveUp', 'takeLate'),
    id: fc.nat({ max: 6 }),
    slot: fc.nat({ max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const ids = new PendingIds();
      const slots = new Map<number, number | 'late'>();
      for (const { kind, id, slot } of steps) {
        const known = slots.get(id);
        if (kind === 'reserve') {
          const isFree = typeof known !== 'number';
          expect(ids.reserve(poolOf(id), slot)).toBe(isFree ? id : -1);
          if (isFree) slots.set(id, slot);
        } else if (kind === 'takeLate') {
          expect(ids.takeLate(id)).toBe(known === 'late');
          if (known === 'late') slots.delete(id);
        } else {
          ids[kind === 'release' ? 'release' : 'giveUp'](id, slot);
          if (known === slot && kind === 'release') slots.delete(id);
          if (known === slot && kind === 'giveUp') slots.set(id, 'late');
        }
        const held = [...slots.values()].filter((each) => typeof each === 'number');
        expect([ids.count, waiting(ids)]).toEqual([held.length, held.toSorted((a, b) => a - b)]);
      }
    }),
  );
});
