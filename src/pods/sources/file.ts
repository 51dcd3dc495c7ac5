// Clients from a YAML file: who has which addresses. Strict, because an address that is given to the wrong client gets its rights.
import { isIPv4 } from 'node:net';
import { canonicalAddress, familyOf, parseAddress } from '../../base/ip.ts';
import type { Parsed } from '../../base/errors.ts';
import { ProblemList, readDocuments, type MapNode, type Node } from '../../policy/dialects/document.ts';
import { FieldReader } from '../../policy/dialects/fields.ts';
import { isDnsLabel, isDnsSubdomain, isLabelKey, isLabelValue } from '../../policy/dialects/kubernetes-names.ts';
import { readTextFile } from '../../policy/sources/files.ts';
import { ParsedFiles } from '../../policy/sources/parsed-files.ts';
import type { Pod } from '../pod.ts';

const MAX_INTERFACE = 15; // IFNAMSIZ less the final NUL
const MAX_UID = 253;
const CLIENT = { what: 'a client', known: ['namespace', 'name', 'labels', 'addresses', 'interface', 'mac', 'uid'] };

/** `parsed` remembers what is the same at the next call. */
export async function loadClients(
  path: string,
  parsed = new ParsedFiles<readonly Pod[]>(),
): Promise<Parsed<readonly Pod[]>> {
  const text = await readTextFile(path);
  const [read] = parsed.parse(new Map([[path, text]]), (content) => readClients(content, path));
  return read ?? { ok: true, value: [] };
}

/** All problems of the file at once, in the order of its lines. `file` is only used in messages. */
export function readClients(text: string, file: string): Parsed<readonly Pod[]> {
  const problems = new ProblemList();
  return readClientDocuments(readDocuments(text, file, problems), file, problems);
}

/** Whether a document is a clients file rather than a policy. */
export function isClientsDocument(document: Node): boolean {
  return document.kind === 'map' && document.entries.has('clients');
}

/** For documents that are parsed already; `problems` holds what their reading found. */
export function readClientDocuments(
  documents: readonly Node[],
  file: string,
  problems: ProblemList,
): Parsed<readonly Pod[]> {
  const reading = new ClientsReading(problems);
  const [first, second] = documents;
  if (second !== undefined) {
    problems.add(
      second.place,
      'bad-value',
      'Remove the second document: a clients file is one; list all clients in it',
    );
  }
  if (first === undefined && problems.count === 0) {
    const message = 'Cannot read the clients: the file is empty; write "clients: []" for none';
    problems.add({ at: `${file}:1:1`, order: 0 }, 'empty-file', message);
  }
  const pods = first === undefined ? [] : reading.clients(first);
  return problems.count === 0 ? { ok: true, value: pods } : { ok: false, problems: problems.sorted() };
}

class ClientsReading {
  readonly #reader: FieldReader;
  /** Where each address, name and uid was given first. */
  readonly #given = new Map<string, string>();

  constructor(problems: ProblemList) {
    this.#reader = new FieldReader(problems);
  }

  clients(document: Node): Pod[] {
    const map = this.#reader.map(document, { what: 'a clients file', known: ['clients'] });
    const entry = map && this.#reader.required(map, 'clients', 'the file', 'clients: []');
    const list = entry && this.#reader.list(entry.value, 'clients');
    return (list?.items ?? []).flatMap((item) => this.#client(item) ?? []);
  }

  #client(node: Node): Pod | undefined {
    const map = this.#reader.map(node, CLIENT);
    if (map === undefined) return undefined;
    const namespace = map.entries.has('namespace') ? this.#checked(map, 'namespace', isDnsLabel) : 'default';
    const nameEntry = this.#reader.required(map, 'name', 'a client', 'name: web');
    const name = nameEntry && this.#checked(map, 'name', isDnsSubdomain);
    const labels = this.#labels(map);
    const addresses = this.#addresses(map);
    const link = this.#checked(map, 'interface', isInterfaceName);
    const mac = this.#checked(map, 'mac', (text) => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text));
    const givenUid = this.#checked(map, 'uid', (text) => text !== '' && text.length <= MAX_UID);
    if (nameEntry === undefined || namespace === undefined || name === undefined) return undefined;
    const isNew = this.#once('client', `${namespace}/${name}`, nameEntry.value);
    const uid = givenUid ?? `${namespace}/${name}`;
    if (isNew) this.#once('uid', uid, map.entries.get('uid')?.value ?? nameEntry.value);
    return {
      uid,
      namespace,
      name,
      labels,
      addresses,
      ...(link === undefined ? {} : { interface: link }),
      ...(mac === undefined ? {} : { mac: mac.toLowerCase() }),
    };
  }

