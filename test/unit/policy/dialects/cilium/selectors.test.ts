import { describe, expect, test } from 'vitest';
import { readEndpointSelector } from '../../../../../src/policy/dialects/cilium/selectors.ts';
import { ProblemList } from '../../../../../src/policy/dialects/document.ts';
import { FieldReader } from '../../../../../src/policy/dialects/fields.ts';
import { readJson } from '../../../../../src/policy/dialects/json-document.ts';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';

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
