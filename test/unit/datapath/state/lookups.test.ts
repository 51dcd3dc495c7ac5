import { expect, test } from 'vitest';
import { parseNameText } from '../../../../src/dns/name.ts';
import { Lookups, type Lookup } from '../../../../src/datapath/state/lookups.ts';

const PER_POD = 16_384;

function lookup(name: string, expiryMs: number): Lookup {
  return { name: parseNameText(name) ?? expect.fail(name), addresses: new Uint8Array(16), expiryMs };
}

const expiries = (lookups: Lookups, pod: number): number[] => [...lookups.of(pod)].map(({ expiryMs }) => expiryMs);

test('a lookup is remembered for its pod only', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, lookup('a.example.org', 100));
  expect(lookups.expiryMs(1, 7)).toBe(100);
  expect(lookups.expiryMs(2, 7)).toBe(0);
  expect(lookups.expiryMs(1, 8)).toBe(0);
  expect(expiries(lookups, 2)).toEqual([]);
});

test('the same question again replaces its entry and makes it the youngest', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, lookup('a.example.org', 100));
  lookups.note(1, 8, lookup('b.example.org', 200));
  lookups.note(1, 7, lookup('a.example.org', 90));
  expect(expiries(lookups, 1)).toEqual([200, 90]);
});

test('beyond 16,384 names of a pod its oldest goes, and no other pod loses anything', () => {
  const lookups = new Lookups();
  lookups.note(2, 0, lookup('other.example.org', 1));
  for (let i = 0; i < PER_POD; i++) lookups.note(1, i, lookup('a.example.org', i + 1));
  expect(lookups.expiryMs(1, 0)).toBe(1);
  lookups.note(1, 0, lookup('a.example.org', 5)); // again: now the youngest
  lookups.note(1, -1, lookup('b.example.org', 6));
  expect(expiries(lookups, 1)).toHaveLength(PER_POD);
  expect([lookups.expiryMs(1, 0), lookups.expiryMs(1, 1), lookups.expiryMs(1, 2)]).toEqual([5, 0, 3]);
  expect(lookups.expiryMs(2, 0)).toBe(1);
});

test('a sweep drops what has expired, of every pod', () => {
  const lookups = new Lookups();
  lookups.note(1, 1, lookup('a.example.org', 100));
  lookups.note(1, 2, lookup('b.example.org', 101));
  lookups.note(2, 1, lookup('a.example.org', 99));
  lookups.sweep(100);
  expect(expiries(lookups, 1)).toEqual([101]);
  expect(expiries(lookups, 2)).toEqual([]);
});

test('a pod that is gone leaves nothing for whoever gets its index', () => {
  const lookups = new Lookups();
  lookups.note(1, 1, lookup('a.example.org', 100));
  lookups.forgetPod(1);
  lookups.forgetPod(5);
  expect(expiries(lookups, 1)).toEqual([]);
});
