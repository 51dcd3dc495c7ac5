import { expect, test } from 'vitest';
import { UntakenBytes } from '../../../../src/datapath/state/untaken-bytes.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test('what is kept stands behind what was there, and is taken from the front', () => {
  const untaken = new UntakenBytes(4, 2, 5);
  expect([untaken.keep(3, bytes(1, 2, 3)), untaken.keep(3, bytes(4, 5)), untaken.has(3)]).toEqual([true, true, true]);
  untaken.took(3, 2);
  expect([...untaken.of(3)]).toEqual([3, 4, 5]);
  untaken.took(3, 3);
  expect([untaken.has(3), untaken.has(0)]).toEqual([false, false]);
});

test('one connection keeps so many bytes, and so many connections keep any', () => {
  const untaken = new UntakenBytes(4, 2, 5);
  expect([untaken.keep(0, bytes(1, 2, 3, 4, 5, 6)), untaken.keep(0, bytes(1, 2, 3))]).toEqual([false, true]);
  expect([untaken.keep(0, bytes(4, 5, 6)), [...untaken.of(0)]]).toEqual([false, [1, 2, 3]]);
  expect([untaken.keep(1, bytes(1)), untaken.keep(2, bytes(1))]).toEqual([true, false]);
  untaken.forget(0);
  untaken.forget(0);
  expect([untaken.keep(2, bytes(1)), untaken.keep(3, bytes(1))]).toEqual([true, false]);
});
