import { expect, test } from 'vitest';
import { fieldOf, listOf, textMapOf, textOf, textsOf } from '../../../src/kubernetes/json.ts';

test.each<[why: string, found: unknown, wanted: unknown]>([
  ['a path into objects', fieldOf({ a: { b: 1 } }, 'a', 'b'), 1],
  ['a path that ends early', fieldOf({ a: 'x' }, 'a', 'length'), undefined],
  ['what every object inherits', fieldOf({}, 'toString'), undefined],
  ['a list is no object', fieldOf([1], '0'), undefined],
  ['null is no object', fieldOf(null, 'a'), undefined],
  ['a number is no text', textOf(1), ''],
  ['an object is no list', listOf({ length: 1 }), []],
  ['only the texts of a list', textsOf(['a', 1, null, 'b']), ['a', 'b']],
  ['only the texts of a map', textMapOf({ a: 'x', b: 1 }), { a: 'x' }],
  ['a list is no map', textMapOf(['x']), {}],
])('%s', (_why, found, wanted) => expect(found).toEqual(wanted));

test('a key called __proto__ is a key', () => {
  expect(Object.keys(textMapOf(JSON.parse('{"__proto__": "x"}')))).toEqual(['__proto__']);
});
