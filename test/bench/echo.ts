// The floor of the `cached` bench: every query back as its own answer, by the same runtime and the same system calls as the data plane,
// and nothing else. What namewall loses against it is what identifying, matching, granting and auditing cost. Argument: address.
import { parseAddress } from '../../src/base/ip.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { PacketBatch } from '../../src/sys/packet-batch.ts';

const address = parseAddress(process.argv[2] ?? '');
if (address === undefined) throw new Error('usage: echo.ts ADDRESS');

const sys = LinuxSys.open();
const fd = sys.udpListen({ address, port: 53 }, { receiveBufferBytes: 8 << 20, transparent: false });
const batch = new PacketBatch(sys, 64, 2048);
batch.prepareReceive();
const epoll = sys.epollOpen();
sys.epollAdd(epoll, fd);
const ready = new Int32Array(4);

process.stdout.write('ready\n');
for (;;) {
  sys.epollWait(epoll, ready, 1_000);
  const count = sys.receiveBatch(fd, batch);
  for (let i = 0; i < count; i++) {
    const start = batch.start(i);
    batch.bytes[start + 2] = (batch.bytes[start + 2] ?? 0) | 0x80;
    batch.setLength(i, batch.received(i));
  }
  for (let first = 0; first < count;) first += Math.max(1, sys.sendBatch(fd, batch, first, count - first));
}
