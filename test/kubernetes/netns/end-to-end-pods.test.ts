// A cluster of two nodes end to end: pods come, go, end and move, and an address passes from one to the next. What a pod was granted is
// nobody's after it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { canUseKernel } from '../../support/kernel.ts';
import { policy } from '../../support/kubernetes-objects.ts';
import type { KubernetesObject } from '../api-server.ts';
import type { Write } from './api-child.ts';
import type { ClusterLab } from './cluster-lab.ts';
import { ask, buildScene, dial, podObject, resetScene, SITE, soon, UNNAMED, use } from './cluster-scene.ts';

const { one, two } = SITE;
const BOTH_NAMES = policy('names', [one.name, two.name], { app: 'cart' });

const put = (object: KubernetesObject): Write => ({ verb: 'put', object });
const remove = (object: KubernetesObject): Write => ({ verb: 'remove', object });

describe.skipIf(!canUseKernel)('the pods of a cluster of two nodes', () => {
  let lab: ClusterLab;

  beforeAll(async () => {
    lab = await buildScene();
  });
  afterAll(() => lab?.remove());

  beforeEach(async () => {
    await resetScene(lab);
    await lab.put(BOTH_NAMES);
    for (const name of ['cart', 'desk']) {
      await soon(() => dial(lab.pod(name), UNNAMED.v4), 'rejected');
      expect(await use(lab.pod(name), one.name)).toBe('connected');
    }
  });

  describe('a pod with the address of another, within a second', () => {
    test.each<[string, string, (former: KubernetesObject, next: KubernetesObject) => Write[]]>([
      ['after the former one was deleted', 'cart2', (former, next) => [remove(former), put(next)]],
      ['before the former one is deleted', 'cart2', (former, next) => [put(next), remove(former)]],
      ['under the same name', 'cart', (former, next) => [remove(former), put(next)]],
    ])('%s, begins without its grants and gets its own', async (_when, as, writes) => {
      const cart = lab.pod('cart');
      const next = podObject(lab, 'cart', { as, uid: 'uid-of-the-next' });
      await lab.write(...writes(podObject(lab, 'cart'), next));
      await expectOnlyTwoSoon();
      expect(await use(cart, one.name)).toBe('connected');
      expect(await dial(lab.pod('desk'), one.v4)).toBe('connected');
    });

    test('keeps its grants when the end of the former one comes late', async () => {
      const cart = lab.pod('cart');
      await lab.put(podObject(lab, 'cart', { as: 'cart2' }));
      await expectOnlyTwoSoon();
      await lab.delete(podObject(lab, 'cart'));
      await lab.delete(podObject(lab, 'mail')); // what shows that the agent has seen the other one
      await soon(() => dial(lab.pod('mail'), UNNAMED.v4), 'silent');
      expect([await dial(cart, two.v4), await dial(cart, one.v4)]).toEqual(['connected', 'rejected']);
    });

    test('of another application, has only what its own policies allow', async () => {
      const cart = lab.pod('cart');
      const next = podObject(lab, 'cart', { as: 'plain', labels: { app: 'plain' } });
      await lab.put(policy('plain', [two.name], { app: 'plain' }));
      await lab.write(remove(podObject(lab, 'cart')), put(next));
      await expectOnlyTwoSoon();
      expect(await ask(cart, one.name)).toBe('NXDOMAIN');
    });
  });

  test('a pod that has ended loses everything, although its address stands in its status', async () => {
    const cart = lab.pod('cart');
    const ended = podObject(lab, 'cart', { phase: 'Succeeded' });
    await lab.put(ended);
    await soon(() => dial(cart, one.v4), 'silent');
    expect(await ask(cart, one.name)).toBe('silent');
    await lab.put(podObject(lab, 'cart', { as: 'cart2' }));
    await expectOnlyTwoSoon();
  });

  test('a pod that moves to the other node takes nothing with it and leaves nothing behind', async () => {
    const [cart, desk] = [lab.pod('cart'), lab.pod('desk')];
    const moved = podObject(lab, 'cart', { uid: 'uid-of-the-moved', node: 'worker-2', ips: [desk.address.v4] });
    await lab.write(remove(podObject(lab, 'cart')), remove(podObject(lab, 'desk')), put(moved));
    await soon(() => dial(cart, one.v4), 'silent');
    await soon(() => use(desk, two.name), 'connected');
    expect(await dial(desk, one.v4)).toBe('rejected');
    expect(await lab.node('worker-1').kernelTable()).not.toContain(cart.address.v4);
  });

  test('a pod is nothing to the agent of another node', async () => {
    await lab.delete(podObject(lab, 'mail')); // so that worker-1 has had something to do since
    await soon(() => dial(lab.pod('mail'), UNNAMED.v4), 'silent');
    const [first, second] = [await lab.node('worker-1').kernelTable(), await lab.node('worker-2').kernelTable()];
    expect([first.includes(lab.pod('cart').address.v4), first.includes(lab.pod('desk').address.v4)]).toEqual([
      true,
      false,
    ]);
    expect([second.includes(lab.pod('cart').address.v4), second.includes(lab.pod('desk').address.v4)]).toEqual([
      false,
      true,
    ]);
  });

  test('an address of the pod range is nobody until the API server tells of its pod', async () => {
    const mail = lab.pod('mail');
    await lab.delete(podObject(lab, 'mail'));
    await soon(() => dial(mail, UNNAMED.v4), 'silent');
    expect([await dial(mail, UNNAMED.v6), await ask(mail, one.name)]).toEqual(['silent', 'silent']);
    await lab.put(podObject(lab, 'mail', { uid: 'uid-of-the-known' }));
    await soon(() => use(mail, one.name), 'connected');
    expect(await dial(mail, UNNAMED.v6)).toBe('connected');
  });

  /** cart has been granted nothing yet, and can be. */
  async function expectOnlyTwoSoon(): Promise<void> {
    const cart = lab.pod('cart');
    await soon(() => dial(cart, one.v4), 'rejected');
    await soon(() => use(cart, two.name), 'connected');
    expect(await dial(cart, one.v4)).toBe('rejected');
  }
});
