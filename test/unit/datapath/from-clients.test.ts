import { expect, test } from 'vitest';
import { ERRNO } from '../../../src/sys/sys.ts';
import { endpoint, SERVER } from './plane-with-pods.ts';
import { DENIED, queries, replies, setUp } from './loop-with-connections.ts';

const A = '10.0.1.7';
const B = '10.0.1.8';
/** More than one connection may take of a turn. */
const FEW = 5;

test('a connection with a thousand queries delays nobody: some are answered each turn, all of them at last', () => {
  const { sys, connect, turn, run, ask, datagrams } = setUp();
  const far = connect(A);
  sys.streams.deliver(far, queries(DENIED, 1_000));
  ask(B, DENIED);
  turn();
  expect(datagrams()).toBe(1);
  expect(replies(far)).toBeGreaterThan(0);
  expect(replies(far)).toBeLessThan(FEW);
  run();
  expect(replies(far)).toBe(1_000);
});

test('connections have their turn one after the other, whoever asks more', () => {
  const { sys, connect, turn } = setUp();
  const greedy = Array.from({ length: 20 }, () => connect(A));
  const modest = connect(B);
  for (const far of greedy) sys.streams.deliver(far, queries(DENIED, 1_000));
  turn();
  const inOneTurn = greedy.reduce((sum, far) => sum + replies(far), 0);
  expect([inOneTurn > 0, inOneTurn < 20]).toEqual([true, true]);
  sys.streams.deliver(modest, queries(DENIED, 1));
  turn();
  expect(modest.written).toHaveLength(1);
  for (let turns = 0; turns < 8; turns++) turn();
  const taken = greedy.map(replies);
  expect(Math.min(...taken)).toBeGreaterThan(0);
  expect(Math.max(...taken) - Math.min(...taken)).toBeLessThan(2 * FEW);
});

test('M95: without a free descriptor nobody is accepted for 100 ms, and the loop sleeps meanwhile', () => {
  const { sys, turn, wait, ask, datagrams, count } = setUp();
  sys.streams.failAccept(ERRNO.EMFILE, 2);
  const far = sys.streams.dial(endpoint(A, 30_000), SERVER) ?? expect.fail('nobody listens');
  turn();
  expect(sys.hasReady()).toBe(false);
  ask(B, DENIED);
  turn();
  expect(datagrams()).toBe(1);
  wait(100);
  expect([sys.hasReady(), count('tcp_accepted')]).toEqual([true, 0]);
  turn();
  expect(sys.hasReady()).toBe(false);
  wait(100);
  turn();
  expect([count('tcp_accepted'), far.ended]).toEqual([1, 'open']);
});
