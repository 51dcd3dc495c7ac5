import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import { PacketBatch } from '../../../src/sys/packet-batch.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Endpoint, Fd } from '../../../src/sys/sys.ts';

const OPTIONS = { receiveBufferBytes: 65_536, transparent: false };
const PATIENCE_MS = 5_000;

const sys = LinuxSys.open();
const opened: Fd[] = [];

afterEach(() => {
  for (const fd of opened.splice(0)) sys.close(fd);
});

describe.each([
  ['IPv4', '127.0.0.1', 4],
  ['IPv6', '::1', 6],
] as const)('UDP over %s', (_family, loopback, family) => {
  test('a batch arrives as it was sent, and its answers find their way back', async () => {
    const server = await freeEndpoint(loopback);
    const listener = open(sys.udpListen(server, OPTIONS));
    const client = open(sys.udpConnect(0, server));

    const questions = new PacketBatch(sys, 4, 64);
    questions.useConnectedPeer();
    ['one', 'two', 'three'].forEach((text, i) => fill(questions, i, text));
    expect(sys.sendBatch(client, questions, 1, 2)).toBe(2);
    expect(sys.sendBatch(client, questions, 0, 1)).toBe(1);

    const arrived = new PacketBatch(sys, 4, 64);
    arrived.prepareReceive();
    expect(receive(listener, arrived)).toBe(3);
    expect([0, 1, 2].map((i) => textOf(arrived, i))).toEqual(['two', 'three', 'one']);
    const peer = new Uint8Array(16);
    arrived.readPeerAddress(0, peer, 0);
    expect(formatAddress(peer)).toBe(loopback);

    const answers = new PacketBatch(sys, 4, 64);
    fill(answers, 0, 'answer');
    answers.setPeer(0, family, peer, 0, arrived.peerPort(0));
    expect(sys.sendBatch(listener, answers, 0, 1)).toBe(1);
    arrived.prepareReceive();
    expect(receive(client, arrived)).toBe(1);
    expect(textOf(arrived, 0)).toBe('answer');
    expect(arrived.peerPort(0)).toBe(server.port);
  });

  test('a socket without datagrams answers EAGAIN at once', async () => {
    const listener = open(sys.udpListen(await freeEndpoint(loopback), OPTIONS));
    const batch = new PacketBatch(sys, 4, 64);
    batch.prepareReceive();
    expect(sys.receiveBatch(listener, batch)).toBe(-ERRNO.EAGAIN);
  });

  test('a datagram that is too long is cut, not spilled over the next', async () => {
    const server = await freeEndpoint(loopback);
    const listener = open(sys.udpListen(server, OPTIONS));
    const client = open(sys.udpConnect(0, server));
    const long = new PacketBatch(sys, 1, 200);
    long.useConnectedPeer();
    long.bytes.fill(0x61, 0, 200);
    long.setLength(0, 200);
    expect(sys.sendBatch(client, long, 0, 1)).toBe(1);
    const batch = new PacketBatch(sys, 2, 64);
    batch.prepareReceive();
    expect(receive(listener, batch)).toBe(1);
    expect(batch.received(0)).toBe(64);
    expect(batch.bytes[batch.start(1)]).toBe(0);
  });

  test('an address in use is refused by its name', async () => {
    const server = await freeEndpoint(loopback);
    open(sys.udpListen(server, OPTIONS));
    expect(() => sys.udpListen(server, OPTIONS)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    expect(() => sys.udpConnect(server.port, server)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  });

  test('nobody at the other end is an error of a later send', async () => {
    const client = open(sys.udpConnect(0, await freeEndpoint(loopback)));
    const batch = new PacketBatch(sys, 1, 64);
    batch.useConnectedPeer();
    fill(batch, 0, 'hello');
    const outcomes = eventually(
      () => sys.sendBatch(client, batch, 0, 1),
      (outcome) => outcome < 0,
    );
    expect(outcomes).toBe(-ERRNO.ECONNREFUSED);
  });
});

test('an address that is not ours needs IP_TRANSPARENT', () => {
  const foreign = { address: bytes('192.0.2.1'), port: 5353 };
  expect(() => sys.udpListen(foreign, OPTIONS)).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }));
});

