import { describe, expect, test, vi } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { CAP, CAPS } from '../../../src/bridge/audit-record.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import type { Snapshot, SnapshotProgram } from '../../../src/bridge/snapshot.ts';
import { adopt, prune } from '../../../src/datapath/adopt.ts';
import { CAP_KEYS } from '../../../src/datapath/caps.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { AnswerRanges } from '../../../src/datapath/state/answer-ranges.ts';
import { Budgets } from '../../../src/datapath/state/budgets.ts';
import { EventWindows } from '../../../src/datapath/state/event-windows.ts';
import { Grants, GRANTS_PER_POD } from '../../../src/datapath/state/grants.ts';
import { Lookups } from '../../../src/datapath/state/lookups.ts';
import { NO_POD, POD_INDEXES, PodTable } from '../../../src/datapath/state/pod-table.ts';
import { Programs } from '../../../src/datapath/state/programs.ts';
import { COMMIT } from '../../../src/kernel/set-writer.ts';
import { hashName } from '../../../src/dns/name-hash.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import { notedOf } from './state/noted.ts';

const bytesOf = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);
const REFUSED = 23; // ENFILE

/** The kernel's sets as a list of what was done to them. */
class Kernel {
  readonly done: string[] = [];
  readonly sets = new Set<string>();
  /** What commits answer from now on: the first ones `answers`, in order, then `answer`. */
  answer = 0;
  readonly answers: number[] = [];
  classIds: readonly string[] = [];
  #batch: string[] = [];

  get pending(): number {
    return this.#batch.length;
  }

  define(classIds: readonly string[]): void {
    expect(this.#batch).toEqual([]); // it would be lost
    this.classIds = classIds;
  }

  add(classIndex: number, pod: Uint8Array, _p: number, address: Uint8Array, at: number): boolean {
    return this.#push(`add ${this.#element(classIndex, pod, address, at)}`);
  }

  remove(classIndex: number, pod: Uint8Array, _p: number, address: Uint8Array, at: number): boolean {
    return this.#push(`remove ${this.#element(classIndex, pod, address, at)}`);
  }

  commit(): number {
    const batch = this.#batch;
    this.#batch = [];
    const answer = this.answers.shift() ?? this.answer;
    if (answer !== 0) return answer;
    this.done.push(...batch);
    for (const line of batch) {
      const [what = '', ...element] = line.split(' ');
      if (what === 'add') this.sets.add(element.join(' '));
      else this.sets.delete(element.join(' '));
    }
    return 0;
  }

  discard(): void {
    this.#batch = [];
  }

  #push(line: string): boolean {
    if (this.#batch.length === 1_000) return false;
    this.#batch.push(line);
    return true;
  }

  #element(classIndex: number, pod: Uint8Array, address: Uint8Array, at: number): string {
    return `${this.classIds[classIndex]} ${formatAddress(pod)} ${formatAddress(address, at)}`;
  }
}

function setUp() {
  const kernel = new Kernel();
  const counters = new Counters().words;
  const plane = {
    pods: new PodTable(),
    grants: new Grants(1, POD_INDEXES),
    lookups: new Lookups(),
    programs: new Programs([]),
    ranges: new AnswerRanges({ protect: [], cidrs: [] }),
    budgets: new Budgets(POD_INDEXES + 1, {}),
    caps: new EventWindows(CAP_KEYS),
    programIds: [],
    classIds: [],
    setNames: new Set(),
    unpruned: new Set(),
    generation: 0,
    nowMs: 1_000,
    seed: 5,
    writer: kernel,
    counters,
    count: (word: number) => void (counters[word]! += 1),
  } as unknown as Plane; // what adopt.ts asks for, and no more
  /** As after an answer that granted: in the kernel, in the mirror and in the pod's lookups. */
  const looked = (
    id: number,
    name: string,
    address: string,
    classes: readonly number[] = [0],
    expiryMs = 61_000,
  ): void => {
    const pod = plane.pods.indexOfId(id);
    const addresses = bytesOf(address);
    for (const classIndex of classes) {
      plane.grants.reserve(classIndex, pod, addresses, 0, expiryMs);
      for (const source of plane.pods.addresses(pod, 4)) kernel.add(classIndex, source, 0, addresses, 0);
      plane.grants.confirm(classIndex, pod, addresses, 0);
    }
    kernel.commit();
    const wire = parseNameText(name) ?? expect.fail(name);
    plane.lookups.note(pod, hashName(wire, 0, wire.length, 5), notedOf({ name: wire, addresses, expiryMs }));
  };
  return { plane, kernel, looked, counters };
}

