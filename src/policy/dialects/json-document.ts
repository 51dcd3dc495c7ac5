// A JSON value, as the API server hands objects out → the same tree that YAML files are read into (document.ts); `at` is the JSON path.
// Knows no dialect. Never throws and is bounded as files are.
import type { Entry, Node, Place, ProblemList } from './document.ts';

const MAX_DEPTH = 32; // as for files; the deepest field of a policy is at 10
const MAX_NODES = 1_000_000;
const MAX_KEY_SHOWN = 60;

/** `what` names the object in every place: `KIND NAMESPACE/NAME: spec.egress[0]`. Undefined: over a limit, which is in `problems`. */
export function readJson(value: unknown, what: string, problems: ProblemList): Node | undefined {
  const reader = new JsonReader(what);
  const node = reader.read(value, '', 0);
  if (node === undefined)
    problems.add({ at: what, order: 0 }, 'json-limit', `Cannot read the object: ${reader.problem}`);
  return node;
}

class JsonReader {
  readonly #what: string;
  #count = 0;
  problem = '';

  constructor(what: string) {
    this.#what = what;
  }

  read(value: unknown, path: string, depth: number): Node | undefined {
    const place: Place = { at: path === '' ? this.#what : `${this.#what}: ${path}`, order: this.#count };
    if (depth > MAX_DEPTH) return this.#giveUp(`nested more than ${MAX_DEPTH} levels deep`);
    if (++this.#count > MAX_NODES) return this.#giveUp(`more than ${MAX_NODES} values`);
    if (Array.isArray(value)) return this.#list(value, place, path, depth);
    if (typeof value === 'object' && value !== null) return this.#map(value, place, path, depth);
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return { kind: 'scalar', place, value, source: String(value) };
    }
    return this.#giveUp('a value that JSON does not have');
  }

  #list(values: readonly unknown[], place: Place, path: string, depth: number): Node | undefined {
    const items: Node[] = [];
    for (const [i, value] of values.entries()) {
      const item = this.read(value, `${path}[${i}]`, depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
    }
    return { kind: 'list', place, items };
  }

  #map(value: object, place: Place, path: string, depth: number): Node | undefined {
    const entries = new Map<string, Entry>();
    for (const [key, child] of Object.entries(value)) {
      const node = this.read(child, joined(path, key), depth + 1);
      if (node === undefined) return undefined;
      entries.set(key, { place: node.place, value: node });
    }
    return { kind: 'map', place, entries };
  }

  #giveUp(problem: string): undefined {
    this.problem = problem;
    return undefined;
  }
}

function joined(path: string, key: string): string {
  if (!/^[A-Za-z_][-A-Za-z0-9_]*$/.test(key)) return `${path}[${JSON.stringify(key.slice(0, MAX_KEY_SHOWN))}]`;
  return path === '' ? key : `${path}.${key}`;
}
