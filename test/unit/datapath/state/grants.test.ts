import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GRANT_CAPACITY, GRANTS_PER_POD, Grants, type Grant } from '../../../../src/datapath/state/grants.ts';

const MODULE = fileURLToPath(new URL('../../../../src/datapath/state/grants.ts', import.meta.url));
const CAPACITY = 16;
const USABLE = 12; // three quarters
const PODS = 3;
const CLASSES = 3;
const ADDRESSES = 5;
const BATCHES = 3;

/** Addresses that differ in one word each, so that every comparison counts. */
function addressOf(n: number): Uint8Array {
  const bytes = new Uint8Array(16).fill(0x20);
  if (n > 0) bytes[4 * ((n - 1) % 4) + 3] = n;
  return bytes;
}

const UNIVERSE = Array.from({ length: PODS * CLASSES * ADDRESSES }, (_, i) => ({
  pod: i % PODS,
  classIndex: Math.floor(i / PODS) % CLASSES,
  address: Math.floor(i / PODS / CLASSES),
}));
type Key = (typeof UNIVERSE)[number];

interface Element {
  readonly expiryMs: number;
  readonly isTrusted: boolean;
  /** The last batch that it was put into; -1: none. */
  readonly putInto: number;
}

/** What Grants is, obviously: a map. */
class Model {
  elements = new Map<string, Element>();

  of(key: Key): Element | undefined {
    return this.elements.get(JSON.stringify([key.pod, key.classIndex, key.address]));
  }

  put(key: Key, element: Element): void {
    this.elements.set(JSON.stringify([key.pod, key.classIndex, key.address]), element);
  }

  delete(key: Key): void {
    this.elements.delete(JSON.stringify([key.pod, key.classIndex, key.address]));
  }

  ofPod(pod: number): Key[] {
    return UNIVERSE.filter((key) => key.pod === pod && this.of(key) !== undefined);
  }
}

type Step =
  | { kind: 'reserve'; key: Key; expiryMs: number; batch: number }
  | { kind: 'doubt'; key: Key }
  | { kind: 'confirm'; key: Key }
  | { kind: 'delete'; key: Key }
  | { kind: 'filter'; pods: readonly number[]; mask: number }
  | { kind: 'sweep'; nowMs: number; places: number }
  | { kind: 'renumber'; numbers: readonly number[] }
  | { kind: 'distrust' };

const expiry = fc.integer({ min: 1, max: 100 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('reserve' as const),
        key: fc.constantFrom(...UNIVERSE),
        expiryMs: expiry,
        batch: fc.nat(BATCHES - 1),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('doubt' as const), key: fc.constantFrom(...UNIVERSE) }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('confirm' as const), key: fc.constantFrom(...UNIVERSE) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('delete' as const), key: fc.constantFrom(...UNIVERSE) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('filter' as const),
        pods: fc.array(fc.nat(PODS - 1), { maxLength: PODS }),
        mask: fc.nat(31),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('sweep' as const), nowMs: expiry, places: fc.nat(2 * CAPACITY) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('renumber' as const),
        numbers: fc.constantFrom([0, 1, 2], [1, 2, 0], [2, -1, 0], [-1, 0], []),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('distrust' as const) }) },
  ),
  { maxLength: 60 },
);

function apply(grants: Grants, model: Model, step: Step): void {
  switch (step.kind) {
    case 'reserve': {
      const { key, expiryMs, batch } = step;
      const latestMs = Math.max(expiryMs, model.of(key)?.expiryMs ?? 0);
      const putInto = Math.max(batch, model.of(key)?.putInto ?? -1);
      const isFull = model.elements.size >= USABLE; // then it notes nothing, not even more time for what it has
      const told = grants.reserve(key.classIndex, key.pod, addressOf(key.address), 0, expiryMs, batch);
      expect(told).toBe(isFull ? expiryMs : latestMs);
      if (!isFull) model.put(key, { expiryMs: latestMs, isTrusted: false, putInto });
      return;
    }
    case 'doubt': {
      const known = model.of(step.key);
      grants.doubt(step.key.classIndex, step.key.pod, addressOf(step.key.address), 0);
      if (known !== undefined) model.put(step.key, { ...known, isTrusted: false });
      return;
    }
    case 'confirm': {
      const known = model.of(step.key);
      grants.confirm(step.key.classIndex, step.key.pod, addressOf(step.key.address), 0);
      if (known !== undefined) model.put(step.key, { ...known, isTrusted: true });
      return;
    }
    case 'delete':
      grants.delete(step.key.classIndex, step.key.pod, addressOf(step.key.address), 0);
      return model.delete(step.key);
    case 'filter':
      return filter(grants, model, step.pods, (key) => ((step.mask >> key.address) & 1) === 1);
    case 'sweep': {
      grants.sweep(step.nowMs, step.places);
      const left = new Set<Key>();
      for (let pod = 0; pod < PODS; pod++) {
        grants.forEachOf(new Set([pod]), (found) => void left.add(keyOf(found)));
      }
      // It may leave what it did not come to, and may take nothing but what has expired.
      for (const key of UNIVERSE) {
        const expiryMs = model.of(key)?.expiryMs ?? Infinity;
        if (expiryMs <= step.nowMs && !left.has(key)) model.delete(key);
      }
      return;
    }
    case 'renumber': {
      grants.renumberClasses(step.numbers);
      const before = model.elements;
      model.elements = new Map();
      for (const [text, element] of before) {
        const [pod, classIndex, address] = JSON.parse(text) as [number, number, number]; // as Model wrote it
        const next = step.numbers[classIndex] ?? -1;
        if (next >= 0) model.put({ pod, classIndex: next, address }, { ...element, putInto: -1 }); // nothing is under way
      }
      return;
    }
    case 'distrust':
      grants.distrust();
      for (const key of UNIVERSE) {
        const known = model.of(key);
        if (known !== undefined) model.put(key, { ...known, isTrusted: false });
      }
  }
}

