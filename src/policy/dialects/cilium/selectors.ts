// Cilium's label selectors: which pods a rule is for (endpointSelector), and which are its destinations (toEndpoints). A label that namewall
// does not know of a pod is refused: a rule that selects nobody leaves them all open.
import type { LabelRequirement, LabelSubject, PodSelector } from '../../policy.ts';
import type { MapNode, Node, Place } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';
import { isLabelKey, isLabelValue } from '../kubernetes-names.ts';

const NAMESPACE_KEYS = [
  'io.kubernetes.pod.namespace',
  'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name', // set by Kubernetes to the namespace's own name
];
const NAMESPACE_LABEL = 'io.cilium.k8s.namespace.labels.';
const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
const MAX_VALUES_SHOWN = 60;

/** `namespace` is the policy's own; undefined for a cluster-wide policy. */
export function readEndpointSelector(
  node: Node,
  namespace: string | undefined,
  reader: FieldReader,
): PodSelector | undefined {
  const map = reader.map(node, { what: 'endpointSelector', known: ['matchLabels', 'matchExpressions'] });
  if (map === undefined) return undefined;
  const all = [...readMatchLabels(map, reader), ...readMatchExpressions(map, reader)];
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
  const map = reader.map(node, { what: 'a toEndpoints selector', known: ['matchLabels', 'matchExpressions'] });
  if (map === undefined) return undefined;
  const all = [...readMatchLabels(map, reader), ...readMatchExpressions(map, reader)].map((each) => each.requirement);
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

interface Located {
  readonly requirement: LabelRequirement;
  readonly place: Place;
}

function readMatchLabels(map: MapNode, reader: FieldReader): Located[] {
  const entry = map.entries.get('matchLabels');
  const texts = entry && reader.texts(entry.value, 'label');
  return [...(texts ?? [])].flatMap(([key, { text, place }]) => {
    const subject = readSubject(key, place, reader);
    const value = checkValue(text, place, reader);
    if (subject === undefined || value === undefined) return [];
    return [{ requirement: { subject, operator: 'In', values: [value] }, place }];
  });
}

function readMatchExpressions(map: MapNode, reader: FieldReader): Located[] {
  const entry = map.entries.get('matchExpressions');
  const list = entry && reader.list(entry.value, 'matchExpressions');
  return (list?.items ?? []).flatMap((item) => readExpression(item, reader) ?? []);
}

function readExpression(node: Node, reader: FieldReader): Located | undefined {
  const what = 'a matchExpressions item';
  const map = reader.map(node, { what, known: ['key', 'operator', 'values'] });
  if (map === undefined) return undefined;
  const key = reader.required(map, 'key', what, 'key: app');
  const operatorEntry = reader.required(map, 'operator', what, 'operator: In');
  const keyText = key && reader.text(key.value, 'key');
  const subject = key && keyText !== undefined ? readSubject(keyText, key.value.place, reader) : undefined;
  const written = operatorEntry && reader.text(operatorEntry.value, 'operator');
  if (operatorEntry === undefined || written === undefined) return undefined;
  const operator = OPERATORS.find((each) => each === written);
  if (operator === undefined) {
    const hint = nearest(written, OPERATORS);
    const instead = hint === undefined ? `write one of ${OPERATORS.join(', ')}` : `did you mean "${hint}"?`;
    return reader.fail(operatorEntry.value.place, 'bad-selector', `Cannot use operator "${written}": ${instead}`);
  }
  const values = map.entries.get('values');
  if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values !== undefined && !(values.value.kind === 'list' && values.value.items.length === 0)) {
      return reader.fail(values.place, 'bad-selector', `Remove "values": operator "${operator}" takes none`);
    }
    return subject && { requirement: { subject, operator }, place: map.place };
  }
  const list = reader.required(map, 'values', `${what} with operator "${operator}"`, 'values: [web]');
  const items = list && reader.fullList(list.value, 'values', `operator "${operator}" needs at least one`);
  const texts = items?.map((item) => {
    const text = reader.text(item, 'a value');
    return text === undefined ? undefined : checkValue(text, item.place, reader);
  });
  if (subject === undefined || texts === undefined) return undefined;
  return { requirement: { subject, operator, values: texts.filter((text) => text !== undefined) }, place: map.place };
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

function labelSubject(kind: 'label' | 'namespace-label', key: string, place: Place, reader: FieldReader) {
  if (isLabelKey(key)) return { kind, key };
  const shown = JSON.stringify(key.slice(0, MAX_VALUES_SHOWN));
  const message = `Cannot use ${shown} as a label: a key is at most 63 of a-z, A-Z, 0-9, "-", "_", ".", after an optional "prefix/"`;
  return reader.fail(place, 'bad-label', message);
}

function checkValue(text: string, place: Place, reader: FieldReader): string | undefined {
  if (isLabelValue(text)) return text;
  const shown = JSON.stringify(text.slice(0, MAX_VALUES_SHOWN));
  return reader.fail(
    place,
    'bad-label',
    `Cannot use ${shown} as a label's value: it is at most 63 of a-z, A-Z, 0-9, "-", "_", "."`,
  );
}

/** `k8s:app`, `any:app` and `app` are the same label here: pods have no labels of another source. */
function withoutSource(key: string): string | undefined {
  const colon = key.indexOf(':');
  if (colon < 0) return key;
  return ['k8s', 'any'].includes(key.slice(0, colon)) ? key.slice(colon + 1) : undefined;
}