const program = (id: string, names: readonly string[], classes: readonly number[] = [0]): SnapshotProgram => ({
  id,
  names: names.map((text, rule) => ({
    match: text.includes('*') ? 'pattern' : 'name',
    text,
    askUdp: true,
    askTcp: true,
    classes,
    rule,
  })),
});

const snapshot = (changes: Partial<Snapshot>): Snapshot => ({
  shield: '',
  generation: 1,
  pods: [{ id: 1, addresses: [bytesOf('10.0.1.7')], program: 0 }],
  programs: [program('a', ['a.example.org', 'b.example.org'])],
  classIds: ['tcp443'],
  ...changes,
});

test('a name that is no longer allowed loses its grant, others keep theirs', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  looked(1, 'b.example.org', '192.0.2.2');
  expect(adopt(plane, snapshot({ generation: 2, programs: [program('b', ['b.example.org'])] }))).toBe(true);
  expect(prune(plane)).toBe(true);
  expect([...kernel.sets]).toEqual(['tcp443 10.0.1.7 192.0.2.2']);
  expect(plane.grants.expiryMs(0, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0)).toBe(0);
});

test('an address that two names gave stays while one of them is allowed', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  looked(1, 'b.example.org', '192.0.2.1');
  adopt(plane, snapshot({ generation: 2, programs: [program('b', ['b.example.org'])] }));
  prune(plane);
  expect([...kernel.sets]).toEqual(['tcp443 10.0.1.7 192.0.2.1']);
});

test('a policy that comes later opens what the pod asked before', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
  looked(1, 'a.example.org', '192.0.2.1', []);
  adopt(plane, snapshot({ generation: 2 }));
  expect([...kernel.sets]).toEqual(['tcp443 10.0.1.7 192.0.2.1']);
  expect(plane.grants.expiryMs(0, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0)).toBe(61_000);
});

test('a pod that is gone leaves nothing: a new pod with its address starts empty (I4)', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  adopt(plane, snapshot({ generation: 2, pods: [{ id: 2, addresses: [bytesOf('10.0.1.7')], program: 0 }] }));
  expect([...kernel.sets]).toEqual([]);
  expect(plane.grants.size).toBe(0);
});

test('classes that get other numbers keep their grants', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  const before = kernel.done.length;
  adopt(
    plane,
    snapshot({
      generation: 2,
      classIds: ['any', 'tcp443'],
      programs: [program('a', ['a.example.org', 'b.example.org'], [1])],
    }),
  );
  expect(kernel.done.slice(before)).toEqual([]);
  expect(plane.grants.expiryMs(1, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0)).toBe(61_000);
});

test('a kernel that refuses what a new policy opens: said, and nothing is believed to be granted (I1)', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  looked(1, 'c.example.org', '192.0.2.3', []);
  kernel.answer = REFUSED;
  const next = { generation: 2, programs: [program('b', ['a.example.org', 'c.example.org'])] };
  expect(adopt(plane, snapshot(next))).toBe(false);
  for (const address of ['192.0.2.1', '192.0.2.3']) {
    expect(plane.grants.expiryMs(0, plane.pods.indexOfId(1), bytesOf(address), 0)).toBeLessThanOrEqual(0);
  }
});

