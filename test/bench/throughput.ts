// `cached` and `unique`: queries a second at saturation, ours and each peer's in alternating rounds.
import { dnsperf } from './dnsperf.ts';
import type { Load } from './dnsperf.ts';
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
  /** How many names are asked, one after the other and again; undefined: each is new. */
  readonly names?: number;
}

/** `flood`: flood.ts; `dnsperf`: for those who would rather trust it, though it is often the limit itself. */
export type LoadProgram = 'flood' | 'dnsperf';

/** Above this idle share of its core the server was not the limit. */
const MOST_IDLE = 0.1;
/** More than this share of questions without their answer, and the figure is not believed. */
const MOST_LOST = 0.001;
const WARM_SECONDS = 1; // filled caches and compiled code, for every server alike
const SECONDS = 3;
const FLOOD = new URL('flood.ts', import.meta.url).pathname;

/** Hits through the whole path: identify, match, grants check, audit. */
export async function cached(load: LoadProgram): Promise<Outcome> {
  return compare(load, {
    bench: 'cached',
    peers: ['unbound', 'dnsmasq', 'echo'],
    rounds: 3,
    settings: {},
    upstream: { ttlSeconds: 3_600, mode: 'same' },
    names: 1_000,
  });
}

/** Each name new and each address new, committed before the answer. */
export async function unique(load: LoadProgram): Promise<Outcome> {
  return compare(load, {
    bench: 'unique',
    peers: ['unbound', 'dnsmasq+nftset', 'dnsdist'],
    rounds: 3,
    // As many names as an hour brings come in seconds here, so that grants must live seconds too, or the pod's quota ends the bench.
    settings: { lifetimes: { minTtl: '1s', maxTtl: '1s', grace: '500ms' } },
    upstream: { ttlSeconds: 60, mode: 'fresh' },
  });
}

async function compare(load: LoadProgram, plan: Throughput): Promise<Outcome> {
  const stage = await Stage.build();
  try {
    await stage.startUpstream(plan.upstream.ttlSeconds, plan.upstream.mode);
    const rates = new Map<ServerName, number[]>();
    const refusals: string[] = [];
    const servers: readonly ServerName[] = ['namewall', ...plan.peers];
    for (let round = 0; round < plan.rounds; round++) {
      for (const name of round % 2 === 0 ? servers : servers.toReversed()) {
        const { queriesPerSecond, serverIdle, lost } = await measure(stage, name, load, plan);
        rates.set(name, [...(rates.get(name) ?? []), queriesPerSecond]);
        if (lost > MOST_LOST * queriesPerSecond * SECONDS)
          refusals.push(`${plan.bench}, round ${round}: ${name} lost ${lost} queries`);
        if (serverIdle <= MOST_IDLE) continue;
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

async function measure(stage: Stage, name: ServerName, load: LoadProgram, plan: Throughput): Promise<Load> {
  const server = await serve(stage, name, plan.settings);
  const prefix = plan.bench.slice(0, 1);
  try {
    if (load === 'dnsperf')
      return await dnsperf(stage, server.address, { prefix, names: plan.names, warm: WARM_SECONDS, seconds: SECONDS });
    const argv = [process.execPath, FLOOD, server.address, WARM_SECONDS, SECONDS, plan.names ?? 'fresh', prefix];
    const found = JSON.parse(await stage.load(argv.map(String))) as Load & { failed: number }; // flood.ts prints nothing else
    if (found.failed > 0) throw new Error(`${name} failed ${found.failed} queries`);
    return found;
  } finally {
    await server.stop();
  }
}
