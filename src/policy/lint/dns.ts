// Policies that take their pods what names need: lookups.
import type { Problem } from '../../base/errors.ts';
import { DNS_PORT, isAboutDns } from '../dns-access.ts';
import type { EgressRule, LabelRequirement, PodSelector, Policy, PolicyRule, ReachRule } from '../policy.ts';
import { EMPTY_WORLD } from '../world.ts';

const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/** `others`: whatever else holds; who is let ask by one of these is not warned of. */
export function lintDns(policy: Policy, others: readonly DnsRule[]): Problem[] {
  return [...policy.rules.flatMap(({ egress }) => egress.flatMap(openToAll)), ...lockedOut(policy, others)];
}

/** A rule by which its pods may ask some names. */
export interface DnsRule {
  readonly tier: Policy['tier'];
  readonly selector: PodSelector;
}

export function dnsRules(policies: readonly Policy[]): DnsRule[] {
  return policies.flatMap(({ tier, rules }) =>
    rules.flatMap(({ selector, egress }) => {
      const first = egress.find((rule) => rule.kind === 'reach' && isDns(rule));
      const isGiven =
        tier === undefined
          ? egress.some((rule) => (rule.kind === 'reach' ? rule.verdict === 'allow' && isDns(rule) : true))
          : first?.kind === 'reach' && first.verdict === 'allow';
      return isGiven ? [{ tier, selector }] : [];
    }),
  );
}

const TIERS = { admin: 0, normal: 1, baseline: 2 } as const;

/** In the order of tiers, and of priorities inside one. */
function isBefore(a: Policy['tier'], b: Policy['tier']): boolean {
  const [first, second] = [TIERS[a?.name ?? 'normal'], TIERS[b?.name ?? 'normal']];
  if (first !== second) return first < second;
  return a === undefined || b === undefined || a.priority < b.priority;
}

/** Whether all pods that `inner` selects are selected by `outer`, as far as their texts say so. */
function holds(outer: PodSelector, inner: PodSelector): boolean {
  if (outer.namespace !== undefined && outer.namespace !== inner.namespace) return false;
  const known = new Set(inner.requirements.map((each) => JSON.stringify(each)));
  return outer.requirements.every((each) => known.has(JSON.stringify(each)) || isItsNamespace(each, inner));
}

function isItsNamespace(requirement: LabelRequirement, { namespace }: PodSelector): boolean {
  if (requirement.operator !== 'In' || namespace === undefined || !requirement.values.includes(namespace)) return false;
  const { subject } = requirement;
  return subject.kind === 'namespace' || (subject.kind === 'namespace-label' && subject.key === NAMESPACE_NAME);
}

/** Port 53 of everybody: answers of other servers open nothing, and queries to them carry data out. */
function openToAll(rule: EgressRule): Problem[] {
  if (rule.kind !== 'reach' || rule.verdict !== 'allow' || rule.traffic === 'all') return [];
  const { ports } = rule.traffic;
  const isOnlyDns = ports.length > 0 && ports.every(({ first, last }) => first === DNS_PORT && last === DNS_PORT);
  const isEverybody = rule.to.some((peer) => peer.kind === 'any' || (peer.kind === 'cidr' && peer.cidr.endsWith('/0')));
  if (!isOnlyDns || !isEverybody) return [];
  const message =
    'opens port 53 of every server: what others than yours answer is not seen, opens no name, and is a way out; name your DNS servers, or the pods labelled k8s-app: kube-dns of namespace kube-system';
  return [{ at: rule.at, code: 'open-dns', message }];
}

function lockedOut({ kind, tier, rules }: Policy, others: readonly DnsRule[]): Problem[] {
  const isLetAsk = ({ selector }: PolicyRule): boolean =>
    others.some((other) => isBefore(other.tier, tier) && holds(other.selector, selector));
  // Who else lets them ask is looked for only where there is something to warn of: thousands of policies may be others.
  const unlessLetAsk = (rule: PolicyRule, found: readonly Problem[]): readonly Problem[] =>
    found.length > 0 && isLetAsk(rule) ? [] : found;
  if (kind === 'NetworkPolicy') return rules.flatMap((rule) => unlessLetAsk(rule, withoutDns(rule)));
  if (tier !== undefined) return rules.flatMap((rule) => unlessLetAsk(rule, lockedInOrder(rule.egress)));
  return rules.flatMap(({ egress }) => {
    const denial = egress.find((rule) => rule.kind === 'reach' && rule.verdict === 'deny' && isDns(rule));
    return denial === undefined ? [] : locked(egress, `port 53 is denied at ${placeOf(denial)}; narrow that rule`);
  });
}

/** It lists destinations, and nobody can look one up. */
function withoutDns({ at, egress }: PolicyRule): Problem[] {
  if (egress.length === 0 || egress.some((rule) => rule.kind === 'reach' && isDns(rule))) return [];
  const message =
    'no rule allows DNS (port 53, UDP and TCP): its pods look up no name unless another policy lets them; add a rule for pods labelled k8s-app: kube-dns of namespace kube-system';
  return [{ at, code: 'no-dns', message }];
}

function lockedInOrder(egress: readonly EgressRule[]): Problem[] {
  const first = egress.findIndex((rule) => rule.kind === 'reach' && isDns(rule));
  const rule = egress[first];
  if (rule?.kind !== 'reach' || rule.verdict !== 'deny') return [];
  return locked(
    egress,
    `port 53 is denied at ${rule.at}, and not accepted before; accept it in a rule before that one`,
  );
}

function locked(egress: readonly EgressRule[], why: string): Problem[] {
  const [name] = egress.flatMap((rule) => (rule.kind === 'reach' ? [] : rule.names));
  if (name === undefined) return [];
  return [{ at: name.at, code: 'locks-dns-out', message: `"${name.text}" can never be looked up: ${why}` }];
}

function placeOf(rule: EgressRule): string {
  return rule.kind === 'reach' ? rule.at : (rule.names[0]?.at ?? '');
}

/** Which addresses the DNS servers have is not known here: a range that is allowed may have them, one that is denied must have all there are. */
function isDns(rule: ReachRule): boolean {
  const isRange = rule.to.some(({ kind }) => kind === 'cidr');
  if (rule.verdict === 'allow' && isRange) return takesDns({ ...rule, to: [{ kind: 'any' }] });
  return takesDns(rule);
}

const SOMEWHERE = {
  ...EMPTY_WORLD,
  knowsAllPods: true,
  nodes: [],
  services: [],
  dnsServers: ['198.51.100.53', '2001:db8::53'],
};

function takesDns(rule: ReachRule): boolean {
  return isAboutDns(rule, 'udp', SOMEWHERE);
}
