import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Lookups, type Lookup } from '../../../../src/datapath/state/lookups.ts';
import { formatName, parseNameText } from '../../../../src/dns/name.ts';
import { notedOf } from './noted.ts';

const MEGABYTE = 1024 * 1024;
/** Of one pod, when few share the memory; and when as many as there may be do. */
const MOST_BYTES = 4 * MEGABYTE;
const MANY_PODS = 8_192;
const LEAST_BYTES = 8 * 1024;

/** An answer with the addresses `ns`, one byte each. */
function lookup(name: string, expiryMs: number, ...ns: number[]): Lookup {
  const addresses = Uint8Array.from(ns.flatMap((n) => [...new Uint8Array(15), n]));
  return { name: parseNameText(name) ?? expect.fail(name), addresses, expiryMs };
}

/** What is remembered, the oldest first: name, last bytes of the addresses, expiry. */
const listOf = (lookups: Lookups, pod: number, nowMs = 0): [string, number[], number][] =>
  lookups.of(pod, nowMs).map(({ name, addresses, expiryMs }) => {
    return [formatName(name, 0), Array.from(addresses.filter((_, i) => i % 16 === 15)), expiryMs];
  });

test('a lookup is remembered for its pod only', () => {
  const lookups = new Lookups();
  lookups.note(1, 7, notedOf(lookup('a.example.org', 100, 1, 2)));
  expect(listOf(lookups, 1)).toEqual([['a.example.org', [1, 2], 100]]);
  expect(listOf(lookups, 2)).toEqual([]);
  const noted = notedOf(lookup('a.example.org', 0, 1, 2));
  expect([lookups.expiryMs(1, 7, noted), lookups.expiryMs(2, 7, noted), lookups.expiryMs(1, 8, noted)]).toEqual([
    100, 0, 0,
  ]);
});

test('the same answer again only lives longer, and never shorter', () => {
  const lookups = new Lookups();
  for (const expiryMs of [100, 120, 90]) lookups.note(1, 7, notedOf(lookup('a.example.org', expiryMs, 1)));
  expect(listOf(lookups, 1)).toEqual([['a.example.org', [1], 120]]);
  expect(lookups.expiryMs(1, 7, notedOf(lookup('a.example.org', 0, 1)))).toBe(120);
});

test.each<[string, number[]]>([
  ['another address', [2]],
  ['more addresses', [1, 2]],
  ['fewer addresses', []],
])('a name that rotates has those of earlier answers, too: %s', (_why, ns) => {
  const lookups = new Lookups();
  lookups.note(1, 7, notedOf(lookup('a.example.org', 100, 1)));
  lookups.note(1, 7, notedOf(lookup('a.example.org', 90, ...ns)));
  expect(listOf(lookups, 1)).toEqual([
    ['a.example.org', [1], 100],
    ['a.example.org', ns, 90],
  ]);
  // Of the answer that was noted last, and of no other.
  expect(lookups.expiryMs(1, 7, notedOf(lookup('a.example.org', 0, ...ns)))).toBe(90);
  expect(lookups.expiryMs(1, 7, notedOf(lookup('a.example.org', 0, 1)))).toBe(0);
});

test('what would not be granted any more is not told', () => {
  const lookups = new Lookups();
  lookups.note(1, 1, notedOf(lookup('a.example.org', 100, 1)));
  lookups.note(1, 2, notedOf(lookup('b.example.org', 101, 1)));
  expect(listOf(lookups, 1, 100)).toEqual([['b.example.org', [1], 101]]);
});

test('a pod that is gone leaves nothing for whoever gets its index', () => {
  const lookups = new Lookups();
  lookups.note(1, 1, notedOf(lookup('a.example.org', 100, 1)));
  lookups.forgetPod(1);
  lookups.forgetPod(5);
  expect(listOf(lookups, 1)).toEqual([]);
  expect(lookups.expiryMs(1, 1, notedOf(lookup('a.example.org', 0, 1)))).toBe(0);
});

