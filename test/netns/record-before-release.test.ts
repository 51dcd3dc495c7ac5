// I1 and I4 on the real kernel: what an answer shows can be connected to at once, by the pod that asked and by nobody else.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import type { Asked } from '../../src/cli/demo/pod.ts';
import { canUseKernel } from '../support/kernel.ts';

// Names of this zone are counted together, and each has an address of its own.
const ZONE = 'load.example.org';
const FRESH_NAMES = 100_000;
const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const shop = { namespace: 'shop', labels: { app: 'shop' } };

describe.skipIf(!canUseKernel).each(['update', 'replace'] as const)('grants refreshed by %s', (refresh) => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.build([
      { name: 'cart', ...shop },
      { name: 'mail', ...shop },
      { name: 'late', ...shop },
    ]);
    const dns = { newNamesPerSecond: 1_000_000 }; // as fast as one client can
    lab.configure({ policies: [POLICY], overrides: { refresh, dns } });
    await lab.startAgent();
  });

  afterAll(() => lab.remove());

  test('no connection that follows its answer at once is refused', { timeout: 180_000 }, async () => {
    // Both ways of refreshing make grants through the same code but for the messages; one of them gets the full number.
    const count = refresh === 'update' ? FRESH_NAMES : FRESH_NAMES / 10;
    const cart = await lab.pod('cart').burst({ first: 0, count, type: 'A', port: 443, parallel: 48 });
    expect(cart).toMatchObject({ answered: count, connected: count, failures: {} });
  });

  test('the same over IPv6', { timeout: 60_000 }, async () => {
    const cart = await lab.pod('cart').burst({ first: 0, count: 5_000, type: 'AAAA', port: 443, parallel: 16 });
    expect(cart).toMatchObject({ answered: 5_000, connected: 5_000, failures: {} });
  });

  test('a second pod that asks the same name gets its own grant, from the cache', async () => {
    const [cart, mail] = [lab.pod('cart'), lab.pod('mail')];
    const address = addressOf(await cart.ask('n7.load.example.org'));
    expect(await mail.connect(address, 443)).toMatchObject({ outcome: 'rejected' });
    const before = await lab.world.asked(ZONE);
    expect(addressOf(await mail.ask('n7.load.example.org'))).toBe(address);
    expect(await lab.world.asked(ZONE)).toBe(before);
    expect(await mail.connect(address, 443)).toMatchObject({ outcome: 'connected' });
  });

  test('two pods whose questions are merged into one are granted each on its own', async () => {
    const name = 'n900000.load.example.org';
    const before = await lab.world.asked(ZONE);
    await lab.world.delay(300);
    const asked = await Promise.all([lab.pod('cart').ask(name), lab.pod('mail').ask(name)]);
    await lab.world.delay(0);
    expect((await lab.world.asked(ZONE)) - before).toBe(1);
    expect(addressOf(asked[0])).toBe(addressOf(asked[1]));
    for (const pod of ['cart', 'mail']) {
      expect(await lab.pod(pod).connect(addressOf(asked[0]), 443)).toMatchObject({ outcome: 'connected' });
    }
    // A third pod, of the same policy, that did not ask.
    expect(await lab.pod('late').connect(addressOf(asked[0]), 443)).toMatchObject({ outcome: 'rejected' });
  });

  test('pods that ask the same fresh names at the same time are each granted', { timeout: 60_000 }, async () => {
    const same = { first: 500_000, count: 3_000, type: 'A', port: 443, parallel: 32 } as const;
    const [cart, mail] = await Promise.all([lab.pod('cart').burst(same), lab.pod('mail').burst(same)]);
    expect(cart).toMatchObject({ connected: 3_000, failures: {} });
    expect(mail).toMatchObject({ connected: 3_000, failures: {} });
  });
});

function addressOf(asked: Asked): string {
  return asked.outcome === 'answered' ? (asked.addresses[0] ?? 'no address') : asked.outcome;
}
