// Thread entry: waits for the kernel in the loop's stead. nf_tables takes one transaction at a time, and another program's may hold its lock
// for hundreds of milliseconds (V24): a question that needs no grant must not wait behind one that does.
import { workerData } from 'node:worker_threads';
import { CommitChannel } from '../bridge/commit-channel.ts';
import { NetlinkSocket } from '../kernel/netlink-socket.ts';
import { SOCKET_BYTES } from '../kernel/set-writer.ts';
import { LinuxSys } from '../sys/linux.ts';
import type { Fd, Memory } from '../sys/sys.ts';

const REPLY_BYTES = 16 * 1024;
/** A thread that is blocked keeps the process from ending (V23). */
const WAIT_MS = 100;

const channel = new CommitChannel(workerData as SharedArrayBuffer); // datapath-host.ts passes nothing else
const sys = LinuxSys.open();
sys.preferSoonTurns();
const socket = new NetlinkSocket(sys, SOCKET_BYTES, sys.allocate(REPLY_BYTES));
/** The data plane's memory: the kernel reads it, this thread does not. */
const batch: { -readonly [K in keyof Memory]: Memory[K] } = { bytes: new Uint8Array(0), address: 0 };

while (!channel.isStopRequested()) {
  if (!channel.waitForRequest(WAIT_MS)) continue;
  batch.address = channel.address;
  const sent = socket.send(batch, 0, channel.lengthBytes);
  channel.done(sent < 0 ? -sent : socket.outcome(channel.first, channel.last));
  sys.eventSignal(channel.eventFd as Fd); // opened by the data plane, of this process
}
socket.close();
