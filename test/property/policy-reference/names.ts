// Which names a matchName, a matchPattern and a domainName mean, by the RegExps that Cilium documents (cilium-semantics §1.3) and by the
// words of NPEP-133. Exponential for hostile patterns: for the tests' own alone.
import type { NameSelector } from './documents.ts';

const CHARACTER = '[-a-zA-Z0-9_]';

/** `labels` without the root, one character a byte. Where a bare star stands decides whether it takes odd characters. */
export function matchesSelector(
  { matchName, matchPattern }: NameSelector,
  labels: readonly string[],
  where: 'toFQDNs' | 'rules.dns',
): boolean {
  if (!labels.every(isReadable)) return false;
  const name = labels.length === 0 ? '.' : `${labels.join('.')}.`.toLowerCase();
  if (matchName !== undefined) return withDot(matchName.toLowerCase()) === name;
  if (matchPattern === undefined) return false;
  return regExpOf(matchPattern, where).test(name);
}

/** `*.` in front is one or more whole labels. */
export function matchesDomainName(domainName: string, labels: readonly string[]): boolean {
  if (!labels.every((label) => new RegExp(`^${CHARACTER}*$`).test(label))) return false;
  const wanted = domainName.toLowerCase().replace(/\.$/, '').split('.');
  const name = labels.map((label) => label.toLowerCase());
  if (wanted[0] !== '*') return wanted.join('.') === name.join('.');
  const suffix = wanted.slice(1);
  return name.length > suffix.length && name.slice(-suffix.length).join('.') === suffix.join('.');
}

function regExpOf(pattern: string, where: 'toFQDNs' | 'rules.dns'): RegExp {
  if (/^[*]+[.]?$/.test(pattern)) {
    return where === 'rules.dns' ? /(?:)/ : new RegExp(`^(${CHARACTER}+[.])+$|^[.]$`);
  }
  const lower = withDot(pattern.toLowerCase());
  const [, deep, rest = ''] = /^([*]{2,}[.])?(.*)$/.exec(lower) ?? [];
  const body = rest.replace(/[*]+/g, `${CHARACTER}*`).replace(/[.]/g, '[.]');
  return new RegExp(`^${deep === undefined ? '' : `(${CHARACTER}+([.]${CHARACTER}+){0,})[.]`}${body}$`);
}

function withDot(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

/** policies/README.md: what two programs could read differently matches nothing. */
function isReadable(label: string): boolean {
  return /^[ -~]*$/.test(label) && !/[.\\]/.test(label);
}
