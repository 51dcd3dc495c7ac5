// A thread that answers each batch by numbers made from it, until it is told to stop: what it read wrong is a wrong outcome.
import { workerData } from 'node:worker_threads';
import { CommitChannel } from '../../../src/bridge/commit-channel.ts';

/** So long that a test which needs it to run out fails. */
const WAIT_MS = 60_000;

export interface CommitterStart {
  readonly commitBuffer: SharedArrayBuffer;
}

export interface Batch {
  readonly address: number;
  readonly lengthBytes: number;
  readonly first: number;
  readonly last: number;
}

/** A positive errno, or −1 for every seventeenth. */
export function outcomeOf({ address, lengthBytes, first, last }: Batch): number {
  const mixed = Math.imul(Math.imul(address % 65_521, 31) + lengthBytes, 31) + Math.imul(first, 7) + last;
  return mixed % 17 === 0 ? -1 : mixed & 0x7fff_ffff;
}

// `as`: commit-channel.test.ts starts the thread with it; imported as a module it is something else, or nothing.
const start = workerData as CommitterStart | null;
if (start !== null && 'commitBuffer' in start) {
  const channel = new CommitChannel(start.commitBuffer);
  while (!channel.isStopRequested()) {
    if (!channel.waitForRequest(WAIT_MS)) continue;
    const { address, lengthBytes, first, last } = channel;
    channel.done(outcomeOf({ address, lengthBytes, first, last }));
  }
}
