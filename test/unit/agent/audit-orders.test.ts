import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  covers,
  isWithin,
  LONGEST_MS,
  readOrder,
  readRequest,
  scopeFields,
  scopeText,
} from '../../../src/agent/audit-orders.ts';
import type { Scope } from '../../../src/agent/audit-orders.ts';

const NODE: Scope = { kind: 'node' };
const SHOP: Scope = { kind: 'namespace', namespace: 'shop' };
const CART: Scope = { kind: 'pod', namespace: 'shop', name: 'cart' };
const OTHER: Scope = { kind: 'pod', namespace: 'other', name: 'cart' };

test.each([
  ['the node', NODE, ['shop/cart', 'shop/mail', 'other/cart']],
  ['a namespace', SHOP, ['shop/cart', 'shop/mail']],
  ['a pod', CART, ['shop/cart']],
])('%s covers its pods and no others', (_why, scope, want) => {
  const pods = ['shop/cart', 'shop/mail', 'other/cart'];
  const covered = pods.filter((text) => {
    const [namespace = '', name = ''] = text.split('/');
    return covers(scope, { namespace, name });
  });
  expect(covered).toEqual(want);
});

test.each<[string, Scope, Scope, boolean]>([
  ['a pod in its namespace', CART, SHOP, true],
  ['a namespace in the node', SHOP, NODE, true],
  ['a pod in itself', CART, { ...CART }, true],
  ['the node in a namespace', NODE, SHOP, false],
  ['a namespace in one of its pods', SHOP, CART, false],
  ['a pod of the same name elsewhere', OTHER, CART, false],
  ['a pod in another namespace', OTHER, SHOP, false],
])('within: %s', (_why, inner, outer, want) => {
  expect(isWithin(inner, outer)).toBe(want);
});

test('a scope is said in words and in keys', () => {
  expect([NODE, SHOP, CART].map((scope) => scopeText(scope))).toEqual([
    'the whole node',
    'namespace shop',
    'pod shop/cart',
  ]);
  expect([NODE, SHOP, CART].map((scope) => scopeFields(scope))).toEqual([
    { scope: 'node' },
    { scope: 'namespace', namespace: 'shop' },
    { scope: 'pod', namespace: 'shop', name: 'cart' },
  ]);
});

const OFF = { kind: 'off', scope: CART, forMs: 2_000, uid: 0 };
const ORDER = { scope: CART, sinceWallMs: 1_000, untilMs: 2_000, uid: 0 };

test.each([
  ['off for a time', OFF],
  ['off until it is ended', { ...OFF, forMs: null }],
  ['on', { kind: 'on', scope: NODE, uid: 1000 }],
  ['status', { kind: 'status' }],
])('a request is read as it is: %s', (_why, request) => {
  expect(readRequest(JSON.parse(JSON.stringify(request)))).toEqual(request);
});

test.each([
  ['nothing', undefined],
  ['a list', [OFF]],
  ['another kind', { ...OFF, kind: 'toggle' }],
  ['a key that nobody knows: a misspelt selector would be the whole node', { ...OFF, pods: 'shop/cart' }],
  ['no scope', { kind: 'off', forMs: null, uid: 0 }],
  ['a scope with a key too many', { ...OFF, scope: { kind: 'node', namespace: 'shop' } }],
  ['a namespace without a name', { ...OFF, scope: { kind: 'namespace', namespace: '' } }],
  ['a pod without a name', { ...OFF, scope: { kind: 'pod', namespace: 'shop' } }],
  ['a name that is longer than any', { ...OFF, scope: { kind: 'namespace', namespace: 'x'.repeat(254) } }],
  ['no time where one belongs', { kind: 'off', scope: NODE, uid: 0 }],
  ['no time at all', { ...OFF, forMs: 0 }],
  ['a time that is longer than any', { ...OFF, forMs: LONGEST_MS + 1 }],
  ['a time in words', { ...OFF, forMs: '2s' }],
  ['a uid that is none', { ...OFF, uid: -1 }],
  ['a uid in parts', { ...OFF, uid: 0.5 }],
])('no request: %s', (_why, value) => {
  expect(readRequest(value)).toBeUndefined();
});

test.each([
  ['an end', { untilMs: 2_000 }, { untilMs: 2_000 }],
  ['no end', { untilMs: null }, { untilMs: Infinity }],
])('an order is read with %s', (_why, saved, want) => {
  expect(readOrder({ ...ORDER, ...saved })).toEqual({ ...ORDER, ...want });
});

test.each([
  ['no end and no null', { scope: CART, sinceWallMs: 1_000, uid: 0 }],
  ['an end before the machine was on', { ...ORDER, untilMs: -1 }],
  ['a beginning that is no time', { ...ORDER, sinceWallMs: 1e300 }],
  ['a key that nobody knows', { ...ORDER, isLarger: true }],
])('no order: %s', (_why, value) => {
  expect(readOrder(value)).toBeUndefined();
});

test('whatever is sent, reading it never throws', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      readRequest(value);
      readOrder(value);
    }),
  );
});