test('the root and the longest name, with no address and with many', () => {
  const lookups = new Lookups();
  const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
  const many = Array.from({ length: 250 }, (_, i) => i);
  lookups.note(1, 1, notedOf(lookup('.', 100)));
  lookups.note(1, 2, notedOf(lookup(longest, 100, ...many)));
  lookups.note(1, 3, notedOf(lookup('.', 100, 9)));
  expect(listOf(lookups, 1)).toEqual([
    ['.', [], 100],
    [longest, many, 100],
    ['.', [9], 100],
  ]);
});

test('what is told is a copy: it stays what it was', () => {
  const lookups = new Lookups();
  lookups.share(MANY_PODS);
  lookups.note(1, 0, notedOf(lookup('a.example.org', 100, 1)));
  const [first] = lookups.of(1, 0);
  for (let i = 1; i < 1_000; i++) lookups.note(1, i, notedOf(lookup(`n${i}.example.org`, 100, 2, 3, 4)));
  expect(first).toEqual(lookup('a.example.org', 100, 1));
});

test('answers under hashes that share their low bits are told apart', () => {
  const lookups = new Lookups();
  for (const [i, hash] of [5, 5 + 1_024, 5 - 2 ** 31, 5].entries())
    lookups.note(1, hash, notedOf(lookup('a.example.org', 100 + i, i)));
  expect(lookups.expiryMs(1, 5 + 1_024, notedOf(lookup('a.example.org', 0, 1)))).toBe(0); // forgotten, which costs one entry more and nothing else
  expect(lookups.expiryMs(1, 5, notedOf(lookup('a.example.org', 0, 3)))).toBe(103);
  expect(listOf(lookups, 1)).toHaveLength(4);
});

test('whatever is noted, the youngest are there, whole and in order', () => {
  const noted = fc.record({
    hash: fc.nat(6),
    n: fc.nat(40),
    addresses: fc.oneof(fc.nat(3), fc.nat(120)),
    expiryMs: fc.nat(50),
  });
  fc.assert(
    fc.property(
      fc.array(noted, { minLength: 30, maxLength: 300 }),
      fc.constantFrom(1, 3_000, MANY_PODS),
      (all, pods) => {
        const lookups = new Lookups();
        lookups.share(pods);
        let model: { hash: number; entry: Lookup }[] = [];
        for (const { hash, n, addresses, expiryMs } of all) {
          const entry = lookup(
            `${'n'.repeat(n + 1)}.example.org`,
            expiryMs + 1,
            ...Array.from({ length: addresses }, () => n),
          );
          lookups.note(1, hash, notedOf(entry));
          const last = model.findLastIndex((each) => each.hash === hash);
          const known = model[last]?.entry;
          if (known !== undefined && Buffer.compare(known.addresses, entry.addresses) === 0) {
            model[last] = { hash, entry: { ...known, expiryMs: Math.max(known.expiryMs, entry.expiryMs) } };
          } else model.push({ hash, entry });
          model = model.slice(-lookups.of(1, 0).length); // the others had to go
        }
        const told = lookups.of(1, 0);
        expect(told.length).toBeGreaterThan(0);
        expect(told).toEqual(model.map(({ entry }) => entry));
      },
    ),
    { numRuns: 150 },
  );
});

