// Which pods, namespaces, nodes and services a label selector means, in Kubernetes' words and in Cilium's.
import type { LabelSelector } from './documents.ts';
import { namespaceLabels, type Labels, type World } from './world.ts';

/** What is selected among: known pods, and the pod that everybody calls the cluster's DNS. */
export interface Candidate {
  readonly namespace: string;
  readonly labels: Labels;
}

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
const NAMESPACE_LABEL = 'io.cilium.k8s.namespace.labels.';

export function selectsLabels(selector: LabelSelector, labels: Labels): boolean {
  return requirementsOf(selector).every((requirement) => holds(requirement, labels[requirement.key]));
}

/** Both may be left out; then they select everything. */
export function selectsNamespacedPod(
  { namespaceSelector = {}, podSelector = {} }: { namespaceSelector?: LabelSelector; podSelector?: LabelSelector },
  { namespace, labels }: Candidate,
  world: World,
): boolean {
  return selectsLabels(namespaceSelector, namespaceLabels(world, namespace)) && selectsLabels(podSelector, labels);
}

/** Cilium's: keys with a source, and the namespace of the pod and its labels as labels of the pod. */
export function selectsEndpoint(selector: LabelSelector, { namespace, labels }: Candidate, world: World): boolean {
  return ciliumRequirementsOf(selector).every((requirement) => {
    const { key } = requirement;
    if (key === POD_NAMESPACE) return holds(requirement, namespace);
    if (!key.startsWith(NAMESPACE_LABEL)) return holds(requirement, labels[key]);
    return holds(requirement, namespaceLabels(world, namespace)[key.slice(NAMESPACE_LABEL.length)]);
  });
}

/** Of toEndpoints: the policy's own namespace, unless the selector speaks of namespaces. Undefined: a policy of no namespace. */
export function selectsDestination(
  selector: LabelSelector,
  own: string | undefined,
  candidate: Candidate,
  world: World,
): boolean {
  const isOwn = own === undefined || speaksOfNamespaces(selector) || candidate.namespace === own;
  return isOwn && selectsEndpoint(selector, candidate, world);
}

/** Cilium's: labels of nodes and of Services have no source. */
export function selectsSourceless(selector: LabelSelector, labels: Labels): boolean {
  return ciliumRequirementsOf(selector).every((requirement) => holds(requirement, labels[requirement.key]));
}

/** k8s-app=kube-dns in kube-system, and nothing beside it. */
export function isClusterDns(selector: LabelSelector, own: string | undefined): boolean {
  const said = new Set(
    ciliumRequirementsOf(selector).map(({ key, operator, values }) => {
      const subject = key === `${NAMESPACE_LABEL}kubernetes.io/metadata.name` ? POD_NAMESPACE : key;
      return `${subject} ${operator} ${[...new Set(values)].join()}`;
    }),
  );
  const inNamespace =
    said.delete(`${POD_NAMESPACE} In kube-system`) || (own === 'kube-system' && !speaksOfNamespaces(selector));
  return inNamespace && said.delete('k8s-app In kube-dns') && said.size === 0;
}

function speaksOfNamespaces(selector: LabelSelector): boolean {
  return ciliumRequirementsOf(selector).some(({ key }) => key === POD_NAMESPACE || key.startsWith(NAMESPACE_LABEL));
}

function ciliumRequirementsOf(selector: LabelSelector): Requirement[] {
  return requirementsOf(selector).map((each) => ({ ...each, key: each.key.replace(/^(k8s|any):/, '') }));
}

function requirementsOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): Requirement[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
    ...matchExpressions.map(({ key, operator, values = [] }) => ({ key, operator, values })),
  ];
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  const isListed = value !== undefined && values.includes(value);
  return operator === 'In' ? isListed : !isListed;
}
