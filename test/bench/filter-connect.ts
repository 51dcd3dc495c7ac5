// The pod's end of `filter`: one TCP connection after the other, opened and reset, to each destination in turn. On a veth path the kernel carries
// the whole handshake inside connect(), so the core that this runs on is what a new connection costs. Measures whenever it reads a line.
// Arguments: first destination, number of destinations (its last byte counts up), milliseconds of a measurement.
import { createInterface } from 'node:readline';
import { loadLibc } from '../../src/sys/libc.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { coreTimes, SERVER_CORE } from './cores.ts';
import { AF_INET, PORT, SOCK_STREAM, SOCKADDR_IN_BYTES, writeSockaddrIn } from './filter-socket.ts';

const [, , firstText = '', destinationsText = '', sliceText = ''] = process.argv;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const LINGER_BYTES = 8;
const BETWEEN_CLOCKS = 16;
/** Another setup ran in between: the caches are its. */
const WARM_MS = 20;

const libc = loadLibc();
const sys = LinuxSys.open();
const destinations = Number(destinationsText);
const { address, bytes } = sys.allocate(LINGER_BYTES * 2 + destinations * SOCKADDR_IN_BYTES);
// On, for no second: close() resets, so that neither end keeps a TIME_WAIT and the client's ports never run out.
bytes[0] = 1;
const first = firstText.split('.').map(Number);
for (let i = 0; i < destinations; i++) {
  const at = LINGER_BYTES * 2 + i * SOCKADDR_IN_BYTES;
  writeSockaddrIn(bytes, at, first.with(3, (first[3] ?? 0) + i), PORT);
}
let next = 0;
let failed = 0;

for await (const _ of createInterface(process.stdin)) {
  failed = 0;
  run(WARM_MS);
  const before = coreTimes(SERVER_CORE);
  const perSecond = run(Number(sliceText));
  const after = coreTimes(SERVER_CORE);
  const slice = { perSecond, failed, idle: after.idle - before.idle, total: after.total - before.total };
  process.stdout.write(`${JSON.stringify(slice)}\n`);
}

/** Answers connections per second. */
function run(wantedMs: number): number {
  const startMs = sys.nowMs();
  for (let connections = 0; ; connections += BETWEEN_CLOCKS) {
    const ms = sys.nowMs() - startMs;
    if (ms >= wantedMs) return (connections / ms) * 1000;
    for (let i = 0; i < BETWEEN_CLOCKS; i++) connect();
  }
}

function connect(): void {
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, address, LINGER_BYTES);
  const to = address + LINGER_BYTES * 2 + next * SOCKADDR_IN_BYTES;
  next = next + 1 === destinations ? 0 : next + 1;
  if (libc.connect(fd, to, SOCKADDR_IN_BYTES) !== 0) failed++;
  libc.close(fd);
}