test('a grant that the kernel did not let go is taken away the next time', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  adopt(plane, snapshot({ generation: 2, programs: [program('b', ['b.example.org'])] }));
  kernel.answer = REFUSED;
  expect(prune(plane)).toBe(false);
  expect([...kernel.sets]).toEqual(['tcp443 10.0.1.7 192.0.2.1']);
  expect(plane.grants.expiryMs(0, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0)).toBeLessThanOrEqual(0);
  kernel.answer = 0;
  expect(prune(plane)).toBe(true);
  expect([...kernel.sets]).toEqual([]);
});

test('what is not believed is not believed again because the next policy numbers its classes otherwise (I1)', () => {
  const { plane, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1');
  plane.grants.distrust(); // somebody deleted our sets
  plane.lookups.forgetPod(plane.pods.indexOfId(1));
  adopt(
    plane,
    snapshot({
      generation: 2,
      classIds: ['any', 'tcp443'],
      programs: [program('a', ['a.example.org', 'b.example.org'], [1])],
    }),
  );
  expect(plane.grants.expiryMs(1, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0)).toBeLessThanOrEqual(0);
});

/** `count` addresses of a range that is nobody's, from the `first` on. */
function manyAddresses(first: number, count: number): Uint8Array {
  const addresses = new Uint8Array(16 * count);
  const view = new DataView(addresses.buffer);
  for (let a = 0; a < count; a++) {
    view.setUint32(16 * a + 8, 0xffff);
    view.setUint32(16 * a + 12, 0x6440_0000 + first + a);
  }
  return addresses;
}

describe('a pod that looked up more, while it could ask anything, than it may be granted (I6)', () => {
  const PER_ANSWER = 200; // what an answer of 4,096 bytes holds
  const ANSWERS = Math.ceil(GRANTS_PER_POD / PER_ANSWER) + 1;
  const newest = manyAddresses((ANSWERS - 1) * PER_ANSWER, 1);
  function setUpFull() {
    const part = setUp();
    const { plane } = part;
    adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
    const pod = plane.pods.indexOfId(1);
    for (let i = 0; i < ANSWERS; i++) {
      const name = parseNameText(`n${i}.example.org`) ?? expect.fail();
      const addresses = manyAddresses(i * PER_ANSWER, PER_ANSWER);
      plane.lookups.note(pod, i, notedOf({ name, addresses, expiryMs: 61_000 }));
    }
    return { ...part, pod, next: snapshot({ generation: 2, programs: [program('open', ['*.example.org'])] }) };
  }

  test('does not exceed its quota when a policy grants it', () => {
    const { plane, pod, next, kernel } = setUpFull();
    expect(adopt(plane, next)).toBe(true);
    expect(plane.grants.sizeOf(pod)).toBe(GRANTS_PER_POD);
    expect(kernel.sets.size).toBe(GRANTS_PER_POD);
  });

  test('is granted its newest lookups: the oldest wait for being looked up again, and are counted', () => {
    const { plane, pod, next, counters } = setUpFull();
    adopt(plane, next);
    expect(plane.grants.expiryMs(0, pod, newest, 0)).toBe(61_000);
    const refused = ANSWERS * PER_ANSWER - GRANTS_PER_POD;
    expect(counters[COUNT.grants_refused]).toBe(refused);
    const told: number[][] = [];
    plane.caps.end((...one) => told.push(one));
    expect(told).toEqual([[pod * CAPS.length + CAP.grants, refused]]);
  });

  test('does not lose what it has a reason for', () => {
    const { plane, pod, next } = setUpFull();
    // Its newest lookup was granted by the policy before, too.
    plane.grants.reserve(0, pod, newest, 0, 61_000);
    plane.grants.confirm(0, pod, newest, 0);
    adopt(plane, next);
    prune(plane);
    expect(plane.grants.expiryMs(0, pod, newest, 0)).toBe(61_000);
  });
});

test('a table that others have filled: nothing more is granted, everything ends, nobody loses anything', () => {
  const { plane, looked, kernel } = setUp();
  adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
  looked(1, 'a.example.org', '192.0.2.1', []);
  const filler = manyAddresses(0, GRANTS_PER_POD);
  for (let pod = 1_000; plane.grants.hasRoom(pod, 1); pod++) {
    for (let at = 0; at < filler.length && plane.grants.hasRoom(pod, 1); at += 16)
      plane.grants.reserve(0, pod, filler, at, 99_000);
  }
  const { size } = plane.grants;
  expect(adopt(plane, snapshot({ generation: 2 }))).toBe(true);
  expect(prune(plane)).toBe(true);
  expect([plane.grants.size, kernel.sets.size]).toEqual([size, 0]);
});

describe('what the kernel refuses to take away', () => {
  const others = { generation: 2, pods: [{ id: 2, addresses: [bytesOf('10.0.1.7')], program: 0 }] };

  test.each([
    ['refused', REFUSED],
    ['of unknown outcome', COMMIT.Unknown],
  ])('stays in the mirror, distrusted, and its pod keeps its index: %s (I4)', (_why, answer) => {
    const { plane, kernel, looked } = setUp();
    adopt(plane, snapshot({}));
    looked(1, 'a.example.org', '192.0.2.1');
    const old = plane.pods.indexOfId(1);
    kernel.answer = answer;
    expect(adopt(plane, snapshot(others))).toBe(false);
    expect([plane.pods.indexOfId(1), plane.grants.sizeOf(old)]).toEqual([old, 1]);
    expect(plane.pods.indexOfId(2)).not.toBe(old);
    expect(plane.grants.sizeOf(plane.pods.indexOfId(2))).toBe(0);
    expect(plane.grants.expiryMs(0, old, bytesOf('192.0.2.1'), 0)).toBeLessThanOrEqual(0);
    expect(plane.pods.isPresent[old]).toBe(0);
  });

  test('is taken away the next time, and then the index is free', () => {
    const { plane, kernel, looked } = setUp();
    adopt(plane, snapshot({}));
    looked(1, 'a.example.org', '192.0.2.1');
    kernel.answer = REFUSED;
    adopt(plane, snapshot(others));
    kernel.answer = 0;
    expect(adopt(plane, snapshot({ ...others, generation: 3 }))).toBe(true);
    expect([plane.pods.indexOfId(1), plane.grants.size, kernel.sets.size]).toEqual([NO_POD, 0, 0]);
  });

  test('is found under its new number when classes are numbered otherwise meanwhile', () => {
    const { plane, kernel, looked } = setUp();
    adopt(plane, snapshot({}));
    looked(1, 'a.example.org', '192.0.2.1');
    kernel.answer = REFUSED;
    adopt(
      plane,
      snapshot({ ...others, classIds: ['any', 'tcp443'], programs: [program('a', ['a.example.org'], [1])] }),
    );
    kernel.answer = 0;
    adopt(
      plane,
      snapshot({
        ...others,
        generation: 3,
        classIds: ['any', 'tcp443'],
        programs: [program('a', ['a.example.org'], [1])],
      }),
    );
    expect([...kernel.sets]).toEqual([]);
  });

  test('of two pods that go, what is taken away of one is not kept for the other', () => {
    const { plane, kernel } = setUp();
    const both = [1, 2].map((id) => ({ id, addresses: [bytesOf(`10.0.1.${id}`)], program: 0 }));
    adopt(plane, snapshot({ pods: both }));
    const indexes = [1, 2].map((id) => plane.pods.indexOfId(id));
    for (const pod of indexes) {
      const addresses = manyAddresses(0, 256); // a batch
      for (let at = 0; at < addresses.length; at += 16) {
        plane.grants.reserve(0, pod, addresses, at, 61_000);
        plane.grants.confirm(0, pod, addresses, at);
      }
    }
    kernel.answers.push(0, REFUSED);
    expect(adopt(plane, snapshot({ generation: 2, pods: [] }))).toBe(false);
    expect(indexes.reduce((sum, pod) => sum + plane.grants.sizeOf(pod), 0)).toBe(256);
    expect(kernel.done).toHaveLength(256);
  });

  test('costs no batch that the kernel took: it goes from the mirror, and only the rest is tried again', () => {
    const { plane, kernel } = setUp();
    adopt(plane, snapshot({}));
    const pod = plane.pods.indexOfId(1);
    const addresses = manyAddresses(0, 600); // three batches
    for (let at = 0; at < addresses.length; at += 16) plane.grants.reserve(0, pod, addresses, at, 61_000);
    adopt(plane, snapshot({ generation: 2, programs: [program('b', [])] }));
    kernel.answers.push(0, REFUSED, 0);
    expect(prune(plane)).toBe(false);
    expect(plane.grants.sizeOf(pod)).toBe(256);
    const before = kernel.done.length;
    expect(prune(plane)).toBe(true);
    expect([kernel.done.length - before, plane.grants.sizeOf(pod)]).toEqual([256, 0]);
  });
});

test('what was sent and never acknowledged is taken away, too: it may be there', () => {
  const { plane, kernel } = setUp();
  adopt(plane, snapshot({}));
  plane.grants.reserve(0, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0, 61_000);
  adopt(plane, snapshot({ generation: 2, pods: [] }));
  expect(kernel.done).toEqual(['remove tcp443 10.0.1.7 192.0.2.1']);
  expect(plane.grants.size).toBe(0);
});

test('what has expired is left to the sweep: its removal could fail and take others with it', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({}));
  looked(1, 'a.example.org', '192.0.2.1', [0], 5_000);
  looked(1, 'b.example.org', '192.0.2.2', [0], 90_000);
  kernel.done.length = 0;
  plane.nowMs = 6_000;
  adopt(plane, snapshot({ generation: 2, pods: [] }));
  expect(kernel.done).toEqual(['remove tcp443 10.0.1.7 192.0.2.2']);
});