function keyOf({ pod, classIndex, address }: Grant): Key {
  const found = UNIVERSE.find(
    (each) => each.pod === pod && each.classIndex === classIndex && sameBytes(addressOf(each.address), address),
  );
  return found ?? expect.fail(`An element that was never set: ${classIndex} ${address.join('.')}`);
}

/** As adopt.ts does: every element of these pods is shown, once; what is then deleted is gone, the rest stays. */
function filter(grants: Grants, model: Model, pods: readonly number[], isDeleted: (key: Key) => boolean): void {
  const shown: Grant[] = [];
  grants.forEachOf(new Set(pods), (found) => {
    expect(found.expiryMs).toBe(model.of(keyOf(found))?.expiryMs); // also of what is not relied on
    shown.push(found);
  });
  const sorted = (keys: readonly Key[]): string[] => keys.map((key) => JSON.stringify(key)).toSorted();
  expect(sorted(shown.map(keyOf))).toEqual(sorted([...new Set(pods)].flatMap((pod) => model.ofPod(pod))));
  for (const found of shown) {
    if (!isDeleted(keyOf(found))) continue;
    grants.delete(found.classIndex, found.pod, found.address, 0);
    model.delete(keyOf(found));
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

function expectSame(grants: Grants, model: Model): void {
  for (const key of UNIVERSE) {
    const expiryMs = grants.expiryMs(key.classIndex, key.pod, addressOf(key.address), 0);
    const element = model.of(key);
    // What is not there, and what is not believed any more, must not look granted: 0, or a time that has passed.
    if (element?.isTrusted === true) expect(expiryMs).toBe(element.expiryMs);
    else expect(expiryMs).toBeLessThanOrEqual(0);
    for (let batch = 0; batch < BATCHES; batch++) {
      const isPut = grants.isPutInto(batch, key.classIndex, key.pod, addressOf(key.address), 0);
      expect(isPut).toBe(element?.putInto === batch);
    }
  }
  expect(grants.size).toBe(model.elements.size);
  for (let pod = 0; pod < PODS; pod++) {
    expect(grants.sizeOf(pod)).toBe(model.ofPod(pod).length);
    expect(grants.roomOf(pod)).toBe(USABLE - model.elements.size);
  }
}

test('whatever happens to it, the table is the map that it stands for', () => {
  // 16 places, 12 usable: clusters are long, and one in eight lies across the end of the table.
  fc.assert(
    fc.property(fc.integer(), steps, (seed, all) => {
      const grants = new Grants(seed, PODS, CAPACITY);
      const model = new Model();
      for (const step of all) {
        apply(grants, model, step);
        expectSame(grants, model);
      }
    }),
    { numRuns: 500 },
  );
});

test('deleting in every order from a full table never loses another element, wherever the clusters lie', () => {
  for (let seed = 0; seed < 50; seed++) {
    const grants = new Grants(seed, PODS, CAPACITY);
    const model = new Model();
    for (const key of UNIVERSE.slice(0, USABLE)) {
      apply(grants, model, { kind: 'reserve', key, expiryMs: 50, batch: 1 });
      apply(grants, model, { kind: 'confirm', key });
    }
    expect(grants.size).toBe(USABLE);
    for (let i = 0; i < USABLE; i++) {
      const victim = UNIVERSE[(i * 5 + seed) % USABLE]; // 5 and 12 have no common divisor: each one once
      if (victim === undefined) continue;
      filter(grants, model, [victim.pod], (key) => key === victim);
      expectSame(grants, model);
    }
    expect(grants.size).toBe(0);
  }
});

/** As after a commit that the kernel acknowledged. */
function grant(grants: Grants, key: { classIndex: number; pod: number }, address: Uint8Array, expiryMs: number): void {
  grants.reserve(key.classIndex, key.pod, address, 0, expiryMs);
  grants.confirm(key.classIndex, key.pod, address, 0);
}

test('the kernel is told the latest time that any name gave an address, also within one batch', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  const reserve = (expiryMs: number): number => grants.reserve(0, 0, addressOf(1), 0, expiryMs);
  expect([50, 90, 70].map(reserve)).toEqual([50, 90, 90]);
  grants.confirm(0, 0, addressOf(1), 0);
  expect(grants.expiryMs(0, 0, addressOf(1), 0)).toBe(90);
  expect(reserve(60)).toBe(90);
  expect(grants.size).toBe(1);
});

test('what was sent is not relied on before the kernel acknowledged it, but can be removed (I1)', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grants.reserve(0, 0, addressOf(1), 0, 90);
  expect(grants.expiryMs(0, 0, addressOf(1), 0)).toBeLessThanOrEqual(0);
  const shown: number[] = [];
  grants.forEachOf(new Set([0]), ({ expiryMs }) => void shown.push(expiryMs));
  expect([shown, grants.sizeOf(0)]).toEqual([[90], 1]);
});

