// One mapping of the configuration, read key by key: what is missing or wrong becomes a located problem, and a value that can stand
// in for it, so that the rest is still checked.
import { canonicalAddress } from '../base/ip.ts';
import type { PrivateRange } from '../kernel/protected.ts';
import type { MapNode, Node, Place, ProblemList } from '../policy/dialects/document.ts';
import type { Endpoint } from '../sys/sys.ts';
import { durationMs, isCidr, parseEndpoint } from './config-values.ts';

const RANGES: readonly PrivateRange[] = ['rfc1918', 'ula', 'cgnat'];

export class Fields {
  readonly #entries: MapNode['entries'];
  readonly #place: Place;
  readonly #problems: ProblemList;
  readonly #path: string;

  constructor(node: Node | undefined, problems: ProblemList, keys: readonly string[], path = '', parent?: Place) {
    this.#problems = problems;
    this.#path = path;
    this.#place = node?.place ?? parent ?? { at: 'configuration', order: 0 };
    this.#entries = node?.kind === 'map' ? node.entries : new Map();
    if (node !== undefined && node.kind !== 'map') {
      problems.add(node.place, 'bad-type', `${path || 'Configuration'} must be a mapping with ${keys.join(', ')}`);
    }
    for (const [key, entry] of this.#entries) {
      if (keys.includes(key)) continue;
      problems.add(
        entry.place,
        'unknown-field',
        `Unknown key ${JSON.stringify(key)}: ${path || 'the configuration'} has ${keys.join(', ')}`,
      );
    }
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The keys of a mapping that may have any; none of what is no mapping. */
  keysOf(key: string): string[] {
    const node = this.#entries.get(key)?.value;
    return node?.kind === 'map' ? [...node.entries.keys()] : [];
  }

  /** The value where it is one text; undefined for whatever else, which is no problem yet. */
  scalarText(key: string): string | undefined {
    const node = this.#entries.get(key)?.value;
    return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
  }

  /** Whether the value is this word, alone. */
  isWord(key: string, word: string): boolean {
    return this.scalarText(key) === word;
  }

  isMap(key: string): boolean {
    return this.#entries.get(key)?.value.kind === 'map';
  }

  map(key: string, keys: readonly string[]): Fields {
    return new Fields(this.#entries.get(key)?.value, this.#problems, keys, this.nameOf(key), this.#place);
  }

  /** A text; without `fallback` it must be there. */
  text(key: string, fallback?: string): string {
    const node = this.#required(key, fallback !== undefined);
    if (node === undefined) return fallback ?? '';
    if (node.kind === 'scalar' && typeof node.value === 'string' && node.value !== '') return node.value;
    return this.#wrong(node, key, 'must be a text', '');
  }

  /** A text or a list of texts, at least one. */
  texts(key: string): string[] {
    const node = this.#required(key, false);
    if (node === undefined) return [];
    const items = node.kind === 'list' ? node.items : [node];
    if (items.length === 0) return this.#wrong(node, key, 'must not be empty', []);
    return items.map((item) => {
      if (item.kind === 'scalar' && typeof item.value === 'string' && item.value !== '') return item.value;
      return this.#wrong(item, key, 'must hold texts', '');
    });
  }

  /** One of `choices`; the first is the default. */
  choice<T extends string>(key: string, choices: readonly [T, ...T[]]): T {
    const node = this.#entries.get(key)?.value;
    if (node === undefined) return choices[0];
    const found = node.kind === 'scalar' ? choices.find((choice) => choice === node.value) : undefined;
    return found ?? this.#wrong(node, key, `must be one of ${choices.join(', ')}`, choices[0]);
  }

  /** Some of `choices`, at least one; all of them by default. */
  someOf<T extends string>(key: string, choices: readonly T[]): readonly T[] {
    if (!this.#entries.has(key)) return choices;
    return this.values(key, (text) => choices.find((choice) => choice === text), `is none of ${choices.join(', ')}`);
  }

  integer(key: string, fallback: number, least: number, most: number): number {
    const node = this.#entries.get(key)?.value;
    if (node === undefined) return fallback;
    const value = node.kind === 'scalar' ? node.value : null;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return this.#wrong(node, key, `must be a whole number from ${least} to ${most}`, fallback);
  }

  /** A routing table that may be ours alone: 253 to 255 are the system's (rt_tables). */
  routingTable(key: string, fallback: number): number {
    const value = this.integer(key, fallback, 1, 0x7fff_ffff);
    const node = this.#entries.get(key)?.value;
    if (node === undefined || value < 253 || value > 255) return value;
    return this.#wrong(
      node,
      key,
      'must not be one of the system tables default, main and local (253 to 255)',
      fallback,
    );
  }

  singleBit(key: string, fallback: number): number {
    const value = this.integer(key, fallback, 1, 0x8000_0000);
    if (Math.log2(value) % 1 === 0) return value;
    const node = this.#entries.get(key)?.value;
    return node === undefined ? fallback : this.#wrong(node, key, 'must have exactly one bit set', fallback);
  }

  /** `500ms`, `5s`, `10m`, `1h`, or a number of seconds. */
  durationMs(key: string, fallback: number, least: number, most: number): number {
    const node = this.#entries.get(key)?.value;
    if (node === undefined) return fallback;
    const ms = node.kind === 'scalar' ? durationMs(node.value) : Number.NaN;
    if (ms >= least && ms <= most) return ms;
    const range = `${least / 1000}s to ${most / 1000}s`;
    return this.#wrong(node, key, `must be a duration such as 500ms, 5s, 10m or 1h, from ${range}`, fallback);
  }

  addresses(key: string): string[] {
    const found = this.values(key, canonicalAddress, 'is not an IPv4 or IPv6 address');
    const twice = found.find((address, i) => found.indexOf(address) !== i);
    if (twice !== undefined) this.wrongValue(key, twice, 'stands twice');
    return found;
  }

  /** `ADDRESS`, `ADDRESS:PORT`, `[V6]:PORT`; `or` is what else may stand there. */
  endpoints(key: string, defaultPort: number, or = ''): Endpoint[] {
    const parse = (text: string): Endpoint | undefined => parseEndpoint(text, defaultPort);
    return this.values(key, parse, `is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT${or}`);
  }

  cidrs(key: string): string[] {
    return this.values(key, (text) => (isCidr(text) ? text : undefined), 'is not a CIDR such as 10.0.0.0/8');
  }

  /** A text or a list of them, each parsed; `rule` says of one that gives undefined what is wrong with it. */
  values<T>(key: string, parse: (text: string) => T | undefined, rule: string): T[] {
    return this.texts(key).flatMap((text) => {
      const value = parse(text);
      if (value !== undefined) return [value];
      this.wrongValue(key, text, rule);
      return [];
    });
  }

  /** Names of ranges (kernel/protected.ts) and CIDRs that are never granted. */
  protections(key: string): { ranges: PrivateRange[]; cidrs: string[] } {
    if (!this.#entries.has(key)) return { ranges: [], cidrs: [] };
    const texts = this.texts(key);
    const ranges = RANGES.filter((range) => texts.includes(range));
    const cidrs = texts.filter((text) => !RANGES.some((range) => range === text));
    for (const text of cidrs.filter((each) => !isCidr(each))) {
      this.wrongValue(key, text, `is neither ${RANGES.join(', ')} nor a CIDR such as 10.0.0.0/8`);
    }
    return { ranges, cidrs };
  }

  /** One of the texts of `key`, as it was written, is wrong. */
  wrongValue(key: string, value: string, why: string): void {
    const node = this.#entries.get(key)?.value;
    const items = node?.kind === 'list' ? node.items : [];
    const place = items.find((item) => item.kind === 'scalar' && item.value === value)?.place ?? node?.place;
    this.#problems.add(place ?? this.#place, 'bad-value', `${this.nameOf(key)}: ${JSON.stringify(value)} ${why}`);
  }

  /** A problem with `key` as a whole; where it is missing, with the mapping that it should stand in. */
  problem(key: string, code: string, message: string): void {
    this.#problems.add(this.#entries.get(key)?.place ?? this.#place, code, message);
  }

  #required(key: string, isOptional: boolean): Node | undefined {
    const node = this.#entries.get(key)?.value;
    if (node === undefined && !isOptional) {
      this.#problems.add(this.#place, 'missing-field', `Add ${this.nameOf(key)}: it has no default`);
    }
    return node;
  }

  #wrong<T>(node: Node, key: string, rule: string, standIn: T): T {
    const value = node.kind === 'scalar' ? JSON.stringify(node.value) : `a ${node.kind}`;
    this.#problems.add(node.place, 'bad-value', `${this.nameOf(key)} is ${value}: it ${rule}`);
    return standIn;
  }

  /** As messages call it. */
  nameOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}
