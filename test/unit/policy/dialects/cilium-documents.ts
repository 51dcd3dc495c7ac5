// Documents of Cilium in one line, what they are read into, and what is said of those that are refused.
import { expect } from 'vitest';
import type { Problem } from '../../../../src/base/errors.ts';
import { readCiliumPolicy } from '../../../../src/policy/dialects/cilium.ts';
import { ProblemList, readDocuments } from '../../../../src/policy/dialects/document.ts';
import { FieldReader } from '../../../../src/policy/dialects/fields.ts';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';
import type { EgressRule, Policy, PolicyRule } from '../../../../src/policy/policy.ts';

export const CLUSTERWIDE = 'CiliumClusterwideNetworkPolicy';
/** As a selector, the pods of the cluster's DNS. */
export const CLUSTER_DNS = '{matchLabels: {k8s-app: kube-dns, k8s:io.kubernetes.pod.namespace: kube-system}}';

export const named = (text: string) => expect.objectContaining({ match: 'name', text }) as unknown;
export const pattern = (text: string) => expect.objectContaining({ match: 'pattern', text }) as unknown;

export function read(text: string): readonly Policy[] {
  const policies = readPolicies(text, 'p.yaml');
  if (!policies.ok) throw new Error(policies.problems.map(({ at, message }) => `${at}: ${message}`).join('\n'));
  return policies.value;
}

export function policyOf(spec: string, kind = 'CiliumNetworkPolicy'): Policy {
  return read(document(spec, kind))[0] ?? expect.fail('no policy');
}

export function ruleOf(spec: string, kind?: string): PolicyRule {
  return policyOf(spec, kind).rules[0] ?? expect.fail('no rule');
}

/** What one item of `egress` stands for. */
export function egressOf(item: string, kind?: string): readonly EgressRule[] {
  return ruleOf(`{endpointSelector: {}, egress: [${item}]}`, kind).egress;
}

export function denyOf(item: string, kind?: string): readonly EgressRule[] {
  return ruleOf(`{endpointSelector: {}, egressDeny: [${item}]}`, kind).egress;
}

/** All messages, in the order of the text, without places. */
export function refusals(spec: string, kind = 'CiliumNetworkPolicy'): string[] {
  const policies = readPolicies(document(spec, kind), 'p.yaml');
  return policies.ok ? [] : policies.problems.map(({ message }) => message);
}

/** Of one item of `egress`. */
export function refused(item: string, kind?: string): string[] {
  return refusals(`{endpointSelector: {}, egress: [${item}]}`, kind);
}

/** As an object of a cluster, whose agents know the pods of their own node. */
export function inCluster(spec: string): { readonly policy: Policy | undefined; readonly messages: string[] } {
  const problems = new ProblemList();
  const [node] = readDocuments(document(spec, 'CiliumNetworkPolicy'), 'p', problems);
  if (node?.kind !== 'map') expect.fail('no document');
  const policy = readCiliumPolicy(node, 'CiliumNetworkPolicy', new FieldReader(problems, 'own-and-namespace-labels'));
  return { policy, messages: problems.sorted().map(({ message }: Problem) => message) };
}

function document(spec: string, kind: string): string {
  return `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: {name: p}\nspec: ${spec}\n`;
}
