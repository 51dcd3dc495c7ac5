import { expect, test } from 'vitest';
import { NAME_BYTES, NO_SLOT, QUESTION_BYTES, QuerySlots, STATE } from '../../../../src/datapath/state/query-slots.ts';

test('slots are handed out from the lowest on, each once, until there are none', () => {
  const slots = new QuerySlots(3);
  expect([slots.take(), slots.take(), slots.take(), slots.take()]).toEqual([0, 1, 2, NO_SLOT]);
  expect(slots.inUse).toBe(3);
});

test('a released slot is handed out again', () => {
  const slots = new QuerySlots(2);
  const first = slots.take();
  slots.release(first);
  expect(slots.inUse).toBe(0);
  expect(slots.take()).toBe(first);
});

test('releasing twice does not hand the slot to two queries', () => {
  const slots = new QuerySlots(2);
  const slot = slots.take();
  slots.release(slot);
  slots.release(slot);
  expect([slots.take(), slots.take(), slots.take()]).toEqual([0, 1, NO_SLOT]);
});

test('a slot begins as Judging, with nothing of the query before that decides anything', () => {
  const slots = new QuerySlots(1);
  const slot = slots.take();
  slots.state[slot] = STATE.Upstream;
  slots.attempts[slot] = 3;
  slots.auditFlags[slot] = 7;
  slots.nextWaiter[slot] = 0;
  slots.release(slot);
  expect(slots.state[slot]).toBe(STATE.Free);
  slots.take();
  expect(slots.state[slot]).toBe(STATE.Judging);
  expect([slots.attempts[slot], slots.auditFlags[slot], slots.nextWaiter[slot]]).toEqual([0, 0, -1]);
});

test('the longest name fits its place, and the longest question', () => {
  expect(NAME_BYTES).toBeGreaterThanOrEqual(255);
  expect(QUESTION_BYTES).toBeGreaterThanOrEqual(255 + 4);
  expect(new QuerySlots(2).question).toHaveLength(2 * QUESTION_BYTES);
  expect(new Uint8Array([255])[0]).toBe(new QuerySlots(1).qnameLength.fill(255)[0]);
});
