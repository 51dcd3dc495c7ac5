import { expect, test } from 'vitest';
import { ProblemList, readDocuments } from '../../../../src/policy/dialects/document.ts';
import { FieldReader } from '../../../../src/policy/dialects/fields.ts';
import { readLabelSelector } from '../../../../src/policy/dialects/kubernetes-selectors.ts';

function read(text: string, subject: 'label' | 'namespace-label' = 'label') {
  const problems = new ProblemList();
  const [node] = readDocuments(text, 'f', problems);
  if (node === undefined) return expect.fail('no document');
  const requirements = readLabelSelector(node, 'podSelector', subject, new FieldReader(problems));
  return { requirements, problems: problems.sorted().map(({ at, code, message }) => `${at}: ${code}: ${message}`) };
}

test('an empty selector requires nothing', () => {
  for (const text of ['{}', '{matchLabels: {}, matchExpressions: []}']) {
    expect(read(text)).toEqual({ requirements: [], problems: [] });
  }
});

test('all of matchLabels and matchExpressions', () => {
  const text = `matchLabels: {app: web, example.org/tier: ""}
matchExpressions:
  - {key: a, operator: In, values: [b, c]}
  - {key: a, operator: NotIn, values: [""]}
  - {key: a, operator: Exists}
  - {key: a, operator: DoesNotExist, values: []}
`;
  for (const kind of ['label', 'namespace-label'] as const) {
    const subject = { kind, key: 'a' };
    expect(read(text, kind)).toEqual({
      requirements: [
        { subject: { kind, key: 'app' }, operator: 'In', values: ['web'] },
        { subject: { kind, key: 'example.org/tier' }, operator: 'In', values: [''] },
        { subject, operator: 'In', values: ['b', 'c'] },
        { subject, operator: 'NotIn', values: [''] },
        { subject, operator: 'Exists' },
        { subject, operator: 'DoesNotExist' },
      ],
      problems: [],
    });
  }
});

test("the label that is the namespace's name is asked of the name", () => {
  const text = 'matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [a]}]';
  expect(read(text, 'namespace-label').requirements).toEqual([
    { subject: { kind: 'namespace' }, operator: 'NotIn', values: ['a'] },
  ]);
});

const KEY = 'a key is at most 63 of a-z, A-Z, 0-9, "-", "_", ".", after an optional "prefix/"';
const VALUE = 'it is at most 63 of a-z, A-Z, 0-9, "-", "_", "."';
const expression = (fields: string): string => `matchExpressions: [{${fields}}]`;

test.each([
  [
    'no mapping',
    'web',
    [
      'f:1:1: wrong-type: Cannot use the text "web" for podSelector: it must be a mapping; write its fields, as in matchLabels: …',
    ],
  ],
  [
    'an unknown field',
    'matchLabel: {}',
    ['f:1:1: unknown-field: Cannot use field "matchLabel" in podSelector: it is unknown; did you mean "matchLabels"?'],
  ],
  [
    'labels without a value',
    'matchLabels:',
    ['f:1:13: wrong-type: Cannot use no value for label: it must be a mapping; write one "key: value" a line'],
  ],
  [
    'a number',
    'matchLabels: {v: 1}',
    ['f:1:18: wrong-type: Cannot use number 1 for label "v": it must be a text; write "1"'],
  ],
  ['a bad key', 'matchLabels: {a b: c}', [`f:1:15: bad-label: Cannot use "a b" as a label: ${KEY}`]],
  [
    'a source as Cilium has it',
    'matchLabels: {"k8s:app": c}',
    [`f:1:15: bad-label: Cannot use "k8s:app" as a label: ${KEY}`],
  ],
  ['a bad value', 'matchLabels: {a: b/c}', [`f:1:15: bad-label: Cannot use "b/c" as a label's value: ${VALUE}`]],
  [
    'expressions that are a mapping',
    'matchExpressions: {}',
    ['f:1:19: wrong-type: Cannot use a mapping for matchExpressions: it must be a list; begin each item with "- "'],
  ],
  [
    'an expression without key and operator',
    'matchExpressions: [{}]',
    [
      'f:1:20: missing-field: Add "key" to a matchExpressions item: it is missing; write key: app',
      'f:1:20: missing-field: Add "operator" to a matchExpressions item: it is missing; write operator: In',
    ],
  ],
  [
    'a misspelt operator',
    expression('key: a, operator: Notin, values: [b]'),
    ['f:1:39: bad-selector: Cannot use operator "Notin": did you mean "NotIn"?'],
  ],
  [
    'an operator of nodes',
    expression('key: a, operator: Gt, values: ["1"]'),
    ['f:1:39: bad-selector: Cannot use operator "Gt": write one of In, NotIn, Exists, DoesNotExist'],
  ],
  [
    'In without values',
    expression('key: a, operator: In'),
    [
      'f:1:20: missing-field: Add "values" to a matchExpressions item with operator "In": it is missing; write values: [web]',
    ],
  ],
  [
    'NotIn with an empty list',
    expression('key: a, operator: NotIn, values: []'),
    ['f:1:54: empty-list: Cannot use an empty list for values: operator "NotIn" needs at least one'],
  ],
  [
    'Exists with values',
    expression('key: a, operator: Exists, values: [b]'),
    ['f:1:47: bad-selector: Remove "values": operator "Exists" takes none'],
  ],
  [
    'a bad key of an expression',
    expression('key: a b, operator: Exists'),
    [`f:1:26: bad-label: Cannot use "a b" as a label: ${KEY}`],
  ],
  [
    'a bad value of an expression',
    expression('key: a, operator: In, values: [b, "c d"]'),
    [`f:1:55: bad-label: Cannot use "c d" as a label's value: ${VALUE}`],
  ],
])('refuses %s', (_why, text, expected) => {
  expect(read(text)).toEqual({ requirements: undefined, problems: expected });
});
