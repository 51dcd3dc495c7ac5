import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { Counters } from '../../../src/bridge/counters.ts';
import type { Snapshot, SnapshotProgram } from '../../../src/bridge/snapshot.ts';
import { adopt, prune } from '../../../src/datapath/adopt.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { Grants, GRANTS_PER_POD } from '../../../src/datapath/state/grants.ts';
import { Lookups } from '../../../src/datapath/state/lookups.ts';
import { MAX_PODS, PodTable } from '../../../src/datapath/state/pod-table.ts';
import { Programs } from '../../../src/datapath/state/programs.ts';
import { parseNameText } from '../../../src/dns/name.ts';

const bytesOf = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);
const REFUSED = 23; // ENFILE

/** The kernel's sets as a list of what was done to them. */
class Kernel {
  readonly done: string[] = [];
  readonly sets = new Set<string>();
  answer = 0;
  classIds: readonly string[] = [];
  #batch: string[] = [];

  get pending(): number {
    return this.#batch.length;
  }

  define(classIds: readonly string[]): void {
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
    if (this.answer !== 0) return this.answer;
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
    grants: new Grants(1, MAX_PODS),
    lookups: new Lookups(),
    programs: new Programs([]),
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
  const looked = (id: number, name: string, address: string, classes: readonly number[] = [0]): void => {
    const pod = plane.pods.indexOfId(id);
    const addresses = bytesOf(address);
    const [source] = plane.pods.addresses(pod, 4);
    for (const classIndex of classes) {
      kernel.add(classIndex, source ?? expect.fail('no IPv4'), 0, addresses, 0);
      plane.grants.set(classIndex, pod, addresses, 0, 61_000);
    }
    kernel.commit();
    const wire = parseNameText(name) ?? expect.fail(name);
    plane.lookups.note(pod, Math.imul(wire.length, 31) ^ name.charCodeAt(0), {
      name: wire,
      addresses,
      expiryMs: 61_000,
    });
  };
  return { plane, kernel, looked };
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

test('what a pod looked up while it could ask anything does not exceed its quota when a policy grants it (I6)', () => {
  const { plane } = setUp();
  adopt(plane, snapshot({ programs: [program('ask', ['*'], [])] }));
  const pod = plane.pods.indexOfId(1);
  const perAnswer = 200; // what an answer of 4,096 bytes holds
  const answers = Math.ceil(GRANTS_PER_POD / perAnswer) + 1;
  for (let i = 0; i < answers; i++) {
    const addresses = new Uint8Array(16 * perAnswer);
    const view = new DataView(addresses.buffer);
    for (let a = 0; a < perAnswer; a++) {
      view.setUint32(16 * a + 8, 0xffff);
      view.setUint32(16 * a + 12, 0xcb00_0000 + i * perAnswer + a);
    }
    plane.lookups.note(pod, i, {
      name: parseNameText(`n${i}.example.org`) ?? expect.fail(),
      addresses,
      expiryMs: 61_000,
    });
  }
  adopt(plane, snapshot({ generation: 2, programs: [program('open', ['*.example.org'])] }));
  expect(plane.grants.sizeOf(pod)).toBeLessThanOrEqual(GRANTS_PER_POD);
});