  #checked(map: MapNode, field: string, isValid: (text: string) => boolean): string | undefined {
    const entry = map.entries.get(field);
    const text = entry && this.#reader.text(entry.value, field);
    if (entry === undefined || text === undefined || isValid(text)) return text;
    return this.#reader.fail(
      entry.value.place,
      'bad-value',
      `Cannot use ${JSON.stringify(text)} as ${field}: ${RULES[field]}`,
    );
  }

  #labels(map: MapNode): Record<string, string> {
    const entry = map.entries.get('labels');
    const texts = entry && this.#reader.texts(entry.value, 'label');
    const labels = [...(texts ?? [])].map(([key, { text, place }]) => {
      if (!isLabelKey(key)) {
        this.#reader.fail(place, 'bad-label', `Cannot use ${JSON.stringify(key)} as a label: ${RULES['label']}`);
      } else if (!isLabelValue(text)) {
        this.#reader.fail(
          place,
          'bad-label',
          `Cannot use ${JSON.stringify(text)} as a label's value: ${RULES['label']}`,
        );
      }
      return [key, text] as const;
    });
    return Object.fromEntries(labels); // defines own properties, also one called "__proto__"
  }

  #addresses(map: MapNode): string[] {
    const entry = this.#reader.required(map, 'addresses', 'a client', 'addresses: [192.0.2.7]');
    const instead = 'a client is known by its addresses; write one, or remove the client';
    const items = entry && this.#reader.fullList(entry.value, 'addresses', instead);
    return (items ?? []).flatMap((item) => {
      const address = this.#address(item);
      return address !== undefined && this.#once('address', address, item) ? [address] : [];
    });
  }

  #address(node: Node): string | undefined {
    const text = this.#reader.text(node, 'an address');
    if (text === undefined) return undefined;
    const because = (why: string) =>
      this.#reader.fail(node.place, 'bad-address', `Cannot use ${JSON.stringify(text)} as an address: ${why}`);
    const bytes = parseAddress(text);
    const canonical = canonicalAddress(text);
    if (bytes === undefined || canonical === undefined) {
      const isRange = text.includes('/');
      return because(
        isRange
          ? 'a client has single addresses; write them without "/"'
          : 'write an IPv4 or IPv6 address, without zone',
      );
    }
    // Packets to ::ffff:a.b.c.d leave as IPv4; only the IPv4 spelling says what the kernel sees.
    if (familyOf(bytes) === 4 && !isIPv4(text)) return because(`it is IPv4 inside IPv6; write "${canonical}"`);
    if (!isUnicast(bytes)) return because('no client sends from it; write the address of its interface');
    return canonical;
  }

  #once(what: string, value: string, node: Node): boolean {
    const key = `${what} ${value}`;
    const before = this.#given.get(key);
    if (before === undefined) {
      this.#given.set(key, node.place.at);
      return true;
    }
    this.#reader.fail(
      node.place,
      `duplicate-${what}`,
      `Remove or change ${what} "${value}": it is given already at ${before}`,
    );
    return false;
  }
}

const RULES: Readonly<Record<string, string>> = {
  namespace: 'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit',
  name: 'lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit',
  interface: `1 to ${MAX_INTERFACE} of a-z, A-Z, 0-9, "-", "_", ".", "@", "+"`,
  mac: 'six pairs of hexadecimal digits, such as 02:00:00:00:00:07',
  uid: `1 to ${MAX_UID} characters`,
  label: 'at most 63 of a-z, A-Z, 0-9, "-", "_", ".", beginning and ending with a letter or digit',
};

/** What the kernel's dev_valid_name accepts, in ASCII; a quote could otherwise end the text of an nft rule. */
function isInterfaceName(text: string): boolean {
  return text.length <= MAX_INTERFACE && text !== '.' && text !== '..' && /^[-A-Za-z0-9_.@+]+$/.test(text);
}

/** Neither unspecified, multicast nor broadcast. */
function isUnicast(bytes: Uint8Array): boolean {
  const [b0 = 0, b12 = 0] = [bytes[0], bytes[12]];
  if (familyOf(bytes) === 4) return b12 !== 0 && b12 < 224;
  return b0 !== 0xff && bytes.some((byte) => byte !== 0);
}
