// The items of toFQDNs and of rules.dns: each is a matchName or a matchPattern.
import { compileMatchName, compileMatchPattern, type PatternUse } from '../../names.ts';
import type { NameSelector } from '../../policy.ts';
import type { Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';

const FOREIGN = new Map([['toPorts', 'write it beside the list of names, not inside']]);

export function readNames(items: readonly Node[], use: PatternUse, reader: FieldReader): NameSelector[] {
  return items.flatMap((item) => readName(item, use, reader) ?? []);
}

function readName(node: Node, use: PatternUse, reader: FieldReader): NameSelector | undefined {
  const map = reader.map(node, { what: `an item of ${use}`, known: ['matchName', 'matchPattern'], foreign: FOREIGN });
  if (map === undefined) return undefined;
  const name = map.entries.get('matchName');
  const pattern = map.entries.get('matchPattern');
  if (name !== undefined && pattern !== undefined) {
    const type = use === 'toFQDNs' ? 'an FQDNSelector' : 'a PortRuleDNS';
    const message = `only one of MatchName or MatchPattern is allowed in ${type}; write two items to allow both`;
    return reader.fail(pattern.place, 'bad-rule', message);
  }
  const entry = name ?? pattern;
  if (entry === undefined) {
    if (map.entries.size > 0) return undefined; // a misspelt field, reported above
    const message = `Add matchName or matchPattern to an item of ${use}: it has neither, so it would match nothing`;
    return reader.fail(map.place, 'missing-field', message);
  }
  const text = reader.text(entry.value, name === undefined ? 'matchPattern' : 'matchName');
  if (text === undefined) return undefined;
  const compiled = name === undefined ? compileMatchPattern(text, use) : compileMatchName(text);
  if (!compiled.ok)
    return reader.fail(entry.value.place, name === undefined ? 'bad-pattern' : 'bad-name', compiled.message);
  return { match: name === undefined ? 'pattern' : 'name', text, at: entry.value.place.at };
}
