// The upstream of every bench: answers each A question with an address of its own, as fast as recvmmsg and sendmmsg go. It must never be
// what limits a server, so it uses src/sys and keeps no state but a counter. Arguments: address, TTL seconds, `same` or `fresh`.
import { parseAddress } from '../../src/base/ip.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { PacketBatch } from '../../src/sys/packet-batch.ts';

const [, , addressText = '', ttlText = '60', mode = 'fresh'] = process.argv;
const address = parseAddress(addressText);
if (address === undefined) throw new Error('usage: upstream.ts ADDRESS TTL same|fresh');
const ttlSeconds = Number(ttlText);

const sys = LinuxSys.open();
const fd = sys.udpListen({ address, port: 53 }, { receiveBufferBytes: 8 << 20, transparent: false });
const batch = new PacketBatch(sys, 64, 1500);
const epoll = sys.epollOpen();
sys.epollAdd(epoll, fd);
batch.prepareReceive();
const ready = new Int32Array(4);
let next = 0;

process.stdout.write('ready\n');
for (;;) {
  sys.epollWait(epoll, ready, 1_000);
  const count = sys.receiveBatch(fd, batch);
  for (let i = 0; i < count; i++) answer(i);
  for (let first = 0; first < count;) first += Math.max(1, sys.sendBatch(fd, batch, first, count - first));
}

/** Turns query `i` into its answer where it lies: question kept, OPT cut off, one A record of 11.0.0.0/8 added. */
function answer(i: number): void {
  const { bytes } = batch;
  const start = batch.start(i);
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
  batch.setLength(i, at + 16 - start);
}

/** The same name always gets the same address. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}
