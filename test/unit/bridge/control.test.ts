import { expect, test } from 'vitest';
import { Control } from '../../../src/bridge/control.ts';

test('what one thread writes the other reads, each word by itself', () => {
  const main = new Control();
  const datapath = new Control(main.buffer);
  expect([datapath.isStopRequested(), main.appliedGeneration(), main.turns()]).toEqual([false, 0, 0]);
  datapath.applied(7);
  datapath.countTurn();
  datapath.countTurn();
  expect([datapath.isStopRequested(), main.appliedGeneration(), main.turns()]).toEqual([false, 7, 2]);
  main.requestStop();
  expect([datapath.isStopRequested(), main.appliedGeneration(), main.turns()]).toEqual([true, 7, 2]);
});

test('a request to stop stands', () => {
  const control = new Control();
  control.requestStop();
  control.requestStop();
  expect(control.isStopRequested()).toBe(true);
});