test('every address of the pod is granted, of the family of what it looked up', () => {
  const { plane, kernel, looked } = setUp();
  const addresses = ['10.0.1.7', '10.0.2.7', '2001:db8::7'].map(bytesOf);
  const pods = [{ id: 1, addresses, program: 0 }];
  adopt(plane, snapshot({ pods, programs: [program('ask', ['*'], [])] }));
  looked(1, 'a.example.org', '192.0.2.1', []);
  looked(1, 'b.example.org', '2001:db8::1', []);
  adopt(plane, snapshot({ generation: 2, pods }));
  expect(kernel.sets).toEqual(
    new Set(['tcp443 10.0.1.7 192.0.2.1', 'tcp443 10.0.2.7 192.0.2.1', 'tcp443 2001:db8::7 2001:db8::1']),
  );
});

test('what a pod without IPv6 looked up there is in neither the kernel nor the mirror, which never knows more', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
  looked(1, 'a.example.org', '2001:db8::1', []);
  expect(adopt(plane, snapshot({ generation: 2 }))).toBe(true);
  expect([kernel.sets.size, plane.grants.size]).toEqual([0, 0]);
});

test('the kernel is told the longest time that any name gives an address', () => {
  const { plane, looked } = setUp();
  const add = vi.spyOn(plane.writer, 'add');
  adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
  looked(1, 'a.example.org', '192.0.2.1', [], 40_000);
  looked(1, 'b.example.org', '192.0.2.1', [], 61_000);
  plane.nowMs = 11_000;
  adopt(plane, snapshot({ generation: 2 }));
  expect(add.mock.calls.map((call) => call[5])).toEqual([50_000]);
  expect(plane.grants.expiryMs(0, plane.pods.indexOfId(1), bytesOf('192.0.2.1'), 0)).toBe(61_000);
});

test('addresses of a name that rotates are all earned, while they would be granted', () => {
  const { plane, kernel, looked } = setUp();
  adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
  looked(1, 'a.example.org', '192.0.2.1', [], 5_000);
  looked(1, 'a.example.org', '192.0.2.2', [], 50_000);
  looked(1, 'a.example.org', '192.0.2.3', [], 61_000);
  plane.nowMs = 6_000;
  adopt(plane, snapshot({ generation: 2 }));
  expect(kernel.sets).toEqual(new Set(['tcp443 10.0.1.7 192.0.2.2', 'tcp443 10.0.1.7 192.0.2.3']));
});
