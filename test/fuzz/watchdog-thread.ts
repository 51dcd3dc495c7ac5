// The other side of watchdog.ts.
import { workerData } from 'node:worker_threads';
import { writeFinding } from './findings.ts';

const LOOK_EVERY_MS = 1_000;

interface WatchdogData {
  readonly state: SharedArrayBuffer;
  readonly text: SharedArrayBuffer;
  readonly folder: string;
  readonly patienceSeconds: number;
}

// `as`: watchdog.ts makes it.
const { state, text, folder, patienceSeconds } = workerData as WatchdogData;
const words = new Int32Array(state);
const nobody = new Int32Array(new SharedArrayBuffer(4));

for (let seen = -1, times = 0; ;) {
  Atomics.wait(nobody, 0, 0, LOOK_EVERY_MS);
  const now = Atomics.load(words, 0);
  times = now === seen ? times + 1 : 0;
  seen = now;
  if (times < patienceSeconds) continue;
  const hanging = Buffer.from(text).toString('latin1', 0, Atomics.load(words, 1));
  const file = writeFinding(folder, { kind: 'hang', text: `no end after ${patienceSeconds} s` }, hanging);
  process.stderr.write(`hang: ${file}\n`);
  process.kill(process.pid, 'SIGKILL'); // nothing less ends a thread that never comes back
}
