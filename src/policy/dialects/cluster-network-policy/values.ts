// What the API server's schema says of single values: whole numbers, words of a closed set, lists of a bounded length, mappings of which exactly
// one field is set.
import { quote } from '../../name-syntax.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import { nearest, type FieldReader, type FieldTable } from '../fields.ts';

/** Of egress, ingress, to, protocols, networks and domainNames. */
const MAX_ITEMS = 25;

export interface NumberField {
  readonly field: string;
  readonly least: number;
  readonly most: number;
}

/** Texts are refused as the API server refuses them; so are leading zeros, which another reader takes for octal. */
export function readNumber(node: Node, { field, least, most }: NumberField, reader: FieldReader): number | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'number' && /^(?:0|[1-9][0-9]*)$/.test(node.source)) {
    if (node.value >= least && node.value <= most) return node.value;
  }
  const rule = `write a whole number from ${least} to ${most}`;
  const plain = node.kind === 'scalar' && typeof node.value === 'string' ? `${rule}, without quotes` : rule;
  return reader.fail(node.place, 'bad-value', `Cannot use ${shown(node)} for ${field}: ${plain}`);
}

export function readWord<Word extends string>(
  node: Node,
  field: string,
  words: readonly Word[],
  reader: FieldReader,
): Word | undefined {
  const text = reader.text(node, field);
  const word = words.find((each) => each === text);
  if (text === undefined || word !== undefined) return word;
  const near = nearest(text, words);
  const hint = near === undefined ? `write one of ${words.join(', ')}` : `did you mean "${near}"?`;
  return reader.fail(node.place, 'bad-value', `Cannot use ${field} ${quote(text)}: ${hint}`);
}

/** 1 to 25 items; `instead` says what to write when there is none. */
export function readItems(node: Node, field: string, instead: string, reader: FieldReader): readonly Node[] {
  const items = reader.fullList(node, field, instead) ?? [];
  checkLength(node, field, items, reader);
  return items;
}

export function checkLength(node: Node, field: string, items: readonly Node[], reader: FieldReader): void {
  if (items.length <= MAX_ITEMS) return;
  const message = `Remove items of "${field}": ${items.length} are listed, at most ${MAX_ITEMS}`;
  reader.fail(node.place, 'bad-value', message);
}

/** Texts that stand once each, as the API server has it for lists that are sets. */
export function withoutRepeats(items: readonly Node[], field: string, reader: FieldReader): readonly Node[] {
  const seen = new Set<unknown>();
  return items.filter((item) => {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') return true;
    const isNew = !seen.has(item.value);
    seen.add(item.value);
    if (!isNew)
      reader.fail(item.place, 'bad-value', `Remove the second ${quote(item.value)}: ${field} lists each once`);
    return isNew;
  });
}

/** The one field that is set. */
export function readOneOf(
  node: Node,
  table: FieldTable,
  reader: FieldReader,
): { field: string; entry: Entry } | undefined {
  const map = reader.map(node, table);
  if (map === undefined) return undefined;
  const [first, ...others] = set(map, table);
  const list = table.known.map((field) => `"${field}"`).join(', ');
  if (first === undefined) {
    if (map.entries.size > 0) return undefined; // a misspelt field, reported above
    const message = `Add one of ${list} to ${table.what}: it has none, so nobody knows what it means`;
    return reader.fail(map.place, 'missing-field', message);
  }
  for (const { field, entry } of others) {
    const message = `Remove "${field}" beside "${first.field}": ${table.what} has exactly one of ${list}`;
    reader.fail(entry.place, 'bad-rule', message);
  }
  return others.length === 0 ? first : undefined;
}

function set({ entries }: MapNode, { known }: FieldTable): { field: string; entry: Entry }[] {
  return [...entries].flatMap(([field, entry]) => (known.includes(field) ? [{ field, entry }] : []));
}

function shown(node: Node): string {
  if (node.kind !== 'scalar') return node.kind === 'map' ? 'a mapping' : 'a list';
  if (node.value === null) return 'no value';
  return typeof node.value === 'string' ? quote(node.value) : node.source;
}
