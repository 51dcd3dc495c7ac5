// Label selectors of Kubernetes, as NetworkPolicy and ClusterNetworkPolicy have them: matchLabels and matchExpressions, all of which must hold.
// What the API server would refuse is refused; an empty selector has no requirements and so selects everything.
import type { LabelRequirement, LabelSubject } from '../policy.ts';
import type { MapNode, Node, Place } from './document.ts';
import { nearest, type FieldReader } from './fields.ts';
import { isLabelKey, isLabelValue } from './kubernetes-names.ts';

/** Set by Kubernetes to the namespace's own name, and kept so. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
const MAX_SHOWN = 60;
const KEY_RULE = 'a key is at most 63 of a-z, A-Z, 0-9, "-", "_", ".", after an optional "prefix/"';
const VALUE_RULE = 'it is at most 63 of a-z, A-Z, 0-9, "-", "_", "."';

type Subject = 'label' | 'namespace-label';

/** `what` names the field in messages, such as `podSelector`. Undefined: something is wrong, and in the reader's problems. */
export function readLabelSelector(
  node: Node,
  what: string,
  subject: Subject,
  reader: FieldReader,
): LabelRequirement[] | undefined {
  const before = reader.problems.count;
  const map = reader.map(node, { what, known: ['matchLabels', 'matchExpressions'] });
  if (map === undefined) return undefined;
  const requirements = [...readMatchLabels(map, subject, reader), ...readMatchExpressions(map, subject, reader)];
  return reader.problems.count === before ? requirements : undefined;
}

function readMatchLabels(map: MapNode, subject: Subject, reader: FieldReader): LabelRequirement[] {
  const entry = map.entries.get('matchLabels');
  const texts = entry && reader.texts(entry.value, 'label');
  return [...(texts ?? [])].flatMap(([written, { text, place }]) => {
    const key = readKey(written, place, reader);
    const value = readValue(text, place, reader);
    if (key === undefined || value === undefined) return [];
    return [{ subject: subjectOf(subject, key), operator: 'In', values: [value] }];
  });
}

function readMatchExpressions(map: MapNode, subject: Subject, reader: FieldReader): LabelRequirement[] {
  const entry = map.entries.get('matchExpressions');
  const list = entry && reader.list(entry.value, 'matchExpressions');
  return (list?.items ?? []).flatMap((item) => readExpression(item, subject, reader) ?? []);
}

function readExpression(node: Node, kind: Subject, reader: FieldReader): LabelRequirement | undefined {
  const what = 'a matchExpressions item';
  const map = reader.map(node, { what, known: ['key', 'operator', 'values'] });
  if (map === undefined) return undefined;
  const keyEntry = reader.required(map, 'key', what, 'key: app');
  const written = keyEntry && reader.text(keyEntry.value, 'key');
  const key = keyEntry && written !== undefined ? readKey(written, keyEntry.value.place, reader) : undefined;
  const operator = readOperator(map, what, reader);
  if (operator === undefined) return undefined;
  if (operator === 'Exists' || operator === 'DoesNotExist') {
    const values = map.entries.get('values');
    if (values !== undefined && !(values.value.kind === 'list' && values.value.items.length === 0)) {
      return reader.fail(values.place, 'bad-selector', `Remove "values": operator "${operator}" takes none`);
    }
    return key === undefined ? undefined : { subject: subjectOf(kind, key), operator };
  }
  const values = readValues(map, `${what} with operator "${operator}"`, operator, reader);
  return key === undefined || values === undefined ? undefined : { subject: subjectOf(kind, key), operator, values };
}

function readOperator(map: MapNode, what: string, reader: FieldReader): (typeof OPERATORS)[number] | undefined {
  const entry = reader.required(map, 'operator', what, 'operator: In');
  const written = entry && reader.text(entry.value, 'operator');
  if (entry === undefined || written === undefined) return undefined;
  const operator = OPERATORS.find((each) => each === written);
  if (operator !== undefined) return operator;
  const hint = nearest(written, OPERATORS);
  const instead = hint === undefined ? `write one of ${OPERATORS.join(', ')}` : `did you mean "${hint}"?`;
  return reader.fail(entry.value.place, 'bad-selector', `Cannot use operator ${shown(written)}: ${instead}`);
}

function readValues(map: MapNode, what: string, operator: string, reader: FieldReader): readonly string[] | undefined {
  const entry = reader.required(map, 'values', what, 'values: [web]');
  const items = entry && reader.fullList(entry.value, 'values', `operator "${operator}" needs at least one`);
  return items?.flatMap((item) => {
    const text = reader.text(item, 'a value');
    return (text === undefined ? undefined : readValue(text, item.place, reader)) ?? [];
  });
}

/** The name of a namespace is known wherever its pods are; its other labels need not be. */
function subjectOf(kind: Subject, key: string): LabelSubject {
  return kind === 'namespace-label' && key === NAMESPACE_NAME_LABEL ? { kind: 'namespace' } : { kind, key };
}

function readKey(text: string, place: Place, reader: FieldReader): string | undefined {
  if (isLabelKey(text)) return text;
  return reader.fail(place, 'bad-label', `Cannot use ${shown(text)} as a label: ${KEY_RULE}`);
}

function readValue(text: string, place: Place, reader: FieldReader): string | undefined {
  if (isLabelValue(text)) return text;
  return reader.fail(place, 'bad-label', `Cannot use ${shown(text)} as a label's value: ${VALUE_RULE}`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN));
}
