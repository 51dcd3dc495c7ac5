// npm run bench -- [NAME…] [--json FILE]: measures namewall beside its peers, in one run, and prints ratios. See README.md.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { budget } from './budget.ts';
import { commit } from './commit.ts';
import { compileBench } from './compile.ts';
import { fairness } from './fairness.ts';
import { filter } from './filter.ts';
import { latency, lock } from './latency.ts';
import { bench as match } from './match.ts';
import { merge, table } from './report.ts';
import type { Outcome } from './report.ts';
import { revoke } from './revoke.ts';
import { cached, unique } from './throughput.ts';
import type { LoadProgram } from './throughput.ts';

const BENCHES: Readonly<Record<string, (load: LoadProgram) => Outcome | Promise<Outcome>>> = {
  match,
  compile: compileBench,
  commit,
  cached,
  unique,
  latency,
  lock,
  budget,
  fairness,
  filter,
  revoke,
};

const HELP = `Usage: npm run bench -- [NAME…] [--json FILE] [--load flood|dnsperf]

Benches: ${Object.keys(BENCHES).join(', ')}; all without a NAME. Needs root and two cores, and a machine that does nothing else.
--json FILE writes {"results":[{"bench","against","ratio","low","high"}…],"figures":[…],"refusals":[…]}.
ratio = ours / theirs, above 1 is better for us, also where the unit is time.
--load dnsperf: cached and unique are loaded by dnsperf instead of test/bench/flood.ts.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, load: { type: 'string', default: 'flood' }, help: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name));
const load = (['flood', 'dnsperf'] as const).find((program) => program === values.load);
if (values.help === true || unknown.length > 0 || load === undefined) {
  const wrong = load === undefined ? `--load ${values.load}` : `bench ${unknown.join(', ')}`;
  process.stdout.write(values.help === true ? HELP : `Unknown ${wrong}\n${HELP}`);
  process.exit(values.help === true ? 0 : 2);
}
const outcomes: Outcome[] = [];
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const outcome = await bench(load);
  process.stdout.write(table(outcome));
  outcomes.push(outcome);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(merge(outcomes), null, 2)}\n`);
