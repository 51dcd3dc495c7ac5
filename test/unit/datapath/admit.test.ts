import { describe, expect, test } from 'vitest';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { ADMIT, admit, settle, storedAnswer, submit } from '../../../src/datapath/admit.ts';
import { adopt } from '../../../src/datapath/adopt.ts';
import { keyOf } from '../../../src/datapath/cache.ts';
import { Plane } from '../../../src/datapath/plane.ts';
import { NO_ANSWER } from '../../../src/datapath/state/answer-store.ts';
import { NAME_BYTES, STATE } from '../../../src/datapath/state/query-slots.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { hashName } from '../../../src/dns/name-hash.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import { bytesOf, SETTINGS, simulate, snapshot, TABLE } from './plane-with-pods.ts';
import { draftBody, draftOf } from './state/stored-answer.ts';

const RING_BYTES = 64 + 8_192;
const GRACE_MS = 60_000;
const PASSING_BYTES = 2 * 1_024 * 1_024;

interface Wanted {
  /** Whose query it is. */
  readonly pod?: number;
  readonly addresses?: readonly string[];
  readonly ttlSeconds?: number;
  readonly classes?: readonly number[];
  readonly qtype?: number;
  /** Not to be kept for others. */
  readonly isPassing?: boolean;
}

/** With a committer, or without when the loop commits itself. */
function setUp({ commits = 'thread' }: { commits?: 'thread' | 'loop' } = {}) {
  const simulated = simulate();
  const { sys, committer } = simulated;
  const counters = new Counters();
  const ring = new AuditRing(new SharedArrayBuffer(RING_BYTES));
  const plane =
    commits === 'thread'
      ? new Plane(sys, SETTINGS, counters, ring, committer.channel)
      : new Plane(sys, SETTINGS, counters, ring);
  plane.nowMs = sys.nowMs();
  expect(adopt(plane, snapshot(1))).toBe(true);

  /** Makes the query in `slot` one for `name`, and answers it. */
  const load = (slot: number, name: string, wanted: Wanted): number => {
    const { pod = 1, addresses = ['192.0.2.1'], ttlSeconds = 30, classes = [0], qtype = TYPE.A } = wanted;
    const { slots, store } = plane;
    const wire = parseNameText(name) ?? expect.fail(name);
    slots.folded.set(wire, slot * NAME_BYTES);
    slots.qnameLength[slot] = wire.length;
    slots.qtype[slot] = qtype;
    slots.hash[slot] = hashName(wire, 0, wire.length, plane.seed) ^ qtype;
    slots.pod[slot] = plane.pods.indexOfId(pod);
    slots.podId[slot] = pod;
    plane.verdicts[slot] = { ...(plane.verdicts[slot] ?? expect.fail()), classes };
    const draft = draftOf({
      addresses: Uint8Array.from(addresses.flatMap((each) => [...bytesOf(each)])),
      addressCount: addresses.length,
      ttlSeconds,
      storedMs: plane.nowMs,
      expiryMs: plane.nowMs + ttlSeconds * 1_000,
    });
    return wanted.isPassing === true ? store.pass(keyOf(plane, slot), draft) : store.keep(keyOf(plane, slot), draft);
  };
  /** A query for `name` that gets this answer: its slot, and what admit says. */
  const ask = (name: string, wanted: Wanted = {}): { slot: number; code: number } => {
    const slot = plane.slots.take();
    return { slot, code: admit(plane, slot, load(slot, name, wanted)) };
  };
  /** Who is told what by the batches that are done. */
  const told = (): [number, boolean][] => {
    const found: [number, boolean][] = [];
    settle(plane, (slot, isGranted) => {
      found.push([slot, isGranted]);
      plane.slots.release(slot);
    });
    return found;
  };
  /** Until when the mirror relies on the grant. */
  const mirrored = (address: string, pod = 1): number =>
    Math.max(0, plane.grants.expiryMs(0, plane.pods.indexOfId(pod), bytesOf(address), 0));
  const count = (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0;
  return { ...simulated, plane, load, ask, told, mirrored, count };
}

describe('without waiting', () => {
  test.each<[string, Wanted, number]>([
    ['an answer without addresses', { addresses: [] }, ADMIT.Granted],
    ['a name that grants nothing', { classes: [] }, ADMIT.Granted],
    ['a family that the pod has no address of', { qtype: TYPE.AAAA, addresses: ['2001:db8::1'] }, ADMIT.NoFamily],
  ])('%s', (_why, wanted, code) => {
    const { plane, ask } = setUp();
    expect(ask('a.example.org', wanted).code).toBe(code);
    expect([plane.admittedCount, plane.writer.pending]).toEqual([0, 0]);
  });

  test('a name that grants nothing is remembered, so that a later policy may', () => {
    const { plane, ask } = setUp();
    ask('a.example.org', { classes: [] });
    const [lookup] = plane.lookups.of(plane.pods.indexOfId(1), plane.nowMs);
    expect(lookup).toEqual({
      name: parseNameText('a.example.org'),
      addresses: bytesOf('192.0.2.1'),
      expiryMs: plane.nowMs + 30_000 + GRACE_MS,
    });
  });
});

describe.each(['thread', 'loop'] as const)('committed by the %s', (commits) => {
  test('who needs a grant is told when the kernel has it, and then the mirror knows it', () => {
    const { plane, ask, told, mirrored, granted, committer, count } = setUp({ commits });
    const { slot, code } = ask('a.example.org');
    expect([code, plane.slots.state[slot]]).toEqual([ADMIT.Pending, STATE.Commit]);
    expect(mirrored('192.0.2.1')).toBe(0);
    submit(plane);
    committer.work();
    expect(told()).toEqual([[slot, true]]);
    expect(granted()).toEqual(['10.0.1.7 192.0.2.1']);
    expect(mirrored('192.0.2.1')).toBe(plane.nowMs + 30_000 + GRACE_MS);
    expect(plane.lookups.of(plane.pods.indexOfId(1), plane.nowMs)).toHaveLength(1);
    expect([count('commits'), count('grants_added')]).toEqual([1, 1]);
    expect(ask('a.example.org').code).toBe(ADMIT.Granted);
    expect(told()).toEqual([]);
  });

  test('elements that somebody discarded prove nothing', () => {
    const { plane, ask, told, committer } = setUp({ commits });
    const { slot } = ask('a.example.org');
    plane.writer.discard();
    submit(plane);
    committer.work();
    expect(told()).toEqual([[slot, false]]);
  });

  test('a refusal of one fails it and nobody else', () => {
    const { plane, ask, told, granted, sys, committer, count } = setUp({ commits });
    const names = ['a', 'bad', 'c'].map((name, i) => ask(`${name}.example.org`, { addresses: [`192.0.2.${i}`] }).slot);
    sys.nftables.refuse({ errno: ERRNO.ENFILE, times: 2, destination: Uint8Array.of(192, 0, 2, 1) });
    submit(plane);
    committer.work();
    expect(told()).toEqual(names.map((slot, i) => [slot, i !== 1]));
    expect(granted()).toEqual(['10.0.1.7 192.0.2.0', '10.0.1.7 192.0.2.2']);
    expect([count('commits'), count('commits_failed')]).toEqual([2, 2]);
  });

  test('after ENOENT nothing is tried for 200 ms, and that does not begin anew with each who asks', () => {
    const { plane, ask, told, sys, committer, addSets, count } = setUp({ commits });
    const commit = (): boolean[] => {
      ask('a.example.org');
      submit(plane);
      committer.work();
      return told().map(([, isGranted]) => isGranted);
    };
    sys.nftables.deleteTable(TABLE);
    expect(commit()).toEqual([false]);
    addSets();
    plane.nowMs += 199;
    expect(commit()).toEqual([false]);
    expect(count('commits_failed')).toBe(1);
    plane.nowMs += 1;
    expect(commit()).toEqual([true]);
  });
});

describe('while a commit is under way', () => {
  test('nobody is told, and what comes goes into the next one', () => {
    const { plane, ask, told, granted, committer } = setUp();
    const first = ask('a.example.org');
    submit(plane);
    const second = ask('b.example.org', { addresses: ['192.0.2.2'] });
    const again = ask('a.example.org');
    expect([second.code, again.code]).toEqual([ADMIT.Pending, ADMIT.Pending]);
    submit(plane); // the kernel is not done: this does nothing
    expect(told()).toEqual([]);
    committer.work();
    expect(granted()).toEqual(['10.0.1.7 192.0.2.1']);
    expect(told()).toEqual([[first.slot, true]]);
    submit(plane);
    expect(told()).toEqual([]);
    committer.work();
    expect(told()).toEqual([
      [second.slot, true],
      [again.slot, true],
    ]);
    expect(granted()).toHaveLength(2);
  });

  test('what is granted already is answered', () => {
    const { plane, ask, told, committer } = setUp();
    ask('hit.example.org', { addresses: ['192.0.2.2'] });
    submit(plane);
    committer.work();
    told();
    ask('a.example.org');
    submit(plane);
    expect(ask('hit.example.org', { addresses: ['192.0.2.2'] }).code).toBe(ADMIT.Granted);
  });

  test('a refusal is sorted out without disturbing the batch that is being written', () => {
    const { plane, ask, told, granted, sys, committer } = setUp();
    const slots = [1, 2].map((n) => ask(`n${n}.example.org`, { addresses: [`192.0.2.${n}`] }).slot);
    submit(plane);
    const next = ask('next.example.org', { pod: 2, addresses: ['192.0.2.3', '192.0.2.4'] }).slot;
    sys.nftables.refuse({ errno: ERRNO.ENOMEM, times: 2, destination: Uint8Array.of(192, 0, 2, 2) });
    committer.work();
    expect(told()).toEqual(slots.map((slot, i) => [slot, i === 0]));
    expect(granted()).toEqual(['10.0.1.7 192.0.2.1']);
    expect(plane.writer.pending).toBe(2);
    submit(plane);
    committer.work();
    expect(told()).toEqual([[next, true]]);
    expect(granted()).toEqual(['10.0.1.7 192.0.2.1', '10.0.1.8 192.0.2.3', '10.0.1.8 192.0.2.4']);
  });

  test.each([
    ['was done', 0],
    ['is not known', -1],
    ['was refused', ERRNO.ENFILE],
  ])('when our sets are deleted nobody of it is granted anything, also if it %s', (_why, outcome) => {
    const { plane, ask, told, mirrored, committer } = setUp();
    const slots = [1, 2].map((n) => ask(`n${n}.example.org`, { addresses: [`192.0.2.${n}`] }).slot);
    submit(plane);
    plane.isSubmittedDoubtful = true; // as loop.ts does
    committer.say(outcome);
    expect(told()).toEqual(slots.map((slot) => [slot, false]));
    expect([mirrored('192.0.2.1'), mirrored('192.0.2.2')]).toEqual([0, 0]);
    const next = ask('n1.example.org').slot;
    submit(plane);
    committer.work();
    expect(told()).toEqual([[next, true]]); // the doubt was about that one only
  });

  test('a longer lifetime for the next one is not proven by this one (I1)', () => {
    const { plane, ask, told, mirrored, committer } = setUp();
    const short = ask('short.example.org', { ttlSeconds: 30 }).slot;
    submit(plane);
    ask('long.example.org', { ttlSeconds: 300 });
    committer.work();
    expect(told()).toEqual([[short, true]]);
    expect(mirrored('192.0.2.1')).toBeLessThanOrEqual(plane.nowMs + 30_000 + GRACE_MS);
    submit(plane);
    committer.say(ERRNO.ENFILE);
    told();
    expect(mirrored('192.0.2.1')).toBeLessThanOrEqual(plane.nowMs + 30_000 + GRACE_MS);
  });

  test('a shorter lifetime for the next one takes nothing from this one', () => {
    const { plane, ask, told, mirrored, committer, sys } = setUp();
    ask('long.example.org', { ttlSeconds: 300 });
    submit(plane);
    ask('short.example.org', { ttlSeconds: 30 });
    committer.work();
    expect(told()).toHaveLength(1);
    submit(plane);
    committer.work();
    expect(told()).toHaveLength(1);
    expect(mirrored('192.0.2.1')).toBe(plane.nowMs + 300_000 + GRACE_MS);
    const [key = ''] = sys.nftables.set(TABLE, 'grants4_web')?.liveKeys(sys.nowMs()) ?? [];
    expect(sys.nftables.set(TABLE, 'grants4_web')?.leftMs(key, sys.nowMs())).toBe(300_000 + GRACE_MS);
  });

  test('a batch takes no more than it holds, and is good for what it holds', () => {
    const { plane, ask, told, granted, committer } = setUp();
    const first = ask('first.example.org').slot;
    submit(plane);
    const addresses = (n: number) => Array.from({ length: 250 }, (_, i) => `198.51.${n}.${i}`);
    const held: number[] = [];
    for (let n = 0; n < 100; n++) {
      const { slot, code } = ask(`n${n}.example.org`, { addresses: addresses(n) });
      if (code === ADMIT.Pending) held.push(slot);
      else expect(code).toBe(ADMIT.BatchFull);
    }
    expect(held.length).toBeGreaterThan(20);
    expect(held.length).toBeLessThan(100);
    committer.work();
    expect(told()).toEqual([[first, true]]);
    submit(plane);
    committer.work();
    expect(told()).toEqual(held.map((slot) => [slot, true]));
    expect(granted().length).toBeGreaterThanOrEqual(250 * held.length);
  });

  test('an answer that had to be overwritten is not answered with what stands there now', () => {
    const { plane, ask, told, mirrored, committer } = setUp();
    const { slot } = ask('a.example.org', { isPassing: true, ttlSeconds: 0 });
    expect(storedAnswer(plane, slot)).not.toBe(NO_ANSWER);
    submit(plane);
    const other = draftOf({ addresses: bytesOf('192.0.2.9'), plain: draftBody(new Uint8Array(4_000)) });
    for (let n = 0; n < PASSING_BYTES / 4_000; n++) plane.store.pass(keyOf(plane, slot), other);
    committer.work();
    expect(storedAnswer(plane, slot)).toBe(NO_ANSWER); // serve.ts says SERVFAIL then
    told();
    expect([mirrored('192.0.2.1'), mirrored('192.0.2.9')]).toEqual([0, 0]);
  });
});

describe('a slot that was given up while its commit is under way, and is somebody else’s now', () => {
  /** The slot of pod 1 that waited, now pod 2's for another name. */
  function setUpReused(others: number) {
    const part = setUp();
    const { plane, ask } = part;
    const given = ask('a.example.org').slot;
    const waiting = Array.from({ length: others }, (_, n) =>
      ask(`n${n}.example.org`, { addresses: [`192.0.2.${n + 10}`] }),
    );
    submit(plane);
    plane.slots.release(given); // as after an exception
    expect(plane.slots.take()).toBe(given);
    return { ...part, slot: given, waiting: waiting.map(({ slot }) => slot) };
  }

  test('is not told what the kernel said about the former', () => {
    const { plane, load, told, committer, slot } = setUpReused(0);
    load(slot, 'b.example.org', { pod: 2, addresses: ['192.0.2.2'] });
    plane.slots.state[slot] = STATE.Upstream;
    committer.work();
    expect(told()).toEqual([]);
    expect(plane.slots.state[slot]).toBe(STATE.Upstream);
  });

  test('nor when it waits for the next commit: it is told of that one', () => {
    const { plane, load, told, granted, mirrored, committer, slot } = setUpReused(0);
    admit(plane, slot, load(slot, 'b.example.org', { pod: 2, addresses: ['192.0.2.2'] }));
    committer.work();
    expect(told()).toEqual([]);
    expect([plane.slots.state[slot], mirrored('192.0.2.2', 2)]).toEqual([STATE.Commit, 0]);
    submit(plane);
    committer.work();
    expect(told()).toEqual([[slot, true]]);
    expect(granted()).toEqual(['10.0.1.7 192.0.2.1', '10.0.1.8 192.0.2.2']);
  });

  test('is granted nothing of the former’s answer when a refusal is sorted out (I4)', () => {
    const { plane, load, told, granted, committer, slot, waiting } = setUpReused(2);
    load(slot, 'b.example.org', { pod: 2, addresses: ['192.0.2.2'] });
    plane.slots.state[slot] = STATE.Upstream;
    committer.say(ERRNO.ENFILE);
    expect(told()).toEqual(waiting.map((each) => [each, true]));
    expect(granted()).toEqual(['10.0.1.7 192.0.2.10', '10.0.1.7 192.0.2.11']);
  });
});

test('what did not fit into the batch is not relied on when that batch is done', () => {
  const { plane, ask, told, mirrored, committer, sys } = setUp();
  const first = ask('first.example.org', { addresses: ['192.0.2.200'] }).slot;
  submit(plane); // the committer is busy from here on
  const short = ask('short.example.org', { addresses: ['192.0.2.1'], ttlSeconds: 30 });
  for (let n = 0; ; n++) {
    const addresses = Array.from({ length: n < 40 ? 250 : 1 }, (_, i) => `198.51.${n % 250}.${i}`);
    if (ask(`n${n}.example.org`, { addresses }).code === ADMIT.BatchFull && n > 45) break;
  }
  expect(ask('long.example.org', { addresses: ['192.0.2.1'], ttlSeconds: 3_000 }).code).toBe(ADMIT.BatchFull); // SERVFAIL
  committer.work();
  expect(told()).toEqual([[first, true]]);
  submit(plane);
  committer.work();
  expect(told().map(([s]) => s)).toContain(short.slot);
  const key = '0a000107c0000201';
  const kernel = plane.nowMs + (sys.nftables.set(TABLE, 'grants4_web')?.leftMs(key, sys.nowMs()) ?? 0);
  expect(mirrored('192.0.2.1')).toBeLessThanOrEqual(kernel);
});
