// Names and patterns that open more than their author may know.
import { getDomain, parse } from 'tldts';
import type { Problem } from '../../base/errors.ts';
import type { LintCode } from '../lint.ts';
import { ruleMatches } from '../match.ts';
import type { EgressRule, NameSelector, PolicyRule } from '../policy.ts';

/** Public resolvers that speak DNS over HTTPS: who may connect to one asks it whatever policy does not let it ask here. */
const DOH_RESOLVERS: readonly string[] = [
  '8888.google',
  'adblock.dns.mullvad.net',
  'anycast.dns.nextdns.io',
  'chrome.cloudflare-dns.com',
  'cloudflare-dns.com',
  'dns.adguard-dns.com',
  'dns.adguard.com',
  'dns.alidns.com',
  'dns.controld.com',
  'dns.google',
  'dns.mullvad.net',
  'dns.nextdns.io',
  'dns.quad9.net',
  'dns.twnic.tw',
  'dns10.quad9.net',
  'dns11.quad9.net',
  'dns64.dns.google',
  'dns9.quad9.net',
  'doh.360.cn',
  'doh.cleanbrowsing.org',
  'doh.dns.sb',
  'doh.familyshield.opendns.com',
  'doh.libredns.gr',
  'doh.opendns.com',
  'doh.pub',
  'doh.umbrella.com',
  'family.adguard-dns.com',
  'family.cloudflare-dns.com',
  'freedns.controld.com',
  'mozilla.cloudflare-dns.com',
  'one.one.one.one',
  'ordns.he.net',
  'public.dns.iij.jp',
  'security.cloudflare-dns.com',
  'unfiltered.adguard-dns.com',
];
const FIELDS = { name: 'matchName', pattern: 'matchPattern', domain: 'domainNames' } as const;
/** Suffixes under which others register count, too: `github.io`, `s3.amazonaws.com`. */
const SUFFIXES = { allowPrivateDomains: true };

type ConnectRule = Extract<EgressRule, { kind: 'connect' }>;

export function lintNames({ egress }: PolicyRule): Problem[] {
  return egress.flatMap((rule) => (rule.kind === 'connect' ? lintConnect(rule) : []));
}

function lintConnect({ names, ports, isSilent }: ConnectRule): Problem[] {
  const listed: Listed = {
    first: new Map(names.toReversed().map((name) => [keyOf(name), name])),
    patterns: names.filter(({ text }) => text.includes('*')),
  };
  const problems = names.flatMap((name) => [...lintName(name), ...repeated(name, listed)]);
  const [first] = names;
  if (ports !== 'all' || first === undefined) return problems;
  const instead =
    isSilent === true
      ? 'protocols, for example tcp: {destinationPort: {number: 443}}'
      : 'toPorts, for example port "443", protocol TCP';
  return [...problems, problem(first, 'all-ports', `every port of these names may be connected to; write ${instead}`)];
}

function lintName(name: NameSelector): Problem[] {
  const breadth = name.match === 'name' ? undefined : lintPattern(name);
  if (breadth !== undefined) return [breadth];
  const rule = { match: name.match, text: name.text, classes: [0] };
  const resolver = DOH_RESOLVERS.find((each) => ruleMatches(rule, each.split('.')));
  if (resolver === undefined) return [];
  const message = `${shown(name)} opens ${resolver}, a public DNS resolver over HTTPS: by it every name can be looked up, past this policy; remove it, or name the hosts that are needed`;
  return [problem(name, 'doh-resolver', message)];
}

/** Only what stands left of a registrable domain is one owner's: a star in that domain, or right below a public suffix, may match anybody's. */
function lintPattern(name: NameSelector): Problem | undefined {
  const labels = plain(name.text).split('.');
  const last = labels.findLastIndex((label) => label.includes('*'));
  if (last < 0) return undefined;
  const tail = labels.slice(last + 1).join('.');
  const starred = labels[last] ?? '';
  if (tail === '') {
    if (labels.every((label) => /^\*+$/.test(label))) {
      return problem(
        name,
        'broad-pattern',
        `${shown(name)} matches every name; write the domains that are needed, for example "*.example.com"`,
      );
    }
    return problem(name, 'no-dot-boundary', `${shown(name)} matches domains of anybody; write its last label out`);
  }
  const { publicSuffix, isIcann, isPrivate } = parse(tail, SUFFIXES);
  if (tail !== publicSuffix) return undefined;
  if (!/^\*+$/.test(starred)) return problem(name, 'no-dot-boundary', boundaryText(name, labels, last));
  if (isIcann !== true && isPrivate !== true) return undefined; // a suffix of the operator's own, as "*.internal"
  const why = `"${tail}" is a public suffix, under which anybody has names; write the domains that are needed`;
  return problem(
    name,
    'public-suffix',
    `${shown(name)} matches names of anybody: ${why}, for example "*.example.${tail}"`,
  );
}

function boundaryText(name: NameSelector, labels: readonly string[], last: number): string {
  const rest = labels.slice(last).join('.').replace(/^\*+/, '');
  const isClear = last === 0 && !rest.includes('*') && getDomain(rest, SUFFIXES) !== null;
  const instead = isClear ? `; write "${rest}" and "*.${rest}"` : '; write the domain without a star';
  return `${shown(name)} also matches domains of others, since a star does not end at a dot${instead}`;
}

/** All names of a rule, as they are looked for: thousands are listed where feeds are. */
interface Listed {
  readonly first: ReadonlyMap<string, NameSelector>;
  readonly patterns: readonly NameSelector[];
}

/** Twice the same, or a name that a pattern of the same rule matches. */
function repeated(name: NameSelector, { first, patterns }: Listed): Problem[] {
  const known = first.get(keyOf(name));
  if (known !== undefined && known !== name)
    return [problem(name, 'duplicate-name', `${shown(name)} stands in this rule already, at ${known.at}; remove one`)];
  if (name.text.includes('*')) return [];
  const labels = plain(name.text).split('.');
  const wider = patterns.find((each) => ruleMatches({ match: each.match, text: each.text, classes: [0] }, labels));
  if (wider === undefined) return [];
  return [
    problem(
      name,
      'shadowed-name',
      `${shown(name)} is matched by ${shown(wider)} at ${wider.at} already; remove one of them`,
    ),
  ];
}

function keyOf({ match, text }: NameSelector): string {
  return `${match} ${plain(text)}`;
}

function plain(text: string): string {
  return text.toLowerCase().replace(/\.$/, '');
}

function shown({ match, text }: NameSelector): string {
  return `${FIELDS[match]} "${text}"`;
}

function problem({ at }: NameSelector, code: LintCode, message: string): Problem {
  return { at, code, message };
}
