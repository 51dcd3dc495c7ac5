// What upstream servers send over TCP that a scenario cannot say: pieces of messages, and what nobody asked for.
import { describe, expect, test } from 'vitest';
import { FLAG, RCODE } from '../../../src/dns/codes.ts';
import type { FarEnd } from '../../../src/sys/simulated-streams.ts';
import { message, question } from '../dns/message.ts';
import { framed, queries, setUp } from './loop-with-connections.ts';
import { endpoint, SETTINGS, UPSTREAM } from './plane-with-pods.ts';

const A = '10.0.1.7';
const B = '10.0.1.8';
const SECOND = endpoint('198.51.100.54');

function begin(servers = [UPSTREAM]) {
  const parts = setUp({ ...SETTINGS, upstreams: [{ zone: '.', servers }] });
  const { sys, connect, turn, run } = parts;
  let id = 0;
  return {
    ...parts,
    /** A pod asks on a connection of its own, which it answers. */
    ask: (pod: string, name: string): FarEnd => {
      const far = connect(pod);
      sys.streams.deliver(far, queries(name, 1, ++id));
      run();
      return far;
    },
    asks: (far: FarEnd, name: string): void => {
      sys.streams.deliver(far, queries(name, 1, ++id));
      turn();
    },
    /** Our connections to `server`. */
    to: (server = UPSTREAM): FarEnd[] => sys.streams.open.filter(({ address }) => address === server),
  };
}

/** The questions that came on a connection, as `[id, name]`. */
function asked(far: FarEnd): { id: number; name: string }[] {
  let rest = Buffer.concat(far.written);
  const all: { id: number; name: string }[] = [];
  for (; rest.length > 2; rest = rest.subarray(2 + rest.readUInt16BE(0))) {
    const labels: string[] = [];
    for (let at = 14; rest[at] !== 0; at += 1 + (rest[at] ?? 0)) {
      labels.push(rest.subarray(at + 1, at + 1 + (rest[at] ?? 0)).toString());
    }
    all.push({ id: rest.readUInt16BE(2), name: labels.join('.') });
  }
  return all;
}

/** NXDOMAIN, or another rcode with other flags, to the question for `name` on `far`. */
function answer(far: FarEnd, name: string, flags: number = RCODE.NXDomain): Uint8Array {
  const { id } = asked(far).findLast((each) => each.name === name) ?? expect.fail(`${name} was not asked`);
  return framed(message({ id, flags: FLAG.QR | FLAG.RD | FLAG.RA | flags, questions: [question(name)] }));
}

const rcodeOf = (far: FarEnd): number => (far.written.at(-1)?.[5] ?? -1) & 0xf;
const only = <T>(all: readonly T[]): T => (all.length === 1 ? (all[0] ?? expect.fail()) : expect.fail(`${all.length}`));

describe('answers in pieces', () => {
  test('R3: cut anywhere, several at once', () => {
    const { sys, ask, asks, to, run } = begin();
    const client = ask(A, 'one.example.org');
    asks(client, 'two.example.org');
    const server = only(to());
    const bytes = Uint8Array.of(...answer(server, 'two.example.org'), ...answer(server, 'one.example.org'));
    for (let cut = 1; cut < bytes.length; cut += 7) sys.streams.deliver(server, bytes.subarray(cut - 1, cut + 6));
    sys.streams.deliver(server, bytes.subarray(bytes.length - ((bytes.length - 1) % 7 || 7)));
    run();
    expect(client.written).toHaveLength(2);
  });

  test('an answer that trickles costs its own question its time, and nobody else’s: others are asked on another connection', () => {
    const { sys, ask, to, run, wait } = begin();
    const slow = ask(A, 'slow.example.org');
    const [first = expect.fail()] = to();
    sys.streams.deliver(first, Uint8Array.of(0xff, 0xff, 1, 2));
    for (let i = 0; i < 12; i++) {
      wait(100);
      sys.streams.deliver(first, Uint8Array.of(i));
    }
    const other = ask(B, 'fast.example.org');
    const answered = to().flatMap((far) => (asked(far).some(({ name }) => name === 'fast.example.org') ? [far] : []));
    const server = only(answered);
    sys.streams.deliver(server, answer(server, 'fast.example.org'));
    run();
    expect([rcodeOf(other), slow.written.length]).toEqual([RCODE.NXDomain, 0]);
    wait(4_000);
    expect(rcodeOf(slow)).toBe(RCODE.ServFail);
    wait(9_000);
    expect(to()).toEqual([]);
  });
});

