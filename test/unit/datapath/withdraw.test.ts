import { describe, expect, test } from 'vitest';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import type { Snapshot } from '../../../src/bridge/snapshot.ts';
import { ADMIT, admit, settle, submit } from '../../../src/datapath/admit.ts';
import { adopt, prune } from '../../../src/datapath/adopt.ts';
import { keyOf } from '../../../src/datapath/cache.ts';
import { Plane } from '../../../src/datapath/plane.ts';
import { recall } from '../../../src/datapath/recall.ts';
import { MOST_OF_NAME } from '../../../src/datapath/state/name-addresses.ts';
import { TRANSPORT } from '../../../src/datapath/state/programs.ts';
import { NAME_BYTES } from '../../../src/datapath/state/query-slots.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { hashName } from '../../../src/dns/name-hash.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import type { RefreshStrategy } from '../../../src/kernel/set-writer.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import { bytesOf, SETTINGS, simulate, snapshot, TABLE } from './plane-with-pods.ts';
import { draftOf } from './state/stored-answer.ts';

const POD = '10.0.1.7';
const FLUX = 'flux.example.org';
const PER_ANSWER = 250;
const LIFE_MS = 60_000 + 30_000;

/** Address `n` of a name that never runs out of them, and the first that no answer of `fill` gave. */
const addressOf = (n: number): string => `198.${18 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
const range = (first: number, count: number): string[] => Array.from({ length: count }, (_, i) => addressOf(first + i));

/** Pods 1 and 2: *.example.org opens class 0, other.example.org class 1 besides. */
function twoClasses(generation: number): Snapshot {
  const plain = snapshot(generation);
  const [program] = plain.programs;
  const rule = { match: 'name', text: 'two.example.org', askUdp: true, askTcp: true, classes: [1], rule: 1 } as const;
  return { ...plain, classIds: ['web', 'ssh'], programs: [{ id: 'two', names: [...(program?.names ?? []), rule] }] };
}

function setUp({ commits = 'thread', strategy = 'update', policy = snapshot(1) }: SetUp = {}) {
  const simulated = simulate();
  const { sys, committer } = simulated;
  for (const [set, keyBytes] of [
    ['grants4_ssh', 8],
    ['grants6_ssh', 32],
  ] as const)
    sys.nftables.addSet(TABLE, set, { keyBytes, size: 10_000 });
  const counters = new Counters();
  const ring = new AuditRing(new SharedArrayBuffer(64 + 8_192));
  const settings = { ...SETTINGS, strategy };
  const plane = new Plane(sys, settings, counters, ring, ...(commits === 'thread' ? [committer.channel] : []));
  plane.nowMs = sys.nowMs();
  expect(adopt(plane, policy)).toBe(true);

  const ask = (name: string, addresses: readonly string[], { pod = 1, ttlSeconds = 30 } = {}): number => {
    const { slots, store } = plane;
    const slot = slots.take();
    const wire = parseNameText(name) ?? expect.fail(name);
    const index = plane.pods.indexOfId(pod);
    slots.folded.set(wire, slot * NAME_BYTES);
    slots.qnameLength[slot] = wire.length;
    slots.qtype[slot] = TYPE.A;
    const hash = hashName(wire, 0, wire.length, plane.seed);
    slots.hash[slot] = hash ^ Math.imul(TYPE.A, 0x9e3779b1);
    slots.pod[slot] = index;
    slots.podId[slot] = pod;
    plane.verdicts[slot] = plane.programs.judge(
      plane.pods.programs[index] ?? -1,
      wire,
      0,
      wire.length,
      hash,
      TRANSPORT.Udp,
    );
    const draft = draftOf({
      addresses: Uint8Array.from(addresses.flatMap((each) => [...bytesOf(each)])),
      addressCount: addresses.length,
      ttlSeconds,
      storedMs: plane.nowMs,
      expiryMs: plane.nowMs + ttlSeconds * 1_000,
    });
    expect([ADMIT.Pending, ADMIT.Granted]).toContain(admit(plane, slot, store.pass(keyOf(plane, slot), draft)));
    return slot;
  };
  const tell = (slot: number, isGranted: boolean): void => {
    told.push(isGranted);
    plane.slots.release(slot);
  };
  const told: boolean[] = [];
  /** As a turn of the loop that the kernel answers at once. */
  const flush = (): void => {
    settle(plane, tell);
    submit(plane);
    committer.work();
    settle(plane, tell);
  };
  /** Until nothing is left to send. */
  const finish = (): void => {
    for (let turns = 0; plane.admittedCount + plane.submittedCount > 0; turns++) {
      expect(turns).toBeLessThan(100);
      flush();
    }
  };
  /** So many addresses of the name, the oldest first. */
  const fill = (name: string, first: number, count: number, pod = 1): void => {
    for (let n = first; n < first + count; n += PER_ANSWER) {
      ask(name, range(n, Math.min(PER_ANSWER, first + count - n)), { pod });
      finish();
    }
  };
  /** What the kernel has of the pod, in order. */
  const kernel = (pod = POD, set = 'grants4_web'): string[] =>
    (sys.nftables.set(TABLE, set)?.liveKeys(sys.nowMs()) ?? [])
      .map((key) =>
        [0, 4].map((at) =>
          Buffer.from(key, 'hex')
            .subarray(at, at + 4)
            .join('.'),
        ),
      )
      .flatMap(([owner, address]) => (owner === pod && address !== undefined ? [address] : []));
  const wait = (ms: number): void => {
    sys.advance(ms);
    plane.nowMs = sys.nowMs();
  };
  const mirrored = (address: string, classIndex = 0): number =>
    plane.grants.expiryMs(classIndex, plane.pods.indexOfId(1), bytesOf(address), 0);
  const count = (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0;
  return { ...simulated, plane, ask, tell, told, flush, finish, fill, kernel, wait, mirrored, count };
}

interface SetUp {
  readonly commits?: 'thread' | 'loop';
  readonly strategy?: RefreshStrategy;
  readonly policy?: Snapshot;
}

describe.each(['update', 'replace'] as const)('renewed by %s', (strategy) => {
  describe.each(['thread', 'loop'] as const)('committed by the %s', (commits) => {
    test('a name that gives a pod more than 1,000 addresses loses the oldest, in the kernel and in the mirror (A11)', () => {
      const { fill, kernel, mirrored, count } = setUp({ commits, strategy });
      fill(FLUX, 0, MOST_OF_NAME);
      expect([kernel().length, count('names_capped'), count('grants_removed')]).toEqual([1_000, 0, 0]);
      fill(FLUX, MOST_OF_NAME, 3);
      expect(kernel().toSorted()).toEqual(range(3, MOST_OF_NAME).toSorted());
      expect([mirrored(addressOf(2)), mirrored(addressOf(3)) > 0]).toEqual([0, true]);
      expect([count('names_capped'), count('grants_removed'), count('commits_failed')]).toEqual([1, 3, 0]);
    });
  });
});

test('more than fit one batch go with the batches after it, though nobody waits for these', () => {
  const { ask, finish, fill, kernel } = setUp();
  fill(FLUX, 0, MOST_OF_NAME);
  for (let n = 0; n < 3 * PER_ANSWER; n += PER_ANSWER) ask(FLUX, range(MOST_OF_NAME + n, PER_ANSWER));
  finish();
  expect(kernel().toSorted()).toEqual(range(3 * PER_ANSWER, MOST_OF_NAME).toSorted());
});

test('a name that gives 100 addresses keeps them all for as long as it gave them', () => {
  const { ask, finish, kernel, wait, count } = setUp();
  for (let i = 0; i < 400; i++) {
    ask(FLUX, range((i * 7) % 100, 1));
    finish();
    wait(200);
  }
  expect([kernel().length, count('names_capped')]).toEqual([100, 0]);
});

test('what has ended by itself makes room, and is not removed', () => {
  const { fill, kernel, wait, count } = setUp();
  fill(FLUX, 0, MOST_OF_NAME);
  wait(LIFE_MS + 1);
  fill(FLUX, MOST_OF_NAME, 3);
  expect([kernel(), count('names_capped'), count('grants_removed')]).toEqual([range(MOST_OF_NAME, 3), 0, 0]);
});

describe('an address stays', () => {
  test('that another name gives, too', () => {
    const { ask, finish, fill, kernel, count } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    ask('other.example.org', [addressOf(1)]);
    finish();
    fill(FLUX, MOST_OF_NAME, 3);
    expect(kernel().filter((each) => range(0, 3).includes(each))).toEqual([addressOf(1)]);
    expect([count('names_capped'), count('grants_removed')]).toEqual([1, 2]);
  });

  test('but not for a name that had to give it up as well', () => {
    const { fill, kernel } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    fill('other.example.org', 0, MOST_OF_NAME);
    fill(FLUX, MOST_OF_NAME, 3);
    expect(kernel()).toContain(addressOf(0));
    fill('other.example.org', 2 * MOST_OF_NAME, 3);
    expect(kernel().filter((each) => range(0, 3).includes(each))).toEqual([]);
  });

  test('nor for one that grants nothing, whoever else has given it up', () => {
    const asked = { match: 'name', text: 'ask.example.com', askUdp: true, askTcp: true, classes: [], rule: 1 } as const;
    const plain = snapshot(1);
    const [program] = plain.programs;
    const policy = { ...plain, programs: [{ id: 'three', names: [...(program?.names ?? []), asked] }] };
    const { ask, finish, fill, kernel } = setUp({ policy });
    fill(FLUX, 0, MOST_OF_NAME);
    fill('other.example.org', 0, MOST_OF_NAME);
    ask('ask.example.com', [addressOf(0)]);
    finish();
    fill(FLUX, MOST_OF_NAME, 1);
    expect(kernel()).toContain(addressOf(0)); // the other name's
    fill('other.example.org', 2 * MOST_OF_NAME, 1);
    expect(kernel()).not.toContain(addressOf(0));
  });

  test('nor for one whose time is over', () => {
    const { ask, finish, fill, kernel, wait } = setUp();
    ask('other.example.org', [addressOf(1)], { ttlSeconds: 5 });
    finish();
    wait(10_000);
    fill(FLUX, 0, MOST_OF_NAME);
    wait(60_000);
    fill(FLUX, MOST_OF_NAME, 3);
    expect(kernel()).not.toContain(addressOf(1));
  });

  test('in the classes of another name, and goes from those that only this one opened', () => {
    const { ask, finish, fill, kernel } = setUp({ policy: twoClasses(1) });
    fill('two.example.org', 0, MOST_OF_NAME);
    ask('other.example.org', [addressOf(1)]);
    finish();
    fill('two.example.org', MOST_OF_NAME, 2);
    const early = range(0, 2);
    expect(kernel().filter((each) => early.includes(each))).toEqual([addressOf(1)]);
    expect(kernel(POD, 'grants4_ssh').filter((each) => early.includes(each))).toEqual([]);
  });

  test('for another pod', () => {
    const { fill, kernel } = setUp();
    fill(FLUX, 0, MOST_OF_NAME, 2);
    fill(FLUX, 0, MOST_OF_NAME);
    fill(FLUX, MOST_OF_NAME, 3);
    expect([kernel().includes(addressOf(0)), kernel('10.0.1.8').length]).toEqual([false, MOST_OF_NAME]);
  });

  test('that the batch with its removal adds for somebody who waits for it', () => {
    const { plane, ask, told, finish, fill, kernel, committer } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    ask(FLUX, range(MOST_OF_NAME, 3));
    submit(plane);
    ask('other.example.org', [addressOf(1), '192.0.2.1']); // in the batch that the removals will be in, and noted nowhere yet
    committer.work();
    told.length = 0;
    finish();
    expect(told).toEqual([true, true]);
    expect(kernel().filter((each) => range(0, 3).includes(each))).toEqual([addressOf(1)]);
  });

  test('that is asked for again while its removal is under way', () => {
    const { plane, ask, told, finish, fill, kernel, mirrored, committer, flush } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    ask(FLUX, range(MOST_OF_NAME, 3));
    submit(plane);
    committer.work();
    settle(plane, (slot) => plane.slots.release(slot)); // learnt: three too many
    submit(plane); // with their removals, for nobody
    expect(plane.submittedCount).toBe(1);
    expect(mirrored(addressOf(1))).toBeLessThanOrEqual(0); // relied on no longer, before the kernel hears of it
    ask('other.example.org', [addressOf(1)]);
    told.length = 0;
    committer.work();
    flush();
    finish();
    expect(told).toEqual([true]);
    expect(kernel().filter((each) => range(0, 3).includes(each))).toEqual([addressOf(1)]);
    expect(mirrored(addressOf(1))).toBeGreaterThan(0);
  });
});

describe('when the kernel refuses the removals', () => {
  test.each([
    ['with an error', ERRNO.ENFILE],
    ['and nobody knows', -1],
  ])('%s, they stay until their time is over, not relied on, and go with a narrower policy', (_why, outcome) => {
    const { plane, ask, fill, kernel, mirrored, committer, count } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    ask(FLUX, range(MOST_OF_NAME, 3));
    submit(plane);
    committer.work();
    settle(plane, (slot) => plane.slots.release(slot));
    submit(plane);
    committer.say(outcome);
    settle(plane, (slot) => plane.slots.release(slot));
    expect(kernel()).toContain(addressOf(0));
    expect([mirrored(addressOf(0)) < 0, count('grants_removed')]).toEqual([true, 0]);
    expect(adopt(plane, snapshot(2, 'nothing.example.org'))).toBe(true);
    expect(prune(plane)).toBe(true);
    expect(kernel()).toEqual([]);
  });

  test('those who wait for the same batch are sorted out as ever: nobody costs them a try', () => {
    const { plane, ask, told, finish, fill, kernel, committer, sys, tell } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    ask(FLUX, range(MOST_OF_NAME, 3));
    submit(plane);
    committer.work();
    settle(plane, tell); // learnt: a batch is called for
    for (const n of [1, 2, 3]) ask(`bad${n}.example.org`, ['192.0.2.66']);
    ask('good.example.org', ['192.0.2.1']);
    sys.nftables.refuse({ errno: ERRNO.ENOMEM, times: 4, destination: Uint8Array.of(192, 0, 2, 66) });
    told.length = 0;
    finish();
    expect([told, kernel().includes('192.0.2.1')]).toEqual([[false, false, false, true], true]);
  });

  test('nobody else’s grants fail with them', () => {
    const { plane, ask, told, finish, fill, kernel, sys } = setUp();
    fill(FLUX, 0, MOST_OF_NAME);
    ask(FLUX, range(MOST_OF_NAME, 3));
    sys.nftables.set(TABLE, 'grants4_web')?.clear(); // somebody else has flushed the set: what is to be removed is not there
    ask('other.example.org', ['192.0.2.1']);
    finish();
    expect([told.every(Boolean), kernel().includes('192.0.2.1')]).toEqual([true, true]);
    expect(plane.admittedCount).toBe(0);
  });
});

test('a change of policy does not grant again what was given up; the audit says that it is over', () => {
  const { plane, fill, kernel } = setUp();
  fill(FLUX, 0, MOST_OF_NAME + 3);
  expect(adopt(plane, snapshot(2, '**.example.org'))).toBe(true);
  expect(prune(plane)).toBe(true);
  expect(kernel().toSorted()).toEqual(range(3, MOST_OF_NAME).toSorted());
  const left = (n: number) =>
    recall(plane, [{ pod: 1, address: bytesOf(addressOf(n)) }])[0]?.map(({ leftMs }) => leftMs);
  expect([left(0), left(5)]).toEqual([[0], [LIFE_MS]]);
});

test('a pod that is gone has nothing to give up, and nor has who comes after it', () => {
  const { plane, ask, finish, fill, kernel } = setUp();
  fill(FLUX, 0, MOST_OF_NAME);
  ask(FLUX, range(MOST_OF_NAME, 3));
  finish();
  const gone = snapshot(2);
  expect(adopt(plane, { ...gone, pods: gone.pods.filter(({ id }) => id !== 1) })).toBe(true);
  const next = snapshot(3);
  expect(adopt(plane, { ...next, pods: next.pods.map((pod) => (pod.id === 1 ? { ...pod, id: 9 } : pod)) })).toBe(true);
  ask(FLUX, range(0, 3), { pod: 9 });
  finish();
  expect(kernel().toSorted()).toEqual(range(0, 3).toSorted());
});

test('10,000 addresses of one name: never more than 1,000 in the kernel, and each turn takes less than 10 ms (A11)', () => {
  const { plane, ask, committer, kernel, wait, count, tell } = setUp();
  const tookMs: number[] = [];
  const turn = (): void => {
    const beginMs = performance.now();
    settle(plane, tell);
    submit(plane);
    tookMs.push(performance.now() - beginMs);
    committer.work(); // in its own thread
  };
  for (let n = 0; n < 10_000; n += PER_ANSWER) {
    ask(FLUX, range(n, PER_ANSWER), { ttlSeconds: 0 });
    for (let turns = 0; turns < 3; turns++) turn();
    expect(kernel().length).toBeLessThanOrEqual(MOST_OF_NAME);
    wait(10);
  }
  expect(kernel().toSorted()).toEqual(range(9_000, MOST_OF_NAME).toSorted());
  expect(count('grants_removed')).toBe(9_000);
  tookMs.sort((a, b) => a - b);
  expect(tookMs[Math.floor(tookMs.length / 2)]).toBeLessThan(10);
});
