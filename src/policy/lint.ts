// What policies may be written otherwise than they were meant, and how they are understood where that is not written in them. Nothing here is
// wrong, and nothing is refused. For `namewall check`.
import type { Problem } from '../base/errors.ts';
import { lintClients } from './lint/clients.ts';
import { dnsRules, lintDns } from './lint/dns.ts';
import { lintNames } from './lint/names.ts';
import { lintRules } from './lint/rules.ts';
import type { Policy } from './policy.ts';
import type { World } from './world.ts';

/** Found only where it is known who there is. */
export const CLIENT_CODES = ['selects-nobody', 'reaches-nobody'] as const;

export const LINT_CODES = [
  'no-dot-boundary',
  'broad-pattern',
  'public-suffix',
  'duplicate-name',
  'shadowed-name',
  'all-ports',
  'doh-resolver',
  'duplicate-rule',
  'shadowed-rule',
  'unreachable-rule',
  'locks-dns-out',
  'no-dns',
  'open-dns',
  ...CLIENT_CODES,
] as const;
export type LintCode = (typeof LINT_CODES)[number];

/** What is to be looked for beside the policies: all pods, nodes and Services. */
export type LintWorld = Pick<World, 'pods' | 'nodes' | 'services'>;

/** In the order of policies and rules. `world` undefined: not known, and then nothing is said of who is selected. */
export function lint(policies: readonly Policy[], world: LintWorld | undefined): Problem[] {
  const whoAsks = dnsRules(policies);
  return policies.flatMap((policy) => [
    ...policy.rules.flatMap((rule) => [
      ...(world === undefined ? [] : lintClients(rule, world)),
      ...lintNames(rule),
      ...lintRules(policy, rule),
    ]),
    ...lintDns(policy, whoAsks),
  ]);
}

/** How the policies are understood, in their order; not to be answered. */
export function notes(policies: readonly Policy[]): Problem[] {
  const [first] = policies.filter(({ kind }) => kind === 'NetworkPolicy');
  const message =
    'Many CNIs enforce NetworkPolicy, too: then both must allow; leave networkPolicy out of "enforce" in namewall.yaml if yours does';
  const twice = first === undefined ? [] : [{ at: first.at, code: 'cni-enforces', message }];
  return [...twice, ...impliedDns(policies), ...policies.flatMap((policy) => policy.notes ?? [])];
}

/** The best-known trap of this format, which is none here: said once, at the first place. */
function impliedDns(policies: readonly Policy[]): Problem[] {
  const places = policies.flatMap(({ rules }) =>
    rules.flatMap(({ egress }) => {
      if (egress.some(({ kind }) => kind === 'ask')) return [];
      const named = egress.flatMap((rule) => (rule.kind === 'connect' && rule.isSilent !== true ? rule.names : []));
      return named.slice(0, 1).map(({ at }) => at);
    }),
  );
  const [at, ...others] = places;
  if (at === undefined) return [];
  const more = others.length === 0 ? '' : `; so it is in ${others.length} more`;
  const message = `No rule for DNS is needed: the names of toFQDNs may be asked of the configured DNS servers${more}`;
  return [{ at, code: 'implied-dns', message }];
}
