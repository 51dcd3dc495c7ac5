import { expect, test } from 'vitest';
import { parseAddress } from '../../../../src/base/ip.ts';
import { NO_SLOT } from '../../../../src/datapath/state/query-slots.ts';
import { RandomPool } from '../../../../src/datapath/state/random.ts';
import { Upstreams, UpstreamSocket } from '../../../../src/datapath/state/upstreams.ts';
import type { Endpoint, Fd, Sys } from '../../../../src/sys/sys.ts';
import { SysError } from '../../../../src/sys/sys.ts';

const SOCKETS = 16;
const server = (text: string): Endpoint => ({ address: parseAddress(text) ?? expect.fail(text), port: 53 });
const SERVERS = [server('192.0.2.53'), server('2001:db8::53')];

/** A pool that draws `words` over and over; by default different ones each time. */
function poolOf(...words: number[]): RandomPool {
  let next = 0;
  const randomFill = (target: Uint8Array): void => {
    const into = new Uint16Array(target.buffer, target.byteOffset, target.byteLength / 2);
    for (let i = 0; i < into.length; i++) into[i] = words[next++ % words.length] ?? Math.imul(next, 40_503);
  };
  return new RandomPool({ randomFill } as unknown as Sys); // the pool asks for nothing else
}

interface Connected {
  readonly port: number;
  readonly remote: Endpoint;
}

/** A system on which the ports in `refused` answer their error. */
function sysOf(refused: ReadonlyMap<number, string> = new Map()): { sys: Sys; connected: Connected[] } {
  const connected: Connected[] = [];
  const udpConnect = (port: number, remote: Endpoint): Fd => {
    const code = refused.get(port);
    if (code !== undefined) throw new SysError(code, `Cannot connect from port ${port}`);
    return (100 + connected.push({ port, remote })) as Fd;
  };
  return { sys: { udpConnect } as unknown as Sys, connected }; // Upstreams asks for nothing else
}

test('each server has sixteen connected sockets of its own', () => {
  const { sys, connected } = sysOf();
  const upstreams = Upstreams.open(sys, SERVERS, poolOf());
  expect(connected.map(({ remote }) => remote)).toEqual([
    ...Array<Endpoint>(SOCKETS).fill(SERVERS[0]!),
    ...Array<Endpoint>(SOCKETS).fill(SERVERS[1]!),
  ]);
  expect(upstreams.sockets.map(({ index }) => index)).toEqual([...Array(2 * SOCKETS).keys()]);
  expect(upstreams.sockets.every((socket) => socket.server === Math.floor(socket.index / SOCKETS))).toBe(true);
});

test.each([
  ['the lowest number drawn', 0, 1_024],
  ['the highest number drawn', 65_535, 65_535],
])('source ports are drawn from 1024 to 65535: %s', (_why, drawn, port) => {
  const { sys, connected } = sysOf();
  Upstreams.open(sys, [server('192.0.2.53')], poolOf(drawn));
  expect(connected[0]?.port).toBeGreaterThanOrEqual(1_024);
  expect(Math.abs((connected[0]?.port ?? 0) - port)).toBeLessThanOrEqual(1);
});

test('a port that is taken is passed over', () => {
  const { sys, connected } = sysOf(new Map([[1_024, 'EADDRINUSE']]));
  Upstreams.open(sys, [server('192.0.2.53')], poolOf(0, 0, 32_768));
  expect(connected).toHaveLength(SOCKETS);
  expect(connected.some(({ port }) => port === 1_024)).toBe(false);
});

test.each([
  ['no port is free', 'EADDRINUSE'],
  ['no route leads there', 'ENETUNREACH'],
])('opening fails with the reason when %s', (_why, code) => {
  const { sys } = sysOf(new Map([[1_024, code]]));
  expect(() => Upstreams.open(sys, SERVERS, poolOf(0))).toThrow(expect.objectContaining({ code }));
});

test('a server that no route leads to is left out and named, and the others serve', () => {
  const { sys } = sysOf(new Map([[1_024, 'ENETUNREACH']]));
  const upstreams = Upstreams.open(sys, SERVERS, poolOf(0, ...Array<number>(40).fill(32_768)));
  expect(upstreams.servers).toEqual(SERVERS.slice(1));
  expect(upstreams.unreachable).toEqual([expect.stringContaining('ENETUNREACH')]);
});

test('every socket of a server is drawn, and none of another', () => {
  const upstreams = Upstreams.open(sysOf().sys, SERVERS, poolOf());
  const drawn = new Set(Array.from({ length: 2_000 }, () => upstreams.pick(1).index));
  expect([...drawn].toSorted((a, b) => a - b)).toEqual(Array.from({ length: SOCKETS }, (_, i) => SOCKETS + i));
});

test('after the last server comes the first', () => {
  const upstreams = Upstreams.open(sysOf().sys, SERVERS, poolOf());
  expect([upstreams.after(0), upstreams.after(1)]).toEqual([1, 0]);
});

test('first attempts move on when the server fails three times in a row, and not for one slow name', () => {
  const upstreams = Upstreams.open(sysOf().sys, SERVERS, poolOf());
  upstreams.failed(0);
  upstreams.failed(0);
  upstreams.succeeded(0);
  upstreams.failed(0);
  upstreams.failed(0);
  expect(upstreams.preferred).toBe(0);
  upstreams.failed(0);
  expect(upstreams.preferred).toBe(1);
});

test('what another server does neither moves first attempts nor keeps them', () => {
  const upstreams = Upstreams.open(sysOf().sys, SERVERS, poolOf());
  for (let i = 0; i < 9; i++) upstreams.failed(1);
  expect(upstreams.preferred).toBe(0);
  upstreams.failed(0);
  upstreams.failed(0);
  upstreams.succeeded(1);
  upstreams.failed(0);
  expect(upstreams.preferred).toBe(1);
});

test('after moving on, failures are counted anew, and a late one of the server before does not count', () => {
  const upstreams = Upstreams.open(sysOf().sys, SERVERS, poolOf());
  for (let i = 0; i < 3; i++) upstreams.failed(0);
  for (let i = 0; i < 3; i++) upstreams.failed(0);
  upstreams.failed(1);
  upstreams.failed(1);
  expect(upstreams.preferred).toBe(1);
  upstreams.failed(1);
  expect(upstreams.preferred).toBe(0);
});

test('one server is all there is: first attempts stay with it', () => {
  const upstreams = Upstreams.open(sysOf().sys, [server('192.0.2.53')], poolOf());
  for (let i = 0; i < 9; i++) upstreams.failed(0);
  expect([upstreams.preferred, upstreams.after(0)]).toEqual([0, 0]);
});

const socketOf = (): UpstreamSocket => new UpstreamSocket(7 as Fd, 0, 0);

test('an id names the slot that waits for it, and no other does', () => {
  const socket = socketOf();
  const id = socket.reserveId(poolOf(4711), 12);
  expect(id).toBe(4711);
  expect(socket.slotOf(4711)).toBe(12);
  expect(socket.slotOf(4712)).toBe(NO_SLOT);
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
  expect(socket.slotOf(3)).toBe(1);
  const random = poolOf(3, 3, 3, 3, 3, 3, 3, 4);
  expect(socket.reserveId(random, 2)).toBe(4);
});

test('a released id is free; releasing it for another slot changes nothing', () => {
  const socket = socketOf();
  const id = socket.reserveId(poolOf(9), 1);
  socket.releaseId(id, 2);
  expect(socket.slotOf(id)).toBe(1);
  socket.releaseId(id, 1);
  socket.releaseId(id, 1);
  expect(socket.slotOf(id)).toBe(NO_SLOT);
});
