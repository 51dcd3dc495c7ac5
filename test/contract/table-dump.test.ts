// What the kernel holds is read back as it is: against what nft put there.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { DUMP_CHILD } from './support/dump-child.ts';
import type { DumpCall } from './support/dump-child.ts';
import { describeKernel, Namespace } from './support/namespace.ts';

const TABLE = `flush ruleset
table ip namewall {
  set grants4_web { type ipv4_addr . ipv4_addr; flags timeout; elements = { 10.9.9.9 . 192.0.2.9 timeout 1h }; }
}
table inet other {
  chain other { type filter hook forward priority filter; }
  set grants4_web { type ipv4_addr . ipv4_addr; flags timeout; elements = { 10.9.9.9 . 192.0.2.9 timeout 1h }; }
}
table inet namewall {
  set grants4_web { type ipv4_addr . ipv4_addr; flags timeout; size 262144; gc-interval 1s; }
  set grants6_web { type ipv6_addr . ipv6_addr; flags timeout; size 262144; gc-interval 1s; }
  set grants4_web_2 { type ipv4_addr . ipv4_addr; flags timeout; }
  set owners4 { type ipv4_addr; elements = { 10.0.0.1 comment "a7", 10.0.0.2, 10.0.0.3 comment "b8 é" }; }
  set ranges4 { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }
  map policy4 { type ipv4_addr : verdict; elements = { 10.0.0.1 : jump policy_web, 10.0.0.2 : goto deny, 10.0.0.3 : drop }; }
  chain deny { drop; }
  chain policy_web { ip daddr { 192.0.2.1, 192.0.2.2 } accept; }
  chain egress { type filter hook forward priority filter; ip saddr vmap @policy4; }
}
`;
const MANY = 20_000;

describeKernel('our table, read back', () => {
  let namespace: Namespace;
  let child: Child<DumpCall>;
  beforeAll(async () => {
    namespace = await Namespace.create('dump');
    child = new Child(namespace, DUMP_CHILD);
  });
  afterAll(async () => {
    await child.end();
    await namespace.remove();
  });
  beforeEach(() => nft(TABLE));

  const nft = (text: string) => namespace.run('nft', ['-f', '-'], `${text}\n`);
  const grants = async () => {
    const all = await child.last({ do: 'grants' });
    if (!Array.isArray(all)) throw new Error('no list');
    return all.map((each: { classId: string; pod: string; destination: string; leftMs: number | null }) => each);
  };
  const manyGrants = (octet: number) => {
    const pairs = Array.from(
      { length: MANY },
      (_, i) => `10.0.${octet}.1 . 10.${100 + (i >> 8)}.${i & 255}.1 timeout 1h`,
    );
    return `add element inet namewall grants4_web { ${pairs.join(', ')} }`;
  };

  test('the names of sets, maps and chains, without anonymous sets and other tables', async () => {
    expect(await child.last({ do: 'names' })).toEqual({
      sets: ['grants4_web', 'grants6_web', 'grants4_web_2', 'owners4', 'ranges4'],
      maps: ['policy4'],
      chains: ['deny', 'policy_web', 'egress'],
    });
  });

  test('without a table there is nothing, and no error', async () => {
    await nft('delete table inet namewall');
    expect(await child.call({ do: 'names' }, { do: 'grants' }, { do: 'elements', set: 'owners4' })).toEqual([
      { sets: [], maps: [], chains: [] },
      [],
      [],
    ]);
  });

  test('grants of both families and all classes, with what is left of their time', async () => {
    await nft('add element inet namewall grants4_web { 10.0.0.1 . 192.0.2.1 timeout 90s }');
    await nft('add element inet namewall grants6_web { 2001:db8:1::1 . 2001:db8::1 timeout 1h }');
    await nft('add element inet namewall grants4_web_2 { 10.0.0.2 . 203.0.113.255 }');
    const found = await grants();
    expect(found.map(({ classId, pod, destination }) => ({ classId, pod, destination }))).toEqual([
      { classId: 'web', pod: '10.0.0.1', destination: '192.0.2.1' },
      { classId: 'web', pod: '2001:db8:1::1', destination: '2001:db8::1' },
      { classId: 'web_2', pod: '10.0.0.2', destination: '203.0.113.255' },
    ]);
    const [short, long, endless] = found.map(({ leftMs }) => leftMs);
    expect(short).toBeGreaterThan(80_000);
    expect(short).toBeLessThanOrEqual(90_000);
    expect(long).toBeGreaterThan(3_590_000);
    expect(endless).toBeNull(); // Infinity, which JSON does not have
  });

  test('every one of many grants, once', async () => {
    await nft(manyGrants(1));
    const found = await grants();
    expect(new Set(found.map(({ destination }) => destination)).size).toBe(MANY);
    expect(found).toHaveLength(MANY);
  });

  test('elements with their comments', async () => {
    expect(await child.last({ do: 'elements', set: 'owners4' })).toEqual(
      expect.arrayContaining([
        { key: '10.0.0.1', comment: 'a7' },
        { key: '10.0.0.2' },
        { key: '10.0.0.3', comment: 'b8 é' },
      ]),
    );
  });

  test('the chains that a verdict map leads to', async () => {
    expect(await child.last({ do: 'elements', set: 'policy4' })).toEqual(
      expect.arrayContaining([
        { key: '10.0.0.1', chain: 'policy_web' },
        { key: '10.0.0.2', chain: 'deny' },
        { key: '10.0.0.3' },
      ]),
    );
  });

  test('a set of another table is not ours', async () => {
    expect(await child.last({ do: 'elements', set: 'grants4_web' })).toEqual([]);
  });

  test('a listing that a transaction interrupted is made again', async () => {
    await nft(manyGrants(1));
    // After the third part all of them are exchanged for others: a listing that was not made again would have some of both.
    const meanwhile = ['', '', '', `flush set inet namewall grants4_web\n${manyGrants(2)}`];
    expect(await child.last({ do: 'third bytes interrupted', set: 'grants4_web', meanwhile })).toEqual([2]);
  });

  test('grants that were flushed while they were listed are not in the listing', async () => {
    await nft(manyGrants(1));
    const meanwhile = ['', '', '', 'flush set inet namewall grants4_web'];
    expect(await child.last({ do: 'third bytes interrupted', set: 'grants4_web', meanwhile })).toEqual([]);
  });
});
