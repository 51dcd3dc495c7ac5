import { expect, test } from 'vitest';
import { COUNT, COUNTERS, Counters } from '../../../src/bridge/counters.ts';

test('every counter has a word of its own', () => {
  expect(new Set(COUNTERS).size).toBe(COUNTERS.length);
  expect(COUNTERS.map((name) => COUNT[name])).toEqual([...COUNTERS.keys()]);
});

test('counters begin at zero and read under their names', () => {
  const writer = new Counters();
  const reader = new Counters(writer.buffer);
  expect(Object.keys(reader.read())).toEqual([...COUNTERS]);
  expect(Object.values(reader.read()).every((value) => value === 0)).toBe(true);
  writer.words[COUNT.cache_hits]! += 3;
  writer.words[COUNT.audit_lost]! += 2 ** 40;
  expect(reader.read()).toMatchObject({ cache_hits: 3, audit_lost: 2 ** 40, servfail: 0 });
});

test('a name is a metric name: lower case words joined by underscores', () => {
  for (const name of COUNTERS) expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
});
