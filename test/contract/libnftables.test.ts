// libnftables in this process does what the program does.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { DUMP_CHILD } from './support/dump-child.ts';
import type { DumpCall } from './support/dump-child.ts';
import { describeKernel, Namespace } from './support/namespace.ts';

describeKernel('libnftables', () => {
  let namespace: Namespace;
  let child: Child<DumpCall>;
  beforeAll(async () => {
    namespace = await Namespace.create('library');
    child = new Child(namespace, DUMP_CHILD);
  });
  afterAll(async () => {
    await child.end();
    await namespace.remove();
  });
  beforeEach(() => namespace.execute('nft', 'flush', 'ruleset'));

  const run = (text: string) => child.last({ do: 'nft', text });
  const listing = () => namespace.execute('nft', 'list', 'ruleset');

  test('applies text, each time anew after somebody else flushed it', async () => {
    for (let times = 0; times < 3; times++) {
      await namespace.execute('nft', 'flush', 'ruleset');
      expect(await run('table inet namewall {\n  chain closed {\n    drop\n  }\n}\n')).toBeNull();
      expect(await listing()).toContain('chain closed');
    }
  });

  test('applies nothing of a text of which the kernel refuses a part, and says why in one line', async () => {
    const complaint = await run('add table inet namewall\nadd rule inet namewall nowhere drop\n');
    expect(complaint).toMatch(/^Error: .*No such file or directory/);
    expect(String(complaint)).not.toContain('\n');
    expect(await listing()).toBe('');
  });

  test('says what is no nft text, and works afterwards', async () => {
    expect(await run('nonsense\n')).toContain('syntax error');
    expect(await run('add table inet namewall\n')).toBeNull();
    expect(await listing()).toContain('table inet namewall');
  });

  test('prints nothing of a listing', async () => {
    expect(await run('add table inet namewall\nlist ruleset\n')).toBeNull(); // in the child's output it would be read as an answer
  });
});
