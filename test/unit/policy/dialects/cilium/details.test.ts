import { expect, test } from 'vitest';
import { refusals, ruleOf } from '../cilium-documents.ts';

const withDetails = (details: string) => ruleOf(`{endpointSelector: {}, egress: [{}], ${details}}`);
const refusedDetails = (details: string) => refusals(`{endpointSelector: {}, egress: [{}], ${details}}`);

test('without any there are none', () => {
  const rule = ruleOf('{endpointSelector: {}, egress: [{}]}');
  expect(rule).not.toHaveProperty('description');
  expect(rule).not.toHaveProperty('labels');
});

test.each<[why: string, details: string, carried: object]>([
  ['a description', 'description: Payments', { description: 'Payments' }],
  ['a label', 'labels: [{key: team, value: shop, source: k8s}]', { labels: ['k8s:team=shop'] }],
  ['one without source', 'labels: [{key: team, value: shop}]', { labels: ['team=shop'] }],
  ['one without value', 'labels: [{key: team, source: k8s}]', { labels: ['k8s:team'] }],
  ['several, in their order', 'labels: [{key: b}, {key: a}]', { labels: ['b', 'a'] }],
  ['a text for the log', 'log: {value: checkout v2}', { labels: ['log:checkout v2'] }],
  ['one of 32 characters', `log: {value: ${'ä'.repeat(32)}}`, { labels: [`log:${'ä'.repeat(32)}`] }],
  ['the beginning of a long description', `description: ${'x'.repeat(9_000)}`, { description: `${'x'.repeat(255)}…` }],
  ['the beginning of a long label', `labels: [{key: ${'x'.repeat(9_000)}}]`, { labels: [`${'x'.repeat(127)}…`] }],
  [
    'the first eight labels, and the log',
    `labels: [${Array.from({ length: 20 }, (_, i) => `{key: a${i}}`).join()}], log: {value: b}`,
    { labels: [...Array.from({ length: 8 }, (_, i) => `a${i}`), 'log:b'] },
  ],
  ['both', 'labels: [{key: a}], log: {value: b}', { labels: ['a', 'log:b'] }],
])('%s is carried', (_why, details, carried) => expect(withDetails(details)).toMatchObject(carried));

test.each<[why: string, details: string, message: string]>([
  [
    'a log of 33 characters',
    `log: {value: ${'x'.repeat(33)}}`,
    `Cannot use "${'x'.repeat(32)}" as log.value: at most 32 characters that can be printed`,
  ],
  ['one with a tab', 'log: {value: "a\\tb"}', 'Cannot use "a\\tb" as log.value: at most 32 characters'],
  ['an empty log', 'log: {}', 'Add "value" to log: it is missing'],
  [
    'labels that are a mapping',
    'labels: {a: b}',
    'Cannot use a mapping for labels: it must be a list; begin each item with "- "',
  ],
  ['a label without key', 'labels: [{value: a}]', 'Add "key" to an item of labels: it is missing'],
  ['a label that is a text', 'labels: ["k8s:a=b"]', 'Cannot use the text "k8s:a=b" for an item of labels'],
  ['another field of a label', 'labels: [{key: a, values: b}]', 'did you mean "value"?'],
])('%s is refused', (_why, details, message) => {
  expect(refusedDetails(details)).toEqual([expect.stringContaining(message)]);
});