test('epoll tells which descriptors have something, for as long as they have', () => {
  const epoll = open(sys.epollOpen());
  const [first, second] = [open(sys.eventOpen()), open(sys.eventOpen())];
  sys.epollAdd(epoll, first);
  sys.epollAdd(epoll, second);
  const ready = new Int32Array(8);
  expect(sys.epollWait(epoll, ready, 0)).toBe(0);
  sys.eventSignal(second);
  expect(sys.epollWait(epoll, ready, PATIENCE_MS)).toBe(1);
  expect(ready[0]).toBe(second);
  sys.eventSignal(first);
  sys.eventSignal(first);
  expect(sys.epollWait(epoll, ready, PATIENCE_MS)).toBe(2);
  expect(new Set(ready.subarray(0, 2))).toEqual(new Set([first, second]));
  expect(sys.epollWait(epoll, new Int32Array(1), PATIENCE_MS)).toBe(1);
  sys.eventDrain(first);
  sys.eventDrain(second);
  expect(sys.epollWait(epoll, ready, 0)).toBe(0);
});

test('epoll waits no longer than it is told', () => {
  const epoll = open(sys.epollOpen());
  const before = sys.nowMs();
  expect(sys.epollWait(epoll, new Int32Array(1), 20)).toBe(0);
  expect(sys.nowMs() - before).toBeGreaterThanOrEqual(15);
  expect(sys.nowMs() - before).toBeLessThan(PATIENCE_MS);
});

test('a descriptor that is no descriptor cannot be watched', () => {
  const epoll = open(sys.epollOpen());
  expect(() => sys.epollAdd(epoll, 9_999 as Fd)).toThrow(expect.objectContaining({ code: 'EBADF' }));
});

test('memory is zeroed, of whole pages, and stays where it is', () => {
  const memory = sys.allocate(5_000);
  expect(memory.address % 4096).toBe(0);
  expect(memory.bytes.length).toBe(8_192);
  expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
});

test('a netlink socket that nobody answered has nothing to read', () => {
  const fd = open(sys.netlinkOpen(65_536));
  expect(sys.receive(fd, sys.allocate(4_096), 0, 4_096)).toBe(-ERRNO.EAGAIN);
});

test('random bytes differ from call to call', () => {
  const [a, b] = [new Uint8Array(32), new Uint8Array(32)];
  sys.randomFill(a);
  sys.randomFill(b);
  expect(a).not.toEqual(b);
});

function open(fd: Fd): Fd {
  opened.push(fd);
  return fd;
}

function fill(batch: PacketBatch, i: number, text: string): void {
  batch.bytes.set(Buffer.from(text), batch.start(i));
  batch.setLength(i, text.length);
}

function textOf(batch: PacketBatch, i: number): string {
  return Buffer.from(batch.bytes.subarray(batch.start(i), batch.start(i) + batch.received(i))).toString();
}

/** Loopback delivers within the send, but other work of the machine may come between. */
function receive(fd: Fd, batch: PacketBatch): number {
  return eventually(
    () => sys.receiveBatch(fd, batch),
    (count) => count !== -ERRNO.EAGAIN,
  );
}

function eventually(ask: () => number, isGood: (answer: number) => boolean): number {
  for (const end = sys.nowMs() + PATIENCE_MS; ;) {
    const answer = ask();
    if (isGood(answer) || sys.nowMs() > end) return answer;
  }
}

/** A port that was free a moment ago: LinuxSys cannot say which one the kernel chose. */
async function freeEndpoint(loopback: string): Promise<Endpoint> {
  const socket = createSocket(loopback.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve) => socket.bind(0, loopback, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return { address: bytes(loopback), port };
}

function bytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return address;
}
