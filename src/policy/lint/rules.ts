// Rules that another rule makes idle: duplicates, allows of what is denied, and rules of an order behind one that decides before them.
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../../base/errors.ts';
import { coverEverything, difference, isWithin, parseRange, union, type Interval } from '../cidr.ts';
import type { PortRange, Traffic } from '../compiled.ts';
import { readCidr } from '../destinations.ts';
import type { LintCode } from '../lint.ts';
import type { EgressRule, Peer, Policy, PolicyRule, ReachRule } from '../policy.ts';
import { mergePorts } from '../ports.ts';

/** RFC 1122 §3.2.1.3, RFC 4291 §2.5: a packet to them never leaves its host, so no rule sees it. */
const NEVER_LEAVES = ['127.0.0.0/8', '0.0.0.0/32', '::1/128', '::/128'].flatMap((cidr) => parseRange(cidr) ?? []);

export function lintRules({ tier, isAudited }: Policy, rule: PolicyRule): Problem[] {
  const reaches = rule.egress.filter((egress) => egress.kind === 'reach');
  const idle = tier === undefined ? idleAmong(reaches) : idleInOrder(rule.egress, isAudited === true);
  return [...idle, ...reaches.flatMap(neverLeaving)];
}

/** Order means nothing: a denial takes whatever it covers, and an allow that is covered adds nothing. */
function idleAmong(reaches: readonly ReachRule[]): Problem[] {
  const measured = reaches.map(measure);
  const first = new Map(measured.toReversed().map((each) => [each.key, each]));
  return measured.flatMap((own) => {
    const { rule, key } = own;
    const denial =
      rule.verdict === 'allow'
        ? measured.find((other) => other.rule.verdict === 'deny' && coversRule(other, own))
        : undefined;
    if (denial !== undefined) {
      const message = `nothing of this rule is ever allowed: egressDeny at ${denial.rule.at} denies all of it; remove one of them`;
      return [problem(rule.at, 'shadowed-rule', message)];
    }
    const same = first.get(key);
    if (same !== undefined && same !== own)
      return [problem(rule.at, 'duplicate-rule', `this rule says what ${same.rule.at} says; remove one`)];
    const wider = measured.find(
      (other) => other.rule.verdict === rule.verdict && other.key !== key && coversRule(other, own),
    );
    if (wider === undefined) return [];
    return [
      problem(rule.at, 'shadowed-rule', `the rule at ${wider.rule.at} says all of this already; remove one of them`),
    ];
  });
}

/** What tells most pairs of thousands of rules apart without reading their ranges again. */
interface Measured {
  readonly rule: ReachRule;
  /** The same for rules that say the same. */
  readonly key: string;
  /** From the first to the last address of each family; undefined: not only ranges. */
  readonly hull: readonly Interval[] | undefined;
}

function measure(rule: ReachRule): Measured {
  const key = JSON.stringify({ ...rule, at: '' });
  if (rule.to.some(({ kind }) => kind !== 'cidr')) return { rule, key, hull: undefined };
  const ranges = rule.to.flatMap((peer) => (peer.kind === 'cidr' ? readCidr(peer).rest : []));
  const hull = ([4, 6] as const).flatMap((family) => {
    const [lowest, ...more] = union(ranges.filter((range) => range.family === family));
    return lowest === undefined ? [] : [{ ...lowest, last: (more.at(-1) ?? lowest).last }];
  });
  return { rule, key, hull };
}

function coversRule(other: Measured, { rule, hull }: Measured): boolean {
  const isOutside = (range: Interval): boolean => other.hull?.some((each) => isWithin(range, each)) === false;
  if (hull?.some(isOutside) === true) return false;
  return covers([other.rule], rule);
}

/** The first that matches decides: what stands behind rules that cover it is never asked. */
function idleInOrder(egress: readonly EgressRule[], isAudited: boolean): Problem[] {
  return egress.flatMap((rule, i) => {
    const reaches = egress.slice(0, i).filter((each) => each.kind === 'reach');
    const before = reaches.filter(({ verdict }) => !(isAudited && verdict === 'deny'));
    const at = rule.kind === 'reach' ? rule.at : (rule.names[0]?.at ?? '');
    const wanted: Covered =
      rule.kind === 'reach'
        ? rule
        : {
            to: [{ kind: 'any' }],
            traffic: rule.kind === 'connect' && rule.ports !== 'all' ? { ports: rule.ports, icmp: [] } : 'all',
          };
    if (!covers(before, wanted)) return [];
    const deciding = before.filter((each) => coversTraffic(each, wanted)).map((each) => each.at);
    const message = `no packet comes to this rule: what stands before it decides about all of them (${deciding.join(', ')}); move it up, or remove it`;
    return [problem(at, 'unreachable-rule', message)];
  });
}

function neverLeaving({ to, at }: ReachRule): Problem[] {
  const local = to.flatMap((peer) => (peer.kind === 'cidr' && isLocal(peer.cidr) ? [peer.cidr] : []));
  if (local.length === 0) return [];
  const message = `packets to ${local.join(', ')} never leave the pod, so no rule sees them; remove it`;
  return [problem(at, 'unreachable-rule', message)];
}

function isLocal(cidr: string): boolean {
  const range = parseRange(cidr);
  return range !== undefined && NEVER_LEAVES.some((each) => isWithin(range, each));
}

type Covered = Pick<ReachRule, 'to' | 'traffic' | 'namedPorts'>;

/** Whether every packet of `rule` is one of some of `others`; not seen where only several of them together take its ports. */
function covers(others: readonly ReachRule[], rule: Covered): boolean {
  const peers = others.filter((each) => coversTraffic(each, rule)).flatMap(({ to }) => to);
  return rule.to.length > 0 && peers.length > 0 && rule.to.every((peer) => coversPeer(peers, peer));
}

function coversPeer(peers: readonly Peer[], peer: Peer): boolean {
  if (peers.some(({ kind }) => kind === 'any')) return true;
  const ranges = union(peers.flatMap((each) => (each.kind === 'cidr' ? readCidr(each).rest : [])));
  const has = (wanted: readonly Interval[]): boolean => difference(wanted, ranges).length === 0;
  if (peer.kind === 'cidr') return has(readCidr(peer).rest);
  if (peer.kind === 'host') return peers.some(({ kind }) => kind === 'host');
  if (ranges.length > 0 && coverEverything(ranges)) return true;
  return peers.some((each) => isDeepStrictEqual(each, peer));
}

function coversTraffic(other: Covered, rule: Covered): boolean {
  const { traffic, namedPorts = [] } = other;
  if (traffic === 'all') return true;
  if (rule.traffic === 'all') return false;
  if (!(rule.namedPorts ?? []).every((port) => namedPorts.some((each) => isDeepStrictEqual(each, port)))) return false;
  return (
    coversPorts(traffic, rule.traffic.ports) &&
    rule.traffic.icmp.every((type) => traffic.icmp.some((each) => isDeepStrictEqual(each, type)))
  );
}

function coversPorts(traffic: Exclude<Traffic, 'all'>, ports: readonly PortRange[]): boolean {
  const merged = mergePorts(traffic.ports);
  return ports.every(({ protocol, first, last }) =>
    merged.some((range) => range.protocol === protocol && range.first <= first && last <= range.last),
  );
}

function problem(at: string, code: LintCode, message: string): Problem {
  return { at, code, message };
}
