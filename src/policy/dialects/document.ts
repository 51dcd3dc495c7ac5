// YAML (and so JSON) text → a tree in which every node knows FILE:LINE:COL. Knows no dialect. Never throws and is bounded: aliases
// that multiply, nesting and file size are refused, as is whatever two YAML readers could take for different documents.
import {
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  type Alias,
  type Document,
  type ParsedNode,
} from 'yaml';
import type { Problem } from '../../base/errors.ts';

/** `order` sorts places of one file. */
export interface Place {
  readonly at: string;
  readonly order: number;
}

export type Node = MapNode | ListNode | ScalarNode;

export interface MapNode {
  readonly kind: 'map';
  readonly place: Place;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  readonly place: Place;
  readonly value: Node;
}

export interface ListNode {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly Node[];
}

interface ScalarNode {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: string | number | boolean | null;
  /** As written, for numbers: `010` and `8` are told apart here. */
  readonly source: string;
}

/** Collects the problems of one file and hands them out in document order. */
export class ProblemList {
  readonly #found: { order: number; problem: Problem }[] = [];

  add(place: Place, code: string, message: string): void {
    this.#found.push({ order: place.order, problem: { code, at: place.at, message } });
  }

  get count(): number {
    return this.#found.length;
  }

  sorted(): readonly Problem[] {
    return this.#found.toSorted((a, b) => a.order - b.order).map(({ problem }) => problem);
  }
}

const MAX_CHARACTERS = 8 * 1024 * 1024; // 100,000 patterns are about 5 MB; the reader needs some 40 times the text in memory
const MAX_SYNTAX_PROBLEMS = 20; // one slip can derail the rest of a document; the first ones say where
/** What to do about what the parser says; its other messages say it themselves. */
const CURES: readonly (readonly [begins: string, cure: string])[] = [
  ['Tabs are not allowed', 'write spaces'],
  ['Sequence item without -', 'indent the line as the other fields of its item'],
  ['All mapping items', 'indent the line as the fields beside it'],
  ['All sequence items', 'indent the line as the items beside it'],
  ['Nested mappings', 'write one "key: value" a line, and a text with ": " in quotes'],
  ['Plain value cannot start', 'write the text in quotes'],
];
const MAX_DEPTH = 32; // the deepest field of a policy is at 10
const MAX_OPEN = 10_000; // brackets; the parser keeps each in memory before anybody counts levels, 8 million were 4 GB
const MAX_NODES = 1_000_000; // what MAX_CHARACTERS of honest text can hold; ten nested lists of ten aliases are more

/** The documents of `text` that are not empty. `file` is only used in places. What could not be read is in `problems`. */
export function readDocuments(text: string, file: string, problems: ProblemList): Node[] {
  const start: Place = { at: `${file}:1:1`, order: 0 };
  if (text.length > MAX_CHARACTERS) {
    problems.add(
      start,
      'yaml-limit',
      `Cannot read a file of ${text.length} characters: at most ${MAX_CHARACTERS}; split it`,
    );
    return [];
  }
  const lines = new LineCounter();
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { at: `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`, order: offset };
  };
  const documents = parseDocuments(text, lines);
  if (documents === undefined) {
    problems.add(start, 'yaml-limit', `Cannot read the file: nested too deeply; at most ${MAX_DEPTH} levels`);
    return [];
  }
  const before = problems.count;
  for (const { errors, warnings } of documents) {
    for (const { pos, message } of [...errors, ...warnings].slice(0, MAX_SYNTAX_PROBLEMS)) {
      const offset = pos[0] + leadingBlanks(text, pos[0]);
      problems.add(placeOf(offset), 'yaml-syntax', `Cannot read the YAML: ${cured(message)}`);
    }
  }
  if (problems.count > before) return [];
  const reader = new TreeReader(placeOf, problems);
  return documents.flatMap((document) => reader.read(document) ?? []);
}

/** Undefined: nested too deeply to be read at all. */
function parseDocuments(text: string, lineCounter: LineCounter): Document.Parsed[] | undefined {
  if (opensTooMany(text)) return undefined;
  try {
    // prettyErrors repeats the source text in the message; uniqueKeys compares each key with each other; both are done here instead.
    const options = { lineCounter, prettyErrors: false, uniqueKeys: false, stringKeys: true, resolveKnownTags: false };
    const parsed = parseAllDocuments(text, { ...options, logLevel: 'error' });
    if (!Array.isArray(parsed)) return [];
    return parsed.some(({ errors }) => errors.some(({ message }) => message.startsWith('Maximum call stack')))
      ? undefined
      : parsed;
  } catch {
    return undefined; // the parser recurses: a RangeError of the stack is the one thing it throws
  }
}

