// The upstream of every bench: answers each A question with an address of its own, as fast as recvmmsg and sendmmsg go. It must never be
// what limits a server, so it uses src/sys and keeps no state but a counter. Arguments: address, TTL seconds, `same` or `fresh`.
import { parseAddress } from '../../src/base/ip.ts';
import { FRAME, StreamBuffer } from '../../src/datapath/state/stream-buffer.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { PacketBatch } from '../../src/sys/packet-batch.ts';
import { Peer } from '../../src/sys/streams.ts';
import type { Fd } from '../../src/sys/sys.ts';

const [, , addressText = '', ttlText = '60', mode = 'fresh'] = process.argv;
const address = parseAddress(addressText);
if (address === undefined) throw new Error('usage: upstream.ts ADDRESS TTL same|fresh');
const ttlSeconds = Number(ttlText);

const sys = LinuxSys.open();
const endpoint = { address, port: 53 };
const fd = sys.udpListen(endpoint, { receiveBufferBytes: 8 << 20, transparent: false });
const listener = sys.streams.listen(endpoint, { transparent: false, backlog: 64 });
const batch = new PacketBatch(sys, 64, 1500);
const epoll = sys.epollOpen();
sys.epollAdd(epoll, fd);
sys.epollAdd(epoll, listener);
batch.prepareReceive();
const ready = new Int32Array(64);
const peer = new Peer();
const connections = new Map<number, StreamBuffer>();
const IN_BYTES = 65_536;
const out = sys.allocate(4 * IN_BYTES);
let next = 0;

process.stdout.write('ready\n');
for (;;) {
  const events = sys.epollWait(epoll, ready, 1_000);
  for (let e = 0; e < events; e++) {
    if (ready[e] === fd) datagrams();
    else if (ready[e] === listener) accept();
    else stream(ready[e] as Fd); // epoll tells only descriptors that it was given
  }
}

function datagrams(): void {
  const count = sys.receiveBatch(fd, batch);
  for (let i = 0; i < count; i++) batch.setLength(i, answer(batch.bytes, batch.start(i)));
  for (let first = 0; first < count;) first += Math.max(1, sys.sendBatch(fd, batch, first, count - first));
}

function accept(): void {
  const accepted = sys.streams.accept(listener, peer);
  if (accepted < 0) return;
  connections.set(accepted, new StreamBuffer(sys.allocate(IN_BYTES), 0, IN_BYTES));
  sys.epollAdd(epoll, accepted as Fd); // accept(2) answers a descriptor
}

/** All that has come is answered in one write, which the other end takes: it never has that much on its way. */
function stream(connection: Fd): void {
  const buffer = connections.get(connection);
  if (buffer === undefined) return;
  const count = buffer.readFrom(sys.streams, connection);
  if (count <= 0) {
    connections.delete(connection);
    return sys.close(connection);
  }
  let end = 0;
  while (buffer.next() === FRAME.Message) {
    out.bytes.set(buffer.bytes.subarray(buffer.start, buffer.end), end + 2);
    const lengthBytes = answer(out.bytes, end + 2);
    out.bytes[end] = lengthBytes >> 8;
    out.bytes[end + 1] = lengthBytes;
    end += 2 + lengthBytes;
  }
  if (end > 0) sys.streams.write(connection, out, 0, end);
}

/** Turns the query at `start` into its answer where it lies: question kept, OPT cut off, one A record of 11.0.0.0/8 added. Its length. */
function answer(bytes: Uint8Array, start: number): number {
  let at = start + 12;
  while (bytes[at] !== 0) at += (bytes[at] ?? 0) + 1;
  at += 5;
  bytes[start + 2] = 0x84 | ((bytes[start + 2] ?? 0) & 1); // QR, AA, RD as asked
  bytes[start + 3] = 0x80; // RA
  bytes[start + 7] = 1;
  bytes[start + 9] = bytes[start + 11] = 0;
  const host = mode === 'same' ? hashOf(bytes, start + 12, at - 4) : next++;
  bytes.set([0xc0, 12, 0, 1, 0, 1], at);
  bytes.set([ttlSeconds >>> 24, (ttlSeconds >>> 16) & 255, (ttlSeconds >>> 8) & 255, ttlSeconds & 255], at + 6);
  bytes.set([0, 4, 11, (host >>> 16) & 255, (host >>> 8) & 255, host & 255], at + 10);
  return at + 16 - start;
}

/** The same name always gets the same address. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}
