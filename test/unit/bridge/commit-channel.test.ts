import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { CommitChannel } from '../../../src/bridge/commit-channel.ts';
import { outcomeOf, type Batch, type CommitterStart } from './committer-thread.ts';

const MOMENT_MS = 5;
const BATCHES = 20_000;
/** Words that count: what was requested, what is done. */
const COUNTS = [0, 5] as const;

const batchOf = (n: number): Batch => ({
  address: 2 ** 47 - 1 - n * 4_096,
  lengthBytes: n * 3,
  first: (2 ** 32 - BATCHES + 2 * n) >>> 0, // over 2^31 and over 2^32
  last: (2 ** 32 - BATCHES + 2 * n + 1) >>> 0,
});

function request(channel: CommitChannel, { address, lengthBytes, first, last }: Batch): void {
  channel.request(address, lengthBytes, first, last);
}

test('a batch arrives as it was handed over', () => {
  const channel = new CommitChannel();
  channel.setEventFd(9);
  const batch = { address: 2 ** 47 - 4_096, lengthBytes: 786_432, first: 2 ** 31, last: 2 ** 32 - 1 };
  request(channel, batch);
  const committer = new CommitChannel(channel.buffer);
  expect(committer.waitForRequest(0)).toBe(true);
  const { address, lengthBytes, first, last, eventFd } = committer;
  expect({ address, lengthBytes, first, last, eventFd }).toEqual({ ...batch, eventFd: 9 });
});

test.each([
  ['done', 0],
  ['unknown', -1],
  ['an errno', 105],
])('its outcome comes back, once: %s', (_why, outcome) => {
  const channel = new CommitChannel();
  expect(channel.isDone()).toBe(true);
  request(channel, batchOf(1));
  expect(channel.isDone()).toBe(false);
  channel.done(outcome);
  expect([channel.isDone(), channel.outcome()]).toEqual([true, outcome]);
  expect(channel.waitForRequest(0)).toBe(false);
});

test('the counts of batches run over 2^31 and back to 0', () => {
  for (const from of [2 ** 31 - 2, -2]) {
    const channel = new CommitChannel();
    for (const word of COUNTS) new Int32Array(channel.buffer)[word] = from;
    for (let n = 0; n < 4; n++) {
      request(channel, batchOf(n));
      expect([channel.isDone(), channel.waitForRequest(0)]).toEqual([false, true]);
      channel.done(n);
      expect([channel.isDone(), channel.outcome(), channel.waitForRequest(0)]).toEqual([true, n, false]);
    }
  }
});

describe('nobody waits longer than it says', () => {
  test('for a batch', () => {
    expect(new CommitChannel().waitForRequest(MOMENT_MS)).toBe(false);
  });

  test('for an outcome', () => {
    const channel = new CommitChannel();
    request(channel, batchOf(1));
    channel.waitUntilDone(MOMENT_MS);
    expect(channel.isDone()).toBe(false);
  });

  test('nor at all when nothing is under way', () => {
    new CommitChannel().waitUntilDone(Number.POSITIVE_INFINITY);
  });
});

describe('between two threads', () => {
  const running: Worker[] = [];
  afterEach(async () => {
    for (const worker of running.splice(0)) await worker.terminate();
  });

  function startCommitter() {
    const channel = new CommitChannel();
    const workerData: CommitterStart = { commitBuffer: channel.buffer };
    const worker = new Worker(new URL('committer-thread.ts', import.meta.url), { workerData });
    running.push(worker);
    const ended = once(worker, 'exit');
    return { channel, ended };
  }

  test('twenty thousand batches, each with its own outcome, waited for', () => {
    const { channel } = startCommitter();
    for (let n = 0; n < BATCHES; n++) {
      request(channel, batchOf(n));
      for (let tries = 0; !channel.isDone() && tries < 100; tries++) channel.waitUntilDone(100);
      if (!channel.isDone() || channel.outcome() !== outcomeOf(batchOf(n))) expect.fail(`batch ${n}`);
    }
  });

  test('and looked at now and then, as the loop does', async () => {
    const { channel } = startCommitter();
    for (let n = 0; n < BATCHES / 10; n++) {
      request(channel, batchOf(n));
      while (!channel.isDone()) await setImmediate();
      if (channel.outcome() !== outcomeOf(batchOf(n))) expect.fail(`batch ${n}`);
    }
  });

  test('a committer that waits hears at once that it is to stop', async () => {
    const { channel, ended } = startCommitter();
    request(channel, batchOf(1));
    for (let tries = 0; !channel.isDone() && tries < 100; tries++) channel.waitUntilDone(100); // it runs
    channel.requestStop();
    // It may have looked between its last batch and its wait: then it waits for the next one.
    await Promise.race([ended, poked(channel)]);
    await ended;
    expect(channel.isStopRequested()).toBe(true);
  });
});

/** Tells it again until it hears: the word is there, only the waking may come too early. */
async function poked(channel: CommitChannel): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    await setImmediate();
    channel.requestStop();
  }
}
