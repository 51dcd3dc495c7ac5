// Test files → tests: which files, which of the two formats, and that no name stands twice. All problems of all files at once.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Parsed, Problem } from '../../base/errors.ts';
import { ProblemList, readDocuments } from '../../policy/dialects/document.ts';
import { FieldReader } from '../../policy/dialects/fields.ts';
import { readTextFile } from '../../policy/sources/files.ts';
import { DEFAULT_TIMEOUT_MS, type TestCase } from './case.ts';
import { readV1 } from './netassert-v1.ts';
import { readV2 } from './netassert-v2.ts';

export interface LoadOptions {
  /** Of tests that do not set their own. */
  readonly timeoutMs: number;
  /** What `-` means. */
  readonly readInput: () => Promise<string>;
}

/** `paths`: files, folders (their *.yaml and *.yml files, not searched below), `-`. */
export async function loadTests(paths: readonly string[], options: LoadOptions): Promise<Parsed<readonly TestCase[]>> {
  const tests: TestCase[] = [];
  const problems: Problem[] = [];
  for (const path of paths) {
    const files = await filesOf(path);
    if (!files.ok) problems.push(...files.problems);
    for (const file of files.ok ? files.value : []) {
      const text = file === '-' ? ({ ok: true, value: await options.readInput() } as const) : await readTextFile(file);
      const read = text.ok ? readTests(text.value, file === '-' ? 'stdin' : file, options.timeoutMs) : text;
      if (read.ok) tests.push(...read.value);
      else problems.push(...read.problems);
    }
  }
  problems.push(...duplicates(tests));
  return problems.length === 0 ? { ok: true, value: tests } : { ok: false, problems };
}

/** One file. A list is netassert v2, a mapping is v1, an empty file has no tests. `file` is only used in messages. */
export function readTests(text: string, file: string, timeoutMs = DEFAULT_TIMEOUT_MS): Parsed<readonly TestCase[]> {
  const problems = new ProblemList();
  const [root, second] = readDocuments(text, file, problems);
  if (second !== undefined) problems.add(second.place, 'one-document', 'Remove all but the first YAML document');
  const reader = new FieldReader(problems);
  const tests =
    root?.kind === 'list'
      ? readV2(root, reader, timeoutMs)
      : root?.kind === 'map'
        ? readV1(root, reader, timeoutMs)
        : [];
  if (root?.kind === 'scalar') {
    problems.add(root.place, 'wrong-type', 'Cannot read the tests: write a list (netassert v2) or a mapping (v1)');
  }
  return problems.count === 0 ? { ok: true, value: tests } : { ok: false, problems: problems.sorted() };
}

async function filesOf(path: string): Promise<Parsed<readonly string[]>> {
  if (path === '-') return { ok: true, value: [path] };
  try {
    if (!(await stat(path)).isDirectory()) return { ok: true, value: [path] };
    const names = (await readdir(path)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).toSorted();
    if (names.length > 0) return { ok: true, value: names.map((name) => join(path, name)) };
    return { ok: false, problems: [problem(path, 'it holds no *.yaml or *.yml file')] };
  } catch (error) {
    return { ok: false, problems: [problem(path, error instanceof Error ? error.message : String(error))] };
  }
}

function problem(path: string, why: string): Problem {
  return { code: 'bad-path', at: `${path}:1:1`, message: `Cannot read tests from ${JSON.stringify(path)}: ${why}` };
}

function duplicates(tests: readonly TestCase[]): Problem[] {
  const first = new Map<string, string>();
  return tests.flatMap(({ name, at }) => {
    const before = first.get(name);
    if (before === undefined) {
      first.set(name, at);
      return [];
    }
    const message = `duplicate test name found ${JSON.stringify(name)}: it stands already at ${before}`;
    return [{ code: 'duplicate-name', at, message }];
  });
}