describe('the lookups that hold an address', () => {
  /** An address with `n` in its last four bytes. */
  const numbered = (n: number): Uint8Array => Uint8Array.of(...new Uint8Array(12), n >>> 24, n >>> 16, n >>> 8, n);
  const name = parseNameText('name.example.org') ?? expect.fail();
  const of = (...ns: number[]): Lookup => {
    return { name, addresses: Uint8Array.from(ns.flatMap((n) => [...numbered(n)])), expiryMs: 100 };
  };
  /** Far below what a full ring holds, and above what a question should cost. */
  const BOUND = 2_048;

  test('are told the latest first, also those that have ended, and no more than asked for', () => {
    const lookups = new Lookups();
    for (const [i, hash] of [1, 2, 3, 4].entries())
      lookups.note(1, hash, notedOf({ ...of(i === 1 ? 8 : 9, 7), expiryMs: i }));
    const expiries = (most: number): number[] =>
      lookups.withAddress(1, numbered(9), most).map(({ expiryMs }) => expiryMs);
    expect(expiries(10)).toEqual([3, 2, 0]);
    expect(expiries(2)).toEqual([3, 2]);
    expect(lookups.withAddress(2, numbered(9), 10)).toEqual([]);
  });

  test('a ring that is full answers for its oldest address and for an unknown one with little work (I6, I7)', () => {
    const lookups = new Lookups();
    lookups.share(1);
    for (let i = 0; i < 100_000; i++) lookups.note(1, i, notedOf(of(i)));
    const oldest = lookups.of(1, 0)[0] ?? expect.fail();
    expect(lookups.of(1, 0).length).toBeGreaterThan(40_000);
    expect(lookups.withAddress(1, oldest.addresses, 64)).toEqual([{ name, expiryMs: 100 }]);
    expect(lookups.withAddress(1, numbered(200_000), 64)).toEqual([]);
    expect(lookups.compared(1)).toBeLessThan(64);
  });

  test.each([
    ['each with another one beside it', 2, 60_000],
    ['in answers as big as they get', 1_000, 200],
  ])('that is in every answer of a full ring: the work is bounded; %s', (_why, perAnswer, count) => {
    const lookups = new Lookups();
    lookups.share(1);
    const others = Array.from({ length: perAnswer - 1 }, (_, i) => 1_000 + i);
    for (let i = 0; i < count; i++) lookups.note(1, i, notedOf(of(...others, 7)));
    expect(lookups.withAddress(1, numbered(7), 100_000).length).toBeGreaterThan(0);
    expect(lookups.compared(1)).toBeLessThanOrEqual(BOUND);
  });

  test('are those that a walk through all of them finds, however the ring grows, wraps and forgets', () => {
    const answers = fc.array(fc.record({ hash: fc.nat(50), ns: fc.array(fc.nat(30), { maxLength: 4 }) }), {
      minLength: 50,
      maxLength: 400,
    });
    fc.assert(
      fc.property(answers, fc.constantFrom(3_000, MANY_PODS), fc.nat(32), (all, pods, n) => {
        const lookups = new Lookups();
        lookups.share(pods);
        for (const [i, { hash, ns }] of all.entries())
          lookups.note(1, hash, notedOf({ ...of(...ns), expiryMs: i + 1 }));
        const walked = lookups.of(1, 0).filter(({ addresses }) => {
          return Array.from({ length: addresses.length / 16 }, (_, i) => addresses[i * 16 + 15]).includes(n);
        });
        const want = walked.toReversed().map(({ expiryMs }) => expiryMs);
        expect(lookups.withAddress(1, numbered(n), 1_000).map(({ expiryMs }) => expiryMs)).toEqual(want);
      }),
      { numRuns: 150 },
    );
  });
});

describe('the newest lookups', () => {
  const newest = (most: number, sinceMs = 50): number[] => {
    const lookups = new Lookups();
    for (const [i, expiryMs] of [200, 60, 40, 201, 70].entries())
      lookups.note(1, i, notedOf(lookup(`n${i}.example.org`, expiryMs, 1)));
    return lookups.newest(1, { nowMs: 100, sinceMs, most }).map(({ expiryMs }) => expiryMs);
  };

  test.each<[string, number, number[]]>([
    ['those that ended lately before those that live', 10, [60, 70, 200, 201]],
    ['the oldest that ended is left out first', 3, [70, 200, 201]],
    ['none that ended where those that live are enough', 2, [200, 201]],
    ['the oldest that lives is left out last', 1, [201]],
  ])('%s', (_why, most, want) => {
    expect(newest(most)).toEqual(want);
  });

  test('what ended long ago is not among them', () => {
    expect(newest(10, 60)).toEqual([70, 200, 201]);
  });
});

