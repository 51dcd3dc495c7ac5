import { expect, test } from 'vitest';
import type { PodSelector } from '../../../src/policy/policy.ts';
import { selects } from '../../../src/policy/select.ts';

const pod = {
  uid: 'u',
  namespace: 'shop',
  name: 'web',
  labels: { app: 'web', empty: '' },
  namespaceLabels: { team: 'a' },
  addresses: ['192.0.2.1'],
};
const app = { kind: 'label', key: 'app' } as const;
const missing = { kind: 'label', key: 'tier' } as const;
const inherited = { kind: 'label', key: 'toString' } as const;
const namespace = { kind: 'namespace' } as const;
const team = { kind: 'namespace-label', key: 'team' } as const;
const appOfNamespace = { kind: 'namespace-label', key: 'app' } as const;

test.each<[why: string, selector: PodSelector, isSelected: boolean]>([
  ['nothing is required', { requirements: [] }, true],
  ['its namespace', { namespace: 'shop', requirements: [] }, true],
  ['another namespace', { namespace: 'other', requirements: [] }, false],
  ['In with its value', { requirements: [{ subject: app, operator: 'In', values: ['db', 'web'] }] }, true],
  ['In with another value', { requirements: [{ subject: app, operator: 'In', values: ['db'] }] }, false],
  ['In without the label', { requirements: [{ subject: missing, operator: 'In', values: [''] }] }, false],
  ['NotIn with its value', { requirements: [{ subject: app, operator: 'NotIn', values: ['web'] }] }, false],
  ['NotIn without the label', { requirements: [{ subject: missing, operator: 'NotIn', values: ['a'] }] }, true],
  [
    'Exists with an empty value',
    { requirements: [{ subject: { kind: 'label', key: 'empty' }, operator: 'Exists' }] },
    true,
  ],
  ['Exists without the label', { requirements: [{ subject: missing, operator: 'Exists' }] }, false],
  ['Exists with what every object inherits', { requirements: [{ subject: inherited, operator: 'Exists' }] }, false],
  ['DoesNotExist without the label', { requirements: [{ subject: missing, operator: 'DoesNotExist' }] }, true],
  ['DoesNotExist with the label', { requirements: [{ subject: app, operator: 'DoesNotExist' }] }, false],
  ['the namespace as a label', { requirements: [{ subject: namespace, operator: 'In', values: ['shop'] }] }, true],
  ['a label of its namespace', { requirements: [{ subject: team, operator: 'In', values: ['a'] }] }, true],
  [
    'a label of the pod is none of its namespace',
    { requirements: [{ subject: appOfNamespace, operator: 'Exists' }] },
    false,
  ],
  [
    'one of two fails',
    {
      requirements: [
        { subject: app, operator: 'Exists' },
        { subject: missing, operator: 'Exists' },
      ],
    },
    false,
  ],
])('%s', (_why, selector, isSelected) => expect(selects(selector, pod)).toBe(isSelected));

test.each(['Exists', 'DoesNotExist'] as const)('%s does not hold of labels that nobody knows', (operator) => {
  const { namespaceLabels: _labels, ...unknown } = pod;
  expect(selects({ requirements: [{ subject: team, operator }] }, unknown)).toBe(false);
});
