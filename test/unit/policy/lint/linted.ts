// Policies as one line of a table, and the warnings about them.
import { expect } from 'vitest';
import type { Problem } from '../../../../src/base/errors.ts';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';
import { lint, type LintWorld } from '../../../../src/policy/lint.ts';
import type { Policy } from '../../../../src/policy/policy.ts';

export const PORTS = 'toPorts: [{ports: [{port: "443", protocol: TCP}]}]';

export function read(text: string): readonly Policy[] {
  const found = readPolicies(text, 'p.yaml');
  return found.ok ? found.value : expect.fail(JSON.stringify(found.problems));
}

/** `lists`: `egress: […], egressDeny: […]`. */
export function cilium(lists: string): string {
  return `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {endpointSelector: {matchLabels: {app: cart}}, ${lists}}\n`;
}

export function ordered(egress: string, annotations = '{}'): string {
  return `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p, annotations: ${annotations}}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [${egress}]}\n`;
}

export function networkPolicy(egress: string): string {
  return `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Egress], egress: [${egress}]}\n`;
}

export function warnings(text: string, world?: LintWorld): Problem[] {
  return lint(read(text), world);
}

export function codes(text: string, world?: LintWorld): string[] {
  return warnings(text, world).map(({ code }) => code);
}
