// Clients from a YAML file, and what is known of the world around them: who has which addresses. Strict, because an address that is given to the
// wrong client gets its rights.
import type { Parsed } from '../../base/errors.ts';
import { ProblemList, readDocuments, type Node as YamlNode } from '../../policy/dialects/document.ts';
import { readTextFile } from '../../policy/sources/files.ts';
import { ParsedFiles } from '../../policy/sources/parsed-files.ts';
import type { Node, Pod, Service } from '../pod.ts';
import { readClient } from './file/client.ts';
import { EntryReader } from './file/entries.ts';
import { namespaceLabels, readNamespaces, readNodes, readServices } from './file/surroundings.ts';

/** All that there are. */
export interface Clients {
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  /** Of namespace kube-system, where the cluster's DNS is; absent: it is not listed. */
  readonly dnsNamespaceLabels?: NonNullable<Pod['namespaceLabels']>;
}

const FILE = { what: 'a clients file', known: ['clients', 'namespaces', 'nodes', 'services'] };
const DNS_NAMESPACE = 'kube-system';
const NOBODY: Clients = { pods: [], nodes: [], services: [] };

/** Those of the node itself. */
export function ownAddresses({ nodes }: Pick<Clients, 'nodes'>): ReadonlySet<string> {
  return new Set(nodes.flatMap(({ addresses, isLocal }) => (isLocal ? addresses : [])));
}

/** `parsed` remembers what is the same at the next call. */
export async function loadClients(path: string, parsed = new ParsedFiles<Clients>()): Promise<Parsed<Clients>> {
  const text = await readTextFile(path);
  const [read] = parsed.parse(new Map([[path, text]]), (content) => readClients(content, path));
  return read ?? { ok: true, value: NOBODY };
}

/** All problems of the file at once, in the order of its lines. `file` is only used in messages. */
export function readClients(text: string, file: string): Parsed<Clients> {
  const problems = new ProblemList();
  return readClientDocuments(readDocuments(text, file, problems), file, problems);
}

/** Whether a document is a clients file rather than a policy. */
export function isClientsDocument(document: YamlNode): boolean {
  return document.kind === 'map' && document.entries.has('clients');
}

/** For documents that are parsed already; `problems` holds what their reading found. */
export function readClientDocuments(
  documents: readonly YamlNode[],
  file: string,
  problems: ProblemList,
): Parsed<Clients> {
  const [first, second] = documents;
  if (second !== undefined) {
    const message = 'Remove the second document: a clients file is one; list all clients in it';
    problems.add(second.place, 'bad-value', message);
  }
  if (first === undefined && problems.count === 0) {
    const message = 'Cannot read the clients: the file is empty; write "clients: []" for none';
    problems.add({ at: `${file}:1:1`, order: 0 }, 'empty-file', message);
  }
  const value = first === undefined ? NOBODY : readFile(first, problems);
  return problems.count === 0 ? { ok: true, value } : { ok: false, problems: problems.sorted() };
}

function readFile(document: YamlNode, problems: ProblemList): Clients {
  const entries = new EntryReader(problems);
  const map = entries.fields.map(document, FILE);
  if (map === undefined) return NOBODY;
  entries.fields.required(map, 'clients', 'the file', 'clients: []');
  const clients = entries.items(map, 'clients').flatMap((item) => readClient(item, entries) ?? []);
  const namespaces = readNamespaces(map, entries);
  const ofDns = namespaces.get(DNS_NAMESPACE);
  return {
    ...(ofDns === undefined ? {} : { dnsNamespaceLabels: ofDns }),
    pods: clients.map((pod) => ({ ...pod, namespaceLabels: namespaceLabels(pod.namespace, namespaces) })),
    nodes: readNodes(map, entries),
    services: readServices(map, entries),
  };
}
