// toCIDR and toCIDRSet: ranges as Cilium takes them, prefixes only. What two readers could take for different ranges is refused.
import { isWithin, parseRange, type Interval } from '../../cidr.ts';
import { quote } from '../../name-syntax.ts';
import type { Peer } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import type { CidrGroups } from './cidr-groups.ts';

const GROUPS = ['cidrGroupRef', 'cidrGroupSelector'] as const;
const NO_GROUPS = 'CiliumCIDRGroup objects are not read in a cluster; list the ranges';
const SET_FIELDS = { what: 'an item of toCIDRSet', known: ['cidr', 'except', ...GROUPS] };
const WITHOUT_GROUPS = {
  what: SET_FIELDS.what,
  known: ['cidr', 'except'],
  refused: new Map(GROUPS.map((field) => [field, NO_GROUPS])),
};
const NOBODY = 'it selects nothing; list at least one, or remove the rule';
const MAPPED = parseRange('::ffff:0:0/96');

export function readCidrs(node: Node, reader: FieldReader): Peer[] {
  const items = reader.fullList(node, 'toCIDR', NOBODY) ?? [];
  return items.flatMap((item) => {
    if (item.kind === 'map') {
      const message = 'Cannot use a mapping for toCIDR: write the range alone, or toCIDRSet instead of toCIDR';
      return reader.fail(item.place, 'wrong-type', message) ?? [];
    }
    const cidr = readCidr(item, 'toCIDR', reader);
    return cidr === undefined ? [] : [outside(cidr.text)];
  });
}

export function readCidrSet(node: Node, groups: CidrGroups | undefined, reader: FieldReader): Peer[] {
  const items = reader.fullList(node, 'toCIDRSet', NOBODY) ?? [];
  return items.flatMap((item) => readSetItem(item, groups, reader));
}

interface Cidr {
  readonly text: string;
  readonly range: Interval;
}

function readSetItem(node: Node, groups: CidrGroups | undefined, reader: FieldReader): Peer[] {
  const map = reader.map(node, groups === undefined ? WITHOUT_GROUPS : SET_FIELDS);
  if (map === undefined) return [];
  const [group, second] = GROUPS.flatMap((field) => map.entries.get(field) ?? []);
  const entry = map.entries.get('cidr');
  const surplus = second ?? (entry && group);
  if (surplus !== undefined) {
    const message = 'more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set; write an item for each';
    return reader.fail(surplus.place, 'bad-rule', message) ?? [];
  }
  if (group !== undefined) return groups === undefined ? [] : readGroup(map, groups, reader);
  if (entry === undefined) {
    const message = 'one of cidr, cidrGroupRef, or cidrGroupSelector is required; write cidr: 192.0.2.0/24';
    return reader.fail(map.place, 'missing-field', message) ?? [];
  }
  const cidr = readCidr(entry.value, 'cidr', reader);
  const excepted = readExceptions(map.entries.get('except'), cidr, reader);
  return cidr === undefined ? [] : [{ ...outside(cidr.text), except: excepted }];
}

function readGroup(map: MapNode, groups: CidrGroups, reader: FieldReader): Peer[] {
  const except = map.entries.get('except');
  if (except !== undefined) {
    const message = 'Remove "except": it has no effect in Cilium beside a group; deny these ranges in egressDeny';
    reader.fail(except.place, 'not-supported', message);
  }
  const ref = map.entries.get('cidrGroupRef');
  const selector = map.entries.get('cidrGroupSelector');
  const byName = ref && groups.named(ref.value, reader);
  const byLabels = selector && groups.selected(selector.value, reader);
  return (byName ?? byLabels ?? []).map(outside);
}

function readExceptions(except: Entry | undefined, cidr: Cidr | undefined, reader: FieldReader): string[] {
  const instead = 'a template that renders to nothing must not open more; remove except if nothing is excepted';
  const items = except === undefined ? [] : (reader.fullList(except.value, 'except', instead) ?? []);
  return items.flatMap((item) => (cidr === undefined ? [] : (readExcept(item, cidr, reader) ?? [])));
}

function readExcept(node: Node, { text, range }: Cidr, reader: FieldReader): string | undefined {
  const except = readCidr(node, 'except', reader);
  if (except === undefined || isWithin(except.range, range)) return except?.text;
  const message = `allow CIDR prefix ${text} does not contain exclude CIDR prefix ${quote(except.text)}; remove it, or mend one of them`;
  return reader.fail(node.place, 'bad-cidr', message);
}

/** A prefix in one of the forms that all readers take for the same. */
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

function outside(cidr: string): Extract<Peer, { kind: 'cidr' }> {
  return { kind: 'cidr', cidr, except: [], isOutside: true };
}
