// A pod that wants to hurt the others: queries as fast as told, whether or not anybody answers. Prints one JSON line: how many it has sent.
// Arguments: server, `udp` or `tcp`, queries a second (0: as fast as it can), seconds, `fresh` or a number of names, prefix of the names.
import { parseAddress } from '../../src/base/ip.ts';
import { parseNameText } from '../../src/dns/name.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { PacketBatch } from '../../src/sys/packet-batch.ts';

const [, , serverText = '', transport = 'udp', rateText = '0', secondsText = '3', names = 'fresh', prefix = 'n'] =
  process.argv;
const address = parseAddress(serverText);
if (address === undefined) throw new Error('usage: storm.ts SERVER udp|tcp RATE SECONDS fresh|NAMES PREFIX');
const BATCH = 64;
const DIGITS = 7;
/** As many as one pod may have. */
const CONNECTIONS = 20;
const name = parseNameText(`${prefix}${'0'.repeat(DIGITS)}.load.example.org`);
if (name === undefined) throw new Error(`not a prefix: ${prefix}`);
const query = Uint8Array.of(0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 1, 0, 1);
const lastDigit = 12 + prefix.length + DIGITS;
const modulus = names === 'fresh' ? 10 ** DIGITS : Number(names);
const rate = Number(rateText);
const seconds = Number(secondsText);

const sys = LinuxSys.open();
const endpoint = { address, port: 53 };
const begin = sys.nowMs();
let sent = 0;
if (transport === 'tcp') streams();
else datagrams();
process.stdout.write(`${JSON.stringify({ sent, queriesPerSecond: sent / seconds })}\n`);
process.exit(0);

function isOver(): boolean {
  return sys.nowMs() - begin >= seconds * 1000;
}

/** Queries that are due and not sent. */
function due(): number {
  return rate === 0 ? BATCH : Math.min(BATCH, Math.floor(((sys.nowMs() - begin) / 1000) * rate) - sent);
}

function datagrams(): void {
  const fd = sys.udpConnect(0, endpoint);
  const batch = new PacketBatch(sys, BATCH, 128);
  batch.useConnectedPeer();
  for (let i = 0; i < BATCH; i++) batch.bytes.set(query, batch.start(i));
  for (let i = 0; i < BATCH; i++) batch.setLength(i, query.length);
  while (!isOver()) {
    const count = due();
    for (let i = 0; i < count; i++) write(batch.bytes, batch.start(i), sent + i);
    if (count > 0) sent += Math.max(0, sys.sendBatch(fd, batch, 0, count));
  }
}

/** Every connection gets what it takes; what is answered is read and thrown away. */
function streams(): void {
  const fds = Array.from({ length: CONNECTIONS }, () => sys.streams.connect(endpoint));
  const frame = query.length + 2;
  const memory = sys.allocate(65_536);
  const into = sys.allocate(65_536);
  for (let i = 0; i < BATCH; i++) memory.bytes.set([0, query.length, ...query], i * frame);
  const left = fds.map(() => 0); // bytes of the last batch that were not taken
  while (!isOver()) {
    fds.forEach((fd, c) => {
      sys.streams.read(fd, into, 0, 65_536);
      const owed = left[c] ?? 0;
      const count = owed > 0 ? BATCH : due();
      if (owed === 0) for (let i = 0; i < count; i++) write(memory.bytes, i * frame + 2, sent + i);
      const total = owed > 0 ? owed : count * frame;
      const taken = Math.max(0, sys.streams.write(fd, memory, owed > 0 ? BATCH * frame - owed : 0, total));
      // A batch of one connection is finished before another's is written, since they share the memory.
      left[c] = 0;
      if (taken > 0 && taken < total) finish(fd, total - taken, count * frame);
      if (taken > 0) sent += count;
    });
  }

  function finish(fd: (typeof fds)[number], owed: number, end: number): void {
    for (let rest = owed; rest > 0 && !isOver();) {
      sys.streams.read(fd, into, 0, 65_536);
      rest -= Math.max(0, sys.streams.write(fd, memory, end - rest, rest));
    }
  }
}

function write(bytes: Uint8Array, at: number, i: number): void {
  bytes[at] = i >> 8;
  bytes[at + 1] = i;
  for (let digit = 0, rest = i % modulus; digit < DIGITS; digit++, rest = Math.floor(rest / 10)) {
    bytes[at + lastDigit - digit] = 48 + (rest % 10);
  }
}
