import { expect, test } from 'vitest';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';
import { networkPolicy, problemsOf } from '../problems.ts';

const CNI = 'left-to-cni: ingress is left to your CNI: namewall judges egress only';
const NO_EFFECT = 'no-effect: egress has no effect, as in Kubernetes: policyTypes does not list Egress';

test.each([
  ['Egress alone', '  policyTypes: [Egress]', 1, []],
  ['Egress twice', '  policyTypes: [Egress, Egress]', 1, []],
  ['both', '  policyTypes: [Egress, Ingress]\n  egress: [{}]', 1, [`5:3: ${CNI}`]],
  ['Egress, and ingress that means nothing', '  policyTypes: [Egress]\n  ingress: [{from: []}]', 1, [`6:3: ${CNI}`]],
  ['nothing', '  podSelector: {}', 0, [`5:3: ${CNI}`]],
  ['egress alone, which isolates for ingress, too', '  egress: [{}]', 1, [`5:3: ${CNI}`]],
  ['ingress alone', '  podSelector: {}\n  ingress: []', 0, [`6:3: ${CNI}`]],
  ['Ingress beside egress', '  policyTypes: [Ingress]\n  egress: [{}]', 0, [`5:3: ${CNI}`, `6:3: ${NO_EFFECT}`]],
])('policyTypes: %s', (_why, fields, rules, notes) => {
  const read = readPolicies(networkPolicy(fields), 'p.yaml');
  const [policy] = read.ok ? read.value : [];
  expect(policy?.rules).toHaveLength(rules);
  expect(
    (policy?.notes ?? []).map(({ at, code, message }) => `${at.replace('p.yaml:', '')}: ${code}: ${message}`),
  ).toEqual(notes);
});

test.each([
  [
    'an empty egress without policyTypes, which would restrict nothing',
    '  egress: []',
    [
      '5:3: empty-list: Add "policyTypes: [Egress]": without it an empty egress restricts nothing in Kubernetes; with it, it denies everything',
    ],
  ],
  [
    'three types',
    '  policyTypes: [Egress, Ingress, Egress]',
    ['5:3: bad-value: may not specify more than two policyTypes: write Ingress, Egress or both'],
  ],
  [
    'another type',
    '  policyTypes: [egress]',
    ['5:17: bad-value: Cannot use policyTypes "egress": did you mean "Egress"?'],
  ],
  [
    'no list',
    '  policyTypes: Egress',
    ['5:16: wrong-type: Cannot use the text "Egress" for policyTypes: it must be a list; write [Egress]'],
  ],
  [
    'ingress that is no list',
    '  ingress: {}',
    ['5:12: wrong-type: Cannot use a mapping for ingress: it must be a list; begin each item with "- "'],
  ],
])('refuses %s', (_why, fields, expected) => {
  expect(problemsOf(networkPolicy(fields))).toEqual(expected);
});
