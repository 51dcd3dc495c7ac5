// The policy that decided, as events show it. Whoever may write a policy writes its description and labels, and every event repeats them: so
// they are bounded.
import type { RuleRef } from '../policy/compiled.ts';
import type { AuditPolicy } from './event.ts';

const MAX_DESCRIPTION = 256;
const MAX_LABELS = 8;
const MAX_LABEL = 128;

export function auditPolicy(rule: RuleRef | undefined): AuditPolicy | null {
  if (rule === undefined) return null;
  const { kind, namespace, name, at, description, labels } = rule;
  return {
    kind,
    namespace,
    name,
    rule: at,
    ...(description === undefined ? {} : { description: cut(description, MAX_DESCRIPTION) }),
    ...(labels === undefined ? {} : { labels: labels.slice(0, MAX_LABELS).map((label) => cut(label, MAX_LABEL)) }),
  };
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
