// Policies and clients from the same list of paths, as commands take them: which is which is told by what a file begins with.
import type { Parsed, Problem } from '../base/errors.ts';
import { isClientsDocument, readClientDocuments, type Clients } from '../pods/sources/file.ts';
import { ProblemList, readDocuments } from '../policy/dialects/document.ts';
import { readPolicyDocuments, type PolicyFile } from '../policy/dialects/read-policies.ts';
import type { Policy } from '../policy/policy.ts';
import { collectPolicies, readTextFile } from '../policy/sources/files.ts';
import { expandPaths } from '../policy/sources/paths.ts';

export interface PolicyFiles {
  readonly fileCount: number;
  readonly policies: Parsed<readonly Policy[]>;
  /** Of all clients files; undefined: there is none. */
  readonly clients: Parsed<Clients> | undefined;
  /** Of all of it. */
  readonly problems: readonly Problem[];
  /** The YAML files that hold policies, by the names that places begin with. JSON has no comments. */
  readonly texts: ReadonlyMap<string, string>;
}

type FileContent =
  | { readonly kind: 'policies'; readonly read: Parsed<PolicyFile>; readonly text?: string }
  | { readonly kind: 'clients'; readonly read: Parsed<Clients> };

/** `paths`: files, folders (not searched below), globs. */
export async function readPolicyFiles(paths: readonly string[]): Promise<PolicyFiles> {
  const { files, problems: pathProblems } = await expandPaths(paths);
  const contents = await Promise.all(files.map(readAny));
  const policies = collectPolicies(contents.flatMap((content) => (content.kind === 'policies' ? [content.read] : [])));
  const clients = joined(contents.flatMap((content) => (content.kind === 'clients' ? [content.read] : [])));
  const refused = [policies, ...(clients === undefined ? [] : [clients])].flatMap((read) =>
    read.ok ? [] : read.problems,
  );
  const texts = new Map(contents.flatMap((content, i) => textOf(content, files[i]!)));
  return { fileCount: files.length, policies, clients, problems: [...pathProblems, ...refused], texts };
}

function joined(read: readonly Parsed<Clients>[]): Parsed<Clients> | undefined {
  if (read.length === 0) return undefined;
  const problems = read.flatMap((each) => (each.ok ? [] : each.problems));
  if (problems.length > 0) return { ok: false, problems };
  const all = read.flatMap((each) => (each.ok ? [each.value] : []));
  return {
    ok: true,
    value: {
      ...all.find(({ dnsNamespaceLabels }) => dnsNamespaceLabels !== undefined),
      pods: all.flatMap(({ pods }) => pods),
      nodes: all.flatMap(({ nodes }) => nodes),
      services: all.flatMap(({ services }) => services),
    },
  };
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

function textOf(content: FileContent, file: string): [string, string][] {
  return content.kind === 'policies' && content.text !== undefined && !file.endsWith('.json')
    ? [[file, content.text]]
    : [];
}
