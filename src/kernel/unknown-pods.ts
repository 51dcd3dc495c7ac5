// What the kernel does with addresses of this node's pod ranges that no known pod has: a pod in its first second, one that was deleted, one
// that has ended. Always dropped, never rejected: a SYN that is lost comes again, one that is rejected fails the start of a pod.
import type { Family } from '../base/ip.ts';
import { intervals } from './intervals.ts';
import { addressesOf } from './nft-text.ts';
import type { SetDeclaration } from './nft-text.ts';
import { isIPv4Cidr } from './protected.ts';
import type { RulesetInput } from './ruleset.ts';

/** None for a family without a guarded range: then no rule asks them. Throws CidrError `bad-cidr`. */
export function unknownPodSets(input: RulesetInput, family: Family): SetDeclaration[] {
  if (!isGuarded(input, family)) return [];
  const type = `ipv${family}_addr`;
  const ranges = input.guardedRanges.filter((cidr) => isIPv4Cidr(cidr) === (family === 4));
  return [
    {
      name: `known${family}`,
      type,
      comment: 'addresses of known pods, selected or not',
      elements: input.pods.flatMap((pod) => addressesOf(pod.addresses, family)),
    },
    {
      name: `guarded${family}`,
      type,
      comment: 'where pods of this node have their addresses',
      settings: ['flags interval'],
      elements: intervals(
        ranges.map((cidr) => ({ cidr, reason: 'pod-range' })),
        family,
      ),
    },
  ];
}

/** For the forward hook: what the node itself sends, from a gateway address in the range, does not pass there. */
export function unknownPodRules(input: RulesetInput, family: Family): string[] {
  return isGuarded(input, family) ? [`${unknownSource(family)} ${DROP}`] : [];
}

/**
 * For prerouting: the DNS server may be on this node, and then its queries are not forwarded. Not refused: a resolver asks again after
 * silence, seconds later, and takes REFUSED for the answer.
 */
export function unknownPodQueryRules(input: RulesetInput, family: Family): string[] {
  const servers = addressesOf(input.dnsServers, family);
  if (servers.length === 0 || !isGuarded(input, family)) return [];
  const toServers = `${family === 4 ? 'ip' : 'ip6'} daddr { ${servers.join(', ')} } meta l4proto { tcp, udp } th dport 53`;
  return [`${unknownSource(family)} ${toServers} ${DROP}`];
}

const DROP = 'jump unknown_pod';

/** The hash first: it ends the rule for every packet of a known pod. */
function unknownSource(family: Family): string {
  const saddr = family === 4 ? 'ip saddr' : 'ip6 saddr';
  return `${saddr} != @known${family} ${saddr} @guarded${family}`;
}

function isGuarded({ guardedRanges }: RulesetInput, family: Family): boolean {
  return guardedRanges.some((cidr) => isIPv4Cidr(cidr) === (family === 4));
}
