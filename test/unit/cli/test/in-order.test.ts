import { expect, test } from 'vitest';
import { runInOrder } from '../../../../src/cli/test/in-order.ts';

/** Works that end when they are told to. */
function held<T>(items: readonly T[]) {
  const gates = items.map(() => Promise.withResolvers<void>());
  const running = new Set<T>();
  const work = async (item: T): Promise<T> => {
    running.add(item);
    await gates[items.indexOf(item)]?.promise;
    running.delete(item);
    return item;
  };
  return { running, work, finish: (item: T): void => gates[items.indexOf(item)]?.resolve() };
}

test('outcomes come in the order of the items, whatever ends first', async () => {
  const items = ['a', 'b', 'c'];
  const { work, finish } = held(items);
  const emitted: string[] = [];
  const done = runInOrder(items, { parallel: 3, work, emit: (item, _outcome, i) => emitted.push(`${i} ${item}`) });
  finish('c');
  finish('b');
  await Promise.resolve();
  expect(emitted).toEqual([]);
  finish('a');
  await done;
  expect(emitted).toEqual(['0 a', '1 b', '2 c']);
});

test('no more run at once than are allowed', async () => {
  const items = ['a', 'b', 'c'];
  const { work, finish, running } = held(items);
  const done = runInOrder(items, { parallel: 2, work, emit: () => undefined });
  expect([...running]).toEqual(['a', 'b']);
  finish('a');
  await expect.poll(() => [...running]).toEqual(['b', 'c']);
  finish('b');
  finish('c');
  await done;
});

test('nothing to do is done', async () => {
  await runInOrder([], { parallel: 8, work: () => Promise.reject(new Error('none')), emit: () => expect.fail() });
});
