// The policy that decided, as events show it.
import type { RuleRef } from '../policy/compiled.ts';
import type { AuditPolicy } from './event.ts';

export function auditPolicy(rule: RuleRef | undefined): AuditPolicy | null {
  if (rule === undefined) return null;
  const { kind, namespace, name, at, description, labels } = rule;
  return {
    kind,
    namespace,
    name,
    rule: at,
    ...(description === undefined ? {} : { description }),
    ...(labels === undefined ? {} : { labels }),
  };
}
