import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MOST_OF_NAME, NameAddresses } from '../../../../src/datapath/state/name-addresses.ts';
import { parseNameText } from '../../../../src/dns/name.ts';
import { notedOf } from './noted.ts';

const name = parseNameText('name.example.org') ?? expect.fail();
/** Its own number in the last four bytes. */
const addressOf = (n: number): Uint8Array => Uint8Array.of(...new Uint8Array(12), n >>> 24, n >>> 16, n >>> 8, n);
const numberOf = (address: Uint8Array): number => new DataView(address.buffer).getUint32(12);

interface Given {
  readonly pod?: number;
  readonly hash?: number;
  readonly expiryMs?: number;
  readonly nowMs?: number;
}

/** The name with this hash gave the pod these addresses. */
function give(
  all: NameAddresses,
  ns: readonly number[],
  { pod = 1, hash = 7, expiryMs = 100, nowMs = 0 }: Given = {},
): void {
  const noted = notedOf({ name, addresses: Uint8Array.from(ns.flatMap((n) => [...addressOf(n)])), expiryMs });
  all.note(pod, Object.assign(noted, { nameHash: hash, nowMs }));
}

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

/** Everything that has to be given up now, in order. */
function takeAll(all: NameAddresses, nowMs = 0): number[] {
  const taken: number[] = [];
  while (all.takeExcess(nowMs)) taken.push(numberOf(all.taken.address));
  expect(all.hasExcess).toBe(false);
  return taken;
}

describe('of one name a pod keeps', () => {
  test('1,000 addresses, and gives up none of these', () => {
    const all = new NameAddresses();
    give(all, range(0, MOST_OF_NAME));
    expect([MOST_OF_NAME, all.hasExcess, takeAll(all)]).toEqual([1_000, false, []]);
  });

  test('the newest, and gives up the oldest', () => {
    const all = new NameAddresses({ most: 4 });
    for (const n of [1, 2, 3, 4, 5, 6]) give(all, [n]);
    expect(all.hasExcess).toBe(true);
    expect(takeAll(all)).toEqual([1, 2]);
    expect([1, 2, 3, 6].map((n) => all.gives(1, 7, addressOf(n), 0))).toEqual([false, false, true, true]);
  });

  test('what is given again, as if it were new', () => {
    const all = new NameAddresses({ most: 3 });
    for (const n of [1, 2, 3, 1, 4]) give(all, [n]);
    expect(takeAll(all)).toEqual([2]);
  });

  test.each<[string, Given, Given]>([
    ['each name its own', { hash: 7 }, { hash: 8 }],
    ['each pod its own', { pod: 1 }, { pod: 2 }],
    ['hashes that are unsigned are the same', { hash: 0xffff_fff0 }, { hash: 8 }],
  ])('%s', (_why, one, other) => {
    const all = new NameAddresses({ most: 2 });
    give(all, [1, 2], one);
    give(all, [1, 2], other);
    expect(takeAll(all)).toEqual([]);
    give(all, [3], one);
    expect(takeAll(all)).toEqual([1]);
    expect(all.taken).toMatchObject({ pod: one.pod ?? 1, hash: (one.hash ?? 7) | 0 });
    expect(all.gives(one.pod ?? 1, one.hash ?? 7, addressOf(1), 0)).toBe(false);
    expect(all.gives(other.pod ?? 1, other.hash ?? 7, addressOf(1), 0)).toBe(true);
  });

  test('what has ended does not count', () => {
    const all = new NameAddresses({ most: 2 });
    give(all, [1], { expiryMs: 1_000 });
    give(all, [2, 3], { expiryMs: 50 });
    give(all, [4], { expiryMs: 1_000 });
    expect(takeAll(all, 60)).toEqual([]);
    give(all, [5], { expiryMs: 1_000, nowMs: 60 });
    expect(takeAll(all, 60)).toEqual([1]);
  });

  test('the longest time that it was given for', () => {
    const all = new NameAddresses({ most: 2 });
    give(all, [1], { expiryMs: 1_000 });
    give(all, [1], { expiryMs: 50 });
    give(all, [2, 3], { expiryMs: 1_000 });
    expect(takeAll(all, 60)).toEqual([1]);
  });
});

test('it is known that no name gives an address, as long as all are counted', () => {
  const all = new NameAddresses({ most: 2, pairs: 4, names: 4 });
  const isNone = (n: number, nowMs = 0, pod = 1): boolean => all.isGivenByNone(pod, addressOf(n), nowMs);
  give(all, [1, 2], { hash: 7, expiryMs: 20 });
  give(all, [1], { hash: 8, expiryMs: 20 });
  expect([isNone(1), isNone(1, 0, 2), isNone(9)]).toEqual([false, true, true]);
  give(all, [3], { hash: 7, expiryMs: 20 });
  expect(takeAll(all)).toEqual([1]);
  expect(isNone(1)).toBe(false); // hash 8 does
  give(all, [4, 5], { hash: 7, expiryMs: 20 }); // one too many for the room
  expect([takeAll(all), isNone(2), isNone(9), isNone(9, 20)]).toEqual([[2], false, false, true]);
  all.forgetPod(1);
  expect([isNone(1, 20), isNone(3, 20)]).toEqual([true, true]);
});

test('of a name that nobody counted everything is given', () => {
  expect(new NameAddresses().gives(1, 7, addressOf(1), 0)).toBe(true);
});

