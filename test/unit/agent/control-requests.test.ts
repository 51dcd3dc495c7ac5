import { expect, test } from 'vitest';
import type { Reply } from '../../../src/agent/audit-orders.ts';
import { ControlRequests } from '../../../src/agent/control-requests.ts';
import type { DigReply } from '../../../src/agent/digger.ts';

const DONE: Reply = { ok: true, off: [] };
const NOT_DUG: DigReply = { ok: false, error: 'not dug' };
const DIG = { kind: 'dig', pod: 'shop/cart', query: '' };

function setUp() {
  const orders: { request: unknown; finish: (reply: Reply) => void }[] = [];
  const digs: { request: unknown; finish: (reply: DigReply) => void }[] = [];
  const requests = new ControlRequests({
    obey: (request) => new Promise((finish) => void orders.push({ request, finish })),
    dig: (request) => new Promise((finish) => void digs.push({ request, finish })),
  });
  return { requests, orders, digs };
}

const settled = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

test.each([
  ['an order', { kind: 'off' }],
  ['what nobody knows', { kind: 'bury' }],
  ['what is no object', 'dig'],
  ['nothing', undefined],
])('%s goes to whom orders are for', async (_what, request) => {
  const { requests, orders, digs } = setUp();
  const answer = requests.answer(request);
  await settled();
  expect([orders.map((each) => each.request), digs]).toEqual([[request], []]);
  orders[0]?.finish(DONE);
  expect(await answer).toBe(DONE);
});

test('a question goes to whom it is for', async () => {
  const { requests, orders, digs } = setUp();
  const answer = requests.answer(DIG);
  expect([orders, digs.map(({ request }) => request)]).toEqual([[], [DIG]]);
  digs[0]?.finish(NOT_DUG);
  expect(await answer).toBe(NOT_DUG);
});

test('a second order waits for the first', async () => {
  const { requests, orders } = setUp();
  const answers = [requests.answer(1), requests.answer(2)];
  await settled();
  expect(orders.map(({ request }) => request)).toEqual([1]);
  orders[0]?.finish(DONE);
  await answers[0];
  await settled();
  expect(orders.map(({ request }) => request)).toEqual([1, 2]);
});

test('an order does not wait for a question, nor a question for an order or another question', async () => {
  const { requests, orders, digs } = setUp();
  void requests.answer(DIG);
  const order = requests.answer({ kind: 'off' });
  void requests.answer(DIG);
  await settled();
  expect([orders.length, digs.length]).toEqual([1, 2]);
  orders[0]?.finish(DONE);
  expect(await order).toBe(DONE);
});
