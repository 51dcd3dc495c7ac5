// dnsperf as the load (--load dnsperf): as many queries as the server takes, and whether it was the server that was the limit.
import { createWriteStream, existsSync } from 'node:fs';
import { once } from 'node:events';
import { coreTimes, SERVER_CORE } from './cores.ts';
import type { Stage } from './stage.ts';

export interface Load {
  readonly queriesPerSecond: number;
  readonly lost: number;
  /** Share of its core that the server left idle: above a tenth, the load was the limit. */
  readonly serverIdle: number;
}

export interface DnsperfPlan {
  readonly prefix: string;
  /** undefined: each name is asked once. */
  readonly names: number | undefined;
  readonly warm: number;
  readonly seconds: number;
}

const MANY_NAMES = 4_000_000;

/** Asks as fast as is answered, 400 questions at a time. */
export async function dnsperf(stage: Stage, server: string, plan: DnsperfPlan): Promise<Load> {
  const file = await namesFile(plan.prefix, plan.names ?? MANY_NAMES);
  const warmFile = plan.names === undefined ? await namesFile('w', 40_000) : file;
  await run(stage, server, warmFile, plan.names === undefined ? ['-n', '1'] : ['-l', String(plan.warm)]);
  const before = coreTimes(SERVER_CORE);
  const output = await run(stage, server, file, ['-l', String(plan.seconds)]);
  const after = coreTimes(SERVER_CORE);
  return {
    queriesPerSecond: Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]),
    lost: Number(/Queries lost:\s+(\d+)/.exec(output)?.[1]),
    serverIdle: (after.idle - before.idle) / (after.total - before.total),
  };
}

async function run(stage: Stage, server: string, file: string, options: readonly string[]): Promise<string> {
  const output = await stage.load(['dnsperf', '-s', server, '-d', file, '-c', '4', '-q', '400', ...options]);
  const codes = /Response codes:\s+(.*)/.exec(output)?.[1] ?? '';
  if (!/^NOERROR \d+ \(100\.00%\)$/.test(codes)) throw new Error(`${server} did not answer as it should: ${codes}`);
  return output;
}

/** A data file for dnsperf: `PREFIXn.load.example.org A` for n from 0. Kept for the next run. */
async function namesFile(prefix: string, count: number): Promise<string> {
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
