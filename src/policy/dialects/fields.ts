// Strict reading of a document's nodes: every function either returns the value or adds one located problem and returns undefined.
// A field that is not listed is refused, because a restriction that is ignored is a hole.
import type { Problem } from '../../base/errors.ts';
import { quote } from '../name-syntax.ts';
import type { Entry, ListNode, MapNode, Node, Place, ProblemList } from './document.ts';

/** The fields that one kind of mapping may have. `what` completes "in …", as in "an egress rule". */
export interface FieldTable {
  readonly what: string;
  readonly known: readonly string[];
  /** Fields that exist but cannot be enforced, each with what to do instead. */
  readonly refused?: ReadonlyMap<string, string>;
  /** Fields of other dialects, or of other versions, each with what to write for it here. */
  readonly foreign?: ReadonlyMap<string, string>;
}

const FAR = 3; // more edits than this and the suggestion is a riddle, not a help

/** Which pods are known: `own-labels`, of a clients file, all that there are; `own-and-namespace-labels`, of the API server, those of a node. */
type PodKnowledge = 'own-labels' | 'own-and-namespace-labels';

export class FieldReader {
  readonly problems: ProblemList;
  readonly podKnowledge: PodKnowledge;
  /** Fields that an unknown one was probably meant to be. */
  readonly #meant = new WeakMap<MapNode, readonly string[]>();
  #notes: Problem[] = [];

  constructor(problems: ProblemList, podKnowledge: PodKnowledge = 'own-labels') {
    this.problems = problems;
    this.podKnowledge = podKnowledge;
  }

  /** Labels of namespaces are known where pods come from the API server, which tells a node of its own pods alone. */
  get knowsAllPods(): boolean {
    return this.podKnowledge === 'own-labels';
  }

  /** What is right, and may be understood otherwise than its author thinks. */
  note({ at }: Place, code: string, message: string): void {
    this.#notes.push({ code, at, message });
  }

  /** Those since the last time. */
  takeNotes(): readonly Problem[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  fail(place: Place, code: string, message: string): undefined {
    this.problems.add(place, code, message);
    return undefined;
  }

  map(node: Node, table: FieldTable): MapNode | undefined {
    if (node.kind !== 'map') {
      return this.#wrongType(node, table.what, 'a mapping', `write its fields, as in ${table.known[0]}: …`);
    }
    for (const [key, { place }] of node.entries) {
      if (table.known.includes(key)) continue;
      const instead = table.refused?.get(key);
      if (instead === undefined) this.#unknown(key, place, table, node);
      else this.fail(place, 'not-supported', `Cannot enforce "${key}" in ${table.what}: not supported yet; ${instead}`);
    }
    return node;
  }

  list(node: Node, what: string): ListNode | undefined {
    return node.kind === 'list' ? node : this.#wrongType(node, what, 'a list', listHint(node));
  }

  /** A list with at least one item; `instead` says what to write when it is empty. */
  fullList(node: Node, what: string, instead: string): readonly Node[] | undefined {
    const list = this.list(node, what);
    if (list === undefined) return undefined;
    if (list.items.length > 0) return list.items;
    return this.fail(list.place, 'empty-list', `Cannot use an empty list for ${what}: ${instead}`);
  }

  text(node: Node, what: string): string | undefined {
    if (node.kind === 'scalar' && typeof node.value === 'string') return node.value;
    return this.#wrongType(node, what, 'a text', textHint(node));
  }

  flag(node: Node, what: string): boolean | undefined {
    if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
    return this.#wrongType(node, what, 'true or false', flagHint(node));
  }

  /** The entry of a mapping, or a problem at the mapping itself; one that is there misspelt has its problem. */
  required(map: MapNode, key: string, what: string, example: string): Entry | undefined {
    const entry = map.entries.get(key);
    if (entry !== undefined || this.isMisspelt(map, key)) return entry;
    return this.fail(map.place, 'missing-field', `Add "${key}" to ${what}: it is missing; write ${example}`);
  }

  /** A mapping of texts with any keys. */
  texts(node: Node, what: string): ReadonlyMap<string, { readonly text: string; readonly place: Place }> | undefined {
    if (node.kind !== 'map') return this.#wrongType(node, what, 'a mapping', 'write one "key: value" a line');
    const found = new Map<string, { text: string; place: Place }>();
    for (const [key, { place, value }] of node.entries) {
      const text = this.text(value, `${what} "${key}"`);
      if (text !== undefined) found.set(key, { text, place });
    }
    return found;
  }

  /** Whether the field was probably meant by one that is unknown; for mappings that `map` has seen. */
  isMisspelt(map: MapNode, key: string): boolean {
    return this.#meant.get(map)?.includes(key) === true;
  }

  #wrongType(node: Node, what: string, wanted: string, instead: string): undefined {
    const message = `Cannot use ${describe(node)} for ${what}: it must be ${wanted}; ${instead}`;
    return this.fail(node.place, 'wrong-type', message);
  }

  #unknown(key: string, place: Place, { what, known, refused, foreign }: FieldTable, map: MapNode): void {
    const near = nearest(key, [...known, ...(refused?.keys() ?? [])]);
    const list = known.map((field) => `"${field}"`).join(', ');
    const plain = near === undefined ? `write one of ${list}` : `did you mean "${near}"?`;
    const hint = key === '<<' ? 'merge keys are not read; write the fields out' : (foreign?.get(key) ?? plain);
    const meant = foreign?.get(key)?.match(/\w+/g) ?? [near];
    this.#meant.set(map, [...(this.#meant.get(map) ?? []), ...known.filter((field) => meant.includes(field))]);
    this.fail(place, 'unknown-field', `Cannot use field ${quote(key)} in ${what}: it is unknown; ${hint}`);
  }
}

function listHint(node: Node): string {
  if (node.kind !== 'scalar') return 'begin each item with "- "';
  return node.value === null ? 'list its items' : `write [${node.source}]`;
}

function flagHint(node: Node): string {
  const isQuoted = node.kind === 'scalar' && ['true', 'false'].includes(String(node.value));
  return isQuoted ? 'write it without quotes' : 'write one of them';
}

function textHint(node: Node): string {
  if (node.kind === 'list') return 'write one, and an item for each of several';
  return node.kind === 'map' || node.value === null ? 'write one' : `write "${node.source}"`;
}

function describe(node: Node): string {
  if (node.kind === 'map') return 'a mapping';
  if (node.kind === 'list') return 'a list';
  if (node.value === null) return 'no value';
  return typeof node.value === 'string' ? `the text ${quote(node.value)}` : `${typeof node.value} ${node.source}`;
}

/** The candidate that `written` was probably meant to be. */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  const lower = written.toLowerCase();
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: editDistance(lower, candidate.toLowerCase()) }))
    .toSorted((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (best === undefined || best.edits > Math.min(FAR, Math.floor(best.candidate.length / 2))) return undefined;
  return best.candidate;
}

/** Levenshtein, in one row; text that is much longer than any field is not worth the product. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > FAR) return FAR + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? FAR + 1;
}
