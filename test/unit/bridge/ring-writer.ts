// A thread that writes numbered records into a ring: record n is as long as lengthOf(n), begins with n, and repeats n's low byte.
import { workerData } from 'node:worker_threads';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';

export interface RingWriterStart {
  readonly ringBuffer: SharedArrayBuffer;
  readonly records: number;
}

/** 4 to 259 bytes, so that records end on every alignment and wrap at every place. */
export function lengthOf(n: number): number {
  return 4 + (Math.imul(n, 2_654_435_761) >>> 24);
}

export function writeRecord(ring: AuditRing, n: number): boolean {
  const length = lengthOf(n);
  const at = ring.reserve(length);
  if (at < 0) return false;
  ring.view.setUint32(at, n, true);
  ring.bytes.fill(n & 0xff, at + 4, at + length);
  ring.commit(length);
  return true;
}

/** Throws when the record at `offset` is not the whole of record `n`. */
export function checkRecord(ring: AuditRing, n: number, offset: number, length: number): void {
  const found = ring.view.getUint32(offset, true);
  if (found !== n) throw new Error(`Record ${found} stands where record ${n} was expected`);
  if (length !== lengthOf(n)) throw new Error(`Record ${n} has ${length} bytes, not ${lengthOf(n)}`);
  for (let i = 4; i < length; i++) {
    if (ring.bytes[offset + i] !== (n & 0xff)) throw new Error(`Record ${n} is torn at byte ${i}`);
  }
}

// `as`: audit-ring.test.ts starts the thread with it; imported as a module it is something else, or nothing.
const start = workerData as RingWriterStart | null;
if (start !== null && 'ringBuffer' in start) {
  const ring = new AuditRing(start.ringBuffer);
  for (let n = 0; n < start.records;) if (writeRecord(ring, n)) n++;
}
