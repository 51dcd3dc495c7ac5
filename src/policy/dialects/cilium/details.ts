// What a rule says of itself: description, labels and log. It restricts nothing and is carried to the audit, whose every line repeats it: so
// it is bounded, and cut rather than refused.
import type { MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';

const LABEL_FIELDS = { what: 'an item of labels', known: ['key', 'value', 'source'] };
const LOG_FIELDS = { what: 'log', known: ['value'] };
const MAX_LOG = 32; // Cilium: MaxLength of log.value
const MAX_DESCRIPTION = 256;
const MAX_LABELS = 8;
const MAX_LABEL = 128;

export interface Details {
  readonly description?: string;
  /** `source:key=value`; what log says is `log:VALUE`. */
  readonly labels?: readonly string[];
}

export function readDetails({ entries }: MapNode, reader: FieldReader): Details {
  const written = entries.get('description');
  const description = written && reader.text(written.value, 'description');
  const list = entries.get('labels');
  const items = list === undefined ? [] : (reader.list(list.value, 'labels')?.items ?? []);
  const log = entries.get('log');
  const labels = [
    ...items.flatMap((item) => readLabel(item, reader) ?? []).slice(0, MAX_LABELS),
    ...(log === undefined ? [] : (readLog(log.value, reader) ?? [])),
  ];
  return {
    ...(description === undefined ? {} : { description: cut(description, MAX_DESCRIPTION) }),
    ...(labels.length === 0 ? {} : { labels }),
  };
}

/** As Cilium writes a label: without a value only its key. */
function readLabel(node: Node, reader: FieldReader): string | undefined {
  const map = reader.map(node, LABEL_FIELDS);
  const entry = map && reader.required(map, 'key', LABEL_FIELDS.what, 'key: team');
  const key = entry && reader.text(entry.value, 'key');
  if (map === undefined || key === undefined) return undefined;
  const [source = '', value = ''] = ['source', 'value'].map((field) => {
    const part = map.entries.get(field);
    return part === undefined ? '' : (reader.text(part.value, field) ?? '');
  });
  return cut(`${source === '' ? '' : `${source}:`}${key}${value === '' ? '' : `=${value}`}`, MAX_LABEL);
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function readLog(node: Node, reader: FieldReader): string[] | undefined {
  const map = reader.map(node, LOG_FIELDS);
  const entry = map && reader.required(map, 'value', LOG_FIELDS.what, 'value: checkout');
  const text = entry && reader.text(entry.value, 'log.value');
  if (entry === undefined || text === undefined) return undefined;
  if (text === '') return [];
  if (text.length <= MAX_LOG && /^\P{C}*$/u.test(text)) return [`log:${text}`];
  const message = `Cannot use ${JSON.stringify(text.slice(0, MAX_LOG))} as log.value: at most ${MAX_LOG} characters that can be printed`;
  return reader.fail(entry.value.place, 'bad-value', message);
}
