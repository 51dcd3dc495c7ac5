import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_SERVER, UpstreamServers } from '../../../../src/datapath/state/upstream-servers.ts';
import type { UpstreamSocket } from '../../../../src/datapath/state/upstream-socket.ts';
import { poolOf, server, SOCKETS, SocketWorld } from './upstreams-world.ts';

const A = server('192.0.2.53');
const B = server('2001:db8::53');

function begin(): { world: SocketWorld; servers: UpstreamServers } {
  const world = new SocketWorld();
  return { world, servers: new UpstreamServers(world.sys, poolOf()) };
}

test('each server has sixteen connected sockets of its own, all of them read from', () => {
  const { world, servers } = begin();
  expect([servers.open(A, world.watch), servers.open(B, world.watch)]).toEqual([0, 1]);
  expect(world.connected.map(({ remote }) => remote)).toEqual([
    ...Array.from({ length: SOCKETS }, () => A),
    ...Array.from({ length: SOCKETS }, () => B),
  ]);
  expect(servers.sockets.map((socket) => socket?.index)).toEqual([...Array(2 * SOCKETS).keys()]);
  expect(servers.sockets.every((socket) => socket?.server === Math.floor((socket?.index ?? -1) / SOCKETS))).toBe(true);
  expect([...world.watched.values()]).toEqual(servers.sockets);
});

test('every socket of a server is drawn, and none of another', () => {
  const { world, servers } = begin();
  servers.open(A, world.watch);
  const place = servers.open(B, world.watch);
  const drawn = new Set(Array.from({ length: 2_000 }, () => servers.pick(place).index));
  expect([...drawn].toSorted((a, b) => a - b)).toEqual(Array.from({ length: SOCKETS }, (_, i) => SOCKETS + i));
});

test('a server is found by address and port', () => {
  const { world, servers } = begin();
  servers.open(A, world.watch);
  expect(servers.find(server('192.0.2.53'))).toBe(0);
  expect([server('192.0.2.53', 5353), B].map((each) => servers.find(each))).toEqual([NO_SERVER, NO_SERVER]);
});

test('a server whose sockets cannot all be opened or watched is not there, and nothing stays open', () => {
  const { world, servers } = begin();
  world.room = SOCKETS - 1;
  expect(() => servers.open(A, world.watch)).toThrow(expect.objectContaining({ code: 'EMFILE' }));
  expect([servers.find(A), world.open.size, world.watched.size]).toEqual([NO_SERVER, 0, 0]);
  world.room = Infinity;
  const opened = (): never => {
    throw new Error('no more watches');
  };
  expect(() => servers.open(A, { ...world.watch, opened })).toThrow('no more watches');
  expect([servers.find(A), world.open.size]).toEqual([NO_SERVER, 0]);
});

test('a retired server is closed when nothing waits for it, and not before', () => {
  const { world, servers } = begin();
  const a = servers.open(A, world.watch);
  const b = servers.open(B, world.watch);
  const socket = servers.pick(a);
  const id = socket.reserveId(poolOf(), 12);
  servers.retireOthers(new Set([b]));
  servers.closeIdle(world.watch);
  expect(servers.find(A)).toBe(a);
  expect(world.watched.get(socket.fd)).toBe(socket);
  socket.ids.release(id, 12);
  servers.closeIdle(world.watch);
  expect(servers.find(A)).toBe(NO_SERVER);
  expect(world.connected.map(({ remote }) => remote)).toEqual(Array.from({ length: SOCKETS }, () => B));
  expect(world.watched.size).toBe(SOCKETS);
});

test('a server that is in use again before it was closed stays', () => {
  const { world, servers } = begin();
  const a = servers.open(A, world.watch);
  servers.retireOthers(new Set());
  servers.retireOthers(new Set([a]));
  servers.closeIdle(world.watch);
  expect([servers.find(A), world.open.size]).toEqual([a, SOCKETS]);
});

test('when every place is taken another server is refused with the reason, and a place that becomes free is used', () => {
  const { world, servers } = begin();
  for (let i = 0; i < 256; i++) servers.open(server(`198.51.100.${i}`), world.watch);
  expect(() => servers.open(A, world.watch)).toThrow(
    '"192.0.2.53 port 53": 256 servers are in use or still waited for',
  );
  servers.close(77, world.watch);
  expect(servers.open(A, world.watch)).toBe(77);
});

// Random steps against the plain truth: who waits where.
test('whatever is opened, retired and closed: who waits keeps its socket, and nothing is open that nobody needs', () => {
  const step = fc.record({
    kind: fc.constantFrom('use', 'wait', 'answer', 'turn'),
    servers: fc.uniqueArray(fc.nat({ max: 4 }), { maxLength: 4 }),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { world, servers } = begin();
      const random = poolOf();
      const all = Array.from({ length: 5 }, (_, i) => server(`192.0.2.${i + 1}`));
      let inUse: number[] = [];
      const waiting: { slot: number; id: number; socket: UpstreamSocket }[] = [];
      let slot = 0;
      for (const { kind, servers: chosen, pick } of steps) {
        if (kind === 'use') {
          inUse = chosen.map((i) => {
            const known = servers.find(all[i]!);
            return known === NO_SERVER ? servers.open(all[i]!, world.watch) : known;
          });
          servers.retireOthers(new Set(inUse));
        } else if (kind === 'wait' && inUse.length > 0) {
          const socket = servers.pick(inUse[pick % inUse.length]!);
          waiting.push({ slot: ++slot, id: socket.reserveId(random, slot), socket });
        } else if (kind === 'answer' && waiting.length > 0) {
          const [answered] = waiting.splice(pick % waiting.length, 1);
          answered?.socket.ids.release(answered.id, answered.slot);
        } else if (kind === 'turn') {
          servers.closeIdle(world.watch);
          const needed = new Set([...inUse, ...waiting.map(({ socket }) => socket.server)]);
          expect(world.open.size).toBe(needed.size * SOCKETS);
        }
        for (const { slot: waiter, id, socket } of waiting) {
          expect(servers.sockets[socket.index]).toBe(socket);
          expect(world.watched.get(socket.fd)).toBe(socket);
          expect(socket.ids.slotOf(id)).toBe(waiter);
        }
      }
    }),
  );
});
