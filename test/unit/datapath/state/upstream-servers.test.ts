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

/** Uses each socket of the server at `place`, and lets a minute pass. */
function wearOut(world: SocketWorld, servers: UpstreamServers, place: number): void {
  const random = poolOf();
  for (const socket of servers.sockets.slice(place * SOCKETS, (place + 1) * SOCKETS)) {
    const id = socket?.reserveId(random, 1) ?? -1;
    socket?.ids.release(id, 1);
  }
  world.nowMs += 60_000;
}

/** As many turns as there are sockets. */
function renewAll(world: SocketWorld, servers: UpstreamServers): void {
  for (let turn = servers.sockets.length; turn > 0; turn--) servers.renewDue(world.watch);
}

test('R10: sockets that are due and idle are exchanged, one a turn, for others that are read from; the rest stay', () => {
  const { world, servers } = begin();
  servers.open(A, world.watch);
  servers.open(B, world.watch);
  const before = [...servers.sockets];
  const ports = new Set(world.connected.map(({ port }) => port));
  wearOut(world, servers, 0);
  servers.renewDue(world.watch);
  expect(servers.sockets.filter((socket, i) => socket !== before[i])).toHaveLength(1);
  renewAll(world, servers);
  expect(servers.sockets.slice(0, SOCKETS).filter((socket, i) => socket === before[i])).toEqual([]);
  expect(servers.sockets.slice(SOCKETS)).toEqual(before.slice(SOCKETS));
  expect(world.connected.filter(({ remote, port }) => remote === A && ports.has(port))).toEqual([]);
  expect([...world.watched.values()].toSorted((a, b) => a.index - b.index)).toEqual(servers.sockets);
  expect(servers.sockets.map((socket) => socket?.index)).toEqual([...Array(2 * SOCKETS).keys()]);
});

test('a socket at which somebody waits is not exchanged, and not asked while another is not due', () => {
  const { world, servers } = begin();
  const place = servers.open(A, world.watch);
  wearOut(world, servers, place);
  const waited = servers.sockets[3] ?? expect.fail();
  const id = waited.reserveId(poolOf(), 5);
  renewAll(world, servers);
  expect(servers.sockets[3]).toBe(waited);
  const drawn = Array.from({ length: 500 }, () => servers.pick(place));
  expect(drawn).not.toContain(waited);
  waited.ids.release(id, 5);
  renewAll(world, servers);
  expect(servers.sockets[3]).not.toBe(waited);
});

test('a socket for which no other can be opened goes on', () => {
  const { world, servers } = begin();
  const place = servers.open(A, world.watch);
  wearOut(world, servers, place);
  const before = [...servers.sockets];
  world.room = SOCKETS;
  renewAll(world, servers);
  expect(servers.sockets).toEqual(before);
  expect(world.open.size).toBe(SOCKETS);
  expect(before).toContain(servers.pick(place));
});

test('what is known of a server goes with it: the next one at its place is up, and is asked by datagrams and with EDNS', () => {
  const { world, servers } = begin();
  const place = servers.open(A, world.watch);
  for (let i = 0; i < 3; i++) servers.health.silent(place, 1_200, 0);
  servers.health.refusedEdns(place, 1_200);
  servers.retireOthers(new Set());
  expect(servers.isRetired(place)).toBe(true);
  servers.closeIdle(world.watch);
  expect(servers.health.takeDue(99_999)).toBe(-1);
  expect([servers.open(B, world.watch), servers.isRetired(place)]).toEqual([place, false]);
  expect([servers.health.isDown(place), servers.health.takesEdns(place, 1_200)]).toEqual([false, true]);
});

test('R10: sockets are exchanged also under a load that leaves none of them idle', () => {
  const { world, servers } = begin();
  const random = poolOf();
  const place = servers.open(A, world.watch);
  const before = new Set(servers.sockets);
  const waiting: { socket: UpstreamSocket; id: number; slot: number }[] = [];
  for (let slot = 0; slot < 20_000; slot++) {
    const socket = servers.pick(place);
    waiting.push({ socket, id: socket.reserveId(random, slot % 1_000), slot: slot % 1_000 });
    if (waiting.length > 200) {
      const answered = waiting.shift();
      answered?.socket.ids.release(answered.id, answered.slot);
    }
    world.nowMs += 10;
    servers.renewDue(world.watch);
  }
  expect(servers.sockets.filter((socket) => before.has(socket))).toEqual([]);
  expect(world.open.size).toBe(SOCKETS);
});
