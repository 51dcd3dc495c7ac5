// What policies may be written otherwise than they were meant: nothing here is wrong, and nothing is refused. For `namewall check`.
import type { Problem } from '../base/errors.ts';
import type { Pod } from '../pods/pod.ts';
import { ruleMatches } from './match.ts';
import type { EgressRule, NameSelector, Policy, PolicyRule } from './policy.ts';
import { selects } from './select.ts';

export const LINT_CODES = [
  'no-dot-boundary',
  'broad-pattern',
  'duplicate-name',
  'all-ports',
  'doh-resolver',
  'selects-nobody',
] as const;
type LintCode = (typeof LINT_CODES)[number];

/** Public resolvers that speak DNS over HTTPS: who may connect to one asks it whatever policy does not let it ask here. */
const DOH_RESOLVERS: readonly string[] = [
  'chrome.cloudflare-dns.com',
  'cloudflare-dns.com',
  'dns.adguard-dns.com',
  'dns.google',
  'dns.nextdns.io',
  'dns.quad9.net',
  'doh.cleanbrowsing.org',
  'doh.dns.sb',
  'doh.opendns.com',
  'mozilla.cloudflare-dns.com',
  'one.one.one.one',
];

type ConnectRule = Extract<EgressRule, { kind: 'connect' }>;

/** In the order of policies and rules. `pods`: all there are; undefined where they are not known, and then nothing is said of who is selected. */
export function lint(policies: readonly Policy[], pods: readonly Pod[] | undefined): Problem[] {
  return policies.flatMap(({ rules }) => rules.flatMap((rule) => [...unselected(rule, pods), ...lintNames(rule)]));
}

function unselected({ selector, at }: PolicyRule, pods: readonly Pod[] | undefined): Problem[] {
  if (pods === undefined || pods.some((pod) => selects(selector, pod))) return [];
  return [problem(at, 'selects-nobody', 'selects none of the clients: look at its labels and its namespace')];
}

function lintNames({ egress }: PolicyRule): Problem[] {
  return egress.flatMap((rule) => (rule.kind === 'connect' ? lintConnect(rule) : []));
}

function lintConnect({ names, ports }: ConnectRule): Problem[] {
  const problems = names.flatMap((name, i) => [...lintName(name), ...duplicates(names, i)]);
  const [first] = names;
  if (ports !== 'all' || first === undefined) return problems;
  const message = 'every port of these names may be connected to; write toPorts, for example port "443", protocol TCP';
  return [...problems, problem(first.at, 'all-ports', message)];
}

function lintName(name: NameSelector): Problem[] {
  const text = name.text.toLowerCase().replace(/\.$/, '');
  const breadth = name.match === 'pattern' ? lintPattern(text, name.at) : undefined;
  if (breadth !== undefined) return [breadth];
  const rule = { match: name.match, text, classes: [0] };
  const resolver = DOH_RESOLVERS.find((each) => ruleMatches(rule, each.split('.')));
  if (resolver === undefined) return [];
  const message = `"${name.text}" opens ${resolver}, a public DNS resolver over HTTPS: by it every name can be looked up, past this policy`;
  return [problem(name.at, 'doh-resolver', message)];
}

/** Only what stands left of a registrable name says whose names they are: a star in its last two labels may match anybody's. */
function lintPattern(text: string, at: string): Problem | undefined {
  const labels = text.split('.');
  const registrable = labels.slice(-2);
  if (/^\*+$/.test(registrable[0] ?? '')) {
    const message = `"${text}" matches names of anybody; write the domains that are needed, for example "*.example.com"`;
    return problem(at, 'broad-pattern', message);
  }
  const starred = registrable.find((label) => label.includes('*'));
  if (starred === undefined) return undefined;
  const rest = text.replace(/^\*+/, '');
  const instead = labels.length === 2 && !rest.includes('*') ? `; write "${rest}" and "*.${rest}"` : '';
  const message = `"${text}" also matches domains of others, since a star does not end at a dot${instead}`;
  return problem(at, 'no-dot-boundary', message);
}

function duplicates(names: readonly NameSelector[], i: number): Problem[] {
  const name = names[i]!;
  const first = names.findIndex(({ match, text }) => match === name.match && sameName(text, name.text));
  if (first === i) return [];
  return [problem(name.at, 'duplicate-name', `"${name.text}" stands in this rule already, at ${names[first]!.at}`)];
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase().replace(/\.$/, '') === b.toLowerCase().replace(/\.$/, '');
}

function problem(at: string, code: LintCode, message: string): Problem {
  return { at, code, message };
}
