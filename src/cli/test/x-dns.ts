// `x-dns`, our extension of netassert: what the DNS servers must answer to the source. One assertion or a list of them.
import { canonicalAddress } from '../../base/ip.ts';
import { TYPE, typeFromName } from '../../dns/codes.ts';
import { parseNameText } from '../../dns/name.ts';
import type { MapNode, Node } from '../../policy/dialects/document.ts';
import type { FieldReader } from '../../policy/dialects/fields.ts';
import { DNS_OUTCOMES, type AskCheck } from './case.ts';
import { word } from './field-values.ts';

const FIELDS = { what: 'x-dns', known: ['name', 'type', 'expect', 'addresses'] };

export function readDnsChecks(reader: FieldReader, node: Node): AskCheck[] {
  if (node.kind !== 'list') return readDnsCheck(reader, node);
  const items = reader.fullList(node, 'x-dns', 'write an assertion, or remove it') ?? [];
  return items.flatMap((item) => readDnsCheck(reader, item));
}

function readDnsCheck(reader: FieldReader, node: Node): AskCheck[] {
  const map = reader.map(node, FIELDS);
  if (map === undefined) return [];
  const name = readName(reader, map);
  const type = readType(reader, map);
  const expected = reader.required(map, 'expect', 'x-dns', 'expect: answered');
  const expect = expected && word(reader, expected.value, 'expect', DNS_OUTCOMES);
  const addresses = readAddresses(reader, map, expect, type?.type);
  if (name === undefined || type === undefined || expect === undefined) return [];
  return [{ kind: 'ask', name, ...type, expect, addresses }];
}

function readName(reader: FieldReader, map: MapNode): string | undefined {
  const entry = reader.required(map, 'name', 'x-dns', 'name: api.example.org');
  const name = entry && reader.text(entry.value, 'name');
  if (entry === undefined || name === undefined || parseNameText(name) !== undefined) return name;
  return reader.fail(entry.value.place, 'bad-value', `Cannot ask for ${JSON.stringify(name)}: it is no DNS name`);
}

function readType(reader: FieldReader, map: MapNode): { typeText: string; type: number } | undefined {
  const entry = map.entries.get('type');
  if (entry === undefined) return { typeText: 'A', type: TYPE.A };
  const typeText = reader.text(entry.value, 'type');
  if (typeText === undefined) return undefined;
  const type = typeFromName(typeText);
  if (type !== undefined) return { typeText, type };
  const message = `Cannot ask for type ${JSON.stringify(typeText)}: write a type such as A, AAAA or TYPE65`;
  return reader.fail(entry.value.place, 'bad-value', message);
}

function readAddresses(
  reader: FieldReader,
  map: MapNode,
  expect: string | undefined,
  type: number | undefined,
): string[] {
  const entry = map.entries.get('addresses');
  if (entry === undefined) return [];
  if (expect !== 'answered' || (type !== TYPE.A && type !== TYPE.AAAA)) {
    const message = 'Remove "addresses": only "expect: answered" of type A or AAAA has some';
    return reader.fail(entry.place, 'bad-value', message) ?? [];
  }
  const items = reader.fullList(entry.value, 'addresses', 'write an address, or remove it') ?? [];
  return items.flatMap((item) => {
    const text = reader.text(item, 'an address');
    const address = text && canonicalAddress(text);
    if (text !== undefined && address === undefined) {
      const message = `Cannot use ${JSON.stringify(text)} as an address: write one of IPv4 or IPv6, without range`;
      reader.fail(item.place, 'bad-value', message);
    }
    return address === undefined || address === '' ? [] : [address];
  });
}
