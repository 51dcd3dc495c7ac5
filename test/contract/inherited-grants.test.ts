// Grants of an earlier process are removed from a real kernel, and the others left as they are.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { parseAddress } from '../../src/base/ip.ts';
import { applyText } from '../../src/kernel/apply.ts';
import { endGrants } from '../../src/kernel/inherited-grants.ts';
import type { DumpedGrant } from '../../src/kernel/table-dump.ts';
import { ruleset } from '../../src/kernel/ruleset.ts';
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
    await applyText(ruleset({ ...base, pods: [SHOP, BANK] }).text, namespace.run);
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
  /** As table-dump.ts reads them. */
  const dumped = (pod: string, destination: string, leftMs = 90_000): DumpedGrant => ({
    classId: 'tcp443',
    pod: bytesOf(pod),
    destination: bytesOf(destination),
    leftMs,
  });
  const ONE = dumped('10.0.1.7', '192.0.2.1', 80_500);
  const TWO = dumped('10.0.1.8', '192.0.2.2');
  const SIX = dumped('2001:db8:1::7', '2001:db8::1');

  test('what ends is removed, and no others', async () => {
    await endGrants([TWO], [ONE, SIX], namespace.run);
    expect(await granted()).toEqual(['10.0.1.7 . 192.0.2.1', '2001:db8:1::7 . 2001:db8::1']);
  });

  test('what stays has what was left of its time, also where more ends than stays', async () => {
    await endGrants([TWO, dumped('10.0.1.8', '192.0.2.3')], [ONE], namespace.run);
    expect(await granted()).toEqual(['10.0.1.7 . 192.0.2.1', '2001:db8:1::7 . 2001:db8::1']);
    const text = await namespace.execute('nft', '-j', 'list', 'set', 'inet', 'namewall', SET4);
    const seconds = Number(/"expires": (\d+)/.exec(text)?.[1]);
    expect(seconds).toBeGreaterThan(75);
    expect(seconds).toBeLessThanOrEqual(81);
  });

  test('what has expired meanwhile is no error', async () => {
    await endGrants([dumped('10.0.1.7', '192.0.2.99')], [ONE, TWO], namespace.run);
    expect(await granted()).toHaveLength(3);
  });

  test('where nothing ends nothing is done', async () => {
    await endGrants([], [ONE, TWO, SIX], namespace.run);
    expect(await granted()).toHaveLength(3);
  });
});

function bytesOf(text: string): Uint8Array {
  return parseAddress(text) ?? expect.fail(`no address: ${text}`);
}
