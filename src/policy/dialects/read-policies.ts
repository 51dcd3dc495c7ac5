// The text of one file → its policies, whatever their dialect: looks at apiVersion and kind, and leaves the rest to the dialect.
import type { Parsed } from '../../base/errors.ts';
import type { Policy } from '../policy.ts';
import { CIDR_GROUP_KIND, CidrGroups, collectGroups, readCidrGroup, type CidrGroup } from './cilium/cidr-groups.ts';
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

/** A policy that names groups of CIDRs, which may stand in another file: it is read again when all of them are there. */
type WaitingPolicy = (groups: CidrGroups) => Parsed<Policy>;

/** What the documents of one file say. */
export interface PolicyFile {
  readonly policies: readonly (Policy | WaitingPolicy)[];
  readonly groups: readonly CidrGroup[];
}

interface Dialect {
  readonly apiVersion: string;
  /** Read as well. */
  readonly olderVersion?: string;
  /** Undefined: refused, and why is in the reader's problems. */
  readonly read: (
    document: MapNode,
    kind: string,
    reader: FieldReader,
  ) => Policy | WaitingPolicy | CidrGroup | undefined;
}

const CIDR_GROUP: Dialect = {
  apiVersion: CILIUM_API_VERSION,
  olderVersion: 'cilium.io/v2alpha1',
  read: (document, _kind, reader) => readCidrGroup(document, reader),
};
const KINDS: ReadonlyMap<string, Dialect> = new Map<string, Dialect>([
  ...CILIUM_KINDS.map((kind): [string, Dialect] => [kind, { apiVersion: CILIUM_API_VERSION, read: readCilium }]),
  [CIDR_GROUP_KIND, CIDR_GROUP],
  [NETWORK_POLICY_KIND, { apiVersion: NETWORK_POLICY_API_VERSION, read: readNetworkPolicy }],
  [CLUSTER_POLICY_KIND, { apiVersion: CLUSTER_POLICY_API_VERSION, read: readClusterNetworkPolicy }],
]);

/** A file alone: what its policies refer to must be in it. `file` is only used in messages. */
export function readPolicies(text: string, file: string): Parsed<readonly Policy[]> {
  const read = readPolicyFile(text, file);
  return read.ok ? completePolicies([read.value]) : read;
}

/** All problems of the file at once, in the order of its lines. `file` is only used in messages. */
export function readPolicyFile(text: string, file: string): Parsed<PolicyFile> {
  const problems = new ProblemList();
  const documents = readDocuments(text, file, problems);
  return readPolicyDocuments(documents, file, problems);
}

/** For documents that are parsed already; `problems` holds what their reading found. */
export function readPolicyDocuments(
  documents: readonly Node[],
  file: string,
  problems: ProblemList,
): Parsed<PolicyFile> {
  const reader = new FieldReader(problems);
  if (documents.length === 0 && problems.count === 0) {
    // A file that is being rewritten is empty for a moment; taking that for "no policy" would open every pod.
    const message = 'Cannot read a policy: the file is empty; write one, or remove the file';
    problems.add({ at: `${file}:1:1`, order: 0 }, 'empty-file', message);
  }
  const policies: (Policy | WaitingPolicy)[] = [];
  const groups: CidrGroup[] = [];
  for (const document of documents.flatMap((each) => itemsOf(each, reader))) {
    const read = readDocument(document, reader);
    if (read === undefined) continue;
    if ('cidrs' in read) groups.push(read);
    else policies.push(read);
  }
  return problems.count === 0 ? { ok: true, value: { policies, groups } } : { ok: false, problems: problems.sorted() };
}

/** The policies of files that are all that there are. */
export function completePolicies(files: readonly PolicyFile[]): Parsed<readonly Policy[]> {
  const groups = collectGroups(files.flatMap((file) => file.groups));
  if (!groups.ok) return groups;
  const read = files
    .flatMap(({ policies }) => policies)
    .map((policy) => (typeof policy === 'function' ? policy(groups.value) : ({ ok: true, value: policy } as const)));
  const problems = read.flatMap((each) => (each.ok ? [] : each.problems));
  return problems.length === 0
    ? { ok: true, value: read.flatMap((each) => (each.ok ? [each.value] : [])) }
    : { ok: false, problems };
}

/** What `kubectl get -o yaml` prints of several objects is one document. */
function itemsOf(document: Node, reader: FieldReader): readonly Node[] {
  const kind = document.kind === 'map' ? document.entries.get('kind')?.value : undefined;
  if (document.kind !== 'map' || kind?.kind !== 'scalar' || kind.value !== 'List') return [document];
  reader.map(document, { what: 'a List', known: ['apiVersion', 'kind', 'metadata', 'items'] });
  const apiVersion = readHead(document, 'apiVersion', 'apiVersion: v1', reader);
  if (apiVersion !== undefined && apiVersion.text !== 'v1') {
    const message = `Cannot read a List of apiVersion ${JSON.stringify(apiVersion.text)}: write "v1"`;
    reader.fail(apiVersion.node.place, 'unknown-kind', message);
  }
  const items = reader.required(document, 'items', 'the List', 'items: with its policies');
  return (items && reader.fullList(items.value, 'items', 'it holds no policy; remove the document')) ?? [];
}

function readDocument(document: Node, reader: FieldReader): Policy | WaitingPolicy | CidrGroup | undefined {
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
  if (apiVersion.text !== dialect.apiVersion && apiVersion.text !== dialect.olderVersion) {
    const message = `Cannot read a ${kind.text} of apiVersion ${JSON.stringify(apiVersion.text)}: write "${dialect.apiVersion}"`;
    return reader.fail(apiVersion.node.place, 'unknown-kind', message);
  }
  return dialect.read(document, kind.text, reader);
}

function readCilium(document: MapNode, kind: string, reader: FieldReader): Policy | WaitingPolicy | undefined {
  const groups = new CidrGroups();
  const policy = readCiliumPolicy(document, kind, reader, groups);
  return groups.isAsked ? waiting(document, kind) : policy;
}

function waiting(document: MapNode, kind: string): WaitingPolicy {
  return (groups) => {
    const problems = new ProblemList();
    const policy = readCiliumPolicy(document, kind, new FieldReader(problems), groups);
    if (policy !== undefined && problems.count === 0) return { ok: true, value: policy };
    return { ok: false, problems: problems.sorted() };
  };
}

function readHead(document: MapNode, field: string, example: string, reader: FieldReader) {
  const entry = reader.required(document, field, 'the document', example);
  const text = entry && reader.text(entry.value, field);
  return entry && text !== undefined ? { text, node: entry.value } : undefined;
}
