// Which grants of an earlier process stay when the next one starts, on a real kernel.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { applyText } from '../../src/kernel/apply.ts';
import { endInheritedGrants } from '../../src/kernel/inherited-grants.ts';
import { rulesetText } from '../../src/kernel/ruleset.ts';
import type { RulesetPod } from '../../src/kernel/ruleset.ts';
import { GOLDEN_CASES } from '../golden/cases.ts';
import { describeKernel, Namespace } from './support/namespace.ts';

const SET4 = 'grants4_tcp443';
const SET6 = 'grants6_tcp443';
const SHOP: RulesetPod = { addresses: ['10.0.1.7', '2001:db8:1::7'], owner: 'a7', programId: '0123456789ab' };
const BANK: RulesetPod = { addresses: ['10.0.1.8'], owner: 'b8', programId: '0123456789ab' };

describeKernel('grants from before a start', () => {
  let namespace: Namespace;
  beforeAll(async () => {
    namespace = await Namespace.create('inherited');
  });
  afterAll(() => namespace.remove());
  beforeEach(async () => {
    const base = GOLDEN_CASES['two-pods'];
    if (base === undefined) throw new Error('no such case');
    await applyText(rulesetText({ ...base, pods: [SHOP, BANK] }), namespace.run);
    await grant(SET4, '10.0.1.7 . 192.0.2.1');
    await grant(SET4, '10.0.1.8 . 192.0.2.2');
    await grant(SET6, '2001:db8:1::7 . 2001:db8::1');
  });
  afterEach(() => namespace.execute('nft', 'flush', 'ruleset'));

  const grant = (set: string, element: string) =>
    namespace.run('nft', ['-f', '-'], `add element inet namewall ${set} { ${element} timeout 90s }\n`);
  const granted = async (): Promise<string[]> => {
    const text = await namespace.execute('nft', 'list', 'table', 'inet', 'namewall');
    return [...text.matchAll(/(\S+ \. \S+) timeout/g)].map(([, pair]) => pair ?? '').toSorted();
  };
  const end = (...owners: [string, string][]) => endInheritedGrants(new Map(owners), namespace.run);

  test('those of the same pod stay, with what is left of their time', async () => {
    expect(await end(['10.0.1.7', 'a7'], ['2001:db8:1::7', 'a7'], ['10.0.1.8', 'b8'])).toBe(0);
    expect(await granted()).toHaveLength(3);
  });

  test('those of an address that another pod has now are removed, and no others', async () => {
    expect(await end(['10.0.1.7', 'a7'], ['2001:db8:1::7', 'a7'], ['10.0.1.8', 'c9'])).toBe(1);
    expect(await granted()).toEqual(['10.0.1.7 . 192.0.2.1', '2001:db8:1::7 . 2001:db8::1']);
    const text = await namespace.execute('nft', '-j', 'list', 'set', 'inet', 'namewall', SET4);
    const seconds = Number(/"expires": (\d+)/.exec(text)?.[1]);
    expect(seconds).toBeGreaterThan(80);
    expect(seconds).toBeLessThan(90);
  });

  test('those of an address that no pod has are removed: one may get it tomorrow', async () => {
    expect(await end(['10.0.1.8', 'b8'])).toBe(2);
    expect(await granted()).toEqual(['10.0.1.8 . 192.0.2.2']);
  });

  test('those of an address that was closed when the process ended are removed', async () => {
    const base = GOLDEN_CASES['two-pods'];
    if (base === undefined) throw new Error('no such case');
    await namespace.execute('nft', 'flush', 'ruleset');
    await applyText(rulesetText({ ...base, pods: [SHOP, { ...BANK, isClosed: true }] }), namespace.run);
    await grant(SET4, '10.0.1.8 . 192.0.2.2');
    expect(await end(['10.0.1.8', 'b8'])).toBe(1);
  });

  test('those of a pod that was being removed when the process ended are removed', async () => {
    const base = GOLDEN_CASES['two-pods'];
    if (base === undefined) throw new Error('no such case');
    await namespace.execute('nft', 'flush', 'ruleset');
    await applyText(rulesetText({ ...base, pods: [SHOP], leftAddresses: ['10.0.1.8'] }), namespace.run);
    await grant(SET4, '10.0.1.8 . 192.0.2.2');
    expect(await end(['10.0.1.7', 'a7'], ['2001:db8:1::7', 'a7'])).toBe(1);
  });

  test('without a record of owners nothing stays', async () => {
    await applyText('flush set inet namewall owners4\nflush set inet namewall owners6\n', namespace.run);
    expect(await end(['10.0.1.7', 'a7'], ['10.0.1.8', 'b8'])).toBe(3);
  });

  test('where there is no table there is nothing to do', async () => {
    await namespace.execute('nft', 'flush', 'ruleset');
    expect(await end()).toBe(0);
  });
});