test('a pod that is gone leaves nothing for whoever gets its index', () => {
  const all = new NameAddresses({ most: 2 });
  give(all, [1, 2, 3]);
  give(all, [1, 2], { hash: 9 });
  all.forgetPod(1);
  expect(takeAll(all)).toEqual([]);
  give(all, [4, 5]);
  expect(takeAll(all)).toEqual([]);
  expect(all.gives(1, 9, addressOf(3), 0)).toBe(true);
});

describe('when there is no room', () => {
  test('for an address: the name is not held to what was not counted, and gives up only what was', () => {
    const all = new NameAddresses({ most: 4, pairs: 8, names: 8 });
    give(all, range(0, 6), { hash: 1 });
    give(all, range(0, 6), { hash: 2 });
    expect(all.gives(1, 2, addressOf(5), 0)).toBe(true);
    expect(takeAll(all)).toEqual([0, 1]);
    expect(all.taken.hash).toBe(1);
  });

  test('for a name: it is not counted', () => {
    const all = new NameAddresses({ most: 1, pairs: 8, names: 2 });
    for (const hash of [1, 2, 3]) give(all, [1, 2], { hash });
    expect(takeAll(all)).toEqual([1, 1]);
    expect(all.gives(1, 3, addressOf(1), 0)).toBe(true);
  });

  test('what has ended makes room', () => {
    const all = new NameAddresses({ pairs: 64, names: 64 });
    for (let i = 0; i < 1_000; i++) give(all, [i, i + 1], { hash: i, expiryMs: i + 10, nowMs: i });
    give(all, [5], { hash: 5_000, expiryMs: 2_000, nowMs: 1_500 });
    expect(all.gives(1, 5_000, addressOf(6), 0)).toBe(false); // it is counted
  });
});

test('whatever is given, taken and forgotten: of each name the newest that live are kept, and no other', () => {
  const MOST = 3;
  const NAMES = [1, -2, 3];
  interface Pair {
    readonly pod: number;
    readonly hash: number;
    readonly n: number;
    readonly expiryMs: number;
  }
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('give' as const),
        pod: fc.nat(1),
        hash: fc.constantFrom(...NAMES),
        ns: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 }),
        lives: fc.integer({ min: 1, max: 20 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), times: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(8) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), pod: fc.nat(1) }) },
  );
  const ofName = (model: readonly Pair[], { pod, hash }: { pod: number; hash: number }, nowMs: number): Pair[] =>
    model.filter((pair) => pair.pod === pod && pair.hash === hash && pair.expiryMs > nowMs);
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
      const all = new NameAddresses({ most: MOST, pairs: 64, names: 8 });
      let model: Pair[] = []; // the oldest first
      let nowMs = 0;
      /** False when there is nothing to take. */
      const take = (): boolean => {
        const names = [0, 1].flatMap((pod) => NAMES.map((hash) => ({ pod, hash })));
        const over = names.filter((each) => ofName(model, each, nowMs).length > MOST);
        if (!all.takeExcess(nowMs)) {
          expect(over).toEqual([]);
          return false;
        }
        const { pod, hash, address } = all.taken;
        const [oldest] = ofName(model, { pod, hash }, nowMs);
        expect(over).toContainEqual({ pod, hash });
        expect(numberOf(address)).toBe(oldest?.n);
        model = model.filter((pair) => pair !== oldest);
        return true;
      };
      for (const each of steps) {
        if (each.kind === 'wait') nowMs += each.ms;
        else if (each.kind === 'take') for (let i = 0; i < each.times; i++) take();
        else if (each.kind === 'forget') {
          all.forgetPod(each.pod);
          model = model.filter(({ pod }) => pod !== each.pod);
        } else {
          const { pod, hash, ns, lives } = each;
          give(all, ns, { pod, hash, expiryMs: nowMs + lives, nowMs });
          for (const n of ns) {
            const isIt = (pair: Pair): boolean => pair.pod === pod && pair.hash === hash && pair.n === n;
            const knownMs = Math.max(0, ...model.filter(isIt).map(({ expiryMs }) => expiryMs));
            const expiryMs = Math.max(nowMs + lives, knownMs);
            model = [...model.filter((pair) => !isIt(pair)), { pod, hash, n, expiryMs }];
          }
        }
        for (const { pod, hash, n, expiryMs } of model) {
          if (expiryMs > nowMs) expect(all.gives(pod, hash, addressOf(n), 0)).toBe(true);
        }
      }
      while (take());
      for (const pod of [0, 1]) {
        for (const hash of NAMES) {
          const kept = ofName(model, { pod, hash }, nowMs).map(({ n }) => n);
          if (kept.length === 0) continue;
          const ended = model.filter((pair) => pair.pod === pod && pair.hash === hash).map(({ n }) => n);
          const given = range(0, 10).filter((n) => all.gives(pod, hash, addressOf(n), 0));
          const left = given.filter((n) => !ended.includes(n) || kept.includes(n));
          expect(new Set(left)).toEqual(new Set(kept));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('10,000 addresses of one name cost a few microseconds each (A11)', () => {
  const all = new NameAddresses();
  give(all, range(0, MOST_OF_NAME));
  const beginMs = performance.now();
  for (let n = 0; n < 10_000; n++) {
    give(all, [1_000_000 + n]);
    takeAll(all);
  }
  expect(performance.now() - beginMs).toBeLessThan(1_000);
});