describe('what nobody asked for', () => {
  test('an id that was not asked, and the right one with another question: the right answer is waited for, and comes', () => {
    const { sys, ask, to, run, count } = begin();
    const client = ask(A, 'one.example.org');
    const server = only(to());
    const right = answer(server, 'one.example.org');
    sys.streams.deliver(server, right.with(3, (right[3] ?? 0) ^ 1));
    sys.streams.deliver(server, right.with(16, 0x78));
    run();
    expect([client.written.length, count('upstream_foreign')]).toEqual([0, 2]);
    sys.streams.deliver(server, right);
    run();
    expect([rcodeOf(client), count('upstream_lost')]).toEqual([RCODE.NXDomain, 0]);
  });

  test('an answer that comes after its question was given up is late, not foreign', () => {
    const { sys, ask, to, run, wait, count } = begin([UPSTREAM, SECOND]);
    const client = ask(A, 'one.example.org');
    const other = ask(B, 'two.example.org');
    wait(100);
    const first = only(to(UPSTREAM));
    sys.streams.deliver(first, answer(first, 'two.example.org'));
    wait(400);
    expect(rcodeOf(other)).toBe(RCODE.NXDomain);
    const second = only(to(SECOND));
    sys.streams.deliver(second, answer(second, 'one.example.org'));
    run();
    sys.streams.deliver(first, answer(first, 'one.example.org'));
    run();
    expect([client.written.length, count('upstream_late'), count('upstream_foreign')]).toEqual([1, 1, 0]);
  });

  test('the same answer twice is one reply', () => {
    const { sys, ask, to, run } = begin();
    const client = ask(A, 'one.example.org');
    const server = only(to());
    const right = answer(server, 'one.example.org');
    sys.streams.deliver(server, Uint8Array.of(...right, ...right));
    run();
    expect(client.written).toHaveLength(1);
  });
});

describe('what is no answer', () => {
  test.each([
    ['a message without a byte', Uint8Array.of(0, 0), 'upstream_lost'],
    ['the end of the stream', undefined, 'upstream_lost'],
  ] as const)('%s: the question is asked again on another connection', (_why, bytes, counter) => {
    const { sys, ask, to, run, count } = begin();
    const client = ask(A, 'one.example.org');
    const before = only(to());
    if (bytes === undefined) sys.streams.finish(before, 'finished');
    else sys.streams.deliver(before, bytes);
    run();
    const server = only(to());
    expect([server === before, count(counter)]).toEqual([false, 1]);
    sys.streams.deliver(server, answer(server, 'one.example.org'));
    run();
    expect(rcodeOf(client)).toBe(RCODE.NXDomain);
  });

  test('M71: TC over TCP says nothing: another server is asked, and the end is SERVFAIL', () => {
    const { sys, ask, to, run, count } = begin([UPSTREAM, SECOND]);
    const client = ask(A, 'one.example.org');
    for (const server of [UPSTREAM, SECOND, UPSTREAM]) {
      expect(client.written).toEqual([]);
      const far = only(to(server));
      sys.streams.deliver(far, answer(far, 'one.example.org', FLAG.TC));
      run();
    }
    expect([rcodeOf(client), count('upstream_malformed')]).toEqual([RCODE.ServFail, 3]);
  });
});

test('a connection that is made in the turn in which a client’s was closed, with its descriptor, is not taken for it', () => {
  const { sys, ask, connect, asks, to, turn, run, loop } = begin([UPSTREAM, SECOND]);
  const b = ask(B, 'two.example.org');
  const server = only(to(UPSTREAM));
  const a = connect(A);
  asks(a, 'one.example.org');
  // In one turn: the reply to A finds its connection broken, B's question needs a new one, and then A's descriptor is looked at.
  sys.streams.deliver(server, answer(server, 'one.example.org'));
  sys.streams.deliver(server, answer(server, 'two.example.org', RCODE.ServFail));
  sys.streams.finish(a, 'reset');
  turn();
  run();
  const second = only(to(SECOND));
  expect([a.ended, loop.plane.clients.count]).toEqual(['closed', 1]);
  sys.streams.deliver(second, answer(second, 'two.example.org'));
  run();
  expect(rcodeOf(b)).toBe(RCODE.NXDomain);
});
