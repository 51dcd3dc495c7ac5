// `latency`: what a server adds at 1,000 unique names a second, mean and p99, grants included. `lock`: what hits wait while another program
// holds nft's commit lock (design V24).
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inverseRatioOf, median, percentile } from './measure.ts';
import type { Figure, Outcome, Result } from './report.ts';
import { serve } from './servers.ts';
import type { ServerName } from './servers.ts';
import { LOAD_CORE } from './cores.ts';
import { Stage } from './stage.ts';

const ROUNDS = 5;
const PACE = new URL('pace.ts', import.meta.url).pathname;
const RATE = 1_000;
const SECONDS = 4;
const LOCK_ROUNDS = 3;
const MOST_LOST = 0.001;

interface Latency {
  readonly meanMicros: number;
  readonly p99Micros: number;
  /** Share of the queries that no answer came to: of the server or, when the load's core is contended, of the load's own socket. */
  readonly lost: number;
}

export async function latency(): Promise<Outcome> {
  const servers: readonly ServerName[] = ['namewall', 'unbound', 'dnsmasq+nftset'];
  const found = new Map<ServerName, Latency[]>(servers.map((name) => [name, []]));
  const stage = await Stage.build();
  try {
    await stage.startUpstream(60, 'fresh');
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of round % 2 === 0 ? servers : servers.toReversed()) {
        const server = await serve(stage, name, { lifetimes: { minTtl: '1s', maxTtl: '1s', grace: '500ms' } });
        try {
          await pace(stage, server.address, `w${round}`, 1); // the first queries of a process are compiled, not measured
          found.get(name)?.push(await pace(stage, server.address, `l${round}`, SECONDS));
        } finally {
          await server.stop();
        }
      }
    }
  } finally {
    await stage.remove();
  }
  const of = (name: ServerName, key: keyof Latency): number[] => (found.get(name) ?? []).map((each) => each[key]);
  const results = (['unbound', 'dnsmasq+nftset'] as const).flatMap((against): Result[] => [
    { bench: 'latency-mean', against, ...inverseRatioOf(of('namewall', 'meanMicros'), of(against, 'meanMicros')) },
    { bench: 'latency-p99', against, ...inverseRatioOf(of('namewall', 'p99Micros'), of(against, 'p99Micros')) },
  ]);
  const figures = servers.flatMap((name): Figure[] => [
    { bench: 'latency', what: `${name}, mean`, unit: 'µs', value: median(of(name, 'meanMicros')) },
    { bench: 'latency', what: `${name}, p99`, unit: 'µs', value: median(of(name, 'p99Micros')) },
  ]);
  const refusals = servers
    .filter((name) => of(name, 'lost').some((lost) => lost > MOST_LOST))
    .map((name) => `latency: ${name} or the load lost queries`);
  return { results, figures, refusals };
}

/**
 * Hits (100 names, 2,000 a second) beside misses (200 a second, each with a commit): idle, and while iptables-nft-restore of 20,000 rules loops in
 * the same namespace. It shares the load's core, and the upstream's, so that what misses wait includes their upstream's waiting.
 */
export async function lock(): Promise<Outcome> {
  const stage = await Stage.build();
  try {
    await stage.startUpstream(3_600, 'same');
    const server = await serve(stage, 'namewall');
    const both = async (round: string): Promise<{ hits: Latency; misses: Latency }> => {
      const [hits, misses] = await Promise.all([
        pace(stage, server.address, 'hit', SECONDS, 100, 2_000),
        pace(stage, server.address, `miss${round}`, SECONDS, undefined, 200),
      ]);
      return { hits, misses };
    };
    await both('warm');
    const idle: { hits: Latency; misses: Latency }[] = [];
    const locked: { hits: Latency; misses: Latency }[] = [];
    for (let round = 0; round < LOCK_ROUNDS; round++) {
      idle.push(await both(`idle${round}`));
      const stop = restoreInALoop(stage);
      locked.push(await both(`locked${round}`));
      stop();
    }
    await server.stop();
    const figures = Object.entries({ idle, locked }).flatMap(([state, rounds]): Figure[] => [
      {
        bench: 'lock',
        what: `hits' p99, ${state}`,
        unit: 'µs',
        value: median(rounds.map(({ hits }) => hits.p99Micros)),
      },
      {
        bench: 'lock',
        what: `misses' p99, ${state}`,
        unit: 'µs',
        value: median(rounds.map(({ misses }) => misses.p99Micros)),
      },
    ]);
    const p99 = (rounds: readonly { hits: Latency }[]): number[] => rounds.map(({ hits }) => hits.p99Micros);
    const isLossy = [...idle, ...locked].some(({ hits }) => hits.lost > MOST_LOST);
    const refusals = isLossy ? ['lock: hits were lost; the foreign program contends with the load for its core'] : [];
    return {
      results: [{ bench: 'lock', against: 'idle', ...inverseRatioOf(p99(locked), p99(idle)) }],
      figures,
      refusals,
    };
  } finally {
    await stage.remove();
  }
}

async function pace(
  stage: Stage,
  server: string,
  prefix: string,
  seconds: number,
  names?: number,
  rate = RATE,
): Promise<Latency> {
  const argv = [
    process.execPath,
    PACE,
    server,
    String(rate),
    String(seconds),
    names === undefined ? 'fresh' : String(names),
    prefix,
  ];
  // pace.ts prints nothing else
  const found = JSON.parse(await stage.load(argv)) as {
    sent: number;
    answered: number;
    failed: number;
    latencies: number[];
  };
  const sum = found.latencies.reduce((total, each) => total + each, 0);
  const lost = 1 - found.answered / found.sent;
  return { meanMicros: sum / found.latencies.length, p99Micros: percentile(found.latencies, 0.99), lost };
}

/** Another program's big transactions, one after the other; the answer ends them. */
function restoreInALoop(stage: Stage): () => void {
  const rules = Array.from({ length: 20_000 }, (_, i) => `-A FORWARD -s 10.100.${i >> 8}.${i & 255}/32 -j ACCEPT`);
  const file = join(stage.lab.folder, 'rules');
  writeFileSync(file, ['*filter', ':FORWARD ACCEPT', ...rules, 'COMMIT', ''].join('\n'));
  const loop = `while iptables-nft-restore < ${file}; do :; done`;
  const argv = ['netns', 'exec', stage.lab.nodeNamespace, 'taskset', '-c', String(LOAD_CORE), 'sh', '-c', loop];
  const child = spawn('ip', argv, { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
  return () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
}
