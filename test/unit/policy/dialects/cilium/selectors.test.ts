import { describe, expect, test } from 'vitest';
import { readEndpointSelector } from '../../../../../src/policy/dialects/cilium/selectors.ts';
import { ProblemList } from '../../../../../src/policy/dialects/document.ts';
import { FieldReader } from '../../../../../src/policy/dialects/fields.ts';
import { readJson } from '../../../../../src/policy/dialects/json-document.ts';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';
import { CLUSTERWIDE, egressOf, refusals, ruleOf } from '../cilium-documents.ts';

/** As for pods of a cluster. */
function read(matchLabels: object, namespace?: string) {
  const problems = new ProblemList();
  const node = readJson({ matchLabels }, 'p', problems);
  const reader = new FieldReader(problems, 'own-and-namespace-labels');
  const selector = node && readEndpointSelector(node, namespace, reader);
  return { requirements: selector?.requirements, problems: problems.sorted().map(({ code }) => code) };
}

describe('labels of namespaces', () => {
  test.each(['io.cilium.k8s.namespace.labels.team', 'k8s:io.cilium.k8s.namespace.labels.team'])('%s', (key) => {
    for (const namespace of [undefined, 'shop']) {
      expect(read({ [key]: 'a' }, namespace)).toEqual({
        requirements: [{ subject: { kind: 'namespace-label', key: 'team' }, operator: 'In', values: ['a'] }],
        problems: [],
      });
    }
  });

  test('the label with the namespace’s own name is that name', () => {
    const key = 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name';
    expect(read({ [key]: 'shop' }).requirements).toMatchObject([{ subject: { kind: 'namespace' } }]);
  });

  test('a key with a prefix', () => {
    const key = 'io.cilium.k8s.namespace.labels.example.org/team';
    expect(read({ [key]: 'a' }).requirements).toMatchObject([{ subject: { key: 'example.org/team' } }]);
  });

  test('what is no label is refused', () => {
    expect(read({ 'io.cilium.k8s.namespace.labels.': 'a' }).problems).toEqual(['bad-label']);
  });

  test('other labels of Cilium’s own stay refused', () => {
    expect(read({ 'io.cilium.k8s.policy.cluster': 'a' }).problems).toEqual(['not-supported']);
  });

  test('where pods come from a file they are known as well', () => {
    const text = `apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: p}
spec: {endpointSelector: {matchLabels: {io.cilium.k8s.namespace.labels.team: a}}, egress: [{}]}
`;
    const requirements = [{ subject: { kind: 'namespace-label', key: 'team' }, operator: 'In', values: ['a'] }];
    expect(readPolicies(text, 'f')).toMatchObject({ ok: true, value: [{ rules: [{ selector: { requirements } }] }] });
  });
});

const selectorOf = (selector: string, kind?: string) =>
  ruleOf(`{endpointSelector: ${selector}, egress: [{}]}`, kind).selector;

describe('endpointSelector', () => {
  test('a policy selects in its own namespace', () => {
    expect(selectorOf('{}')).toEqual({ namespace: 'default', requirements: [] });
  });

  test('a clusterwide policy selects in all', () =>
    expect(selectorOf('{}', CLUSTERWIDE)).toEqual({ requirements: [] }));

  test('sources of labels are left out, and the own namespace says nothing new', () => {
    const labels = '{matchLabels: {"k8s:app": web, "any:tier": a, "k8s:io.kubernetes.pod.namespace": default}}';
    expect(selectorOf(labels)).toEqual({
      namespace: 'default',
      requirements: [
        { subject: { kind: 'label', key: 'app' }, operator: 'In', values: ['web'] },
        { subject: { kind: 'label', key: 'tier' }, operator: 'In', values: ['a'] },
      ],
    });
  });

  test('the namespace is a label of a clusterwide policy', () => {
    const expression = '{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [a, b]}]}';
    expect(selectorOf(expression, CLUSTERWIDE)).toEqual({
      requirements: [{ subject: { kind: 'namespace' }, operator: 'NotIn', values: ['a', 'b'] }],
    });
  });

  test('labels and expressions must all hold', () => {
    const all =
      '{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}, {key: old, operator: DoesNotExist}]}';
    expect(selectorOf(all).requirements.map(({ operator }) => operator)).toEqual(['In', 'Exists', 'DoesNotExist']);
  });

  test('another namespace than the policy’s own is refused: Cilium would drop it', () => {
    const [message] = refusals('{endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: other}}, egress: [{}]}');
    expect(message).toContain('a policy of namespace "default" selects pods of that namespace only');
  });

  test.each(['matchLabels', 'matchExpressions'])('%s without a value is refused', (field) => {
    expect(refusals(`{endpointSelector: {${field}: }, egress: [{}]}`)).toEqual([
      expect.stringContaining('Cannot use no value'),
    ]);
  });
});

describe('toEndpoints', () => {
  const peersOf = (selector: string, kind?: string) => egressOf(`{toEndpoints: [${selector}]}`, kind);
  const app = { subject: { kind: 'label', key: 'app' }, operator: 'In', values: ['db'] };

  test.each<[why: string, selector: string, kind: string | undefined, selected: object]>([
    [
      'is of the policy’s namespace',
      '{matchLabels: {app: db}}',
      undefined,
      { namespace: 'default', requirements: [app] },
    ],
    ['is of every namespace in a clusterwide policy', '{matchLabels: {app: db}}', CLUSTERWIDE, { requirements: [app] }],
    ['without labels is all of them', '{}', undefined, { namespace: 'default', requirements: [] }],
    [
      'is of the namespace that it names',
      '{matchLabels: {app: db, k8s:io.kubernetes.pod.namespace: other}}',
      undefined,
      { requirements: [app, { subject: { kind: 'namespace' }, operator: 'In', values: ['other'] }] },
    ],
  ])('%s', (_why, selector, kind, selected) => {
    expect(peersOf(selector, kind)).toMatchObject([{ to: [{ kind: 'pods', selector: selected }] }]);
  });
});
