// Cilium's label selectors: which pods a rule is for (endpointSelector), and the one destination selector that is understood, the
// cluster's DNS. A label that namewall does not know of a pod is refused: a rule that selects nobody leaves them all open.
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

/** Refuses every toEndpoints selector that is not exactly k8s-app=kube-dns in namespace kube-system. */
export function requireClusterDns(node: Node, namespace: string | undefined, reader: FieldReader): void {
  const items = reader.fullList(
    node,
    'toEndpoints',
    'it selects nothing; remove the rule, or write "- {}" as the egress rule',
  );
  for (const item of items ?? []) {
    const what = 'a toEndpoints selector';
    if (item.kind !== 'map') {
      reader.map(item, { what, known: [] });
      continue;
    }
    if (isClusterDns(item, namespace)) continue;
    const message =
      'Cannot enforce this toEndpoints selector: only the cluster DNS is supported yet, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns';
    reader.fail(item.place, 'not-supported', message);
  }
}

function isClusterDns(selector: MapNode, namespace: string | undefined): boolean {
  const labels = selector.entries.get('matchLabels')?.value;
  if (selector.entries.size !== 1 || labels?.kind !== 'map') return false;
  const found = new Map(namespace === undefined ? [] : [['namespace', namespace]]);
  for (const [written, { value }] of labels.entries) {
    const key = withoutSource(written);
    if (key === undefined || value.kind !== 'scalar' || typeof value.value !== 'string') return false;
    found.set(NAMESPACE_KEYS.includes(key) ? 'namespace' : `label ${key}`, value.value);
  }
  return found.size === 2 && found.get('namespace') === 'kube-system' && found.get('label k8s-app') === 'kube-dns';
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
  if (key.startsWith(NAMESPACE_LABEL) && reader.podKnowledge === 'own-and-namespace-labels') {
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
