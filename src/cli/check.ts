// `namewall check`: reads policies and clients files as the agent would, and reports every problem of all of them.
import { parseArgs } from 'node:util';
import type { Parsed, Problem } from '../base/errors.ts';
import type { Pod } from '../pods/pod.ts';
import { isClientsDocument, readClientDocuments } from '../pods/sources/file.ts';
import { ProblemList, readDocuments } from '../policy/dialects/document.ts';
import { readPolicyDocuments, type PolicyFile } from '../policy/dialects/read-policies.ts';
import { withoutIgnored } from '../policy/ignored.ts';
import { lint } from '../policy/lint.ts';
import { collectPolicies, readTextFile } from '../policy/sources/files.ts';
import { expandPaths } from '../policy/sources/paths.ts';

const HELP = `Usage: namewall check PATH…

Checks policy files, and clients files (those that begin with "clients:"). A PATH is a file, a folder (its *.yaml, *.yml
and *.json files, not its subfolders) or a glob. Prints one line for each problem, as FILE:LINE:COL: error[CODE]: MESSAGE,
to standard error, and a summary to standard output. Changes nothing and needs no privileges.

What can be enforced, but may be meant otherwise, is a warning: warning[CODE]. The codes: no-dot-boundary, broad-pattern,
duplicate-name, all-ports, doh-resolver; with a clients file also selects-nobody. A comment on its line, or on the one before,
answers a warning: "# namewall-ignore CODE: REASON". The reason is required; a comment that answers nothing is a warning itself.

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

type Level = 'error' | 'warning';

interface Io {
  out(text: string): void;
  err(text: string): void;
}

type FileContent =
  | { readonly kind: 'policies'; readonly read: Parsed<PolicyFile>; readonly text?: string }
  | { readonly kind: 'clients'; readonly read: Parsed<readonly Pod[]> };

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

  const { files, problems: pathProblems } = await expandPaths(args.positionals);
  const contents = await Promise.all(files.map(readAny));
  const policies = collectPolicies(contents.flatMap((content) => (content.kind === 'policies' ? [content.read] : [])));
  const clients = contents.flatMap((content) => (content.kind === 'clients' ? [content.read] : []));
  const clientList = clients.flatMap((read) => (read.ok ? read.value : []));
  const isWhole = clients.length > 0 && clients.every((read) => read.ok);
  const texts = new Map(contents.flatMap((content, i) => textOf(content, files[i]!)));
  const found = policies.ok ? lint(policies.value, isWhole ? clientList : undefined) : [];
  const { warnings, problems: misread } = policies.ok
    ? withoutIgnored(found, texts, isWhole ? [] : ['selects-nobody'])
    : { warnings: [], problems: [] };
  const refused = [policies, ...clients].flatMap((read) => (read.ok ? [] : read.problems));
  const problems = [...pathProblems, ...refused, ...misread];
  const exitCode = problems.length === 0 ? 0 : 1;
  if (output === 'json') {
    const all = [...problems.map(levelled('error')), ...warnings.map(levelled('warning'))];
    io.out(`${JSON.stringify(all, undefined, 2)}\n`);
    return exitCode;
  }
  for (const problem of problems) io.err(`${formatProblem(problem)}\n`);
  for (const warning of warnings) io.err(`${formatProblem(warning, 'warning')}\n`);

  const counts = [count(files.length, 'file', 'files')];
  if (policies.ok) counts.push(count(policies.value.length, 'policy', 'policies'));
  if (clients.length > 0) counts.push(count(clientList.length, 'client', 'clients'));
  counts.push(problems.length === 0 ? 'no problems' : count(problems.length, 'problem', 'problems'));
  if (warnings.length > 0) counts.push(count(warnings.length, 'warning', 'warnings'));
  io.out(`${counts.join(', ')}\n`);
  return exitCode;
}

export function formatProblem({ at, code, message }: Problem, level: Level = 'error'): string {
  return `${at}: ${level}[${code}]: ${message}`;
}

function levelled(level: Level) {
  return ({ at, code, message }: Problem) => ({ level, at, code, message });
}

async function readAny(file: string): Promise<FileContent> {
  const text = await readTextFile(file);
  if (!text.ok) return { kind: 'policies', read: text };
  const problems = new ProblemList();
  const documents = readDocuments(text.value, file, problems);
  if (documents.some(isClientsDocument))
    return { kind: 'clients', read: readClientDocuments(documents, file, problems) };
  return { kind: 'policies', read: readPolicyDocuments(documents, file, problems), text: text.value };
}

/** JSON has no comments. */
function textOf(content: FileContent, file: string): [string, string][] {
  return content.kind === 'policies' && content.text !== undefined && !file.endsWith('.json')
    ? [[file, content.text]]
    : [];
}

function misused(io: Io, why: string): number {
  io.err(`namewall check: ${why}\nTry "namewall check --help"\n`);
  return 2;
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
