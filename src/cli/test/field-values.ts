// Values of test files that policies do not have: numbers in a range, one word of several, names and addresses. Each either gives the
// value or adds one located problem.
import { canonicalAddress } from '../../base/ip.ts';
import { parseNameText } from '../../dns/name.ts';
import type { Node, Place } from '../../policy/dialects/document.ts';
import type { FieldReader } from '../../policy/dialects/fields.ts';
import { isHostText } from '../../policy/name-syntax.ts';
import type { Target } from './case.ts';

/** `least` and `most` inclusive. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

export const PORTS: Range = { least: 1, most: 65_535 };

export function integer(reader: FieldReader, node: Node, what: string, { least, most }: Range): number | undefined {
  const value = node.kind === 'scalar' ? node.value : null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  const rule = `it must be a whole number from ${least} to ${most}`;
  return reader.fail(node.place, 'bad-value', `Cannot use ${shown(node)} for ${what}: ${rule}`);
}

export function word<T extends string>(
  reader: FieldReader,
  node: Node,
  what: string,
  words: readonly T[],
): T | undefined {
  const value = node.kind === 'scalar' ? node.value : null;
  const found = words.find((each) => each === value);
  if (found !== undefined) return found;
  const rule = words.length === 1 ? `write ${words[0]}` : `write one of ${words.join(', ')}`;
  return reader.fail(node.place, 'bad-value', `Cannot use ${shown(node)} for ${what}: ${rule}`);
}

/** A name as programs ask for it, or an address. */
export function nameOrAddress(reader: FieldReader, place: Place, text: string): Target | undefined {
  const address = canonicalAddress(text);
  if (address !== undefined) return { kind: 'address', text: address };
  if (isHostText(text) && parseNameText(text) !== undefined) return { kind: 'name', text };
  const message = `Cannot use ${JSON.stringify(text)} as a destination: write a DNS name or an address, without port`;
  return reader.fail(place, 'bad-value', message);
}

function shown(node: Node): string {
  return node.kind === 'scalar' ? JSON.stringify(node.value) : `a ${node.kind === 'map' ? 'mapping' : 'list'}`;
}
