// Policies from files. All files are read and all their problems reported before anything is decided: one bad file rejects the set,
// because the rest alone might open what the bad one was meant to close.
import { readFile } from 'node:fs/promises';
import type { Parsed, Problem } from '../../base/errors.ts';
import { completePolicies, readPolicyFile, type PolicyFile } from '../dialects/read-policies.ts';
import type { Policy } from '../policy.ts';
import { ParsedFiles } from './parsed-files.ts';
import { expandPaths, pathProblem, reasonOf } from './paths.ts';

/** `paths`: files, folders (not searched below), globs. `parsed` remembers what is the same at the next call. */
export async function loadPolicies(
  paths: readonly string[],
  parsed = new ParsedFiles<PolicyFile>(),
): Promise<Parsed<readonly Policy[]>> {
  const { files, problems } = await expandPaths(paths);
  const texts = await Promise.all(files.map(readTextFile));
  const textOf = new Map(texts.map((text, i) => [files[i] ?? '', text]));
  const found = collectPolicies(parsed.parse(textOf, (text, path) => readPolicyFile(text, path)));
  if (problems.length === 0) return found;
  return { ok: false, problems: [...problems, ...(found.ok ? [] : found.problems)] };
}

/** The policies of several files as one set: a kind, namespace and name may stand in it once. */
export function collectPolicies(read: readonly Parsed<PolicyFile>[]): Parsed<readonly Policy[]> {
  const refused = read.flatMap((file) => (file.ok ? [] : file.problems));
  const files = read.flatMap((file) => (file.ok ? [file.value] : []));
  // What a broken file has, the others may refer to.
  const found = refused.length === 0 ? completePolicies(files) : undefined;
  const policies = found?.ok === true ? found.value : files.flatMap((file) => file.policies.filter(isComplete));
  const problems = [...refused, ...(found?.ok === false ? found.problems : []), ...duplicates(policies)];
  return problems.length === 0 ? { ok: true, value: policies } : { ok: false, problems };
}

function isComplete(policy: PolicyFile['policies'][number]): policy is Policy {
  return typeof policy !== 'function';
}

/** Of the same policy twice, the second. */
function duplicates(policies: readonly Policy[]): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, Policy>();
  for (const policy of policies) {
    const key = JSON.stringify([policy.kind, policy.namespace, policy.name]);
    const known = first.get(key);
    if (known === undefined) {
      first.set(key, policy);
      continue;
    }
    const where = policy.namespace === '' ? '' : ` in namespace "${policy.namespace}"`;
    const message = `Rename or remove ${policy.kind} "${policy.name}"${where}: it stands already at ${known.at}`;
    problems.push({ code: 'duplicate-policy', at: policy.at, message });
  }
  return problems;
}

/** The text of one file, or its problem. */
export async function readTextFile(path: string): Promise<Parsed<string>> {
  try {
    return { ok: true, value: new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path)) };
  } catch (error) {
    const why = error instanceof TypeError ? 'it is not UTF-8 text' : reasonOf(error);
    return { ok: false, problems: [pathProblem(path, 'bad-path', `Cannot read ${JSON.stringify(path)}: ${why}`)] };
  }
}
