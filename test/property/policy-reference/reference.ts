// What a set of policy documents means for one pod: slow, obvious, and from the raw documents. The oracle that the compiler is tested
// against; it shares no code with src.
import { ciliumPolicies } from './cilium.ts';
import { orderedRules } from './cluster-network-policy.ts';
import type { PolicyDocument, Tier } from './documents.ts';
import { networkPolicies } from './network-policy.ts';
import type { NormalPolicy } from './normal.ts';
import { matches } from './rule.ts';
import type { Destination, Pod, Question, Transport, World } from './world.ts';

/** `would-deny`: allowed, and told, because the policy that denies it is in audit mode. */
export type Verdict = 'allow' | 'deny' | 'would-deny';

export function connect(
  documents: readonly PolicyDocument[],
  world: World,
  pod: Pod,
  destination: Destination,
): Verdict {
  return new Walk(documents, world, pod, { kind: 'connect', destination }).verdict();
}

/** Of the configured DNS servers. */
export function ask(
  documents: readonly PolicyDocument[],
  world: World,
  pod: Pod,
  name: string,
  transport: Transport,
): Verdict {
  return new Walk(documents, world, pod, { kind: 'ask', name, transport }).verdict();
}

/** Whether some document selects the pod for egress. */
export function isJudged(documents: readonly PolicyDocument[], world: World, pod: Pod): boolean {
  const tiers: readonly Tier[] = ['Admin', 'Baseline'];
  const isOrdered = tiers.some((tier) => orderedRules(documents, tier, world, pod).length > 0);
  return isOrdered || normalPolicies(documents, world, pod).length > 0;
}

function normalPolicies(documents: readonly PolicyDocument[], world: World, pod: Pod): NormalPolicy[] {
  return documents.flatMap((document) => {
    switch (document.kind) {
      case 'CiliumNetworkPolicy':
      case 'CiliumClusterwideNetworkPolicy':
        return ciliumPolicies(document, world, pod);
      case 'NetworkPolicy':
        return networkPolicies(document, world, pod);
      case 'ClusterNetworkPolicy':
        return [];
      default:
        return document satisfies never;
    }
  });
}

/** One question on its way through the tiers. A step that decides nothing is undefined. */
class Walk {
  readonly #documents: readonly PolicyDocument[];
  readonly #world: World;
  readonly #pod: Pod;
  readonly #question: Question;
  #wouldDeny = false;

  constructor(documents: readonly PolicyDocument[], world: World, pod: Pod, question: Question) {
    this.#documents = documents;
    this.#world = world;
    this.#pod = pod;
    this.#question = question;
  }

  verdict(): Verdict {
    const decided = this.#tier('Admin') ?? this.#normal() ?? this.#tier('Baseline') ?? 'allow';
    return decided === 'allow' && this.#wouldDeny ? 'would-deny' : decided;
  }

  #tier(tier: Tier): 'allow' | 'deny' | undefined {
    for (const rule of orderedRules(this.#documents, tier, this.#world, this.#pod)) {
      const intent = rule.action === 'Accept' ? 'open' : 'close';
      if (!matches(rule, intent, this.#question, this.#world)) continue;
      if (rule.action === 'Accept') return 'allow';
      if (rule.action === 'Pass') return undefined;
      if (!rule.isAudited) return 'deny';
      this.#wouldDeny = true;
    }
    return undefined;
  }

  #normal(): 'allow' | 'deny' | undefined {
    const policies = normalPolicies(this.#documents, this.#world, this.#pod);
    const denying = policies.filter(({ denies }) => this.#someMatches(denies, 'close'));
    if (denying.some((policy) => !policy.isAudited)) return 'deny';
    if (denying.length > 0) this.#wouldDeny = true;
    if (policies.some(({ allows }) => this.#someMatches(allows, 'open'))) return 'allow';
    const isolating = policies.filter(({ isolates }) => isolates);
    if (isolating.some((policy) => !policy.isAudited)) return 'deny';
    if (isolating.length > 0) this.#wouldDeny = true;
    return undefined;
  }

  #someMatches(rules: NormalPolicy['allows'], intent: 'open' | 'close'): boolean {
    return rules.some((rule) => matches(rule, intent, this.#question, this.#world));
  }
}
