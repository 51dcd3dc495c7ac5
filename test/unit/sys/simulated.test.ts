import { beforeEach, expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { PacketBatch } from '../../../src/sys/packet-batch.ts';
import type { SentDatagram } from '../../../src/sys/simulated-udp.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Endpoint } from '../../../src/sys/sys.ts';

const SERVER = endpoint('10.96.0.10', 53);
const SERVER6 = endpoint('fd00:96::a', 53);
const CLIENT = endpoint('10.0.1.7', 40_000);
const UPSTREAM = endpoint('198.51.100.53', 53);

let sys: SimulatedSys;
let sent: SentDatagram[];

beforeEach(() => {
  sent = [];
  sys = new SimulatedSys({ observer: { sent: (datagram) => sent.push(datagram) } });
});

test('time passes only when it is told to', () => {
  const [now, wall] = [sys.nowMs(), sys.wallMs()];
  expect(sys.nowMs()).toBe(now);
  sys.advance(1_500.5);
  expect(sys.nowMs() - now).toBe(1_500.5);
  expect(sys.wallMs() - wall).toBe(1_500.5);
});

test('the same seed gives the same random bytes, another gives others', () => {
  const draw = (seed: number) => {
    const bytes = new Uint8Array(64);
    new SimulatedSys({ seed }).randomFill(bytes);
    return bytes;
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test('blocks of memory have addresses of their own', () => {
  const [a, b] = [sys.allocate(10), sys.allocate(10)];
  expect(b.address).toBeGreaterThan(a.address + a.bytes.length);
  expect(a.bytes.length).toBe(4_096);
});

test.each([
  ['IPv4', SERVER, CLIENT],
  ['IPv6', SERVER6, endpoint('2001:db8:1::7', 40_000)],
])(
  'a datagram over %s arrives with its sender, and the answer leaves from the address that was asked',
  (_f, at, from) => {
    const fd = sys.udpListen(at);
    const batch = new PacketBatch(sys, 4, 64);
    batch.prepareReceive();
    expect(sys.receiveBatch(fd, batch)).toBe(-ERRNO.EAGAIN);
    expect(sys.network.deliver(from, at, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(sys.receiveBatch(fd, batch)).toBe(1);
    expect([...batch.bytes.subarray(batch.start(0), batch.start(0) + batch.received(0))]).toEqual([1, 2, 3]);
    const peer = new Uint8Array(16);
    batch.readPeerAddress(0, peer, 0);
    expect(formatAddress(peer)).toBe(formatAddress(from.address));
    batch.setPeer(0, at === SERVER ? 4 : 6, peer, 0, batch.peerPort(0));
    batch.setLength(0, 2);
    expect(sys.sendBatch(fd, batch, 0, 1)).toBe(1);
    expect(sent).toEqual([{ from: at, to: from, bytes: Uint8Array.of(1, 2) }]);
  },
);

test('one batch receives over IPv6 after IPv4', () => {
  const [fd, fd6] = [sys.udpListen(SERVER), sys.udpListen(SERVER6)];
  const batch = new PacketBatch(sys, 4, 64);
  batch.prepareReceive();
  const from = endpoint('2001:db8:1::7', 40_000);
  sys.network.deliver(CLIENT, SERVER, Uint8Array.of(1));
  sys.network.deliver(from, SERVER6, Uint8Array.of(2));
  expect(sys.receiveBatch(fd, batch)).toBe(1);
  expect(sys.receiveBatch(fd6, batch)).toBe(1);
  const peer = new Uint8Array(16);
  batch.readPeerAddress(0, peer, 0);
  expect(formatAddress(peer)).toBe('2001:db8:1::7');
});

test('more datagrams than a batch holds wait for the next call, longer ones are cut', () => {
  const fd = sys.udpListen(SERVER);
  const batch = new PacketBatch(sys, 2, 4);
  batch.prepareReceive();
  for (let i = 1; i <= 3; i++) sys.network.deliver(CLIENT, SERVER, new Uint8Array(10).fill(i));
  expect(sys.receiveBatch(fd, batch)).toBe(2);
  expect(batch.received(1)).toBe(4);
  expect([...batch.bytes.subarray(0, 8)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
  expect(sys.receiveBatch(fd, batch)).toBe(1);
  expect(sys.receiveBatch(fd, batch)).toBe(-ERRNO.EAGAIN);
});

test('a connected socket hears its peer and nobody else', () => {
  sys.udpConnect(5_000, UPSTREAM);
  const here = endpoint('10.0.0.1', 5_000);
  expect(sys.network.deliver(endpoint('198.51.100.66', 53), here, Uint8Array.of(1))).toBe(false);
  expect(sys.network.deliver(endpoint('198.51.100.53', 54), here, Uint8Array.of(1))).toBe(false);
  expect(sys.network.deliver(UPSTREAM, endpoint('10.0.0.1', 5_001), Uint8Array.of(1))).toBe(false);
  expect(sys.network.deliver(UPSTREAM, here, Uint8Array.of(1))).toBe(true);
});

test('an address or port that is taken is EADDRINUSE', () => {
  sys.udpListen(SERVER);
  expect(() => sys.udpListen(SERVER)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  sys.udpConnect(5_000, UPSTREAM);
  expect(() => sys.udpConnect(5_000, UPSTREAM)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
});

test('sending without a peer, or to one of the other family, is refused as the kernel does', () => {
  const fd = sys.udpListen(SERVER);
  const batch = new PacketBatch(sys, 1, 16);
  batch.setPeer(0, 6, SERVER6.address, 0, 53);
  expect(sys.sendBatch(fd, batch, 0, 1)).toBe(-ERRNO.EAFNOSUPPORT);
  batch.useConnectedPeer();
  expect(sys.sendBatch(fd, batch, 0, 1)).toBe(-ERRNO.EDESTADDRREQ);
  expect(sent).toEqual([]);
});

test('sockets are ready in the order in which something came, and never make anybody wait', () => {
  const [a, b] = [sys.udpListen(SERVER), sys.udpListen(SERVER6)];
  const epoll = sys.epollOpen();
  sys.epollAdd(epoll, a);
  sys.epollAdd(epoll, b);
  const ready = new Int32Array(4);
  expect(sys.epollWait(epoll, ready)).toBe(0);
  sys.network.deliver(endpoint('2001:db8:1::7', 1), SERVER6, Uint8Array.of(1));
  sys.network.deliver(CLIENT, SERVER, Uint8Array.of(1));
  expect(sys.epollWait(epoll, ready)).toBe(2);
  expect([...ready.subarray(0, 2)]).toEqual([b, a]);
  sys.close(b);
  expect(sys.epollWait(epoll, ready)).toBe(1);
});

test('an eventfd is ready until it is drained', () => {
  const [epoll, fd] = [sys.epollOpen(), sys.eventOpen()];
  sys.epollAdd(epoll, fd);
  sys.eventSignal(fd);
  expect(sys.hasReady()).toBe(true);
  sys.eventDrain(fd);
  expect(sys.hasReady()).toBe(false);
});

function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return { address, port };
}
