// The world's end of `filter`: accepts every connection to port 443 and closes it, on the other core than the one that is measured. It sleeps
// between turns instead of waiting in accept(), for then each connection would pay for waking it. Prints `ready`; runs until it is ended.
import { loadLibc } from '../../src/sys/libc.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import type { Fd } from '../../src/sys/sys.ts';
import { AF_INET, PORT, SOCK_STREAM, SOCKADDR_IN_BYTES, writeSockaddrIn } from './filter-socket.ts';

const SOCK_NONBLOCK = 0x800;
/** Holds what arrives within a turn; net.core.somaxconn of the namespace must allow it. */
const BACKLOG = 65_535;
const TURN_MS = 1;
// <asm/unistd.h>: libc.ts has no prototypes of these two, and syscall(2) takes their three arguments.
const CALLS = process.arch === 'arm64' ? { listen: 201, accept: 202 } : { listen: 50, accept: 43 };

const libc = loadLibc();
const sys = LinuxSys.open();
const { address, bytes } = sys.allocate(SOCKADDR_IN_BYTES);
writeSockaddrIn(bytes, 0, [0, 0, 0, 0], PORT);
const listener = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
const isListening =
  libc.bind(listener, address, SOCKADDR_IN_BYTES) === 0 && libc.syscall(CALLS.listen, listener, BACKLOG, 0) === 0;
if (!isListening) throw new Error(`Cannot listen on port ${PORT}`);
process.stdout.write('ready\n');

const epoll = sys.epollOpen();
sys.epollAdd(epoll, listener as Fd); // of socket(2)
const ready = new Int32Array(1);
const pause = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  sys.epollWait(epoll, ready, 1_000);
  for (let fd = accept(); fd >= 0; fd = accept()) libc.close(fd);
  Atomics.wait(pause, 0, 0, TURN_MS);
}

/** A descriptor, or -1 when nobody waits. */
function accept(): number {
  return libc.syscall(CALLS.accept, listener, 0, 0);
}
