// Open-loop load for the `latency` and `lock` benches: one query at each due time, whether or not earlier ones were answered, so that a stall
// is seen by every query that it hits. Prints one JSON line: sorted latencies in microseconds, and what was lost.
// Arguments: server, queries a second, seconds, `fresh` or a number of names, prefix of the names.
import { parseAddress } from '../../src/base/ip.ts';
import { parseNameText } from '../../src/dns/name.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { PacketBatch } from '../../src/sys/packet-batch.ts';
import { Stamps } from './stamped-socket.ts';

const [, , serverText = '', rateText = '1000', secondsText = '5', names = 'fresh', prefix = 'n'] = process.argv;
const address = parseAddress(serverText);
if (address === undefined) throw new Error('usage: pace.ts SERVER RATE SECONDS fresh|NAMES PREFIX');
const rate = Number(rateText);
const total = rate * Number(secondsText);
const SETTLE_MS = 1_500;

const sys = LinuxSys.open();
const fd = sys.udpConnect(0, { address, port: 53 });
const epoll = sys.epollOpen();
sys.epollAdd(epoll, fd);
const ready = new Int32Array(1);
const stamps = new Stamps(sys, fd);
const outgoing = new PacketBatch(sys, 1, 512);
outgoing.useConnectedPeer();
const incoming = new PacketBatch(sys, 1, 2048);
incoming.prepareReceive();
const sentMs = new Float64Array(65_536);
const latencies: number[] = [];
let failed = 0;

// Exponential gaps: queries of many clients do not come on a grid.
const begin = sys.nowMs() + 10;
let due = begin;
let sent = 0;
while (sent < total) {
  while (sent < total && sys.nowMs() >= due) {
    send(sent);
    due += -Math.log(1 - random()) * (1000 / rate);
    sent++;
  }
  sys.epollWait(epoll, ready, due - sys.nowMs() > 1 ? 1 : 0);
  receive();
}
for (const end = sys.nowMs() + SETTLE_MS; latencies.length + failed < total && sys.nowMs() < end; receive())
  sys.epollWait(epoll, ready, 10);
latencies.sort((a, b) => a - b);
process.stdout.write(`${JSON.stringify({ sent, answered: latencies.length, failed, latencies })}\n`);
process.exit(0);

function send(i: number): void {
  const id = i & 0xffff;
  const label = names === 'fresh' ? `${prefix}${i}` : `${prefix}${i % Number(names)}`;
  const name = parseNameText(`${label}.load.example.org`);
  if (name === undefined) throw new Error(`not a name: ${label}`);
  const { bytes } = outgoing;
  bytes.set([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], 0);
  bytes.set(name, 12);
  bytes.set([0, 1, 0, 1], 12 + name.length);
  outgoing.setLength(0, 16 + name.length);
  sentMs[id] = sys.nowMs(); // not when it was due: how late this program is must not count as latency
  sys.sendBatch(fd, outgoing, 0, 1);
}

function receive(): void {
  for (;;) {
    const count = sys.receiveBatch(fd, incoming);
    if (count <= 0) return;
    const now = stamps.lastMs();
    for (let i = 0; i < count; i++) {
      const at = incoming.start(i);
      const id = ((incoming.bytes[at] ?? 0) << 8) | (incoming.bytes[at + 1] ?? 0);
      const isAnswer = ((incoming.bytes[at + 3] ?? 0) & 0xf) === 0 && (incoming.bytes[at + 7] ?? 0) > 0;
      if (isAnswer) latencies.push(Math.round((now - (sentMs[id] ?? now)) * 1000));
      else failed++;
    }
  }
}

/** Uniform in [0, 1); from the same CSPRNG as everything else here. */
function random(): number {
  const word = new Uint32Array(1);
  sys.randomFill(new Uint8Array(word.buffer));
  return (word[0] ?? 0) / 2 ** 32;
}
