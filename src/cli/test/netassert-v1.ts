// netassert's first format, the shorthand: source → destination → ports. Every port is a test of its own; `-` before it means "must be
// closed". Sources are this host and deployments.
import type { Entry, MapNode, Node } from '../../policy/dialects/document.ts';
import type { FieldReader } from '../../policy/dialects/fields.ts';
import type { Check, Source, Target, TestCase } from './case.ts';
import { nameOrAddress, PORTS } from './field-values.ts';

const DEFAULT_NAMESPACE = 'default';
const ITEM = /^(?<closed>-?)(?:(?<protocol>[A-Za-z]+):)?(?<port>\d{1,5})$/;
const ICMP = /^-?icmp(?::.*)?$/i;

export function readV1(root: MapNode, reader: FieldReader, timeoutMs: number): TestCase[] {
  const map = reader.map(root, { what: 'a netassert file', known: ['host', 'k8s', 'alias'] });
  return map === undefined ? [] : new ShorthandReading(map, reader, timeoutMs).tests();
}

class ShorthandReading {
  readonly #map: MapNode;
  readonly #reader: FieldReader;
  readonly #timeoutMs: number;
  /** Address → what it is called in titles. */
  readonly #labels: ReadonlyMap<string, { readonly text: string }>;

  constructor(map: MapNode, reader: FieldReader, timeoutMs: number) {
    this.#map = map;
    this.#reader = reader;
    this.#timeoutMs = timeoutMs;
    const alias = map.entries.get('alias');
    this.#labels = (alias && reader.texts(alias.value, 'alias')) ?? new Map();
  }

  tests(): TestCase[] {
    return [...this.#hostTests(), ...this.#deploymentTests()];
  }

  #hostTests(): TestCase[] {
    return this.#entriesOf(this.#map, 'host').flatMap(([host, { place, value }]) => {
      if (host === 'localhost') return this.#destinations(host, { kind: 'host' }, value);
      const message = `Cannot probe from ${JSON.stringify(host)}: it would take SSH; write localhost and run it there`;
      return this.#reader.fail(place, 'not-supported', message) ?? [];
    });
  }

  #deploymentTests(): TestCase[] {
    const k8s = this.#map.entries.get('k8s');
    const kinds = k8s && this.#reader.map(k8s.value, { what: 'k8s', known: ['deployment'] });
    if (kinds === undefined) return [];
    return this.#entriesOf(kinds, 'deployment').flatMap(([key, { place, value }]) => {
      const [first = '', second, ...more] = key.split(':');
      const [namespace, name] = second === undefined ? [DEFAULT_NAMESPACE, first] : [first, second];
      if (more.length === 0 && namespace !== '' && name !== '') {
        return this.#destinations(`${namespace}/${name}`, { kind: 'deployment', namespace, name }, value);
      }
      const message = `Cannot use ${JSON.stringify(key)} as a deployment: write NAMESPACE:NAME, or NAME`;
      return this.#reader.fail(place, 'bad-value', message) ?? [];
    });
  }

  #destinations(from: string, source: Source, node: Node): TestCase[] {
    const map = this.#anyMap(node, `the destinations of ${from}`);
    return [...(map?.entries ?? [])].flatMap(([text, { place, value }]) => {
      const to = nameOrAddress(this.#reader, place, text);
      const label = this.#labels.get(text)?.text ?? text;
      return to === undefined ? [] : this.#ports(`${from} to ${label}`, source, to, value);
    });
  }

  #ports(route: string, source: Source, to: Target, node: Node): TestCase[] {
    return this.#items(node).flatMap(({ item, at }) => {
      const read = readItem(item, to);
      if (read === undefined) {
        const message = `Cannot read ${JSON.stringify(item)} as a port: write [-][TCP:|UDP:]PORT, as in -TCP:30731`;
        this.#reader.fail(at.place, 'bad-port', message);
        return [];
      }
      const { title, check } = read;
      const name = `${route} ${title}`;
      return [{ name, at: at.place.at, source, checks: [check], attempts: 1, timeoutMs: this.#timeoutMs }];
    });
  }

  /** A value, a text of several with commas or blanks between them, or a list of such. */
  #items(node: Node): { item: string; at: Node }[] {
    const values = node.kind === 'list' ? node.items : [node];
    const items = values.flatMap((value) => {
      const text = value.kind === 'scalar' ? (typeof value.value === 'number' ? value.source : value.value) : null;
      return typeof text === 'string'
        ? text.split(/[\s,]+/).map((item) => ({ item, at: value }))
        : [{ item: '', at: value }];
    });
    return items.length > 0 ? items : [{ item: '', at: node }];
  }

  #entriesOf(map: MapNode, key: string): [string, Entry][] {
    const entry = map.entries.get(key);
    const found = entry && this.#anyMap(entry.value, key);
    return [...(found?.entries ?? [])];
  }

  #anyMap(node: Node, what: string): MapNode | undefined {
    if (node.kind === 'map') return node;
    return this.#reader.fail(node.place, 'wrong-type', `Cannot read ${what}: it must be a mapping`);
  }
}

/** Undefined for what is no port of TCP or UDP. */
function readItem(item: string, to: Target): { title: string; check: Check } | undefined {
  if (ICMP.test(item)) return { title: 'ICMP', check: { kind: 'unprobed', why: 'ICMP is not probed' } };
  const groups = ITEM.exec(item)?.groups;
  const protocol = (groups?.['protocol'] ?? 'tcp').toLowerCase();
  const port = Number(groups?.['port']);
  if (!(port >= PORTS.least && port <= PORTS.most) || (protocol !== 'tcp' && protocol !== 'udp')) return undefined;
  const expect = groups?.['closed'] === '-' ? 'blocked' : 'allowed';
  const title = `${protocol.toUpperCase()}:${port} ${expect === 'allowed' ? 'open' : 'closed'}`;
  return { title, check: { kind: 'connect', to, protocol, port, expect } };
}
