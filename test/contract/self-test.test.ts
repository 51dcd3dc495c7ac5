import { afterAll, beforeAll, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { describeKernel, Namespace } from './support/namespace.ts';
import { WRITER_CHILD } from './support/writer-child.ts';
import type { WriterCall } from './support/writer-child.ts';

describeKernel('the choice of how grants are renewed', () => {
  let namespace: Namespace;
  let child: Child<WriterCall>;

  beforeAll(async () => {
    namespace = await Namespace.create('selftest');
    child = new Child(namespace, WRITER_CHILD);
  });
  afterAll(async () => {
    await child.end();
    await namespace.remove();
  });

  test('it is one of the two, and the scratch table is gone afterwards', async () => {
    expect(['update', 'replace']).toContain(await child.last({ do: 'choose strategy' }));
    expect(await namespace.execute('nft', 'list', 'ruleset')).toBe('');
  });

  test('a scratch table that a killed agent left does not disturb it', async () => {
    await namespace.execute('nft', 'add', 'table', 'inet', 'namewall_selftest');
    const choice = await child.last({ do: 'choose strategy' });
    expect(await child.last({ do: 'choose strategy' })).toBe(choice);
    expect(await namespace.execute('nft', 'list', 'ruleset')).toBe('');
  });
});
