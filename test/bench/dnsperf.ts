// dnsperf as the load: as many queries as the server takes, and whether it was the server that was the limit.
import { createWriteStream, existsSync } from 'node:fs';
import { once } from 'node:events';
import { coreTimes, SERVER_CORE } from './stage.ts';
import type { Stage } from './stage.ts';

export interface Load {
  readonly queriesPerSecond: number;
  readonly lost: number;
  /** Share of its core that the server left idle: above a tenth, the load was the limit. */
  readonly serverIdle: number;
}

/** Asks the names of `file` as fast as they are answered, at most `outstanding` at a time. */
export async function dnsperf(stage: Stage, server: string, file: string, options: readonly string[]): Promise<Load> {
  const before = coreTimes(SERVER_CORE);
  const output = await stage.load(['dnsperf', '-s', server, '-d', file, '-c', '4', '-q', '400', ...options]);
  const after = coreTimes(SERVER_CORE);
  const codes = /Response codes:\s+(.*)/.exec(output)?.[1] ?? '';
  if (!/^NOERROR \d+ \(100\.00%\)$/.test(codes)) throw new Error(`${server} did not answer as it should: ${codes}`);
  return {
    queriesPerSecond: Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]),
    lost: Number(/Queries lost:\s+(\d+)/.exec(output)?.[1]),
    serverIdle: (after.idle - before.idle) / (after.total - before.total),
  };
}

/** A data file for dnsperf: `PREFIXn.load.example.org A` for n from 0. Kept for the next run. */
export async function namesFile(prefix: string, count: number): Promise<string> {
  const path = `/tmp/namewall-bench-${prefix}-${count}.txt`;
  if (existsSync(path)) return path;
  const stream = createWriteStream(path);
  for (let n = 0; n < count; n += 10_000) {
    const lines = Array.from(
      { length: Math.min(10_000, count - n) },
      (_, i) => `${prefix}${n + i}.load.example.org A\n`,
    );
    if (!stream.write(lines.join(''))) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
  return path;
}
