import { describe, expect, test } from 'vitest';
import { ProblemList, type Node } from '../../../../src/policy/dialects/document.ts';
import { readJson } from '../../../../src/policy/dialects/json-document.ts';

function read(value: unknown): { node: Node | undefined; problems: readonly string[] } {
  const problems = new ProblemList();
  const node = readJson(value, 'Kind a/b', problems);
  return { node, problems: problems.sorted().map(({ at, code }) => `${at} ${code}`) };
}

function plain(node: Node | undefined): unknown {
  if (node === undefined) return undefined;
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(plain);
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, plain(value)]));
}

function placesOf(node: Node | undefined): string[] {
  if (node === undefined) return [];
  const children = node.kind === 'map' ? [...node.entries.values()].map(({ value }) => value) : [];
  return [node.place.at, ...(node.kind === 'list' ? node.items : children).flatMap(placesOf)];
}

test('every kind of value is read', () => {
  const value = { a: [1, 'x', true, null, {}, []], b: { c: -1.5 } };
  expect(plain(read(value).node)).toEqual(value);
});

test('places are paths, in the order of the document', () => {
  const { node } = read({ spec: { egress: [{ 'a b': 1 }], 'x-y': null } });
  expect(placesOf(node)).toEqual([
    'Kind a/b',
    'Kind a/b: spec',
    'Kind a/b: spec.egress',
    'Kind a/b: spec.egress[0]',
    'Kind a/b: spec.egress[0]["a b"]',
    'Kind a/b: spec.x-y',
  ]);
});

test('a number has the spelling that the dialect judges', () => {
  expect(read(443).node).toMatchObject({ kind: 'scalar', source: '443' });
});

test('a key called __proto__ is a key', () => {
  const { node } = read(JSON.parse('{"__proto__": 1}'));
  expect(node?.kind === 'map' && [...node.entries.keys()]).toEqual(['__proto__']);
});

describe('refused as a whole is', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

  test.each<[why: string, value: unknown]>([
    ['what is nested too deeply', nested(33)],
    ['more values than a file may have', Array.from({ length: 1_000_000 }, () => 1)],
    ['what JSON does not have', { a: undefined }],
  ])('%s', (_why, value) => expect(read(value)).toEqual({ node: undefined, problems: ['Kind a/b json-limit'] }));

  test('not what is nested as deeply as allowed', () => expect(read(nested(32)).problems).toEqual([]));
});
