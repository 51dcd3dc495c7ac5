// `fairness`: what one pod's storm costs another pod. The quiet pod asks 1,000 hits and 100 new names a second; its p99 while the other one storms is set
// against its p99 before.
import { inverseRatioOf, median, percentile } from './measure.ts';
import type { Figure, Outcome, Result } from './report.ts';
import { LOAD_CORE } from './cores.ts';
import { serve } from './servers.ts';
import { Stage } from './stage.ts';

const ROUNDS = 5;
const SECONDS = 4;
const PACE = new URL('pace.ts', import.meta.url).pathname;
const STORM = new URL('storm.ts', import.meta.url).pathname;

/** What the noisy pod does: transport, queries a second (0: all it can), names. */
const STORMS = {
  '50,000 q/s': ['udp', '50000', '100'],
  'full rate': ['udp', '0', '100'],
  'over TCP': ['tcp', '0', '100'],
  '100,000 names': ['udp', '25000', '100000'],
} as const;
type Storm = keyof typeof STORMS;

interface Quiet {
  readonly p99Micros: number;
  readonly lost: number;
}

export async function fairness(): Promise<Outcome> {
  const names = Object.keys(STORMS) as Storm[];
  const stage = await Stage.build(['load', 'noise']);
  const idle: Quiet[] = [];
  const stormy = new Map<Storm, Quiet[]>();
  const rates = new Map<Storm, number[]>();
  try {
    await stage.startUpstream(60, 'same');
    // The limits that a user has who sets none.
    const server = await serve(stage, 'namewall', { dns: {} });
    // The first storms of a process are compiled, not measured.
    for (const storm of names) {
      await Promise.all([
        quiet(stage, server.address, `w${names.indexOf(storm)}x`),
        noise(stage, server.address, storm),
      ]);
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const storm of names) {
        idle.push(await quiet(stage, server.address, `i${round}${names.indexOf(storm)}x`));
        const [seen, rate] = await Promise.all([
          quiet(stage, server.address, `q${round}${names.indexOf(storm)}x`),
          noise(stage, server.address, storm),
        ]);
        stormy.set(storm, [...(stormy.get(storm) ?? []), seen]);
        rates.set(storm, [...(rates.get(storm) ?? []), rate]);
      }
    }
    await server.stop();
  } finally {
    await stage.remove();
  }
  const p99 = (found: readonly Quiet[]): number[] => found.map(({ p99Micros }) => p99Micros);
  // Each round's storm against the idle time just before it.
  const results = names.map((storm, s): Result => {
    const before = idle.filter((_, i) => i % names.length === s);
    return {
      bench: `fairness, ${storm}`,
      against: 'idle',
      ...inverseRatioOf(p99(stormy.get(storm) ?? []), p99(before)),
    };
  });
  const figures = names.flatMap((storm): Figure[] => [
    { bench: 'fairness', what: `p99, ${storm}`, unit: 'µs', value: median(p99(stormy.get(storm) ?? [])) },
    { bench: 'fairness', what: `sent, ${storm}`, unit: 'q/s', value: median(rates.get(storm) ?? []) },
    { bench: 'fairness', what: `lost, ${storm}`, unit: '', value: sum(stormy.get(storm) ?? []) },
  ]);
  const before: Figure[] = [
    { bench: 'fairness', what: 'p99, idle', unit: 'µs', value: median(p99(idle)) },
    { bench: 'fairness', what: 'lost, idle', unit: '', value: sum(idle) },
  ];
  return { results, figures: [...before, ...figures], refusals: [] };
}

function sum(found: readonly Quiet[]): number {
  return found.reduce((total, { lost }) => total + lost, 0);
}

/** Real-time, before the storm: the machine has one core for both, and the storm must not be what the quiet pod waits for. */
async function quiet(stage: Stage, server: string, prefix: string): Promise<Quiet> {
  const pace = (rate: number, names: string, label: string): Promise<string> =>
    stage.load(['chrt', '-f', '2', process.execPath, PACE, server, String(rate), String(SECONDS), names, label]);
  const printed = await Promise.all([pace(1_000, '100', 'hit'), pace(100, 'fresh', prefix)]);
  // pace.ts prints nothing else
  const found = printed.map((text) => JSON.parse(text) as { sent: number; answered: number; latencies: number[] });
  const latencies = found.flatMap((each) => each.latencies).toSorted((a, b) => a - b);
  return {
    p99Micros: percentile(latencies, 0.99),
    lost: found.reduce((lost, { sent, answered }) => lost + sent - answered, 0),
  };
}

async function noise(stage: Stage, server: string, storm: Storm): Promise<number> {
  const [transport, rate, names] = STORMS[storm];
  const argv = [process.execPath, STORM, server, transport, rate, String(SECONDS + 1), names, 'storm'];
  const printed = await stage.load(['taskset', '-c', String(LOAD_CORE), ...argv], 'noise');
  return (JSON.parse(printed) as { queriesPerSecond: number }).queriesPerSecond; // storm.ts prints nothing else
}
