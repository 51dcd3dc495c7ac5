// `filter`: new TCP connections a second through the forward hook, with our ruleset and growing numbers of grants, without any, and with linear
// lists of iptables rules. Every setup has a lab of its own and they take turns of a tenth of a second, so that a slow second hits all.
import { FilterLab } from './filter-lab.ts';
import type { Slice } from './filter-lab.ts';
import { CLASS_COUNTS, GRANTS, grantsName, iptables, NO_RULES, ours, RULES } from './filter-setups.ts';
import type { ClassCount } from './filter-setups.ts';
import { median, ratioOf } from './measure.ts';
import type { Against, Figure, Outcome, Result } from './report.ts';

const ROUNDS = 5;
const TURNS = 8;
/** The same as for the other benches: a core that idles was not what limited the rate. */
const MOST_IDLE = 0.1;
const MOST_GRANTS = Math.max(...GRANTS);

export async function filter(): Promise<Outcome> {
  const setups = [
    NO_RULES,
    ...CLASS_COUNTS.flatMap((classes) => GRANTS.map((grants) => ours(grants, classes))),
    ...(['iptables', 'iptables-established'] as const).flatMap((variant) =>
      RULES.map((rules) => iptables(variant, rules)),
    ),
  ];
  const labs: FilterLab[] = [];
  try {
    for (const setup of setups) labs.push(await FilterLab.build(setup));
    const refusals: string[] = [];
    for (const setup of RULES.map((rules) => iptables('iptables-legacy', rules))) {
      // Not every kernel has its tables any more.
      await FilterLab.build(setup).then(
        (lab) => labs.push(lab),
        () => refusals.push(`filter: ${setup.name} cannot be loaded`),
      );
    }
    for (const lab of labs) await lab.measure(); // the first connections of a process are compiled, not measured
    const rates = new Map<string, number[]>(labs.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, { perSecond, idle }] of await measureRound(labs)) {
        rates.get(name)?.push(perSecond);
        if (idle <= MOST_IDLE) continue;
        const percent = (idle * 100).toFixed(0);
        refusals.push(`filter, round ${round}: ${name} left ${percent} % of its core idle: the load was the limit`);
      }
    }
    return {
      results: CLASS_COUNTS.flatMap((classes) => resultsOf(rates, classes)),
      figures: figuresOf(rates),
      refusals,
    };
  } finally {
    for (const lab of labs) lab.remove();
  }
}

interface Rate {
  readonly perSecond: number;
  readonly idle: number;
}

/** Of each setup the median of its turns. */
async function measureRound(labs: readonly FilterLab[]): Promise<Map<string, Rate>> {
  const slices = new Map<string, Slice[]>(labs.map(({ name }) => [name, []]));
  for (let turn = 0; turn < TURNS; turn++) {
    for (const lab of turn % 2 === 0 ? labs : labs.toReversed()) slices.get(lab.name)?.push(await lab.measure());
  }
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return new Map(
    [...slices].map(([name, turns]) => [
      name,
      {
        perSecond: median(turns.map(({ perSecond }) => perSecond)),
        idle: sum(turns.map(({ idle }) => idle)) / sum(turns.map(({ total }) => total)),
      },
    ]),
  );
}

/** Of the ruleset with the most grants. */
function resultsOf(rates: ReadonlyMap<string, readonly number[]>, classes: ClassCount): Result[] {
  const rivals: readonly (readonly [Against, string])[] = [
    // Ours without a grant: what grants cost, and nothing else.
    ['none', grantsName(0, classes)],
    ['no-rules', NO_RULES.name],
    ['grants-100', grantsName(100, classes)],
    ...RULES.map((rules) => [`iptables-${rules}`, `iptables-${rules}`] as const),
    ...RULES.map((rules) => [`iptables-established-${rules}`, `iptables-established-${rules}`] as const),
  ];
  const most = rates.get(grantsName(MOST_GRANTS, classes)) ?? [];
  const bench = classes === 1 ? 'filter' : `filter-${classes}-classes`;
  return rivals.map(([against, name]) => ({ bench, against, ...ratioOf(most, rates.get(name) ?? []) }));
}

/** The rate, and the time by which a connection takes longer than with no rules at all. */
function figuresOf(rates: ReadonlyMap<string, readonly number[]>): Figure[] {
  const bare = rates.get(NO_RULES.name) ?? [];
  return [...rates].flatMap(([name, values]): Figure[] => {
    const more = values.map((perSecond, i) => 1e6 / perSecond - 1e6 / (bare[i] ?? Number.NaN));
    const rate: Figure = { bench: 'filter', what: name, value: median(values), unit: 'connections/s' };
    const cost: Figure = { bench: 'filter', what: `${name}, more than no-rules`, value: median(more), unit: 'µs' };
    return name === NO_RULES.name ? [rate] : [rate, cost];
  });
}
