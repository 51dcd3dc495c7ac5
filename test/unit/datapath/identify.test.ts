import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { identify } from '../../../src/datapath/identify.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { NO_POD, PodTable } from '../../../src/datapath/state/pod-table.ts';
import { QuerySlots } from '../../../src/datapath/state/query-slots.ts';

const bytesOf = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);

/** A node with pod 41 at 10.0.1.7 and 2001:db8::7, and pod 42 at 10.0.1.8. */
function setUp() {
  const pods = new PodTable();
  const addresses = [['10.0.1.7', '2001:db8::7'], ['10.0.1.8']];
  pods.replace(
    {
      generation: 1,
      pods: addresses.map((texts, i) => ({ id: 41 + i, addresses: texts.map(bytesOf), program: -1 })),
      programs: [],
      classIds: [],
      shield: '',
    },
    () => true,
  );
  const slots = new QuerySlots(4);
  const plane = { pods, slots } as unknown as Plane; // no more is asked for
  /** Whether slot `slot` is known when its datagram comes from `client`, and as whom. */
  const ask = (slot: number, client: string): unknown[] => {
    slots.clientAddress.set(bytesOf(client), slot * 16);
    return [identify(plane, slot), slots.podId[slot], slots.pod[slot]];
  };
  return { pods, ask };
}

test.each([
  ['its IPv4 address', '10.0.1.7', 41],
  ['its IPv6 address', '2001:db8::7', 41],
  ['the address of another pod', '10.0.1.8', 42],
])('a pod is known by %s', (_why, client, id) => {
  const { pods, ask } = setUp();
  expect(ask(2, client)).toEqual([true, id, pods.indexOfId(id)]);
});

test.each([
  ['an address beside it', '10.0.1.9'],
  ['an IPv6 address that ends in its IPv4 address', '::10.0.1.7'],
  ['the node’s own loopback', '127.0.0.1'],
  ['no address at all', '::'],
])('nobody is known by %s', (_why, client) => {
  expect(setUp().ask(0, client)).toEqual([false, 0, NO_POD]);
});

test('a slot that was a pod’s is nobody’s when a stranger asks in it next', () => {
  const { ask } = setUp();
  ask(1, '10.0.1.7');
  expect(ask(1, '192.0.2.1')).toEqual([false, 0, NO_POD]);
});

test('each slot has its own client', () => {
  const { ask } = setUp();
  expect([ask(0, '10.0.1.8')[1], ask(1, '10.0.1.7')[1], ask(3, '10.0.1.8')[1]]).toEqual([42, 41, 42]);
});