test('a renewal whose outcome is unknown leaves nothing to rely on, neither the new time nor the old one', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grant(grants, { classIndex: 0, pod: 0 }, addressOf(1), 50);
  grants.reserve(0, 0, addressOf(1), 0, 90);
  expect(grants.expiryMs(0, 0, addressOf(1), 0)).toBeLessThanOrEqual(0);
});

test('an acknowledgement of what is not noted makes nothing', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grants.confirm(0, 0, addressOf(1), 0);
  expect([grants.size, grants.expiryMs(0, 0, addressOf(1), 0)]).toEqual([0, 0]);
});

test('a sweep over the whole table leaves nothing that has expired and everything that has not', () => {
  const grants = new Grants(7, PODS, CAPACITY);
  for (const [i, key] of UNIVERSE.slice(0, USABLE).entries()) {
    grant(grants, key, addressOf(key.address), i < 6 ? 10 : 10.5);
  }
  grants.sweep(10, 2 * CAPACITY); // a place from which something was deleted is looked at again
  expect(grants.size).toBe(6);
  grants.sweep(11, 2 * CAPACITY);
  expect(grants.size).toBe(0);
});

test('what is distrusted stays distrusted when classes get other numbers, until the kernel acknowledged it anew', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grant(grants, { classIndex: 0, pod: 0 }, addressOf(1), 90);
  grants.distrust();
  grants.renumberClasses([1]);
  expect(grants.expiryMs(1, 0, addressOf(1), 0)).toBeLessThanOrEqual(0);
  grant(grants, { classIndex: 1, pod: 0 }, addressOf(1), 50);
  expect(grants.expiryMs(1, 0, addressOf(1), 0)).toBe(90); // another name had given it more
});

test('deleting what is not there deletes nothing', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grant(grants, { classIndex: 0, pod: 0 }, addressOf(1), 90);
  grants.delete(0, 1, addressOf(1), 0);
  grants.delete(1, 0, addressOf(1), 0);
  grants.delete(0, 0, addressOf(2), 0);
  expect([grants.size, grants.sizeOf(0), grants.expiryMs(0, 0, addressOf(1), 0)]).toEqual([1, 1, 90]);
});

test('an address that forEachOf shows is a copy: what it becomes is nobody else’s', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  for (const n of [1, 2]) grant(grants, { classIndex: 0, pod: 0 }, addressOf(n), 90);
  const shown: Uint8Array[] = [];
  grants.forEachOf(new Set([0]), ({ address }) => void shown.push(address));
  shown.forEach((address) => address.fill(0xff));
  expect(grants.expiryMs(0, 0, addressOf(1), 0)).toBe(90);
  expect(shown[0]).not.toBe(shown[1]);
});

test('what is trusted stays so when classes get other numbers, with its time', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grant(grants, { classIndex: 0, pod: 0 }, addressOf(1), 90);
  grant(grants, { classIndex: 1, pod: 1 }, addressOf(1), 80);
  grants.renumberClasses([2, 0]);
  expect(grants.expiryMs(2, 0, addressOf(1), 0)).toBe(90);
  expect(grants.expiryMs(0, 1, addressOf(1), 0)).toBe(80);
});

