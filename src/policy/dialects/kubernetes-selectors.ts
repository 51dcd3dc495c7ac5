// Label selectors of Kubernetes, as NetworkPolicy and ClusterNetworkPolicy have them. What the API server would refuse is refused; an empty
// selector has no requirements and so selects everything.
import type { LabelRequirement } from '../policy.ts';
import type { Node } from './document.ts';
import type { FieldReader } from './fields.ts';
import { labelSubject, readLabelSelector as readLocated, type ReadSubject } from './label-selectors.ts';

/** Set by Kubernetes to the namespace's own name, and kept so. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

const SUBJECTS: Readonly<Record<'label' | 'namespace-label', ReadSubject>> = {
  label: (key, place, reader) => labelSubject('label', key, place, reader),
  // The name of a namespace is known wherever its pods are; its other labels need not be.
  'namespace-label': (key, place, reader) =>
    key === NAMESPACE_NAME_LABEL ? { kind: 'namespace' } : labelSubject('namespace-label', key, place, reader),
};

/** `what` names the field in messages, such as `podSelector`. Undefined: something is wrong, and in the reader's problems. */
export function readLabelSelector(
  node: Node,
  what: string,
  subject: keyof typeof SUBJECTS,
  reader: FieldReader,
): LabelRequirement[] | undefined {
  const before = reader.problems.count;
  const located = readLocated(node, what, SUBJECTS[subject], reader);
  return reader.problems.count === before ? located?.map(({ requirement }) => requirement) : undefined;
}
