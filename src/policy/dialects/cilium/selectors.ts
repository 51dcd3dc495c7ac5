// Cilium's label selectors: which pods a rule is for (endpointSelector), and which are its destinations (toEndpoints). A label that namewall
// does not know of a pod is refused: a rule that selects nobody leaves them all open.
import type { LabelRequirement, LabelSubject, PodSelector } from '../../policy.ts';
import type { Node, Place } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { labelSubject, readLabelSelector } from '../label-selectors.ts';

const NAMESPACE_KEYS = [
  'io.kubernetes.pod.namespace',
  'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name', // set by Kubernetes to the namespace's own name
];
const NAMESPACE_LABEL = 'io.cilium.k8s.namespace.labels.';

/** `namespace` is the policy's own; undefined for a cluster-wide policy. */
export function readEndpointSelector(
  node: Node,
  namespace: string | undefined,
  reader: FieldReader,
): PodSelector | undefined {
  const all = readLabelSelector(node, 'endpointSelector', readSubject, reader);
  if (all === undefined) return undefined;
  if (namespace === undefined) return { requirements: all.map(({ requirement }) => requirement) };
  for (const { requirement, place } of all) {
    if (requirement.subject.kind !== 'namespace') continue;
    const isOwn =
      requirement.operator === 'In' && requirement.values.length === 1 && requirement.values[0] === namespace;
    if (isOwn) continue;
    const message = `Remove the namespace from endpointSelector: a policy of namespace "${namespace}" selects pods of that namespace only; use CiliumClusterwideNetworkPolicy for others`;
    reader.fail(place, 'bad-selector', message);
  }
  const labels = all.map(({ requirement }) => requirement).filter(({ subject }) => subject.kind !== 'namespace');
  return { namespace, requirements: labels };
}

/** An item of toEndpoints. One that says nothing about namespaces is about the policy's own; a cluster-wide policy has none. */
export function readDestinationSelector(
  node: Node,
  namespace: string | undefined,
  reader: FieldReader,
): PodSelector | undefined {
  const all = readLabelSelector(node, 'a toEndpoints selector', readSubject, reader)?.map((each) => each.requirement);
  if (all === undefined) return undefined;
  const namesNamespaces = all.some(({ subject }) => subject.kind !== 'label');
  if (namesNamespaces || namespace === undefined) return { requirements: all };
  return { namespace, requirements: all };
}

/** Exactly the cluster's DNS, which stands for the configured DNS servers: k8s-app=kube-dns in kube-system. */
export function isClusterDns({ namespace, requirements }: PodSelector): boolean {
  const rest = requirements.filter((each) => !isOnly(each, 'namespace', 'kube-system'));
  const inNamespace = namespace === 'kube-system' || rest.length < requirements.length;
  return inNamespace && rest.length > 0 && rest.every((each) => isOnly(each, 'label', 'kube-dns', 'k8s-app'));
}

function isOnly(requirement: LabelRequirement, kind: LabelSubject['kind'], value: string, key?: string): boolean {
  const { subject, operator } = requirement;
  if (subject.kind !== kind || (subject.kind !== 'namespace' && subject.key !== key)) return false;
  return operator === 'In' && requirement.values.every((each) => each === value);
}

function readSubject(written: string, place: Place, reader: FieldReader): LabelSubject | undefined {
  const key = withoutSource(written);
  if (key === undefined) {
    const message = `Cannot select by label ${JSON.stringify(written)}: only the sources "k8s:" and "any:" are known; write the pod's own label`;
    return reader.fail(place, 'bad-selector', message);
  }
  if (NAMESPACE_KEYS.includes(key)) return { kind: 'namespace' };
  if (key.startsWith(NAMESPACE_LABEL)) {
    return labelSubject('namespace-label', key.slice(NAMESPACE_LABEL.length), place, reader);
  }
  if (key.startsWith('io.cilium.') || key.startsWith('io.kubernetes.')) {
    const message = `Cannot select by label "${key}": namewall does not know it of a pod; select by the pod's own labels`;
    return reader.fail(place, 'not-supported', message);
  }
  return labelSubject('label', key, place, reader);
}

/** `k8s:app`, `any:app` and `app` are the same label here: pods have no labels of another source. */
function withoutSource(key: string): string | undefined {
  const colon = key.indexOf(':');
  if (colon < 0) return key;
  return ['k8s', 'any'].includes(key.slice(0, colon)) ? key.slice(colon + 1) : undefined;
}
