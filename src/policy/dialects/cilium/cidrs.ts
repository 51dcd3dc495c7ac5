// toCIDR and toCIDRSet: ranges as Cilium takes them, prefixes only. What two readers could take for different ranges is refused.
import { isWithin, parseRange, type Interval } from '../../cidr.ts';
import { quote } from '../../name-syntax.ts';
import type { Peer } from '../../policy.ts';
import type { Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';

const NO_GROUPS = 'CiliumCIDRGroup objects are not read; list the ranges';
const SET_FIELDS = {
  what: 'an item of toCIDRSet',
  known: ['cidr', 'except'],
  refused: new Map([
    ['cidrGroupRef', NO_GROUPS],
    ['cidrGroupSelector', NO_GROUPS],
  ]),
};
const NOBODY = 'it selects nothing; list at least one, or remove the rule';
const MAPPED = parseRange('::ffff:0:0/96');

export function readCidrs(node: Node, reader: FieldReader): Peer[] {
  const items = reader.fullList(node, 'toCIDR', NOBODY) ?? [];
  return items.flatMap((item) => {
    const cidr = readCidr(item, 'toCIDR', reader);
    return cidr === undefined ? [] : [{ kind: 'cidr', cidr: cidr.text, except: [], isOutside: true }];
  });
}

export function readCidrSet(node: Node, reader: FieldReader): Peer[] {
  const items = reader.fullList(node, 'toCIDRSet', NOBODY) ?? [];
  return items.flatMap((item) => readSetItem(item, reader) ?? []);
}

interface Cidr {
  readonly text: string;
  readonly range: Interval;
}

function readSetItem(node: Node, reader: FieldReader): Peer | undefined {
  const map = reader.map(node, SET_FIELDS);
  if (map === undefined || [...SET_FIELDS.refused.keys()].some((field) => map.entries.has(field))) return undefined;
  const entry = reader.required(map, 'cidr', SET_FIELDS.what, 'cidr: 192.0.2.0/24');
  const cidr = entry && readCidr(entry.value, 'cidr', reader);
  const except = map.entries.get('except');
  const instead = 'a template that renders to nothing must not open more; remove except if nothing is excepted';
  const items = except === undefined ? [] : (reader.fullList(except.value, 'except', instead) ?? []);
  const excepted = items.flatMap((item) => (cidr === undefined ? [] : (readExcept(item, cidr, reader) ?? [])));
  return cidr && { kind: 'cidr', cidr: cidr.text, except: excepted, isOutside: true };
}

function readExcept(node: Node, { text, range }: Cidr, reader: FieldReader): string | undefined {
  const except = readCidr(node, 'except', reader);
  if (except === undefined || isWithin(except.range, range)) return except?.text;
  const message = `Cannot except ${quote(except.text)}: it does not lie inside ${quote(text)}`;
  return reader.fail(node.place, 'bad-cidr', message);
}

export function readCidr(node: Node, field: string, reader: FieldReader): Cidr | undefined {
  const text = reader.text(node, field);
  if (text === undefined) return undefined;
  const range = parseRange(text);
  if (range === undefined) {
    const example = 'write ADDRESS/LENGTH, as in "192.0.2.0/24" or "2001:db8::/32"';
    return reader.fail(node.place, 'bad-cidr', `Cannot use ${quote(text)} as a CIDR: ${example}`);
  }
  if (!text.includes('/')) {
    const one = `${text}/${range.family === 4 ? 32 : 128}`;
    return reader.fail(node.place, 'bad-cidr', `Cannot use ${quote(text)} as a CIDR: write ${quote(one)} for it alone`);
  }
  if (MAPPED !== undefined && isWithin(range, MAPPED)) {
    const message = `Cannot use ${quote(text)} as a CIDR: such packets leave as IPv4; write the IPv4 range`;
    return reader.fail(node.place, 'bad-cidr', message);
  }
  return { text, range };
}
