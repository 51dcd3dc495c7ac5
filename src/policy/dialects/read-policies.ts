// The text of one file → its policies, whatever their dialect: looks at apiVersion and kind, and leaves the rest to the dialect.
import type { Parsed } from '../../base/errors.ts';
import type { Policy } from '../policy.ts';
import { CILIUM_API_VERSION, CILIUM_KINDS, readCiliumPolicy } from './cilium.ts';
import {
  CLUSTER_POLICY_API_VERSION,
  CLUSTER_POLICY_KIND,
  readClusterNetworkPolicy,
  replacementOf,
} from './cluster-network-policy.ts';
import { ProblemList, readDocuments, type MapNode, type Node } from './document.ts';
import { FieldReader, nearest } from './fields.ts';
import { NETWORK_POLICY_API_VERSION, NETWORK_POLICY_KIND, readNetworkPolicy } from './network-policy.ts';

interface Dialect {
  readonly apiVersion: string;
  /** Undefined: refused, and why is in the reader's problems. */
  readonly read: (document: MapNode, kind: string, reader: FieldReader) => Policy | undefined;
}

const KINDS: ReadonlyMap<string, Dialect> = new Map([
  ...CILIUM_KINDS.map((kind) => [kind, { apiVersion: CILIUM_API_VERSION, read: readCiliumPolicy }] as const),
  [NETWORK_POLICY_KIND, { apiVersion: NETWORK_POLICY_API_VERSION, read: readNetworkPolicy }],
  [CLUSTER_POLICY_KIND, { apiVersion: CLUSTER_POLICY_API_VERSION, read: readClusterNetworkPolicy }],
]);

/** All problems of the file at once, in the order of its lines. `file` is only used in messages. */
export function readPolicies(text: string, file: string): Parsed<readonly Policy[]> {
  const problems = new ProblemList();
  const documents = readDocuments(text, file, problems);
  return readPolicyDocuments(documents, file, problems);
}

/** For documents that are parsed already; `problems` holds what their reading found. */
export function readPolicyDocuments(
  documents: readonly Node[],
  file: string,
  problems: ProblemList,
): Parsed<readonly Policy[]> {
  const reader = new FieldReader(problems);
  if (documents.length === 0 && problems.count === 0) {
    // A file that is being rewritten is empty for a moment; taking that for "no policy" would open every pod.
    const message = 'Cannot read a policy: the file is empty; write one, or remove the file';
    problems.add({ at: `${file}:1:1`, order: 0 }, 'empty-file', message);
  }
  const policies = documents.flatMap((document) => readDocument(document, reader) ?? []);
  return problems.count === 0 ? { ok: true, value: policies } : { ok: false, problems: problems.sorted() };
}

function readDocument(document: Node, reader: FieldReader): Policy | undefined {
  if (document.kind !== 'map') {
    const message = 'Cannot read a policy: the document must be a mapping that begins with apiVersion and kind';
    return reader.fail(document.place, 'wrong-type', message);
  }
  const apiVersion = readHead(document, 'apiVersion', `apiVersion: ${CILIUM_API_VERSION}`, reader);
  const kind = readHead(document, 'kind', 'kind: CiliumNetworkPolicy', reader);
  if (apiVersion === undefined || kind === undefined) return undefined;
  const replacement = replacementOf(kind.text);
  if (replacement !== undefined) {
    return reader.fail(
      kind.node.place,
      'unknown-kind',
      `Cannot read a document of kind "${kind.text}": ${replacement}`,
    );
  }
  const dialect = KINDS.get(kind.text);
  if (dialect === undefined) {
    const near = nearest(kind.text, [...KINDS.keys()]);
    const hint = near === undefined ? `write one of ${[...KINDS.keys()].join(', ')}` : `did you mean "${near}"?`;
    const message = `Cannot read a document of kind ${JSON.stringify(kind.text)}: not supported yet; ${hint}`;
    return reader.fail(kind.node.place, 'unknown-kind', message);
  }
  if (apiVersion.text !== dialect.apiVersion) {
    const message = `Cannot read a ${kind.text} of apiVersion ${JSON.stringify(apiVersion.text)}: write "${dialect.apiVersion}"`;
    return reader.fail(apiVersion.node.place, 'unknown-kind', message);
  }
  return dialect.read(document, kind.text, reader);
}

function readHead(document: MapNode, field: string, example: string, reader: FieldReader) {
  const entry = reader.required(document, field, 'the document', example);
  const text = entry && reader.text(entry.value, field);
  return entry && text !== undefined ? { text, node: entry.value } : undefined;
}
