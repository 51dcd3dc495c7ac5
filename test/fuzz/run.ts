// npm run fuzz -- [--minutes N] [--seed N] [--unguided] [--replay FILE]: fuzzes the codec and the data plane, see README.md. Exit 1: something was found.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Coverage } from './coverage.ts';
import { FINDINGS, writeFinding } from './findings.ts';
import { Watchdog } from './watchdog.ts';

const HELP = `Usage: npm run fuzz -- [--minutes N] [--seed N] [--unguided] [--replay FILE]

--minutes N    30 without it; may be a fraction
--seed N       begins with this one; without it a random one, which is printed
--unguided     nothing is bred from what reached new code
--replay FILE  plays a case of test/fuzz/corpus or test/fuzz/findings in each kind of world
`;
const MINUTE_MS = 60_000;
const LARGEST_SEED = 2 ** 31 - 1;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(randomInt(LARGEST_SEED)) },
    unguided: { type: 'boolean', default: false },
    replay: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): boolean => process.stdout.write(`${line}\n`);

if (values.help) say(HELP);
else
  process.exitCode =
    values.replay === undefined ? await fuzz(Number(values.minutes), Number(values.seed)) : await replay(values.replay);

async function replay(file: string): Promise<number> {
  const { readCase, writeCase } = await import('./case.ts');
  const { KINDS_OF_WORLD } = await import('./engine.ts');
  const { playAlone } = await import('./judge.ts');
  const { readCorpus } = await import('./corpus.ts');
  const steps = readCase(readFileSync(file, 'utf8'));
  const watchdog = new Watchdog(FINDINGS);
  const [first] = KINDS_OF_WORLD;
  if (first !== undefined) for (const seed of readCorpus().values()) playAlone(seed, first); // so that the code is compiled
  watchdog.watch(writeCase(steps));
  const found = KINDS_OF_WORLD.map((options) => playAlone(steps, options));
  await watchdog.stop();
  found.forEach((finding, i) =>
    say(
      `${JSON.stringify(KINDS_OF_WORLD[i])}: ${finding === undefined ? 'nothing' : `${finding.kind}\n  ${finding.text}`}`,
    ),
  );
  return found.some((finding) => finding !== undefined) ? 1 : 0;
}

async function fuzz(minutes: number, seed: number): Promise<number> {
  const coverage = Coverage.start(); // before anything of src is imported
  const { packCase } = await import('./case.ts');
  const { readCorpus } = await import('./corpus.ts');
  const { Engine } = await import('./engine.ts');
  const { SLOW } = await import('./judge.ts');
  const { Memory } = await import('./memory.ts');
  coverage.forget();
  const watchdog = new Watchdog(FINDINGS);
  let findings = 0;
  say(`seed ${seed}, ${minutes} minutes`);
  const report = (finding: { kind: string; text: string }, steps: string, note = ''): void => {
    const file = writeFinding(FINDINGS, finding, steps);
    if (finding.kind === SLOW && !isSlowByItself(file)) return rmSync(file);
    findings++;
    say(`FOUND ${finding.kind}${note}\n  ${finding.text.split('\n', 1)[0]?.slice(0, 300)}\n  ${file}`);
  };
  const engine = new Engine({
    seed,
    seeds: [...readCorpus().values()],
    coverage,
    isGuided: !values.unguided,
    watchdog,
    found: ({ finding, steps, isRepeated }) =>
      report(finding, packCase(steps), isRepeated ? '' : ' (seen once, not again)'),
  });
  const memory = new Memory();
  const beginMs = performance.now();
  for (let minute = 1, before = 0; performance.now() - beginMs < minutes * MINUTE_MS;) {
    engine.step();
    const elapsedMs = performance.now() - beginMs;
    if (elapsedMs < minute * MINUTE_MS && elapsedMs < minutes * MINUTE_MS) continue;
    const speed = Math.round((engine.messages - before) / ((elapsedMs - (minute - 1) * MINUTE_MS) / 1000));
    const grown = memory.look(minute);
    say(
      `${minute} min: ${engine.messages} messages, ${speed}/s, ${engine.cases} cases, corpus ${engine.pool.size}, ` +
        `${coverage.characters} characters of src reached, slowest ${engine.slowestMs.toFixed(1)} ms, ${memory.text}`,
    );
    if (grown !== undefined) report({ kind: 'leak: memory', text: grown }, '');
    before = engine.messages;
    minute = Math.floor(elapsedMs / MINUTE_MS) + 1;
  }
  await watchdog.stop();
  say(`judged: ${engine.judged}`);
  say(findings === 0 ? 'nothing found' : `${findings} found`);
  return findings === 0 ? 0 : 1;
}

/** In a process of its own, whose code nobody counts. */
function isSlowByItself(file: string): boolean {
  return spawnSync(process.execPath, [import.meta.filename, '--replay', file], { stdio: 'ignore' }).status === 1;
}