/** Brackets that nothing closes, those in texts included: nobody writes that many. */
function opensTooMany(text: string): boolean {
  let open = 0;
  for (let i = 0; i < text.length && open <= MAX_OPEN; i++) {
    const character = text[i];
    if (character === '[' || character === '{') open++;
    else if ((character === ']' || character === '}') && open > 0) open--;
  }
  return open > MAX_OPEN;
}

class TreeReader {
  readonly #placeOf: (offset: number) => Place;
  readonly #problems: ProblemList;
  #nodesLeft = MAX_NODES;
  #isGivenUp = false;
  #expansions = 0;
  readonly #anchors = new Map<string, ParsedNode>();
  readonly #targets = new Map<Alias.Parsed, ParsedNode>();

  constructor(placeOf: (offset: number) => Place, problems: ProblemList) {
    this.#placeOf = placeOf;
    this.#problems = problems;
  }

  read(document: Document.Parsed): Node | undefined {
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null)) return undefined;
    this.#anchors.clear();
    return this.#node(contents, 0);
  }

  #node(source: ParsedNode, depth: number): Node | undefined {
    const place = this.#placeOf(source.range[0]);
    if (this.#isGivenUp) return undefined;
    if (depth > MAX_DEPTH || this.#nodesLeft-- <= 0) {
      this.#isGivenUp = true;
      const limit = depth > MAX_DEPTH ? `nested more than ${MAX_DEPTH} levels deep` : `more than ${MAX_NODES} values`;
      this.#problems.add(place, 'yaml-limit', `Cannot read the document: ${limit}, aliases included`);
      return undefined;
    }
    if (isAlias(source)) return this.#alias(source, depth);
    if (source.anchor !== undefined && this.#expansions === 0) this.#anchors.set(source.anchor, source);
    if (isScalar(source)) return this.#scalar(source.value, source.source, place);
    if (isSeq(source)) {
      return {
        kind: 'list',
        place,
        items: source.items.flatMap((item) => this.#node(item, depth + 1) ?? []),
      };
    }
    return isMap(source) ? this.#map(source, depth) : this.#fail(place, 'neither a mapping, a list nor a value');
  }

  /** Each alias is resolved once: the library's own search walks the document for every alias. */
  #alias(alias: Alias.Parsed, depth: number): Node | undefined {
    const target = this.#targets.get(alias) ?? this.#anchors.get(alias.source);
    if (target === undefined) {
      // Nearly always a wildcard: it is read on as the text that was meant, so that nothing is said to be missing.
      const [place, meant] = [this.#placeOf(alias.range[0]), `*${alias.source}`];
      this.#fail(place, `there is no anchor "&${alias.source}"; write "${meant}" in quotes if the text is meant`);
      return this.#scalar(meant, meant, place);
    }
    this.#targets.set(alias, target); // the anchor may be given anew before this alias is expanded again
    this.#expansions++;
    const node = this.#node(target, depth + 1); // an alias to a node that contains it is cut by the depth
    this.#expansions--;
    return node;
  }

  #map(source: ParsedNode & { items: unknown[] }, depth: number): Node | undefined {
    if (!isMap<ParsedNode, ParsedNode | null>(source)) return undefined;
    const entries = new Map<string, Entry>();
    for (const { key, value } of source.items) {
      const place = this.#placeOf(key.range[0]);
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#fail(place, 'a key must be a plain text');
        continue;
      }
      if (entries.has(key.value)) {
        this.#problems.add(
          place,
          'duplicate-key',
          `Remove the second ${JSON.stringify(key.value)}: a key stands once in a mapping`,
        );
        continue;
      }
      const node: Node | undefined = value === null ? this.#scalar(null, '', place) : this.#node(value, depth + 1);
      if (node !== undefined) entries.set(key.value, { place, value: node });
    }
    return { kind: 'map', place: this.#placeOf(source.range?.[0] ?? 0), entries };
  }

  #scalar(value: unknown, source: string | undefined, place: Place): ScalarNode | undefined {
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return { kind: 'scalar', place, value, source: source ?? String(value) };
    }
    return this.#fail(place, 'a value of a type that no policy has');
  }

  #fail(place: Place, why: string): undefined {
    this.#problems.add(place, 'yaml-syntax', `Cannot read the YAML: ${why}`);
    return undefined;
  }
}

function cured(message: string): string {
  const text = message.endsWith('.') ? message.slice(0, -1) : message;
  const cure = CURES.find(([begins]) => text.startsWith(begins))?.[1];
  return cure === undefined ? text : `${text}; ${cure}`;
}

/** The parser means a line's indentation where it means the line. */
function leadingBlanks(text: string, offset: number): number {
  let n = 0;
  while (text[offset + n] === ' ') n++;
  return n;
}
