// Closed-loop load for `cached` and `unique`: a fixed number of questions is always open, over four sockets, in batches of sendmmsg and
// recvmmsg so that it is not what limits a server. Prints one JSON line.
// Arguments: server, seconds to warm up, seconds to measure, `fresh` or a number of names, prefix of the names.
import { parseAddress } from '../../src/base/ip.ts';
import { parseNameText } from '../../src/dns/name.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { PacketBatch } from '../../src/sys/packet-batch.ts';
import { coreTimes, SERVER_CORE } from './cores.ts';

const [, , serverText = '', warmText = '1', secondsText = '3', names = 'fresh', prefix = 'n'] = process.argv;
const address = parseAddress(serverText);
if (address === undefined) throw new Error('usage: flood.ts SERVER WARM SECONDS fresh|NAMES PREFIX');
const SOCKETS = 4;
const OPEN_PER_SOCKET = 128;
const BATCH = 64;
const DIGITS = 7;
const LOST_AFTER_MS = 500;

const labelBytes = prefix.length + DIGITS;
const template = parseNameText(`${prefix}${'0'.repeat(DIGITS)}.load.example.org`);
if (template === undefined) throw new Error(`not a prefix: ${prefix}`);
const query = Uint8Array.of(0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...template, 0, 1, 0, 1);
const lastDigit = 12 + labelBytes;
const modulus = names === 'fresh' ? 10 ** DIGITS : Number(names);

const sys = LinuxSys.open();
const fds = Array.from({ length: SOCKETS }, () => sys.udpConnect(0, { address, port: 53 }));
const epoll = sys.epollOpen();
for (const fd of fds) sys.epollAdd(epoll, fd);
const ready = new Int32Array(SOCKETS);
const outgoing = new PacketBatch(sys, BATCH, 128);
outgoing.useConnectedPeer();
for (let i = 0; i < BATCH; i++) outgoing.bytes.set(query, outgoing.start(i));
for (let i = 0; i < BATCH; i++) outgoing.setLength(i, query.length);
const incoming = new PacketBatch(sys, BATCH, 2048);
incoming.prepareReceive();
const lastHeardMs = new Float64Array(SOCKETS);
const open = new Int32Array(SOCKETS);
let next = 0;
let answered = 0;
let failed = 0;
let lost = 0;

run(Number(warmText) * 1000);
answered = failed = lost = 0;
const before = coreTimes(SERVER_CORE);
const beginMs = sys.nowMs();
run(Number(secondsText) * 1000);
const seconds = (sys.nowMs() - beginMs) / 1000;
const after = coreTimes(SERVER_CORE);
const serverIdle = (after.idle - before.idle) / (after.total - before.total);
process.stdout.write(`${JSON.stringify({ queriesPerSecond: answered / seconds, failed, lost, serverIdle })}\n`);
process.exit(0);

function run(ms: number): void {
  const endMs = sys.nowMs() + ms;
  for (let nowMs = sys.nowMs(); nowMs < endMs; nowMs = sys.nowMs()) {
    for (let s = 0; s < SOCKETS; s++) fill(s, nowMs);
    const count = sys.epollWait(epoll, ready, 100);
    for (let i = 0; i < count; i++)
      receive(
        fds.findIndex((fd) => fd === ready[i]),
        nowMs,
      );
  }
}

function fill(s: number, nowMs: number): void {
  const fd = fds[s];
  if (fd === undefined) return;
  if (open[s] === OPEN_PER_SOCKET && nowMs - (lastHeardMs[s] ?? 0) > LOST_AFTER_MS) {
    lost += OPEN_PER_SOCKET;
    open[s] = 0;
    lastHeardMs[s] = nowMs;
  }
  // A batch at a time: single questions would cost a system call each, here and at the server.
  while (OPEN_PER_SOCKET - (open[s] ?? 0) >= BATCH / 2) {
    const count = Math.min(BATCH, OPEN_PER_SOCKET - (open[s] ?? 0));
    for (let i = 0; i < count; i++) write(outgoing.start(i), next++ % modulus);
    const sent = sys.sendBatch(fd, outgoing, 0, count);
    if (sent <= 0) return;
    open[s] = (open[s] ?? 0) + sent;
  }
}

function write(start: number, n: number): void {
  const { bytes } = outgoing;
  bytes[start] = n >> 8;
  bytes[start + 1] = n;
  let rest = n;
  for (let d = 0; d < DIGITS; d++) {
    bytes[start + lastDigit - d] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function receive(s: number, nowMs: number): void {
  const fd = fds[s];
  const count = fd === undefined ? 0 : sys.receiveBatch(fd, incoming);
  if (count <= 0) return;
  lastHeardMs[s] = nowMs;
  open[s] = Math.max(0, (open[s] ?? 0) - count);
  const { bytes } = incoming;
  for (let i = 0; i < count; i++) {
    const at = incoming.start(i);
    const isAnswer = ((bytes[at + 2] ?? 0) & 0x80) !== 0 && ((bytes[at + 3] ?? 0) & 0xf) === 0;
    if (isAnswer) answered++;
    else failed++;
  }
}
