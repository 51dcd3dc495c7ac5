import { expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import { compile } from '../../../src/policy/compile.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';

const POD: Pod = {
  uid: 'a',
  namespace: 'shop',
  name: 'cart',
  labels: {},
  namespaceLabels: {},
  addresses: ['10.0.1.7'],
};
const [AUDIT, ENFORCE] = ['audit', 'enforce'];

function denying(tier: 'Admin' | 'Baseline', mode = AUDIT, priority = 10): string {
  return `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: ${tier.toLowerCase()}-${priority}, annotations: { namewall.io/mode: ${mode} } }
spec:
  tier: ${tier}
  priority: ${priority}
  subject: { namespaces: {} }
  egress: [{ action: Deny, to: [{ networks: ["0.0.0.0/0"] }] }]
`;
}

function isolating(mode = AUDIT): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolating, namespace: shop, annotations: { namewall.io/mode: ${mode} } }
spec: { podSelector: {}, policyTypes: [Egress] }
`;
}

function compiled(documents: readonly string[]) {
  const read = readPolicies(documents.join('---'), 'p.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return compile(read.value, [POD], { knowsAllPods: true, nodes: [], services: [], dnsServers: ['10.96.0.10'] });
}

test.each<[why: string, documents: string[], name: string | undefined, unlisted: string]>([
  ['a denial of tier Admin', [denying('Admin')], 'admin-10', 'would-deny'],
  ['the first of two', [denying('Admin', AUDIT, 20), denying('Admin')], 'admin-10', 'would-deny'],
  ['what isolates the pod', [isolating()], 'isolating', 'would-deny'],
  ['a denial of tier Baseline', [denying('Baseline')], 'baseline-10', 'would-deny'],
  ['of all tiers the first', [denying('Baseline'), isolating(), denying('Admin')], 'admin-10', 'would-deny'],
  ['nobody, where a denial counts', [denying('Admin', ENFORCE), isolating()], undefined, 'deny'],
  ['nobody, where isolation counts', [denying('Baseline'), isolating(ENFORCE)], undefined, 'deny'],
])('who would deny a question, if it did not only audit: %s', (_why, documents, name, otherwise) => {
  const { programs, rules } = compiled(documents);
  const [program] = programs;
  expect(program?.unlisted).toEqual({ udp: otherwise, tcp: otherwise });
  expect(rules[program?.toldBy.udp ?? -1]?.name).toBe(name);
  expect(rules[program?.toldBy.tcp ?? -1]?.name).toBe(name);
});

test('who tells and who isolates is part of the program, its line is not', () => {
  const idOf = (documents: readonly string[]) => compiled(documents).programs[0]?.id;
  expect(idOf([isolating().replaceAll('isolating', 'other')])).not.toBe(idOf([isolating()]));
  expect(idOf([isolating(ENFORCE).replaceAll('isolating', 'other')])).not.toBe(idOf([isolating(ENFORCE)]));
  expect(idOf([`\n\n${isolating()}`])).toBe(idOf([isolating()]));
});
