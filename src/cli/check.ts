// `namewall check`: reads policies and clients files as the agent would, and reports every problem of all of them.
import { parseArgs } from 'node:util';
import type { Problem } from '../base/errors.ts';
import { withoutIgnored } from '../policy/ignored.ts';
import { CLIENT_CODES, lint, notes } from '../policy/lint.ts';
import { readPolicyFiles } from './policy-files.ts';

const HELP = `Usage: namewall check PATH…

Checks policy files, and clients files (those that begin with "clients:"). A PATH is a file, a folder (its *.yaml, *.yml
and *.json files, not its subfolders) or a glob. Prints one line for each problem, as FILE:LINE:COL: error[CODE]: MESSAGE,
to standard error, and a summary to standard output. Changes nothing and needs no privileges.

What can be enforced, but may be meant otherwise, is a warning: warning[CODE]. The codes: no-dot-boundary, broad-pattern,
public-suffix, duplicate-name, shadowed-name, all-ports, doh-resolver, duplicate-rule, shadowed-rule, unreachable-rule,
locks-dns-out, no-dns, open-dns; with a clients file also selects-nobody, reaches-nobody. A comment on its line, or on the one before,
answers a warning: "# namewall-ignore CODE: REASON". The reason is required; a comment that answers nothing is a warning itself.
How policies are understood where they do not say it themselves is a note, on standard output: note[CODE].

Options:
  -o, --output text|json   json: one array of {level, at, code, message} on standard output, and no other text (default: text)
  --help                   print this text

Exit codes:
  0  no error; there may be warnings
  1  at least one error
  2  the command line is wrong

Examples:
  namewall check policies
  namewall check clients.yaml 'policies/*.yaml'
`;

type Level = 'error' | 'warning' | 'note';

interface Io {
  out(text: string): void;
  err(text: string): void;
}

export async function run(argv: readonly string[], io: Io): Promise<number> {
  let args;
  try {
    const options = { help: { type: 'boolean' }, output: { type: 'string', short: 'o', default: 'text' } } as const;
    args = parseArgs({ args: [...argv], allowPositionals: true, options });
  } catch (error) {
    return misused(io, error instanceof Error ? error.message : String(error));
  }
  if (args.values.help === true) {
    io.out(HELP);
    return 0;
  }
  const { output } = args.values;
  if (output !== 'text' && output !== 'json') return misused(io, `-o takes text or json, not "${output}"`);
  if (args.positionals.length === 0) return misused(io, 'write at least one file, folder or glob');

  const { fileCount, policies, clients, problems: refused, texts } = await readPolicyFiles(args.positionals);
  const known = clients?.ok === true ? clients.value : undefined;
  const found = policies.ok ? lint(policies.value, known) : [];
  const { warnings, problems: misread } = policies.ok
    ? withoutIgnored(found, texts, known === undefined ? CLIENT_CODES : [])
    : { warnings: [], problems: [] };
  const said = policies.ok ? notes(policies.value) : [];
  const problems = [...refused, ...misread];
  const exitCode = problems.length === 0 ? 0 : 1;
  if (output === 'json') {
    const all = [problems.map(levelled('error')), warnings.map(levelled('warning')), said.map(levelled('note'))].flat();
    io.out(`${JSON.stringify(all, undefined, 2)}\n`);
    return exitCode;
  }
  for (const problem of problems) io.err(`${formatProblem(problem)}\n`);
  for (const warning of warnings) io.err(`${formatProblem(warning, 'warning')}\n`);
  for (const note of said) io.out(`${formatProblem(note, 'note')}\n`);

  const counts = [count(fileCount, 'file', 'files')];
  if (policies.ok) counts.push(count(policies.value.length, 'policy', 'policies'));
  if (clients !== undefined) counts.push(count(known?.pods.length ?? 0, 'client', 'clients'));
  counts.push(problems.length === 0 ? 'no problems' : count(problems.length, 'problem', 'problems'));
  if (warnings.length > 0) counts.push(count(warnings.length, 'warning', 'warnings'));
  if (said.length > 0) counts.push(count(said.length, 'note', 'notes'));
  io.out(`${counts.join(', ')}\n`);
  return exitCode;
}

export function formatProblem({ at, code, message }: Problem, level: Level = 'error'): string {
  return `${at}: ${level}[${code}]: ${message}`;
}

function levelled(level: Level) {
  return ({ at, code, message }: Problem) => ({ level, at, code, message });
}

function misused(io: Io, why: string): number {
  io.err(`namewall check: ${why}\nTry "namewall check --help"\n`);
  return 2;
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
