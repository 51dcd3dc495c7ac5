// `budget`: what one query costs in system calls (strace -c), in garbage (--trace-gc) and in nanoseconds a file (--cpu-prof), at saturation. Each
// is measured by itself, for each slows the others down. The table in src/datapath/README.md comes from here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Figure, Outcome } from './report.ts';
import { serve } from './servers.ts';
import { Stage } from './stage.ts';

const FLOOD = new URL('flood.ts', import.meta.url).pathname;
const QUERY_THREADS = ['datapath', 'committer'];
const SECONDS = 3;
/** NODE_OPTIONS may not hold --trace-gc itself. */
const TRACE_GC = `--import=data:text/javascript,import{setFlagsFromString}from'node:v8';setFlagsFromString('--trace-gc')`;
/** Files that take more than this share of a query are printed. */
const LEAST_SHARE = 0.02;
const BRIEF = { minTtl: '1s', maxTtl: '1s', grace: '500ms' };

interface Plan {
  readonly bench: string;
  readonly names: string;
  readonly ttlSeconds: number;
  readonly mode: 'same' | 'fresh';
}

const PLANS: readonly Plan[] = [
  { bench: 'hit', names: '1000', ttlSeconds: 3_600, mode: 'same' },
  { bench: 'miss', names: 'fresh', ttlSeconds: 60, mode: 'fresh' },
];

export async function budget(): Promise<Outcome> {
  const figures: Figure[] = [];
  const stage = await Stage.build();
  try {
    for (const plan of PLANS) {
      await stage.startUpstream(plan.ttlSeconds, plan.mode);
      figures.push(await systemCalls(stage, plan), await scavenges(stage, plan), ...(await nanoseconds(stage, plan)));
    }
  } finally {
    await stage.remove();
  }
  return { results: [], figures, refusals: [] };
}

async function systemCalls(stage: Stage, plan: Plan): Promise<Figure> {
  return withServer(stage, plan, {}, async (flood, pid) => {
    await flood(1, 1);
    const threads = threadsOf(pid);
    const folder = mkdtempSync(join(tmpdir(), 'namewall-strace-'));
    const straces = threads.map((thread) =>
      spawn('strace', ['-c', '-p', thread, '-o', join(folder, thread)], { stdio: 'ignore' }),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const queries = await flood(0, SECONDS);
    for (const strace of straces) strace.kill('SIGINT');
    await Promise.all(straces.map((strace) => once(strace, 'exit')));
    const calls = threads.reduce((sum, thread) => sum + totalCalls(readFileSync(join(folder, thread), 'utf8')), 0);
    return { bench: plan.bench, what: 'system calls a query', value: calls / queries, unit: '' };
  });
}

/** The line `100.00 0.296599 13 21703 7450 total` (strace(1), -c). */
function totalCalls(report: string): number {
  const total = report.split('\n').find((line) => line.endsWith(' total'));
  return Number(total?.trim().split(/\s+/)[3]);
}

async function scavenges(stage: Stage, plan: Plan): Promise<Figure> {
  return withServer(stage, plan, { NODE_OPTIONS: TRACE_GC }, async (flood) => {
    await flood(1, 1);
    const before = scavengesOfWorkers(stage);
    const queries = await flood(0, SECONDS);
    const value = ((scavengesOfWorkers(stage) - before) / queries) * 1e6;
    return { bench: plan.bench, what: 'scavenges a million queries', value, unit: '' };
  });
}

/** Lines such as `[123:0x7f00] 381 ms: Scavenge …`; the first heap to be collected is the main thread's, which writes the audit log. */
function scavengesOfWorkers(stage: Stage): number {
  const lines = readFileSync(stage.lab.agentLogFile, 'utf8').split('\n');
  const heaps = lines.flatMap((line) => /^\[\d+:(0x[0-9a-f]+)\].* Scavenge /.exec(line)?.[1] ?? []);
  return heaps.filter((heap) => heap !== heaps[0]).length;
}

async function nanoseconds(stage: Stage, plan: Plan): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'namewall-profile-'));
  let queries = 0;
  await withServer(stage, plan, { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` }, async (flood) => {
    queries = (await flood(1, SECONDS)) * ((SECONDS + 1) / SECONDS);
  });
  const profiles = globSync(join(folder, '*.cpuprofile')).map(readProfile);
  // The data plane's is the one that knows its loop.
  const times = profiles.find((micros) => micros.has('loop.ts')) ?? new Map<string, number>();
  const busy = [...times].filter(([file]) => file !== '(idle)');
  const total = busy.reduce((sum, [, micros]) => sum + micros, 0);
  return busy
    .filter(([, micros]) => micros > total * LEAST_SHARE)
    .toSorted(([, a], [, b]) => b - a)
    .map(([file, micros]) => ({ bench: plan.bench, what: file, value: (micros * 1000) / queries, unit: 'ns' }));
}

/** Microseconds that each file's functions took themselves; system calls are in `linux.ts`, which makes them. */
function readProfile(path: string): Map<string, number> {
  // the format of the Chrome DevTools protocol, Profiler.Profile
  const profile = JSON.parse(readFileSync(path, 'utf8')) as {
    nodes: { id: number; callFrame: { functionName: string; url: string } }[];
    samples: number[];
    timeDeltas: number[];
  };
  const fileOf = new Map(
    profile.nodes.map(({ id, callFrame }) => [id, basename(callFrame.url) || callFrame.functionName]),
  );
  const micros = new Map<string, number>();
  profile.samples.forEach((id, i) => {
    const file = fileOf.get(id) ?? '';
    micros.set(file, (micros.get(file) ?? 0) + (profile.timeDeltas[i] ?? 0));
  });
  return micros;
}

type Flood = (warmSeconds: number, seconds: number) => Promise<number>;

async function withServer<T>(
  stage: Stage,
  plan: Plan,
  environment: Readonly<Record<string, string>>,
  use: (flood: Flood, pid: number) => Promise<T>,
): Promise<T> {
  Object.assign(process.env, environment); // the agent inherits it
  const server = await serve(stage, 'namewall', plan.mode === 'fresh' ? { lifetimes: BRIEF } : {});
  for (const key of Object.keys(environment)) delete process.env[key];
  const flood: Flood = async (warm, seconds) => {
    const argv = [process.execPath, FLOOD, server.address, warm, seconds, plan.names, plan.bench.slice(0, 1)];
    const found = JSON.parse(await stage.load(argv.map(String))) as { queriesPerSecond: number }; // flood.ts prints nothing else
    return found.queriesPerSecond * seconds;
  };
  try {
    return await use(flood, stage.lab.agentPid ?? 0);
  } finally {
    await server.stop();
  }
}

function threadsOf(pid: number): string[] {
  const nameOf = (thread: string): string => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim();
  return readdirSync(`/proc/${pid}/task`).filter((thread) => QUERY_THREADS.includes(nameOf(thread)));
}
