import { describe, expect, test } from 'vitest';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { Control } from '../../../src/bridge/control.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { Loop } from '../../../src/datapath/loop.ts';
import { RCODE } from '../../../src/dns/codes.ts';
import { a, message, question, response } from '../dns/message.ts';
import { endpoint, SERVER, SETTINGS, simulate, snapshot, TABLE, UPSTREAM } from './plane-with-pods.ts';

const RING_BYTES = 64 + (1 << 16);
const PORT = 40_000;

function setUp() {
  const simulated = simulate();
  const { sys, committer, sent } = simulated;
  const counters = new Counters();
  const ring = new AuditRing(new SharedArrayBuffer(RING_BYTES));
  const damage: string[] = [];
  const loop = new Loop(
    sys,
    SETTINGS,
    { control: new Control(), counters, ring, channel: committer.channel },
    {
      onWake: () => undefined,
      onOpen: () => undefined,
      onKernelTouched: () => undefined,
      onKernelDamage: () => damage.push('damage'),
      onInternalError: (error) => expect.fail(String(error)),
    },
  );
  expect(loop.adopt(snapshot(1))).toBe(true);
  /** Turns until nothing is left to read. */
  const run = (): void => {
    do loop.turn();
    while (sys.hasReady());
  };
  let asked = 0;
  /** A query of the pod, and the upstream's answer to the question that it causes, if any. */
  const ask = (name: string, last: number, pod = '10.0.1.7'): void => {
    const id = ++asked;
    sys.network.deliver(endpoint(pod, PORT + id), SERVER, message({ id, questions: [question(name)] }));
    run();
    const out = sent.at(-1);
    if (out === undefined || out.to.port !== UPSTREAM.port) return;
    const upstreamId = Buffer.from(out.bytes).readUInt16BE(0);
    const answer = response({ id: upstreamId, questions: [question(name)], answers: [a(name, [192, 0, 2, last])] });
    sys.network.deliver(UPSTREAM, { address: UPSTREAM.address, port: out.from.port }, answer);
    run();
  };
  /** The replies to pods since the last call, as `ID RCODE RECORDS`. */
  let seen = 0;
  const replies = (): string[] => {
    const news = sent.slice(seen).filter(({ from }) => from.port === SERVER.port);
    seen = sent.length;
    return news.map(({ bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return `${view.getUint16(0)} ${Object.entries(RCODE).find(([, code]) => code === (view.getUint16(2) & 15))?.[0]} ${view.getUint16(6)}`;
    });
  };
  const count = (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0;
  return { ...simulated, loop, run, ask, replies, count, damage };
}

test('a reply waits for the commit, a hit beside it does not', () => {
  const { loop, ask, run, replies, committer } = setUp();
  ask('hit.example.org', 1);
  committer.work();
  run();
  expect(replies()).toEqual(['1 NoError 1']);
  ask('new.example.org', 2);
  ask('hit.example.org', 1);
  expect(replies()).toEqual(['3 NoError 1']);
  committer.work();
  run();
  expect(replies()).toEqual(['2 NoError 1']);
  expect(loop.plane.slots.inUse).toBe(0);
});

test('the committer’s signal is enough to wake the loop', () => {
  const { ask, replies, committer, sys, loop } = setUp();
  ask('new.example.org', 2);
  expect(sys.hasReady()).toBe(false);
  committer.work();
  expect(sys.hasReady()).toBe(true);
  loop.turn();
  expect(replies()).toEqual(['1 NoError 1']);
  expect(sys.hasReady()).toBe(false);
});

test('all that came during a commit goes into one', () => {
  const { ask, run, replies, committer, count } = setUp();
  for (let n = 1; n <= 10; n++) ask(`n${n}.example.org`, n);
  committer.work();
  run();
  expect(replies()).toEqual(['1 NoError 1']);
  committer.work();
  run();
  expect(replies()).toHaveLength(9);
  expect(count('commits')).toBe(2);
});

test('when our table is deleted during a commit, its outcome is not believed', () => {
  const { ask, run, replies, committer, sys, damage, granted } = setUp();
  ask('a.example.org', 1);
  committer.work();
  expect(granted()).toHaveLength(1);
  sys.nftables.deleteTable(TABLE);
  run();
  expect(replies()).toEqual(['1 ServFail 0']);
  expect(damage).not.toEqual([]);
});

describe('what must not overtake a commit waits for it, and for those that wait behind it', () => {
  /** One commit under way, one being written. */
  function setUpBusy() {
    const part = setUp();
    part.ask('a.example.org', 1);
    part.ask('b.example.org', 2);
    part.ask('c.example.org', 3);
    expect(part.replies()).toEqual([]);
    return part;
  }
  const ALL = ['1 NoError 1', '2 NoError 1', '3 NoError 1'];

  test('a change of policy', () => {
    const { loop, replies, granted, committer } = setUpBusy();
    expect(loop.adopt(snapshot(2, 'a.example.org'))).toBe(true);
    expect([replies(), granted().length]).toEqual([ALL, 3]);
    expect(committer.waits).toBe(2);
  });

  test('the removal of what has lost its reason', () => {
    const { loop, ask, run, replies, granted, committer } = setUp();
    ask('b.example.org', 2);
    committer.work();
    run();
    loop.adopt(snapshot(2, 'a*.example.org'));
    ask('a.example.org', 1);
    expect(replies()).toEqual(['1 NoError 1']);
    expect(loop.prune()).toBe(true);
    expect(replies()).toEqual(['2 NoError 1']);
    expect(granted()).toEqual(['10.0.1.7 192.0.2.1']);
  });

  test('the end', () => {
    const { loop, replies } = setUpBusy();
    loop.close();
    expect(replies()).toEqual(ALL);
  });

  test('and nothing is waited for when nothing is under way', () => {
    const { loop, committer } = setUp();
    loop.adopt(snapshot(2));
    loop.prune();
    loop.close();
    expect(committer.waits).toBe(0);
  });
});
