import { expect, test } from 'vitest';
import { TurnQueue } from '../../../../src/datapath/state/turn-queue.ts';

test('each number has its turn once, in the order in which they came, however often around', () => {
  const queue = new TurnQueue(3);
  for (let round = 0; round < 4; round++) {
    for (const number of [2, 0, 2, 0]) queue.add(number);
    expect([queue.count, queue.has(0), queue.has(1)]).toEqual([2, true, false]);
    expect([queue.take(), queue.has(2), queue.take(), queue.count]).toEqual([2, false, 0, 0]);
  }
});

test('it holds all numbers', () => {
  const queue = new TurnQueue(3);
  for (const number of [1, 2, 0]) queue.add(number);
  expect([queue.take(), queue.take(), queue.take(), queue.count]).toEqual([1, 2, 0, 0]);
});
