import { expect, test } from 'vitest';
import { NO_SLOT, SLOTS } from '../../../../src/datapath/state/query-slots.ts';
import { openOnRandomPort, UpstreamSocket } from '../../../../src/datapath/state/upstream-socket.ts';
import type { Fd } from '../../../../src/sys/sys.ts';
import { poolOf, server, SocketWorld } from './upstreams-world.ts';

const SERVER = server('192.0.2.53');
const socketOf = (): UpstreamSocket => new UpstreamSocket(7 as Fd, 0, 0, 0);

test.each([
  ['the lowest number drawn', 0, 1_024],
  ['the highest number drawn', 65_535, 65_535],
])('source ports are drawn from 1024 to 65535: %s', (_why, drawn, port) => {
  const world = new SocketWorld();
  openOnRandomPort(world.sys, SERVER, poolOf(drawn));
  expect(world.connected[0]?.port).toBeGreaterThanOrEqual(1_024);
  expect(Math.abs((world.connected[0]?.port ?? 0) - port)).toBeLessThanOrEqual(1);
});

test('a port that is taken is passed over', () => {
  const world = new SocketWorld();
  world.refusedPorts.set(1_024, 'EADDRINUSE');
  openOnRandomPort(world.sys, SERVER, poolOf(0, 0, 32_768));
  expect(world.connected.map(({ port }) => port)).toEqual([33_280]);
});

test('opening fails with the reason when no port is free', () => {
  const world = new SocketWorld();
  world.refusedPorts.set(1_024, 'EADDRINUSE');
  const code = 'EADDRINUSE';
  expect(() => openOnRandomPort(world.sys, SERVER, poolOf(0))).toThrow(expect.objectContaining({ code }));
});

test('an id names the slot that waits for it, and no other does', () => {
  const socket = socketOf();
  const id = socket.reserveId(poolOf(4711), 12);
  expect(id).toBe(4711);
  expect(socket.ids.slotOf(4711)).toBe(12);
  expect(socket.ids.slotOf(4712)).toBe(NO_SLOT);
});

test.each([0, SLOTS - 1])('slot %i can be waited for', (slot) => {
  const socket = socketOf();
  expect(socket.ids.slotOf(socket.reserveId(poolOf(5), slot))).toBe(slot);
});

test('an id that is waited for is not given out again, here', () => {
  const random = poolOf(1, 1, 1, 2);
  const socket = socketOf();
  expect([socket.reserveId(random, 5), socket.reserveId(random, 6)]).toEqual([1, 2]);
  expect(socketOf().reserveId(poolOf(1), 9)).toBe(1);
});

test('eight tries that meet ids in use end in none', () => {
  const socket = socketOf();
  socket.reserveId(poolOf(3), 1);
  expect(socket.reserveId(poolOf(3), 2)).toBe(-1);
  expect(socket.ids.slotOf(3)).toBe(1);
  const random = poolOf(3, 3, 3, 3, 3, 3, 3, 4);
  expect(socket.reserveId(random, 2)).toBe(4);
});

test('a released id is free; releasing it for another slot changes nothing', () => {
  const socket = socketOf();
  const id = socket.reserveId(poolOf(9), 1);
  socket.ids.release(id, 2);
  expect(socket.ids.slotOf(id)).toBe(1);
  socket.ids.release(id, 1);
  socket.ids.release(id, 1);
  expect(socket.ids.slotOf(id)).toBe(NO_SLOT);
});

test('a socket is idle when nothing is waited for: ids that were not given out or not released do not count', () => {
  const socket = socketOf();
  expect(socket.ids.count).toBe(0);
  const id = socket.reserveId(poolOf(9), 1);
  socket.reserveId(poolOf(9), 2);
  socket.ids.release(id, 2);
  expect(socket.ids.count).toBe(1);
  socket.ids.release(id, 1);
  socket.ids.release(id, 1);
  expect(socket.ids.count).toBe(0);
});
