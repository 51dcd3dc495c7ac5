// What the lists of a clients file have in common: fields that are checked, labels, addresses, and what may stand only once in the whole file.
import { isIPv4 } from 'node:net';
import { canonicalAddress, familyOf, parseAddress } from '../../../base/ip.ts';
import type { MapNode, Node, ProblemList } from '../../../policy/dialects/document.ts';
import { FieldReader } from '../../../policy/dialects/fields.ts';
import { isLabelKey, isLabelValue } from '../../../policy/dialects/kubernetes-names.ts';

const LABEL_RULE = 'at most 63 of a-z, A-Z, 0-9, "-", "_", ".", beginning and ending with a letter or digit';
export const NAMESPACE_RULE =
  'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit';
export const NAME_RULE =
  'lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit';

interface Check {
  readonly isValid: (text: string) => boolean;
  readonly rule: string;
}

/** Of whom addresses are; for messages. */
interface Owner {
  /** `a client`. */
  readonly what: string;
  readonly example: string;
  /** What to do about an empty list. */
  readonly instead: string;
}

export class EntryReader {
  readonly fields: FieldReader;
  /** Where each address, name and uid was given first. */
  readonly #given = new Map<string, string>();

  constructor(problems: ProblemList) {
    this.fields = new FieldReader(problems);
  }

  /** The items of a list of mappings, such as `clients`; none where it is absent. */
  items(file: MapNode, field: string): readonly Node[] {
    const entry = file.entries.get(field);
    const list = entry && this.fields.list(entry.value, field);
    return list?.items ?? [];
  }

  checked(map: MapNode, field: string, { isValid, rule }: Check): string | undefined {
    const entry = map.entries.get(field);
    const text = entry && this.fields.text(entry.value, field);
    if (entry === undefined || text === undefined || isValid(text)) return text;
    const message = `Cannot use ${JSON.stringify(text)} as ${field}: ${rule}`;
    return this.fields.fail(entry.value.place, 'bad-value', message);
  }

  /** `field` is a mapping of labels, or absent. */
  labels(map: MapNode, field = 'labels'): Record<string, string> {
    const entry = map.entries.get(field);
    const texts = entry && this.fields.texts(entry.value, 'label');
    const labels = [...(texts ?? [])].map(([key, { text, place }]) => {
      if (!isLabelKey(key)) {
        this.fields.fail(place, 'bad-label', `Cannot use ${JSON.stringify(key)} as a label: ${LABEL_RULE}`);
      } else if (!isLabelValue(text)) {
        this.fields.fail(place, 'bad-label', `Cannot use ${JSON.stringify(text)} as a label's value: ${LABEL_RULE}`);
      }
      return [key, text] as const;
    });
    return Object.fromEntries(labels); // defines own properties, also one called "__proto__"
  }

  /** Canonical text. `scope` is the part of the file in which each may stand once. */
  addresses(map: MapNode, { what, example, instead }: Owner, scope = ''): string[] {
    const entry = this.fields.required(map, 'addresses', what, `addresses: [${example}]`);
    const items = entry && this.fields.fullList(entry.value, 'addresses', instead);
    return (items ?? []).flatMap((item) => {
      const address = this.#address(item, what);
      return address !== undefined && this.once('address', address, item, scope) ? [address] : [];
    });
  }

  once(what: string, value: string, node: Node, scope = ''): boolean {
    const key = `${what} ${value} ${scope}`;
    const before = this.#given.get(key);
    if (before === undefined) {
      this.#given.set(key, node.place.at);
      return true;
    }
    const message = `Remove or change ${what} "${value}": it is given already at ${before}`;
    this.fields.fail(node.place, `duplicate-${what.replaceAll(' ', '-')}`, message);
    return false;
  }

  #address(node: Node, owner: string): string | undefined {
    const text = this.fields.text(node, 'an address');
    if (text === undefined) return undefined;
    const because = (why: string) =>
      this.fields.fail(node.place, 'bad-address', `Cannot use ${JSON.stringify(text)} as an address: ${why}`);
    const bytes = parseAddress(text);
    const canonical = canonicalAddress(text);
    if (bytes === undefined || canonical === undefined) {
      const isRange = text.includes('/');
      return because(
        isRange
          ? `${owner} has single addresses; write them without "/"`
          : 'write an IPv4 or IPv6 address, without zone',
      );
    }
    // Packets to ::ffff:a.b.c.d leave as IPv4; only the IPv4 spelling says what the kernel sees.
    if (familyOf(bytes) === 4 && !isIPv4(text)) return because(`it is IPv4 inside IPv6; write "${canonical}"`);
    if (!isUnicast(bytes))
      return because(`no ${owner.replace(/^an? /, '')} sends from it; write the address of its interface`);
    return canonical;
  }
}

/** Neither unspecified, multicast nor broadcast. */
function isUnicast(bytes: Uint8Array): boolean {
  const [b0 = 0, b12 = 0] = [bytes[0], bytes[12]];
  if (familyOf(bytes) === 4) return b12 !== 0 && b12 < 224;
  return b0 !== 0xff && bytes.some((byte) => byte !== 0);
}
