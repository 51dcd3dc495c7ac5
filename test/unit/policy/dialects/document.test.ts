import { describe, expect, test } from 'vitest';
import { ProblemList, readDocuments, type Node } from '../../../../src/policy/dialects/document.ts';

function read(text: string): { documents: readonly Node[]; problems: readonly string[] } {
  const problems = new ProblemList();
  const documents = readDocuments(text, 'f', problems);
  return { documents, problems: problems.sorted().map(({ at, code }) => `${at} ${code}`) };
}

function plain(node: Node): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(plain);
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, plain(value)]));
}

test('values keep their kind and numbers keep their spelling', () => {
  const [document] = read('a: 010\nb: "443"\nc: [true, null, ~]\nd:\n').documents;
  expect(document && plain(document)).toEqual({ a: 10, b: '443', c: [true, null, null], d: null });
  const a = document?.kind === 'map' ? document.entries.get('a')?.value : undefined;
  expect(a).toMatchObject({ source: '010', place: { at: 'f:1:4' } });
});

test('yes, no and on are texts, as YAML 1.2 says', () => {
  const [document] = read('[yes, no, on]').documents;
  expect(document && plain(document)).toEqual(['yes', 'no', 'on']);
});

test('a key called __proto__ is a key', () => {
  const [document] = read('__proto__: 1').documents;
  expect(document?.kind === 'map' && [...document.entries.keys()]).toEqual(['__proto__']);
});

describe('aliases', () => {
  test('mean the anchor that was nearest before them', () => {
    const [document] = read('[&a 1, &b [*a], &a 2, *b, *a]').documents;
    expect(document && plain(document)).toEqual([1, [1], 2, [1], 2]);
  });

  test('that contain themselves are refused', () => {
    expect(read('&a [*a]').problems).toEqual(['f:1:5 yaml-limit']);
  });

  test('that multiply are refused, and soon', () => {
    const levels = Array.from(
      { length: 20 },
      (_, i) =>
        `- &l${i} [${Array(10)
          .fill(i === 0 ? 'x' : `*l${i - 1}`)
          .join(', ')}]`,
    );
    const started = performance.now();
    expect(read(levels.join('\n')).problems).toEqual([expect.stringContaining('yaml-limit')]);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

test.each([
  ['nesting that overflows the stack', `${'['.repeat(2_000)}${']'.repeat(2_000)}`, 'f:1:1 yaml-limit'],
  ['nesting that would take all memory', '['.repeat(8_000_000), 'f:1:1 yaml-limit'],
  ['nesting over the limit', `${'['.repeat(40)}${']'.repeat(40)}`, 'f:1:34 yaml-limit'],
  ['a file over the limit', ' '.repeat(9 * 1024 * 1024), 'f:1:1 yaml-limit'],
  ['a NUL', 'a: "\0', 'f:1:6 yaml-syntax'],
])('refuses %s', (_why, text, problem) => expect(read(text).problems).toContain(problem));

test('a mapping of many keys is read in linear time', () => {
  const text = Array.from({ length: 50_000 }, (_, i) => `key${i}: 1`).join('\n');
  const started = performance.now();
  expect(read(text).problems).toEqual([]);
  expect(performance.now() - started).toBeLessThan(5000); // comparing each with each took minutes
});
