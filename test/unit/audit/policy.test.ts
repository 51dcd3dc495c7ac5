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

test('a long description and many labels are cut: every event repeats them', () => {
  const found = auditPolicy({
    ...rule,
    description: 'x'.repeat(10_000),
    labels: Array.from({ length: 100 }, () => 'y'.repeat(10_000)),
  });
  expect(found?.description).toBe(`${'x'.repeat(255)}…`);
  expect(found?.labels).toEqual(Array.from({ length: 8 }, () => `${'y'.repeat(127)}…`));
});
