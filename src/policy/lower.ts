// One rule of a policy → what every program that includes it takes from it. Lowered once, however many pods it selects.
import { assertNever } from '../base/errors.ts';
import type { Destination, NameRule, PortClass, RuleRef, StaticRule } from './compiled.ts';
import type { Surroundings } from './destinations.ts';
import { isAboutDns } from './dns-access.ts';
import type { EgressRule, Policy, PolicyRule } from './policy.ts';
import { portClass } from './ports.ts';
import type { Slots } from './slots.ts';
import { hasNamedPorts, lowerReach, type LoweredReach } from './static-rules.ts';
import type { World } from './world.ts';

/** A name, whose class is known where its place in the order of rules is. */
export interface LoweredName extends Omit<NameRule, 'classes'> {
  /** What its addresses open; undefined: nothing. */
  readonly ports: PortClass | undefined;
}

/** One egress rule. */
export interface LoweredItem {
  readonly verdict: 'allow' | 'deny' | 'pass';
  readonly statics: readonly StaticRule[];
  readonly names: readonly LoweredName[];
  /** It is about port 53 of the DNS servers. */
  readonly dns: { readonly udp: boolean; readonly tcp: boolean };
  /** Index into CompiledPolicy.rules. */
  readonly ref: number;
  /** It denies, in a policy that only audits. */
  readonly isAudited: boolean;
}

export interface LoweredRule {
  /** Another one for each lowering. */
  readonly serial: number;
  readonly policy: Policy;
  readonly rule: PolicyRule;
  /** Index into CompiledPolicy.rules of the rule as a whole. */
  readonly ref: number;
  readonly items: readonly LoweredItem[];
  readonly refs: readonly number[];
  readonly reaches: readonly LoweredReach[];
  /** It must be lowered again when pods change. */
  readonly dependsOnPods: boolean;
}

export interface LoweringContext {
  readonly world: World;
  readonly surroundings: Surroundings;
  readonly rules: Slots<RuleRef>;
  readonly destinations: Slots<Destination>;
  readonly serial: number;
  /** Of the policy's egress rules, those before this rule's: what a set of the kernel is named by stays while addresses change. */
  readonly firstItem: number;
}

const NO_DNS = { udp: false, tcp: false };

export function lowerRule(policy: Policy, rule: PolicyRule, context: LoweringContext): LoweredRule {
  const refs: number[] = [];
  const reaches: LoweredReach[] = [];
  const refer = (at: string): number => {
    const ref = context.rules.take(refOf(policy, rule, at));
    refs.push(ref);
    return ref;
  };
  const items = rule.egress.map((egress, i): LoweredItem => {
    if (egress.kind !== 'reach') {
      const names = lowerNames(egress, refer);
      return { verdict: 'allow', statics: [], names, dns: NO_DNS, ref: names[0]?.rule ?? -1, isAudited: false };
    }
    const ref = refer(egress.at);
    const key = `${policy.kind}/${policy.namespace}/${policy.name}#${context.firstItem + i}`;
    const owner = { rule: ref, key, isAudited: policy.isAudited === true };
    const lowered = lowerReach(egress, owner, context.destinations, context.surroundings);
    reaches.push(lowered);
    const [udp, tcp] = [isAboutDns(egress, 'udp', context.world), isAboutDns(egress, 'tcp', context.world)];
    const { verdict, statics } = lowered;
    return { verdict, statics, names: [], dns: { udp, tcp }, ref, isAudited: owner.isAudited && verdict === 'deny' };
  });
  const dependsOnPods = rule.egress.some((egress) => egress.kind === 'reach' && hasNamedPorts(egress));
  return { serial: context.serial, policy, rule, ref: refer(rule.at), items, refs, reaches, dependsOnPods };
}

/** Every slot that it holds. */
export function slotsOf({ reaches }: LoweredRule): number[] {
  return reaches.flatMap(({ places, fixed }) => [...places.map(({ slot }) => slot), ...fixed]);
}

function refOf({ kind, namespace, name }: Policy, { description, labels }: PolicyRule, at: string): RuleRef {
  return {
    kind,
    namespace,
    name,
    at,
    ...(description === undefined ? {} : { description }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function lowerNames(rule: Exclude<EgressRule, { kind: 'reach' }>, refer: (at: string) => number): LoweredName[] {
  const effect = effectOf(rule);
  return rule.names.map(({ match, text, at }) => ({ match, text, ...effect, rule: refer(at) }));
}

function effectOf(rule: Exclude<EgressRule, { kind: 'reach' }>): Omit<LoweredName, 'match' | 'text' | 'rule'> {
  switch (rule.kind) {
    case 'ask':
      return { askUdp: rule.overUdp, askTcp: rule.overTcp, ports: undefined };
    case 'connect': {
      // A name that may be connected to may be asked: without that the rule could never take effect.
      const mayAsk = rule.isSilent !== true;
      const opened = rule.answerRanges === undefined ? {} : { answerRanges: rule.answerRanges };
      return { askUdp: mayAsk, askTcp: mayAsk, ports: portClass(rule.ports), ...opened };
    }
    default:
      return assertNever(rule);
  }
}
