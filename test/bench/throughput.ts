// `cached` and `unique`: queries a second at saturation, ours and each peer's in alternating rounds.
import { dnsperf, namesFile } from './dnsperf.ts';
import { ratioOf } from './measure.ts';
import type { Against, Figure, Outcome, Result } from './report.ts';
import { serve } from './servers.ts';
import type { NamewallSettings, ServerName } from './servers.ts';
import { Stage } from './stage.ts';

interface Throughput {
  readonly bench: string;
  readonly peers: readonly (ServerName & Against)[];
  readonly rounds: number;
  readonly settings: NamewallSettings;
  readonly upstream: { readonly ttlSeconds: number; readonly mode: 'fresh' | 'same' };
  /** Asked once before the measurement; undefined: nothing is. */
  readonly warmUp?: string;
  readonly load: { readonly file: string; readonly options: readonly string[] };
}

/** Above this idle share of its core the server was not the limit. */
const MOST_IDLE = 0.1;
const CACHED_NAMES = 1_000;
const UNIQUE_NAMES = 4_000_000;

/** Hits through the whole path: identify, match, grants check, audit. */
export async function cached(): Promise<Outcome> {
  const file = await namesFile('c', CACHED_NAMES);
  return compare({
    bench: 'cached',
    peers: ['unbound', 'dnsmasq', 'echo'],
    rounds: 3,
    settings: {},
    upstream: { ttlSeconds: 3_600, mode: 'same' },
    warmUp: file,
    load: { file, options: ['-l', '4'] },
  });
}

/** Each name new and each address new, committed before the answer. */
export async function unique(): Promise<Outcome> {
  const file = await namesFile('u', UNIQUE_NAMES);
  return compare({
    bench: 'unique',
    peers: ['unbound', 'dnsmasq+nftset', 'dnsdist'],
    rounds: 3,
    // As many names as an hour brings come in seconds here, so that grants must live seconds too, or the pod's quota ends the bench.
    settings: { lifetimes: { minTtl: '1s', maxTtl: '1s', grace: '500ms' } },
    upstream: { ttlSeconds: 60, mode: 'fresh' },
    load: { file, options: ['-l', '4'] },
  });
}

async function compare(plan: Throughput): Promise<Outcome> {
  const stage = await Stage.build();
  try {
    await stage.startUpstream(plan.upstream.ttlSeconds, plan.upstream.mode);
    const rates = new Map<ServerName, number[]>();
    const refusals: string[] = [];
    const servers: readonly ServerName[] = ['namewall', ...plan.peers];
    for (let round = 0; round < plan.rounds; round++) {
      for (const name of round % 2 === 0 ? servers : servers.toReversed()) {
        const { queriesPerSecond, serverIdle } = await measure(stage, name, plan);
        rates.set(name, [...(rates.get(name) ?? []), queriesPerSecond]);
        if (serverIdle <= MOST_IDLE || name === 'dnsmasq+nftset') continue;
        refusals.push(
          `${plan.bench}, round ${round}: ${name} left ${(serverIdle * 100).toFixed(0)} % of its core idle: the load was the limit`,
        );
      }
    }
    const ours = rates.get('namewall') ?? [];
    const results = plan.peers.map((peer): Result => ({
      bench: plan.bench,
      against: peer,
      ...ratioOf(ours, rates.get(peer) ?? []),
    }));
    const figures = [...rates].map(([name, values]): Figure => {
      return {
        bench: plan.bench,
        what: name,
        unit: 'queries/s',
        value: values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0,
      };
    });
    return { results, figures, refusals };
  } finally {
    await stage.remove();
  }
}

async function measure(stage: Stage, name: ServerName, plan: Throughput) {
  const server = await serve(stage, name, plan.settings);
  try {
    if (plan.warmUp !== undefined && name !== 'echo') await dnsperf(stage, server.address, plan.warmUp, ['-n', '1']);
    return await dnsperf(stage, server.address, plan.load.file, plan.load.options);
  } finally {
    await server.stop();
  }
}
