import { expect, test } from 'vitest';
import { parseNameText } from '../../../../src/dns/name.ts';
import { Lookups, type LookedUp } from '../../../../src/datapath/state/lookups.ts';

const PER_POD = 16_384;

type Noted = readonly [name: Uint8Array, answer: LookedUp];

/** An answer with the addresses `ns`, one byte each. */
function lookup(name: string, expiryMs: number, ...ns: number[]): Noted {
  const addresses = Uint8Array.from(ns.flatMap((n) => [...new Uint8Array(15), n]));
  return [parseNameText(name) ?? expect.fail(name), { addresses, expiryMs }];
}

/** The newest answer of each name, from the oldest name on. */
const expiries = (lookups: Lookups, pod: number): (number | undefined)[] =>
  [...lookups.of(pod)].map(({ answers }) => answers[0]?.expiryMs);
/** Last bytes of the addresses of each answer to the first name, and its expiry; the newest answer first. */
const answersOf = (lookups: Lookups, pod: number): unknown[] =>
  [...lookups.of(pod)]
    .slice(0, 1)
    .flatMap(({ answers }) => answers)
    .map(({ addresses, expiryMs }) => [...addresses.filter((_, i) => i % 16 === 15), expiryMs]);

test('a lookup is remembered for its pod only', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, ...lookup('a.example.org', 100));
  expect(lookups.expiryMs(1, 7)).toBe(100);
  expect(lookups.expiryMs(2, 7)).toBe(0);
  expect(lookups.expiryMs(1, 8)).toBe(0);
  expect(expiries(lookups, 2)).toEqual([]);
});

test('the same question again replaces its entry and makes it the youngest', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, ...lookup('a.example.org', 100));
  lookups.note(1, 8, ...lookup('b.example.org', 200));
  lookups.note(1, 7, ...lookup('a.example.org', 90));
  expect(expiries(lookups, 1)).toEqual([200, 90]);
});

test('beyond 16,384 names of a pod its oldest goes, and no other pod loses anything', () => {
  const lookups = new Lookups();
  lookups.note(2, 0, ...lookup('other.example.org', 1));
  for (let i = 0; i < PER_POD; i++) lookups.note(1, i, ...lookup('a.example.org', i + 1));
  expect(lookups.expiryMs(1, 0)).toBe(1);
  lookups.note(1, 0, ...lookup('a.example.org', 5)); // again: now the youngest
  lookups.note(1, -1, ...lookup('b.example.org', 6));
  expect(expiries(lookups, 1)).toHaveLength(PER_POD);
  expect([lookups.expiryMs(1, 0), lookups.expiryMs(1, 1), lookups.expiryMs(1, 2)]).toEqual([5, 0, 3]);
  expect(lookups.expiryMs(2, 0)).toBe(1);
});

test('a sweep drops what has expired, of every pod', () => {
  const lookups = new Lookups();
  lookups.note(1, 1, ...lookup('a.example.org', 100));
  lookups.note(1, 2, ...lookup('b.example.org', 101));
  lookups.note(2, 1, ...lookup('a.example.org', 99));
  lookups.sweep(100);
  expect(expiries(lookups, 1)).toEqual([101]);
  expect(expiries(lookups, 2)).toEqual([]);
});

test('a pod that is gone leaves nothing for whoever gets its index', () => {
  const lookups = new Lookups();
  lookups.note(1, 1, ...lookup('a.example.org', 100));
  lookups.forgetPod(1);
  lookups.forgetPod(5);
  expect(expiries(lookups, 1)).toEqual([]);
});

test('a name that rotates through addresses keeps those of earlier answers, the newest first', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, ...lookup('a.example.org', 100, 1, 2));
  lookups.note(1, 7, ...lookup('a.example.org', 110, 3));
  lookups.note(1, 7, ...lookup('a.example.org', 120, 2));
  expect(answersOf(lookups, 1)).toEqual([
    [2, 120],
    [3, 110],
    [1, 2, 100],
  ]);
  expect(lookups.expiryMs(1, 7)).toBe(120);
});

test('the same answer again only lives longer', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, ...lookup('a.example.org', 100, 1));
  lookups.note(1, 7, ...lookup('a.example.org', 110, 2));
  lookups.note(1, 7, ...lookup('a.example.org', 120, 1));
  expect(answersOf(lookups, 1)).toEqual([
    [1, 120],
    [2, 110],
  ]);
});

test('a name keeps 1,000 addresses: beyond them its oldest answers go, never the newest', () => {
  const lookups = new Lookups();
  const many = Array.from({ length: 600 }, (_, i) => i % 256);
  lookups.note(1, 7, ...lookup('a.example.org', 100, ...many));
  lookups.note(1, 7, ...lookup('a.example.org', 110, 1));
  lookups.note(1, 7, ...lookup('a.example.org', 120, ...many.slice(0, 500)));
  expect([...lookups.of(1)][0]?.answers.map(({ expiryMs }) => expiryMs)).toEqual([120, 110]);
  lookups.note(1, 7, ...lookup('a.example.org', 130, ...many, ...many)); // more than that in one answer
  expect([...lookups.of(1)][0]?.answers.map(({ expiryMs }) => expiryMs)).toEqual([130]);
});

test('a name that is asked for ever does not grow for ever', () => {
  const lookups = new Lookups();
  for (let i = 0; i < 5_000; i++) lookups.note(1, 7, ...lookup('a.example.org', i, i & 255, i >> 8));
  const answers = [...lookups.of(1)].flatMap((each) => each.answers);
  expect(answers.reduce((sum, { addresses }) => sum + addresses.length, 0)).toBeLessThanOrEqual(1_000 * 16);
});

test('a sweep leaves a name while any of its answers would be granted', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, ...lookup('a.example.org', 200, 1));
  lookups.note(1, 7, ...lookup('a.example.org', 100, 2)); // a shorter TTL this time
  lookups.sweep(150);
  expect(answersOf(lookups, 1)).toContainEqual([1, 200]);
  lookups.sweep(200);
  expect(answersOf(lookups, 1)).toEqual([]);
});
