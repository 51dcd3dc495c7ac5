import { expect, test } from 'vitest';
import { auditPolicy } from '../../../src/audit/policy.ts';

const rule = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', at: 'web.yaml:7:5' };
const shown = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', rule: 'web.yaml:7:5' };

test('no rule is null', () => expect(auditPolicy(undefined)).toBeNull());

test('what its author did not say is not there', () => expect(auditPolicy(rule)).toEqual(shown));

test('description and labels are shown', () => {
  const details = { description: 'Payments', labels: ['k8s:team=shop', 'log:checkout'] };
  expect(auditPolicy({ ...rule, ...details })).toEqual({ ...shown, ...details });
});
