// matchLabels and matchExpressions, of whatever has labels: all parts must hold. What a key may be says whoever reads the selector.
import type { LabelRequirement, LabelSubject } from '../policy.ts';
import type { MapNode, Node, Place } from './document.ts';
import { nearest, type FieldReader } from './fields.ts';
import { isLabelKey, isLabelValue } from './kubernetes-names.ts';

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
const MAX_SHOWN = 60;

export interface LocatedRequirement {
  readonly requirement: LabelRequirement;
  readonly place: Place;
}

/** What a key stands for, or undefined after a problem. */
export type ReadSubject = (key: string, place: Place, reader: FieldReader) => LabelSubject | undefined;

/** `what` completes "in …". Undefined: not a selector at all; whatever is wrong inside it is a problem, and left out. */
export function readLabelSelector(
  node: Node,
  what: string,
  readSubject: ReadSubject,
  reader: FieldReader,
): LocatedRequirement[] | undefined {
  const map = reader.map(node, { what, known: ['matchLabels', 'matchExpressions'] });
  if (map === undefined) return undefined;
  return [...readMatchLabels(map, readSubject, reader), ...readMatchExpressions(map, readSubject, reader)];
}

export function labelSubject(
  kind: 'label' | 'namespace-label',
  key: string,
  place: Place,
  reader: FieldReader,
): LabelSubject | undefined {
  if (isLabelKey(key)) return { kind, key };
  const shown = JSON.stringify(key.slice(0, MAX_SHOWN));
  const message = `Cannot use ${shown} as a label: a key is at most 63 of a-z, A-Z, 0-9, "-", "_", ".", after an optional "prefix/"`;
  return reader.fail(place, 'bad-label', message);
}

function readMatchLabels(map: MapNode, readSubject: ReadSubject, reader: FieldReader): LocatedRequirement[] {
  const entry = map.entries.get('matchLabels');
  const texts = entry && reader.texts(entry.value, 'label');
  return [...(texts ?? [])].flatMap(([key, { text, place }]) => {
    const subject = readSubject(key, place, reader);
    const value = checkValue(text, place, reader);
    if (subject === undefined || value === undefined) return [];
    return [{ requirement: { subject, operator: 'In', values: [value] }, place }];
  });
}

function readMatchExpressions(map: MapNode, readSubject: ReadSubject, reader: FieldReader): LocatedRequirement[] {
  const entry = map.entries.get('matchExpressions');
  const list = entry && reader.list(entry.value, 'matchExpressions');
  return (list?.items ?? []).flatMap((item) => readExpression(item, readSubject, reader) ?? []);
}

function readExpression(node: Node, read: ReadSubject, reader: FieldReader): LocatedRequirement | undefined {
  const what = 'a matchExpressions item';
  const map = reader.map(node, { what, known: ['key', 'operator', 'values'] });
  if (map === undefined) return undefined;
  const key = reader.required(map, 'key', what, 'key: app');
  const operatorEntry = reader.required(map, 'operator', what, 'operator: In');
  const keyText = key && reader.text(key.value, 'key');
  const subject = key && keyText !== undefined ? read(keyText, key.value.place, reader) : undefined;
  const written = operatorEntry && reader.text(operatorEntry.value, 'operator');
  if (operatorEntry === undefined || written === undefined) return undefined;
  const operator = OPERATORS.find((each) => each === written);
  if (operator === undefined) {
    const hint = nearest(written, OPERATORS);
    const instead = hint === undefined ? `write one of ${OPERATORS.join(', ')}` : `did you mean "${hint}"?`;
    return reader.fail(
      operatorEntry.value.place,
      'bad-selector',
      `Cannot use operator ${JSON.stringify(written.slice(0, MAX_SHOWN))}: ${instead}`,
    );
  }
  const values = map.entries.get('values');
  if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values !== undefined && !(values.value.kind === 'list' && values.value.items.length === 0)) {
      return reader.fail(values.place, 'bad-selector', `Remove "values": operator "${operator}" takes none`);
    }
    return subject && { requirement: { subject, operator }, place: map.place };
  }
  const list = reader.required(map, 'values', `${what} with operator "${operator}"`, 'values: [web]');
  const items = list && reader.fullList(list.value, 'values', `operator "${operator}" needs at least one`);
  const texts = items?.map((item) => {
    const text = reader.text(item, 'a value');
    return text === undefined ? undefined : checkValue(text, item.place, reader);
  });
  if (subject === undefined || texts === undefined) return undefined;
  return { requirement: { subject, operator, values: texts.filter((text) => text !== undefined) }, place: map.place };
}

function checkValue(text: string, place: Place, reader: FieldReader): string | undefined {
  if (isLabelValue(text)) return text;
  const shown = JSON.stringify(text.slice(0, MAX_SHOWN));
  return reader.fail(
    place,
    'bad-label',
    `Cannot use ${shown} as a label's value: it is at most 63 of a-z, A-Z, 0-9, "-", "_", "."`,
  );
}
