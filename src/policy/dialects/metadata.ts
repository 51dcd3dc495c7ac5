// metadata of a policy of any kind, and of what belongs to one: its name, its namespace, and the annotations that are addressed to namewall. Annotations of other programs
// are theirs; one of ours that is not understood, or that means nothing for the kind, is refused, never ignored.
import type { Entry, MapNode, Place } from './document.ts';
import { nearest, type FieldReader } from './fields.ts';
import { isDnsLabel, isDnsSubdomain, isLabelKey, isLabelValue } from './kubernetes-names.ts';

const PREFIX = 'namewall.io/';
const MODE = `${PREFIX}mode`;
const MODES = ['audit', 'enforce'];
/** Of kinds that have names. */
export const ALLOW_ANSWER_RANGES = `${PREFIX}allow-answer-ranges`;

/** Written by the API server and by kubectl; they restrict nothing. */
const SERVER_FIELDS = [
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
];
const FIELDS = { what: 'metadata', known: ['name', 'namespace', 'labels', 'annotations', ...SERVER_FIELDS] };
const DEFAULT_NAMESPACE = 'default';

export interface MetadataKind {
  /** For messages. */
  readonly kind: string;
  /** Left out: policy. */
  readonly noun?: 'policy' | 'group';
  readonly isClusterwide: boolean;
  /** What of ours it takes beside namewall.io/mode. */
  readonly annotations?: readonly string[];
}

export interface Metadata {
  /** Undefined: missing or wrong, and in the reader's problems. */
  readonly name: string | undefined;
  /** Empty for a cluster-wide policy. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isAudited: boolean;
  readonly annotations: Annotations;
}

type Annotations = ReadonlyMap<string, { readonly text: string; readonly place: Place }>;

export function readMetadata(document: MapNode, kind: MetadataKind, reader: FieldReader): Metadata | undefined {
  const { noun = 'policy' } = kind;
  const entry = reader.required(document, 'metadata', `the ${noun}`, `metadata: {name: my-${noun}}`);
  const map = entry && reader.map(entry.value, FIELDS);
  if (map === undefined) return undefined;
  const namespace = readNamespace(map, kind, reader) ?? (kind.isClusterwide ? '' : DEFAULT_NAMESPACE);
  const labels = readLabels(map.entries.get('labels'), reader);
  const annotations = readAnnotations(map.entries.get('annotations'), kind, reader);
  const isAudited = readMode(annotations, reader) === 'audit';
  return { name: readName(map, noun, reader), namespace, labels, isAudited, annotations };
}

function readName(metadata: MapNode, noun: string, reader: FieldReader): string | undefined {
  const entry = reader.required(metadata, 'name', 'metadata', `name: my-${noun}`);
  const name = entry && reader.text(entry.value, 'metadata.name');
  if (entry === undefined || name === undefined || isDnsSubdomain(name)) return name;
  const rule = 'lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit';
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(name)} as a ${noun}'s name: ${rule}`);
}

function readNamespace(metadata: MapNode, { kind, isClusterwide }: MetadataKind, reader: FieldReader) {
  const entry = metadata.entries.get('namespace');
  if (entry === undefined) return undefined;
  if (isClusterwide) {
    return reader.fail(entry.place, 'bad-value', `Remove "namespace": a ${kind} belongs to none`);
  }
  const namespace = reader.text(entry.value, 'metadata.namespace');
  if (namespace === undefined || isDnsLabel(namespace)) return namespace;
  const rule = 'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit';
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(namespace)} as a namespace: ${rule}`);
}

function readLabels(entry: Entry | undefined, reader: FieldReader): Record<string, string> {
  const texts = (entry && reader.texts(entry.value, 'label')) ?? new Map<string, never>();
  const rule = 'at most 63 of a-z, A-Z, 0-9, "-", "_", ".", beginning and ending with a letter or digit';
  for (const [key, { text, place }] of texts) {
    if (!isLabelKey(key)) reader.fail(place, 'bad-label', `Cannot use ${JSON.stringify(key)} as a label: ${rule}`);
    else if (!isLabelValue(text))
      reader.fail(place, 'bad-label', `Cannot use ${JSON.stringify(text)} as a label's value: ${rule}`);
  }
  return Object.fromEntries([...texts].map(([key, { text }]) => [key, text]));
}

function readAnnotations(
  entry: Entry | undefined,
  { kind, annotations = [] }: MetadataKind,
  reader: FieldReader,
): Annotations {
  const texts = (entry && reader.texts(entry.value, 'annotation')) ?? new Map<string, never>();
  const known = [MODE, ...annotations];
  for (const [key, { place }] of texts) {
    if (!key.startsWith(PREFIX) || known.includes(key)) continue;
    reader.fail(place, 'unknown-field', `Remove annotation "${key}": ${whyNot(key, kind, known)}`);
  }
  return texts;
}

function whyNot(key: string, kind: string, known: readonly string[]): string {
  if (key === ALLOW_ANSWER_RANGES) return `it is about addresses of names, and a ${kind} has no names`;
  const near = nearest(key, known);
  return `namewall knows no such annotation${near === undefined ? '' : `; did you mean "${near}"?`}`;
}

function readMode(annotations: Annotations, reader: FieldReader): string | undefined {
  const mode = annotations.get(MODE);
  if (mode === undefined || MODES.includes(mode.text)) return mode?.text;
  const near = nearest(mode.text, MODES);
  const hint = near === undefined ? `write ${MODES.join(' or ')}` : `did you mean "${near}"?`;
  return reader.fail(mode.place, 'bad-value', `Cannot use ${JSON.stringify(mode.text)} as ${MODE}: ${hint}`);
}