test('distrusting twice is not trusting', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grant(grants, { classIndex: 0, pod: 0 }, addressOf(1), 90);
  grants.distrust();
  grants.distrust();
  expect(grants.expiryMs(0, 0, addressOf(1), 0)).toBeLessThanOrEqual(0);
});

test('what is distrusted is swept at its time, not before', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grant(grants, { classIndex: 0, pod: 0 }, addressOf(1), 90);
  grants.distrust();
  grants.sweep(89, 2 * CAPACITY);
  expect(grants.size).toBe(1);
  grants.sweep(90, 2 * CAPACITY);
  expect(grants.size).toBe(0);
});

test('an address is read at its offset', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  const bytes = new Uint8Array(37).fill(0xee);
  bytes.set(addressOf(2), 21);
  grants.reserve(1, 1, bytes, 21, 5);
  grants.confirm(1, 1, bytes, 21);
  expect(grants.expiryMs(1, 1, addressOf(2), 0)).toBe(5);
});

describe('quotas', () => {
  test('three quarters of the table may be used', () => {
    const grants = new Grants(1, PODS, CAPACITY);
    expect(grants.hasRoom(0, USABLE)).toBe(true);
    expect(grants.hasRoom(0, USABLE + 1)).toBe(false);
    for (const key of UNIVERSE.slice(0, USABLE)) grant(grants, key, addressOf(key.address), 1);
    expect(grants.hasRoom(0, 0)).toBe(true);
    expect(grants.hasRoom(0, 1)).toBe(false);
  });

  test('a full table notes nothing more, forgets nothing, and every search in it ends', () => {
    const script = `
      import { Grants } from ${JSON.stringify(MODULE)};
      const grants = new Grants(7, 2, 16);
      const address = new Uint8Array(16);
      for (let i = 0; i < 1_000; i++) {
        address[15] = i; address[14] = i >> 8;
        grants.reserve(0, i & 1, address, 0, 100);
        grants.confirm(0, i & 1, address, 0);
      }
      address.fill(0xee);
      grants.delete(0, 0, address, 0);
      const unknown = grants.expiryMs(0, 0, address, 0);
      const size = grants.size;
      grants.sweep(50, 64);
      grants.renumberClasses([1]);
      console.log(JSON.stringify({ unknown, size, swept: grants.size, room: grants.roomOf(0) }));`;
    // In a process of its own: an endless search would stop this one, its timeouts included.
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    expect(signal).toBeNull();
    expect(JSON.parse(stdout)).toEqual({ unknown: 0, size: USABLE, swept: USABLE, room: 0 });
  });

  test('the room of a pod is what is left of its quota or of the table, whichever is less, and never negative', () => {
    const grants = new Grants(3, PODS);
    expect(grants.roomOf(0)).toBe(GRANTS_PER_POD);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    for (let i = 0; i < GRANTS_PER_POD + 1; i++) {
      view.setUint32(12, i);
      grant(grants, { classIndex: 0, pod: 1 }, address, 1_000); // whoever did not ask hasRoom
    }
    expect(grants.roomOf(1)).toBe(0);
    const small = new Grants(3, PODS, CAPACITY);
    grant(small, { classIndex: 0, pod: 0 }, addressOf(1), 1);
    expect([small.roomOf(0), small.roomOf(1)]).toEqual([USABLE - 1, USABLE - 1]);
  });

  test('a pod that reaches its own quota is refused and no other', () => {
    const grants = new Grants(3, PODS);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    for (let i = 0; i < GRANTS_PER_POD; i++) {
      expect(grants.hasRoom(1, 1)).toBe(true);
      view.setUint32(12, i);
      grant(grants, { classIndex: 0, pod: 1 }, address, 1_000);
    }
    expect(grants.sizeOf(1)).toBe(GRANTS_PER_POD);
    expect(grants.hasRoom(1, 1)).toBe(false);
    expect(grants.hasRoom(2, GRANTS_PER_POD)).toBe(true);
  });

  test('the table holds the 100,000 grants of the bar', () => {
    const grants = new Grants(3, 100);
    expect(GRANT_CAPACITY * 0.75).toBeGreaterThan(100_000);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    for (let i = 0; i < 100_000; i++) {
      view.setUint32(12, i);
      grant(grants, { classIndex: i % 3, pod: i % 100 }, address, i + 1);
    }
    expect(grants.size).toBe(100_000);
    for (let i = 0; i < 100_000; i += 997) {
      view.setUint32(12, i);
      expect(grants.expiryMs(i % 3, i % 100, address, 0)).toBe(i + 1);
    }
  });
});
