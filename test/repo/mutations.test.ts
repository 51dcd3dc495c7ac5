// The mutations of the compiler fit its text, so that `npm run mutations` can make every one of them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutated, parseMutations, readMutations, type Mutation } from '../mutations/mutations.ts';
import { ROOT } from './tree.ts';

/** Each of these has one at least. */
const MUTATED = ['compile', 'selection', 'lower', 'link', 'static-rules', 'destinations', 'dns-access', 'static-match'];
const OF_NAMES = ['select', 'cidr', 'ports', 'names', 'name-table', 'name-ends'];

const mutations = readMutations();

function misfits(all: readonly Mutation[], read: (file: string) => string): string[] {
  return all.flatMap((each) => {
    try {
      return mutated(read(each.file), each) === read(each.file) ? [`${each.title}: changes nothing`] : [];
    } catch (error) {
      return [String(error)];
    }
  });
}

test('every mutation changes one place of its file', () => {
  expect(misfits(mutations, (file) => readFileSync(`${ROOT}${file}`, 'utf8'))).toEqual([]);
  const broken = parseMutations(
    '=== a.ts: twice\n- x\n+ y\n=== a.ts: never\n- z\n=== a.ts: as it is\n- y\n+ y\n=== a.ts: once\n- y\n',
  );
  expect(misfits(broken, () => 'x y x')).toEqual([
    'Error: a.ts: found 2 times, must be once: "x" (twice)',
    'Error: a.ts: found 0 times, must be once: "z" (never)',
    'as it is: changes nothing',
  ]);
});

test('there are many, no two alike, and some of every file of the compiler', () => {
  expect(mutations.length).toBeGreaterThan(100);
  expect(new Set(mutations.map(({ file, title }) => `${file} ${title}`)).size).toBe(mutations.length);
  expect(new Set(mutations.map(({ file, instead, text }) => [file, text, instead].join('\n'))).size).toBe(
    mutations.length,
  );
  const files = new Set(mutations.map(({ file }) => file));
  expect([...MUTATED, ...OF_NAMES].filter((name) => !files.has(`src/policy/${name}.ts`))).toEqual([]);
});

test('what is no mutation is not read', () => {
  for (const text of ['=== a.ts\n- x\n', '=== a.ts: nothing to change\n+ y\n', '=== a.ts: a stray line\n- x\ny\n'])
    expect(() => parseMutations(text)).toThrow(/^Cannot read the mutation/);
  expect(parseMutations('why\n=== a.ts: two lines\n-   x\n- y\n+ z\n')).toEqual([
    { file: 'a.ts', title: 'two lines', text: '  x\ny', instead: 'z' },
  ]);
});
