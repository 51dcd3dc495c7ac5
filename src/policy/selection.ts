// Which rules select which pods. Most rules are of one namespace, and pods of one workload are equal to every selector: so few of all pairs of
// rule and pod are ever looked at.
import type { Pod } from '../pods/pod.ts';
import type { Policy, PolicyRule } from './policy.ts';
import { compareText } from './ports.ts';
import { selects } from './select.ts';

export interface SelectingRule {
  readonly policy: Policy;
  readonly rule: PolicyRule;
  /** Of all rules, the policies sorted by kind, namespace and name. */
  readonly order: number;
  /** Egress rules of the same policy before it. */
  readonly firstItem: number;
}

export class Selection {
  #policies: readonly Policy[] = [];
  #rules = new Map<string | undefined, SelectingRule[]>();
  #ofPods = new Map<string, readonly SelectingRule[]>();

  /** For each pod the rules that select it, in their order. */
  of(policies: readonly Policy[], pods: readonly Pod[]): (readonly SelectingRule[])[] {
    if (!isSameList(policies, this.#policies)) this.#index(policies);
    const ofPods = new Map<string, readonly SelectingRule[]>();
    const found = pods.map((pod) => {
      const key = JSON.stringify([pod.namespace, pod.labels, pod.namespaceLabels]);
      const rules = ofPods.get(key) ?? this.#ofPods.get(key) ?? this.#selecting(pod);
      ofPods.set(key, rules);
      return rules;
    });
    this.#ofPods = ofPods;
    return found;
  }

  #index(policies: readonly Policy[]): void {
    this.#policies = policies;
    this.#rules = new Map();
    this.#ofPods = new Map();
    const sorted = policies.toSorted(
      (a, b) => compareText(a.kind, b.kind) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name),
    );
    let order = 0;
    for (const policy of sorted) {
      let firstItem = 0;
      for (const rule of policy.rules) {
        const entry = { policy, rule, order: order++, firstItem };
        firstItem += rule.egress.length;
        const namespace = rule.selector.namespace;
        const list = this.#rules.get(namespace) ?? [];
        list.push(entry);
        this.#rules.set(namespace, list);
      }
    }
  }

  #selecting(pod: Pod): readonly SelectingRule[] {
    const candidates = [...(this.#rules.get(undefined) ?? []), ...(this.#rules.get(pod.namespace) ?? [])];
    return candidates.filter(({ rule }) => selects(rule.selector, pod)).toSorted((a, b) => a.order - b.order);
  }
}

function isSameList(a: readonly Policy[], b: readonly Policy[]): boolean {
  return a === b || (a.length === b.length && a.every((policy, i) => policy === b[i]));
}
