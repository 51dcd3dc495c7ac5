import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyText, listObjects } from '../../src/kernel/apply.ts';
import { cleanup } from '../../src/kernel/cleanup.ts';
import { ruleset } from '../../src/kernel/ruleset.ts';
import { ensureRoutes, removeRoutes } from '../../src/kernel/routes.ts';
import { GOLDEN_CASES } from '../golden/cases.ts';
import { describeKernel, Namespace } from './support/namespace.ts';

const ROUTING = { mark: 0x100000, table: 5310, dnsServers: ['10.96.0.10', 'fd00:96::a'] };

describeKernel('what namewall leaves in the kernel', () => {
  let namespace: Namespace;
  let before: string;

  beforeEach(async () => {
    namespace = await Namespace.create('routes');
    // Other people's things, near to ours: they must survive.
    await namespace.script(`
      nft add table inet other
      ip rule add pref 100 fwmark 0x2/0x2 lookup 5311
      ip rule add pref 99 fwmark 0x100000/0x100000 lookup 5310
      ip route add 192.0.2.0/24 dev lo
      ip route add 192.0.2.0/24 dev lo table 5311
    `);
    before = await state();
  });
  afterEach(async () => {
    await namespace.remove();
  });

  const state = async () => {
    const listings = [
      'nft list ruleset',
      'ip rule',
      'ip -6 rule',
      'ip route show table all',
      'ip -6 route show table all',
    ];
    const texts: string[] = [];
    for (const listing of listings) {
      const [program = '', ...args] = listing.split(' ');
      texts.push(`# ${listing}\n${await namespace.execute(program, ...args)}`);
    }
    return texts.join('');
  };
  const install = async () => {
    const input = GOLDEN_CASES['two-pods'];
    if (input === undefined) throw new Error('the case two-pods is gone');
    await applyText(ruleset({ ...input, existing: await listObjects(namespace.run) }).text, namespace.run);
    await ensureRoutes(ROUTING, namespace.run);
  };

  test('rule and routes are made once, however often they are asked for', async () => {
    await ensureRoutes(ROUTING, namespace.run);
    const once = await state();
    expect(once.match(/100:\tfrom all fwmark 0x100000\/0x100000 lookup 5310/g)).toHaveLength(2);
    expect(once).toContain('local 10.96.0.10 dev lo table 5310');
    expect(once).toContain('local fd00:96::a dev lo table 5310');
    await ensureRoutes(ROUTING, namespace.run);
    expect(await state()).toBe(once);
  });

  test('other servers change only the difference, and a family without servers has neither rule nor route', async () => {
    await ensureRoutes(ROUTING, namespace.run);
    await ensureRoutes({ ...ROUTING, dnsServers: ['10.96.0.10', '10.96.0.11'] }, namespace.run);
    const after = await state();
    expect(after).toContain('local 10.96.0.10 dev lo table 5310');
    expect(after).toContain('local 10.96.0.11 dev lo table 5310');
    expect(after).not.toContain('fd00:96::a');
    expect(after.match(/^100:.*lookup 5310/gm)).toHaveLength(1);
  });

  test('copies of the rule that a crash left become one, and none when removed', async () => {
    await namespace.script(`
      ip rule add pref 100 fwmark 0x100000/0x100000 lookup 5310
      ip route add local 10.96.0.99 dev lo table 5310
    `);
    await ensureRoutes(ROUTING, namespace.run);
    expect((await state()).match(/^100:.*lookup 5310/gm)).toHaveLength(2);
    expect(await state()).not.toContain('10.96.0.99');
    await removeRoutes(ROUTING, namespace.run);
    await removeRoutes(ROUTING, namespace.run);
    expect(await state()).toBe(before);
  });

  test.each([
    ['everything is there', ''],
    ['the table is gone', 'nft delete table inet namewall'],
    ['the rules are gone', 'ip rule del pref 100 fwmark 0x100000/0x100000 lookup 5310'],
    ['the routes are gone', 'ip route flush table 5310'],
    ['a self-test was killed', 'nft add table inet namewall_selftest'],
  ])('cleanup leaves exactly what was there before when %s, and when run again', async (_case, loss) => {
    await install();
    await namespace.script(loss);
    for (let time = 0; time < 2; time++) {
      await cleanup({ mark: ROUTING.mark, table: ROUTING.table }, namespace.run);
      expect(await state()).toBe(before);
    }
  });
});