describe('memory', () => {
  const bytesOf = (lookups: Lookups, pod: number): number =>
    lookups.of(pod, 0).reduce((sum, { name, addresses }) => sum + 16 + name.length + addresses.length, 0);
  const { addresses } = lookup('a.example.org', 0, ...Array.from({ length: 1_000 }, (_, i) => i & 255)); // 16 kB
  const name = parseNameText('a.example.org') ?? expect.fail();
  /** `count` big answers to different names. */
  const flood = (lookups: Lookups, pod: number, count: number): void => {
    for (let i = 0; i < count; i++) lookups.note(pod, i, notedOf({ name, addresses, expiryMs: i + 1 }));
  };

  test('16,384 usual names of a pod are remembered when few pods share it', () => {
    const lookups = new Lookups();
    lookups.share(16);
    for (let i = 0; i < 16_384; i++) lookups.note(1, i, notedOf(lookup('name.example.org', i + 1, 1, 2)));
    expect(lookups.of(1, 0)).toHaveLength(16_384);
  });

  test('a pod that looks up more loses its own oldest, and no other pod loses anything (I6)', () => {
    const lookups = new Lookups();
    lookups.share(16);
    for (let i = 0; i < 100; i++) lookups.note(2, i, notedOf(lookup(`n${i}.example.org`, 1_000, 1)));
    flood(lookups, 1, 3_000);
    lookups.note(2, 100, notedOf(lookup('n100.example.org', 1_000, 1)));
    expect(lookups.of(2, 0)).toHaveLength(101);
    expect(bytesOf(lookups, 1)).toBeLessThanOrEqual(MOST_BYTES);
    expect(bytesOf(lookups, 1)).toBeGreaterThan(MOST_BYTES / 2);
    const noted = notedOf({ name, addresses, expiryMs: 0 });
    expect([lookups.expiryMs(1, 0, noted), lookups.expiryMs(1, 2_999, noted)]).toEqual([0, 3_000]);
  });

  test.each([
    [16, 4],
    [250, 64 / 250],
    [1_000, 64 / 1_000],
  ])('with %i pods, each keeps within twice its share of 64 MB', (pods, shareMegabytes) => {
    const lookups = new Lookups();
    lookups.share(pods);
    flood(lookups, 1, 1_000);
    expect(bytesOf(lookups, 1)).toBeLessThanOrEqual(2 * shareMegabytes * MEGABYTE); // buffers are doubled
    expect(bytesOf(lookups, 1)).toBeGreaterThan(0.4 * shareMegabytes * MEGABYTE);
  });

  test('with as many pods as there may be, each still remembers a hundred names', () => {
    const lookups = new Lookups();
    lookups.share(MANY_PODS);
    for (let i = 0; i < 1_000; i++) lookups.note(1, i, notedOf(lookup('name.example.org', i + 1, 1, 2)));
    expect(lookups.of(1, 0).length).toBeGreaterThanOrEqual(100);
    expect(bytesOf(lookups, 1)).toBeLessThanOrEqual(LEAST_BYTES);
  });

  test('one answer does not cost all others', () => {
    const lookups = new Lookups();
    lookups.share(MANY_PODS);
    lookups.note(1, 1, notedOf(lookup('a.example.org', 100, 1)));
    flood(lookups, 1, 1);
    expect(listOf(lookups, 1)).toEqual([['a.example.org', [1], 100]]);
  });

  test('what a pod has noted stays when more pods come to share, and when fewer do', () => {
    const lookups = new Lookups();
    lookups.share(1);
    for (let i = 0; i < 1_000; i++) lookups.note(1, i, notedOf(lookup('name.example.org', 100, i & 255)));
    lookups.share(MANY_PODS);
    lookups.note(1, 1_000, notedOf(lookup('name.example.org', 100, 1)));
    lookups.share(1);
    lookups.note(1, 1_001, notedOf(lookup('name.example.org', 100, 2)));
    expect(
      listOf(lookups, 1)
        .slice(-3)
        .map(([, ns]) => ns),
    ).toEqual([[999 & 255], [1], [2]]);
    expect(lookups.of(1, 0)).toHaveLength(1_002);
  });
});
