import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GRANT_CAPACITY, GRANTS_PER_POD, Grants } from '../../../../src/datapath/state/grants.ts';

const CAPACITY = 16;
const USABLE = 12; // three quarters
const PODS = 3;
const CLASSES = 3;
const ADDRESSES = 5;

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
  | { kind: 'set'; key: Key; expiryMs: number }
  | { kind: 'filter'; pod: number; mask: number }
  | { kind: 'sweep'; nowMs: number; places: number }
  | { kind: 'renumber'; numbers: readonly number[] }
  | { kind: 'distrust' };

const expiry = fc.integer({ min: 1, max: 100 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        key: fc.constantFrom(...UNIVERSE),
        expiryMs: expiry,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('filter' as const), pod: fc.nat(PODS - 1), mask: fc.nat(31) }),
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
    case 'set': {
      const { key, expiryMs } = step;
      const known = model.of(key);
      if (known === undefined && !grants.hasRoom(key.pod, 1)) return;
      grants.set(key.classIndex, key.pod, addressOf(key.address), 0, expiryMs);
      const believed = known?.isTrusted === true ? known.expiryMs : 0;
      model.put(key, { expiryMs: Math.max(expiryMs, believed), isTrusted: true });
      return;
    }
    case 'filter':
      return filter(grants, model, step.pod, (key) => ((step.mask >> key.address) & 1) === 1);
    case 'sweep': {
      grants.sweep(step.nowMs, step.places);
      const left = new Set<Key>();
      for (let pod = 0; pod < PODS; pod++) {
        grants.filterPod(pod, (classIndex, address) => {
          left.add(keyOf(pod, classIndex, address));
          return false;
        });
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
        if (next >= 0) model.put({ pod, classIndex: next, address }, element);
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

function keyOf(pod: number, classIndex: number, address: Uint8Array): Key {
  const found = UNIVERSE.find(
    (each) => each.pod === pod && each.classIndex === classIndex && sameBytes(addressOf(each.address), address),
  );
  return found ?? expect.fail(`An element that was never set: ${classIndex} ${address.join('.')}`);
}

/** Every element of the pod is shown with its expiry; what is asked for is gone, the rest stays. */
function filter(grants: Grants, model: Model, pod: number, isDeleted: (key: Key) => boolean): void {
  const shown = new Set<string>();
  grants.filterPod(pod, (classIndex, address, expiryMs) => {
    const key = keyOf(pod, classIndex, address);
    expect(expiryMs).toBe(model.of(key)?.expiryMs);
    shown.add(JSON.stringify(key));
    return isDeleted(key);
  });
  expect([...shown].toSorted()).toEqual(
    model
      .ofPod(pod)
      .map((key) => JSON.stringify(key))
      .toSorted(),
  );
  for (const key of model.ofPod(pod)) if (isDeleted(key)) model.delete(key);
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
  }
  expect(grants.size).toBe(model.elements.size);
  for (let pod = 0; pod < PODS; pod++) expect(grants.sizeOf(pod)).toBe(model.ofPod(pod).length);
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
    { numRuns: 2_000 },
  );
});

test('deleting in every order from a full table never loses another element, wherever the clusters lie', () => {
  for (let seed = 0; seed < 200; seed++) {
    const grants = new Grants(seed, PODS, CAPACITY);
    const model = new Model();
    for (const key of UNIVERSE.slice(0, USABLE)) apply(grants, model, { kind: 'set', key, expiryMs: 50 });
    expect(grants.size).toBe(USABLE);
    for (let i = 0; i < USABLE; i++) {
      const victim = UNIVERSE[(i * 5 + seed) % USABLE]; // 5 and 12 have no common divisor: each one once
      if (victim === undefined) continue;
      filter(grants, model, victim.pod, (key) => key === victim);
      expectSame(grants, model);
    }
    expect(grants.size).toBe(0);
  }
});

test('the later of two expiries stands', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  for (const expiryMs of [50, 90, 70]) grants.set(0, 0, addressOf(1), 0, expiryMs);
  expect(grants.expiryMs(0, 0, addressOf(1), 0)).toBe(90);
  expect(grants.size).toBe(1);
});

test('a sweep over the whole table leaves nothing that has expired and everything that has not', () => {
  const grants = new Grants(7, PODS, CAPACITY);
  for (const [i, key] of UNIVERSE.slice(0, USABLE).entries()) {
    grants.set(key.classIndex, key.pod, addressOf(key.address), 0, i < 6 ? 10 : 10.5);
  }
  grants.sweep(10, 2 * CAPACITY); // a place from which something was deleted is looked at again
  expect(grants.size).toBe(6);
  grants.sweep(11, 2 * CAPACITY);
  expect(grants.size).toBe(0);
});

test('what is distrusted stays distrusted when classes get other numbers, until the kernel acknowledged it anew', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  grants.set(0, 0, addressOf(1), 0, 90);
  grants.distrust();
  grants.renumberClasses([1]);
  expect(grants.expiryMs(1, 0, addressOf(1), 0)).toBeLessThanOrEqual(0);
  grants.set(1, 0, addressOf(1), 0, 50);
  expect(grants.expiryMs(1, 0, addressOf(1), 0)).toBe(50);
});

test('an address is read at its offset', () => {
  const grants = new Grants(1, PODS, CAPACITY);
  const bytes = new Uint8Array(37).fill(0xee);
  bytes.set(addressOf(2), 21);
  grants.set(1, 1, bytes, 21, 5);
  expect(grants.expiryMs(1, 1, addressOf(2), 0)).toBe(5);
});

describe('quotas', () => {
  test('three quarters of the table may be used', () => {
    const grants = new Grants(1, PODS, CAPACITY);
    expect(grants.hasRoom(0, USABLE)).toBe(true);
    expect(grants.hasRoom(0, USABLE + 1)).toBe(false);
    for (const key of UNIVERSE.slice(0, USABLE)) grants.set(key.classIndex, key.pod, addressOf(key.address), 0, 1);
    expect(grants.hasRoom(0, 0)).toBe(true);
    expect(grants.hasRoom(0, 1)).toBe(false);
  });

  test('a pod that reaches its own quota is refused and no other', () => {
    const grants = new Grants(3, PODS);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    for (let i = 0; i < GRANTS_PER_POD; i++) {
      expect(grants.hasRoom(1, 1)).toBe(true);
      view.setUint32(12, i);
      grants.set(0, 1, address, 0, 1_000);
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
      grants.set(i % 3, i % 100, address, 0, i + 1);
    }
    expect(grants.size).toBe(100_000);
    for (let i = 0; i < 100_000; i += 997) {
      view.setUint32(12, i);
      expect(grants.expiryMs(i % 3, i % 100, address, 0)).toBe(i + 1);
    }
  });
});
