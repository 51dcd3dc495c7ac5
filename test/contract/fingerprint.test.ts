// The fingerprint of our table stays while grants come and go and packets are counted, and changes with whatever a foreign hand does; the
// watch of events sees most of that at once.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { applyText } from '../../src/kernel/apply.ts';
import { SEEN } from '../../src/datapath/kernel-watch.ts';
import { Child } from './support/child.ts';
import { DUMP_CHILD } from './support/dump-child.ts';
import type { DumpCall, WatchAnswer } from './support/dump-child.ts';
import { describeKernel, Namespace } from './support/namespace.ts';

const set = (name: string, family: 4 | 6) =>
  `set ${name} { type ipv${family}_addr . ipv${family}_addr; flags timeout; size 262144; gc-interval 1s; }`;
const TABLE = `flush ruleset
table inet namewall {
  counter denied { }
  ${set('grants4_web', 4)}
  ${set('grants6_web', 6)}
  set owners4 { type ipv4_addr; elements = { 10.0.0.1 comment "a7", 10.0.0.2 comment "b8" }; }
  set ranges4 { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.0/25 }; }
  set rate4 { type ipv4_addr; size 65536; flags dynamic, timeout; timeout 10s; }
  map policy4 { type ipv4_addr : verdict; elements = { 10.0.0.1 : jump policy_a, 10.0.0.2 : jump policy_b }; }
  chain deny { counter name denied; counter; drop; }
  chain policy_a { ip daddr @ranges4 jump deny; ip saddr . ip daddr @grants4_web tcp dport { 80, 443 } accept; jump deny; }
  chain policy_b { ip saddr . ip daddr @grants4_web accept; jump deny; }
  chain egress { type filter hook forward priority filter; policy accept; ip saddr vmap @policy4; }
  chain local { type filter hook output priority filter; policy accept;
    counter; quota over 100 mbytes drop; update @rate4 { ip daddr limit rate over 1000/second } drop; }
}
table ip other {
  chain other { type filter hook forward priority filter; policy accept; }
}
`;
const IN = 'inet namewall';

