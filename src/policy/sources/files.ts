// Policies from files. All files are read and all their problems reported before anything is decided: one bad file rejects the set,
// because the rest alone might open what the bad one was meant to close.
import { readFile } from 'node:fs/promises';
import type { Parsed, Problem } from '../../base/errors.ts';
import { readPolicies } from '../dialects/read-policies.ts';
import type { Policy } from '../policy.ts';
import { ParsedFiles } from './parsed-files.ts';
import { expandPaths, pathProblem, reasonOf } from './paths.ts';

/** `paths`: files, folders (not searched below), globs. `parsed` remembers what is the same at the next call. */
export async function loadPolicies(
  paths: readonly string[],
  parsed = new ParsedFiles<readonly Policy[]>(),
): Promise<Parsed<readonly Policy[]>> {
  const { files, problems } = await expandPaths(paths);
  const texts = await Promise.all(files.map(readTextFile));
  const textOf = new Map(texts.map((text, i) => [files[i] ?? '', text]));
  const found = collectPolicies(parsed.parse(textOf, (text, path) => readPolicies(text, path)));
  if (problems.length === 0) return found;
  return { ok: false, problems: [...problems, ...(found.ok ? [] : found.problems)] };
}

/** The policies of several files as one set: a kind, namespace and name may stand in it once. */
export function collectPolicies(read: readonly Parsed<readonly Policy[]>[]): Parsed<readonly Policy[]> {
  const policies: Policy[] = [];
  const problems: Problem[] = [];
  const first = new Map<string, Policy>();
  for (const file of read) {
    if (!file.ok) {
      problems.push(...file.problems);
      continue;
    }
    for (const policy of file.value) {
      const key = JSON.stringify([policy.kind, policy.namespace, policy.name]);
      const known = first.get(key);
      if (known === undefined) {
        first.set(key, policy);
        policies.push(policy);
        continue;
      }
      const where = policy.namespace === '' ? '' : ` in namespace "${policy.namespace}"`;
      const message = `Rename or remove ${policy.kind} "${policy.name}"${where}: it stands already at ${known.at}`;
      problems.push({ code: 'duplicate-policy', at: policy.at, message });
    }
  }
  return problems.length === 0 ? { ok: true, value: policies } : { ok: false, problems };
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
