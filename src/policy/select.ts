// Whether a selector selects a pod: the one place that decides which pods lose their open egress.
import { assertNever } from '../base/errors.ts';
import type { Pod } from '../pods/pod.ts';
import type { LabelRequirement, PodSelector } from './policy.ts';

export function selects(selector: PodSelector, pod: Pod): boolean {
  if (selector.namespace !== undefined && selector.namespace !== pod.namespace) return false;
  return selector.requirements.every((requirement) => holds(requirement, pod));
}

function holds(requirement: LabelRequirement, pod: Pod): boolean {
  // Unknown is not absent: NotIn would hold for labels that are only not known yet, and give what the policy allows.
  if (requirement.subject.kind === 'namespace-label' && pod.namespaceLabels === undefined) return false;
  const value = valueOf(requirement.subject, pod);
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return assertNever(requirement);
  }
}

function valueOf(subject: LabelRequirement['subject'], pod: Pod): string | undefined {
  if (subject.kind === 'namespace') return pod.namespace;
  const labels = subject.kind === 'label' ? pod.labels : (pod.namespaceLabels ?? {});
  return Object.hasOwn(labels, subject.key) ? labels[subject.key] : undefined;
}
