// The head of a document of Cilium: which fields stand at its top, and what metadata says. What the API server and kubectl write there
// restricts nothing.
import type { Entry, MapNode } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { isDnsLabel, isDnsSubdomain } from '../kubernetes-names.ts';

const SERVER_FIELDS = [
  'creationTimestamp',
  'finalizers',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
];
const METADATA_FIELDS = { what: 'metadata', known: ['name', 'namespace', 'labels', 'annotations', ...SERVER_FIELDS] };

export interface DocumentKind {
  readonly kind: string;
  /** In messages. */
  readonly noun: 'policy' | 'group';
  readonly isNamespaced: boolean;
  /** At the top, beside apiVersion, kind, metadata and status. */
  readonly fields: readonly string[];
}

export interface DocumentHead {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Entry | undefined;
}

export function readDocumentHead(
  document: MapNode,
  { kind, noun, isNamespaced, fields }: DocumentKind,
  reader: FieldReader,
): DocumentHead | undefined {
  reader.map(document, { what: `a ${kind}`, known: ['apiVersion', 'kind', 'metadata', 'status', ...fields] });
  const entry = reader.required(document, 'metadata', `the ${noun}`, `metadata: {name: my-${noun}}`);
  const map = entry && reader.map(entry.value, METADATA_FIELDS);
  if (map === undefined) return undefined;
  const written = map.entries.get('labels');
  const labels = written && reader.texts(written.value, 'label');
  return {
    namespace: readNamespace(map, isNamespaced ? undefined : kind, reader),
    name: readName(map, noun, reader),
    labels: Object.fromEntries([...(labels ?? [])].map(([key, { text }]) => [key, text])),
    annotations: map.entries.get('annotations'),
  };
}

function readName(metadata: MapNode, noun: string, reader: FieldReader): string | undefined {
  const entry = reader.required(metadata, 'name', 'metadata', `name: my-${noun}`);
  const name = entry && reader.text(entry.value, 'metadata.name');
  if (entry === undefined || name === undefined || isDnsSubdomain(name)) return name;
  const rule = 'lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit';
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(name)} as a ${noun}'s name: ${rule}`);
}

/** `homeless`: a kind whose documents belong to no namespace. */
function readNamespace(metadata: MapNode, homeless: string | undefined, reader: FieldReader): string | undefined {
  const entry = metadata.entries.get('namespace');
  if (entry === undefined) return undefined;
  if (homeless !== undefined) {
    return reader.fail(entry.place, 'bad-value', `Remove "namespace": a ${homeless} belongs to none`);
  }
  const namespace = reader.text(entry.value, 'metadata.namespace');
  if (namespace === undefined || isDnsLabel(namespace)) return namespace;
  const rule = 'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit';
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(namespace)} as a namespace: ${rule}`);
}
