// npm run mutations -- [TEXT]: makes one mistake of mutations.txt after the other in a copy of the repository, and says which test notices; with
// TEXT only those whose file or title has it. Exit 1: nobody noticed one, or one does not fit the source any more.
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutated, readMutations, type Mutation } from './mutations.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'test', 'policies', 'package.json', 'tsconfig.json'];
const AT_ONCE = 2;
/** Random cases of the slow properties: enough for every mutation there is, and for an answer within seconds. */
const CASES = '300';
/** A mutation that makes a search endless is noticed, too. */
const LONGEST_MS = 120_000;

/** `broken`: no test ran, so that nothing is known. */
type Outcome = { readonly kind: 'caught'; readonly by: string } | { readonly kind: 'survived' | 'broken' };

/** What of vitest's JSON is read. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

const running = new Set<ChildProcess>();
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
process.exitCode = await run(process.argv[2] ?? '');

async function run(wanted: string): Promise<number> {
  const mutations = readMutations().filter(({ file, title }) => `${file}: ${title}`.includes(wanted));
  for (const each of mutations) mutated(readFileSync(join(ROOT, each.file), 'utf8'), each);
  const folder = mkdtempSync(join(tmpdir(), 'namewall-mutations-'));
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  const copies = Array.from({ length: AT_ONCE }, (_, i) => copyTo(join(folder, String(i))));
  const unchanged = await outcomeOf(copies[0] ?? folder, '');
  if (unchanged.kind !== 'survived') {
    say(`A test fails without any mutation: ${unchanged.kind === 'caught' ? unchanged.by : 'none ran'}`);
    return 1;
  }
  const outcomes = await inTurn(mutations, copies);
  const count = (kind: Outcome['kind']): number => outcomes.filter((each) => each.kind === kind).length;
  say(
    `${mutations.length} mutations: ${count('caught')} caught, ${count('survived')} survived, ${count('broken')} broken`,
  );
  return count('caught') === mutations.length && mutations.length > 0 ? 0 : 1;
}

function copyTo(copy: string): string {
  for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Each copy takes the next mutation as soon as it is done with one. */
async function inTurn(mutations: readonly Mutation[], copies: readonly string[]): Promise<Outcome[]> {
  const left = mutations.values();
  const outcomes: Outcome[] = [];
  const work = async (copy: string): Promise<void> => {
    for (const mutation of left) {
      const outcome = await judge(mutation, copy);
      outcomes.push(outcome);
      const by = outcome.kind === 'caught' ? `\n         by ${outcome.by}` : '';
      say(`${outcome.kind.padEnd(8)} ${mutation.file}: ${mutation.title}${by}`);
    }
  };
  await Promise.all(copies.map(work));
  return outcomes;
}

async function judge(mutation: Mutation, copy: string): Promise<Outcome> {
  const path = join(copy, mutation.file);
  const original = readFileSync(path, 'utf8');
  writeFileSync(path, mutated(original, mutation));
  const outcome = await outcomeOf(copy, basename(mutation.file, '.ts'));
  writeFileSync(path, original);
  return outcome;
}

/** `survived`: every test passes. */
async function outcomeOf(copy: string, changed: string): Promise<Outcome> {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const command = ['run', '--config', 'test/mutations/vitest.config.ts', '--reporter=json', `--outputFile=${report}`];
  const child = spawn(join(ROOT, 'node_modules/.bin/vitest'), command, {
    cwd: copy,
    env: { ...process.env, CASES, MUTATED: changed },
    stdio: 'ignore',
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  });
  const { promise, resolve, reject } = Promise.withResolvers<NodeJS.Signals | number | null>();
  running.add(child);
  child.on('error', reject);
  child.on('close', (code, signal) => resolve(signal ?? code));
  const ending = await promise;
  running.delete(child);
  if (ending === 'SIGKILL') return { kind: 'caught', by: `no end within ${LONGEST_MS / 1000} s` };
  if (ending === 0) return { kind: 'survived' };
  return failureIn(readFileSync(report, 'utf8'));
}

function failureIn(report: string): Outcome {
  const { testResults } = JSON.parse(report) as Report; // of vitest, which we started
  for (const { name, assertionResults } of testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed');
    if (failed !== undefined) return { kind: 'caught', by: `${basename(name)}: ${failed.fullName}` };
  }
  return { kind: 'broken' };
}