describeKernel('the fingerprint of our table', () => {
  let namespace: Namespace;
  let child: Child<DumpCall>;
  beforeAll(async () => {
    namespace = await Namespace.create('finger');
    child = new Child(namespace, DUMP_CHILD);
  });
  afterAll(async () => {
    await child.end();
    await namespace.remove();
  });
  beforeEach(() => nft(TABLE));

  const nft = (text: string) => applyText(`${text}\n`, namespace.run);
  const fingerprint = async () => String(await child.last({ do: 'fingerprint' }));
  const ruleHandle = async (chain: string, nth: number): Promise<string> => {
    const text = await namespace.execute('nft', '-a', 'list', 'chain', 'inet', 'namewall', chain);
    return [...text.matchAll(/^\t\t(?!type).*# handle (\d+)$/gm)][nth]?.[1] ?? '';
  };

  describe('stays when', () => {
    test.each<[string, string]>([
      ['nothing happens', ''],
      ['grants come', `add element ${IN} grants4_web { 10.0.0.1 . 192.0.2.1 timeout 90s }`],
      ['counters are set to nothing', 'reset counters'],
      ['another table changes', 'add rule ip other other drop'],
      ['another table is deleted', 'delete table ip other'],
    ])('%s', async (_why, text) => {
      const before = await fingerprint();
      await nft(text);
      expect(await fingerprint()).toBe(before);
    });

    test('packets are counted and put into dynamic sets', async () => {
      const before = await fingerprint();
      await namespace.execute('bash', '-c', 'echo > /dev/udp/127.0.0.1/9');
      const listing = await namespace.execute('nft', 'list', 'table', 'inet', 'namewall');
      expect(listing).toContain('127.0.0.1'); // in rate4
      expect(listing).toMatch(/counter packets [1-9]/);
      expect(await fingerprint()).toBe(before);
    });

    test('a small set grows and shrinks again, which may change the order of its elements', async () => {
      const before = await fingerprint();
      const many = Array.from({ length: 5_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`).join(', ');
      await nft(`add element ${IN} owners4 { ${many} }`);
      expect(await fingerprint()).not.toBe(before);
      await nft(`delete element ${IN} owners4 { ${many} }`);
      expect(await fingerprint()).toBe(before);
    });

    test('a commit of elements interrupts every read', async () => {
      const before = await fingerprint();
      const meanwhile = `add element ${IN} grants4_web { 10.0.0.1 . 192.0.2.1 timeout 90s }`;
      expect(await child.last({ do: 'fingerprint interrupted', meanwhile })).toBe(before);
    });
  });

  describe('changes when', () => {
    test.each<[string, string]>([
      ['a chain is flushed', `flush chain ${IN} policy_a`],
      ['a rule is inserted', `insert rule ${IN} egress accept`],
      ['a rule is added at the end', `add rule ${IN} policy_b accept`],
      ['a chain is made', `add chain ${IN} extra`],
      ['a base chain is made', `add chain ${IN} extra { type filter hook input priority 0; }`],
      ['a set is made', `add set ${IN} extra { type ipv4_addr; }`],
      ['a policy changes', `add chain ${IN} egress { type filter hook forward priority filter; policy drop; }`],
      ['the table is dormant', 'add table inet namewall { flags dormant; }'],
      ['the table is deleted', 'delete table inet namewall'],
      ['everything is flushed', 'flush ruleset'],
      ['a small set is flushed', `flush set ${IN} owners4`],
      ['an element is added', `add element ${IN} owners4 { 10.0.0.3 comment "c9" }`],
      ['an element is deleted', `delete element ${IN} owners4 { 10.0.0.2 }`],
      ['a range is added', `add element ${IN} ranges4 { 203.0.113.0/24 }`],
      ['a verdict map is flushed', `flush map ${IN} policy4`],
      [
        'a pod gets another chain',
        `delete element ${IN} policy4 { 10.0.0.1 }; add element ${IN} policy4 { 10.0.0.1 : jump policy_b }`,
      ],
      [
        'a comment changes',
        `delete element ${IN} owners4 { 10.0.0.1 }; add element ${IN} owners4 { 10.0.0.1 comment "c9" }`,
      ],
    ])('%s', async (_why, text) => {
      const before = await fingerprint();
      await nft(text.replaceAll('; add element', '\nadd element'));
      expect(await fingerprint()).not.toBe(before);
    });

    test('a rule is deleted', async () => {
      const before = await fingerprint();
      await nft(`delete rule ${IN} policy_a handle ${await ruleHandle('policy_a', 0)}`);
      expect(await fingerprint()).not.toBe(before);
    });

    test('a rule is replaced by one with other ports, even when its anonymous set gets the old name', async () => {
      const before = await fingerprint();
      const handle = await ruleHandle('policy_a', 1);
      await nft(`delete rule ${IN} policy_a handle ${handle}`);
      await nft(
        `add rule ${IN} policy_a position ${await ruleHandle('policy_a', 0)} ip saddr . ip daddr @grants4_web tcp dport { 80, 22 } accept`,
      );
      expect(await fingerprint()).not.toBe(before);
    });

    test('rules change places', async () => {
      await nft(`flush chain ${IN} policy_b\nadd rule ${IN} policy_b accept\nadd rule ${IN} policy_b drop`);
      const before = await fingerprint();
      await nft(`flush chain ${IN} policy_b\nadd rule ${IN} policy_b drop\nadd rule ${IN} policy_b accept`);
      expect(await fingerprint()).not.toBe(before);
    });
  });

  test('is the same for the same ruleset put there anew, but for anonymous sets', async () => {
    const plain = TABLE.replace('{ 80, 443 }', '80');
    await nft(plain);
    const before = await fingerprint();
    await nft(plain);
    expect(await fingerprint()).toBe(before);
  });

  test('the anonymous set of a rule cannot be changed, so that its handle stands for it', async () => {
    const listing = await namespace.execute('nft', '-j', 'list', 'ruleset');
    expect(listing).toContain('443');
    for (const change of ['add element inet namewall __set0 { 22 }', 'flush set inet namewall __set0']) {
      await expect(nft(change)).rejects.toThrow();
    }
  });

  describe('the watch', () => {
    const watch = async () => (await child.last({ do: 'watch' })) as WatchAnswer; // what the child answers
    beforeEach(() => watch()); // that the table was made anew

    test.each<[string, WatchAnswer, string]>([
      ['a flushed chain', { seen: SEEN.Nothing, isTouched: true }, `flush chain ${IN} policy_a`],
      ['an inserted rule', { seen: SEEN.Nothing, isTouched: true }, `insert rule ${IN} egress accept`],
      ['a new chain', { seen: SEEN.Nothing, isTouched: true }, `add chain ${IN} extra`],
      ['a new set', { seen: SEEN.Nothing, isTouched: true }, `add set ${IN} extra { type ipv4_addr; }`],
      ['a dormant table', { seen: SEEN.Nothing, isTouched: true }, 'add table inet namewall { flags dormant; }'],
      ['a deleted table', { seen: SEEN.Damage, isTouched: true }, 'delete table inet namewall'],
      ['everything flushed, with another table first', { seen: SEEN.Damage, isTouched: true }, 'flush ruleset'],
      [
        'a grant',
        { seen: SEEN.Nothing, isTouched: false },
        `add element ${IN} grants4_web { 10.0.0.1 . 192.0.2.1 timeout 90s }`,
      ],
      ['flushed grants, which it cannot see', { seen: SEEN.Nothing, isTouched: false }, `flush set ${IN} grants4_web`],
      ['a rule of another table', { seen: SEEN.Nothing, isTouched: false }, 'add rule ip other other drop'],
      ['a chain of another table', { seen: SEEN.Nothing, isTouched: false }, 'add chain ip other more'],
    ])('%s', async (_why, want, text) => {
      await nft(text);
      expect(await watch()).toEqual(want);
    });

    test('twenty thousand new rules of another table do not overrun it', async () => {
      await nft(`table ip other {\nchain other {\n${'ip saddr 10.9.9.9 drop\n'.repeat(20_000)}}\n}`);
      expect(await watch()).toEqual({ seen: SEEN.Nothing, isTouched: false });
    });
  });
});
