import { expect, test } from 'vitest';
import { NO_END, NameEnds, hashKeys } from '../../../src/policy/name-ends.ts';

/** Labels in wire form without the root. */
function endOf(text: string): Uint8Array {
  return Uint8Array.from(text.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]));
}

function tableOf(keys: Int32Array, texts: readonly string[]): NameEnds {
  const ends = new NameEnds(
    keys,
    texts.length,
    texts.reduce((sum, text) => sum + endOf(text).length, 0),
  );
  for (const text of texts) ends.add(endOf(text));
  ends.trim();
  return ends;
}

function find(ends: NameEnds, text: string): number {
  const wire = Uint8Array.from([...endOf(text), 0]);
  const end = wire.length - 1;
  return ends.find(ends.extend(0, wire, 0, end, end), wire, 0, end);
}

test('ends are numbered from 1 in the order in which they came, and one that comes again keeps its number', () => {
  const ends = tableOf(hashKeys(1), ['example.org', 'org', 'example.org', 'www.example.org']);
  expect(ends.size).toBe(3);
  expect(['example.org', 'org', 'www.example.org', 'example.net'].map((text) => find(ends, text))).toEqual([
    1,
    2,
    3,
    NO_END,
  ]);
});

test('where nothing was added nothing is found', () => {
  expect(find(tableOf(hashKeys(1), []), 'example.org')).toBe(NO_END);
});

test('the hash of a longer end goes on from that of a shorter one', () => {
  const ends = tableOf(hashKeys(2), []);
  const wire = endOf('www.example.org');
  const short = ends.extend(0, wire, 4, wire.length, wire.length);
  expect(ends.extend(short, wire, 0, 4, wire.length)).toBe(ends.extend(0, wire, 0, wire.length, wire.length));
  const alone = endOf('example.org');
  expect(short).toBe(ends.extend(0, alone, 0, alone.length, alone.length));
});

test('ends of one hash are told apart by their bytes', () => {
  const texts = Array.from({ length: 300 }, (_, i) => `n${i}.example.org`);
  const ends = tableOf(new Int32Array(256), texts); // keys of zero: every hash is 0
  expect(texts.map((text) => find(ends, text))).toEqual(texts.map((_, i) => i + 1));
  for (const text of ['n300.example.org', 'n1.example.orgs', 'example.org', 'n1'])
    expect(find(ends, text)).toBe(NO_END);
});

test('labels that join to one text are other bytes', () => {
  const ends = tableOf(hashKeys(3), ['ab.c']);
  for (const text of ['a.bc', 'abc', 'a.b.c']) expect(find(ends, text)).toBe(NO_END);
});

test('a full table still has free slots: every search ends', () => {
  for (const count of [1, 2, 3, 4, 5, 8, 9, 1024, 1025]) {
    const texts = Array.from({ length: count }, (_, i) => `n${i}`);
    const ends = tableOf(hashKeys(count), texts);
    for (let i = 0; i < 100; i++) expect(find(ends, `m${i}`)).toBe(NO_END);
    expect(texts.map((text) => find(ends, text))).toEqual(texts.map((_, i) => i + 1));
  }
});

test('names that differ in digits alone hash apart under any seed', () => {
  for (let seed = 0; seed < 20; seed++) {
    const ends = tableOf(hashKeys(seed), []);
    const hashes = Array.from({ length: 10_000 }, (_, i) => {
      const end = endOf(`n${i}.example.org`);
      return ends.extend(0, end, 0, end.length, end.length);
    });
    expect(new Set(hashes).size).toBeGreaterThan(9_995);
  }
});

test('the keys are of the seed', () => {
  expect(hashKeys(7)).toEqual(hashKeys(7));
  expect(hashKeys(7)).not.toEqual(hashKeys(8));
  expect(new Set(hashKeys(7)).size).toBe(256);
});
