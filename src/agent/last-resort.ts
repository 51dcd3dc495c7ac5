// Thread entry: ends the process after a while, whatever its main thread is doing then (agent/die.ts).
import { workerData } from 'node:worker_threads';
import { loadLibc } from '../sys/libc.ts';

const { afterMs, status } = workerData as { afterMs: number; status: number }; // die.ts passes nothing else
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, afterMs);
loadLibc()._exit(status);
