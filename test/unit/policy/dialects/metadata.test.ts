import { expect, test } from 'vitest';
import { ProblemList, readDocuments } from '../../../../src/policy/dialects/document.ts';
import { FieldReader } from '../../../../src/policy/dialects/fields.ts';
import { ALLOW_ANSWER_RANGES, readMetadata, type MetadataKind } from '../../../../src/policy/dialects/metadata.ts';

const OWN: MetadataKind = { kind: 'NetworkPolicy', isClusterwide: false };
const CLUSTERWIDE: MetadataKind = {
  kind: 'ClusterNetworkPolicy',
  isClusterwide: true,
  annotations: [ALLOW_ANSWER_RANGES],
};

function read(text: string, kind: MetadataKind) {
  const problems = new ProblemList();
  const [document] = readDocuments(text, 'f', problems);
  if (document?.kind !== 'map') return expect.fail('no mapping');
  const metadata = readMetadata(document, kind, new FieldReader(problems));
  return { metadata, problems: problems.sorted().map(({ at, code, message }) => `${at}: ${code}: ${message}`) };
}

test.each([
  ['the least', '{name: p}', OWN, { name: 'p', namespace: 'default', isAudited: false }],
  ['a namespace', '{name: p, namespace: shop}', OWN, { name: 'p', namespace: 'shop' }],
  ['no namespace', '{name: p}', CLUSTERWIDE, { name: 'p', namespace: '' }],
  ['labels and annotations of others', '{name: p, labels: {a/b: ""}, annotations: {a: b}}', OWN, { isAudited: false }],
  ['mode audit', '{name: p, annotations: {namewall.io/mode: audit}}', OWN, { isAudited: true }],
  ['mode enforce', '{name: p, annotations: {namewall.io/mode: enforce}}', OWN, { isAudited: false }],
  ['what the API server writes', '{name: p, uid: u, generation: 1, creationTimestamp: null}', OWN, { name: 'p' }],
])('reads %s', (_why, text, kind, expected) => {
  const { metadata, problems } = read(`metadata: ${text}`, kind);
  expect(problems).toEqual([]);
  expect(metadata).toMatchObject(expected);
});

test("a kind's own annotations are handed out with their places", () => {
  const { metadata } = read('metadata: {name: p, annotations: {namewall.io/allow-answer-ranges: ula}}', CLUSTERWIDE);
  expect(metadata?.annotations.get(ALLOW_ANSWER_RANGES)).toMatchObject({ text: 'ula', place: { at: 'f:1:35' } });
});

test.each([
  [
    'none',
    'spec: {}',
    OWN,
    ['f:1:1: missing-field: Add "metadata" to the policy: it is missing; write metadata: {name: my-policy}'],
  ],
  [
    'no name',
    'metadata: {}',
    OWN,
    ['f:1:11: missing-field: Add "name" to metadata: it is missing; write name: my-policy'],
  ],
  [
    'a bad name',
    'metadata: {name: P}',
    OWN,
    [
      'f:1:18: bad-value: Cannot use "P" as a policy\'s name: lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit',
    ],
  ],
  [
    'a bad namespace',
    'metadata: {name: p, namespace: a.b}',
    OWN,
    [
      'f:1:32: bad-value: Cannot use "a.b" as a namespace: lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit',
    ],
  ],
  [
    'a namespace of what has none',
    'metadata: {name: p, namespace: a}',
    CLUSTERWIDE,
    ['f:1:21: bad-value: Remove "namespace": a ClusterNetworkPolicy belongs to none'],
  ],
  [
    'bad labels',
    'metadata: {name: p, labels: {"a b": c, d: "e f"}}',
    OWN,
    [
      'f:1:30: bad-label: Cannot use "a b" as a label: at most 63 of a-z, A-Z, 0-9, "-", "_", ".", beginning and ending with a letter or digit',
      'f:1:40: bad-label: Cannot use "e f" as a label\'s value: at most 63 of a-z, A-Z, 0-9, "-", "_", ".", beginning and ending with a letter or digit',
    ],
  ],
  [
    'another mode',
    'metadata: {name: p, annotations: {namewall.io/mode: Audit}}',
    OWN,
    ['f:1:35: bad-value: Cannot use "Audit" as namewall.io/mode: did you mean "audit"?'],
  ],
  [
    'a mode that is like none',
    'metadata: {name: p, annotations: {namewall.io/mode: "on"}}',
    OWN,
    ['f:1:35: bad-value: Cannot use "on" as namewall.io/mode: write audit or enforce'],
  ],
  [
    'an unknown annotation of ours',
    'metadata: {name: p, annotations: {namewall.io/mod: audit}}',
    OWN,
    [
      'f:1:35: unknown-field: Remove annotation "namewall.io/mod": namewall knows no such annotation; did you mean "namewall.io/mode"?',
    ],
  ],
  [
    'ranges for names where there are none',
    'metadata: {name: p, annotations: {namewall.io/allow-answer-ranges: ula}}',
    OWN,
    [
      'f:1:35: unknown-field: Remove annotation "namewall.io/allow-answer-ranges": it is about addresses of names, and a NetworkPolicy has no names',
    ],
  ],
])('refuses %s', (_why, text, kind, expected) => {
  expect(read(text, kind).problems).toEqual(expected);
});
