// What reading a document finds wrong, as users read it: for the tables of the dialects' tests.
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';

/** `LINE:COL: CODE: MESSAGE`; empty for what is accepted. */
export function problemsOf(text: string): string[] {
  const read = readPolicies(text, 'p.yaml');
  if (read.ok) return [];
  return read.problems.map(({ at, code, message }) => `${at.replace('p.yaml:', '')}: ${code}: ${message}`);
}

/** `fields` of the spec begin on line 5; its egress is required to have a document that means something. */
export function networkPolicy(fields: string, metadata = '{name: p, namespace: shop}'): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: ${metadata}
spec:
${fields}
`;
}

/** One item of egress, on line 5 from column 14. */
export function networkPolicyEgress(item: string): string {
  return networkPolicy(`  egress: [ ${item} ]`);
}
