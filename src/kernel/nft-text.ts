// How names, addresses and blocks are written in nft's language. Everything that comes from outside passes a check here, since the
// language has no escapes: a quote in an interface's name would be code.
import { canonicalAddress } from '../base/ip.ts';
import type { Family } from '../base/ip.ts';
import { KernelError } from './kernel-error.ts';

export const TABLE = 'namewall';

export interface NamedText {
  readonly name: string;
  readonly text: string;
}

export interface SetDeclaration {
  readonly kind?: 'set' | 'map';
  readonly name: string;
  readonly type: string;
  readonly comment?: string;
  /** Further lines: flags, size, timeout. */
  readonly settings?: readonly string[];
  readonly elements?: readonly string[];
}

export function setText(declaration: SetDeclaration): NamedText {
  const { kind = 'set', name, type, comment, settings = [], elements = [] } = declaration;
  const unique = [...new Set(elements)];
  const lines = [
    `type ${type}`,
    ...settings,
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
    ...(unique.length === 0 ? [] : [`elements = {\n\t\t\t${unique.join(',\n\t\t\t')}\n\t\t}`]),
  ];
  return { name: identifier(name), text: block(kind, name, lines) };
}

export function chainText(name: string, rules: readonly string[]): NamedText {
  return { name: identifier(name), text: block('chain', name, rules) };
}

export function block(kind: string, name: string, lines: readonly string[]): string {
  return [`\t${kind} ${identifier(name)} {`, ...lines.map((line) => `\t\t${line}`), '\t}'].join('\n');
}

/** The addresses of one family, in the one spelling that we compare. Throws KernelError `bad-input`. */
export function addressesOf(addresses: readonly string[], family: Family): string[] {
  return addresses.map(checkedAddress).filter((address) => address.includes(':') === (family === 6));
}

export function quotedInterface(name: string): string {
  // IFNAMSIZ is 16 with the zero byte; nft reads a trailing * as a wildcard.
  if (!/^[^\s"*\\/]{1,15}$/.test(name)) throw new KernelError('bad-input', `Cannot use "${name}" as an interface name`);
  return `"${name}"`;
}

function identifier(name: string): string {
  if (!/^[a-z][a-z0-9_]{0,127}$/.test(name)) throw new KernelError('bad-input', `Cannot use "${name}" as an nft name`);
  return name;
}

function checkedAddress(text: string): string {
  const address = canonicalAddress(text);
  if (address === undefined) throw new KernelError('bad-input', `Cannot read "${text}" as an address`);
  return address;
}
