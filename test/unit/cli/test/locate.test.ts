import { expect, test } from 'vitest';
import { choose } from '../../../../src/cli/test/locate.ts';
import { readAddresses } from '../../../../src/cli/test/net-namespaces.ts';

const CART = { uid: 'c', namespace: 'shop', name: 'cart', labels: {}, addresses: ['10.0.1.7', '2001:db8::7'] };

test('a client is where its addresses are', () => {
  const found = new Map([
    ['10.0.1.7', ['/run/netns/cart']],
    ['2001:db8::7', ['/run/netns/cart']],
  ]);
  expect(choose(CART, found)).toEqual({ path: '/run/netns/cart' });
});

test('one of its addresses is enough', () => {
  expect(choose(CART, new Map([['2001:db8::7', ['/proc/7/ns/net']]]))).toEqual({ path: '/proc/7/ns/net' });
});

test.each([
  ['nowhere', new Map<string, string[]>(), 'no network namespace has an address of shop/cart (10.0.1.7, 2001:db8::7)'],
  [
    'in two places',
    new Map([['10.0.1.7', ['/run/netns/a', '/run/netns/b']]]),
    'several network namespaces have addresses of shop/cart: /run/netns/a, /run/netns/b',
  ],
])('a client that is %s must be given by hand', (_why, found, message) => {
  expect(choose(CART, found)).toEqual({ why: `${message}; say which by --netns shop/cart=PATH` });
});

test('the addresses of all interfaces, in one spelling', () => {
  const json = '[{"ifname":"lo","addr_info":[]},{},{"addr_info":[{"local":"10.0.1.7"},{"local":"2001:db8:0::7"},{}]}]';
  expect(readAddresses(json)).toEqual(['10.0.1.7', '2001:db8::7']);
});
