// A cluster of two nodes end to end: policies and labels change in the API server, and the pods see it, those of each node through its own
// agent.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { canUseKernel } from '../../support/kernel.ts';
import { clusterPolicy, namespace, policy } from '../../support/kubernetes-objects.ts';
import type { ClusterLab } from './cluster-lab.ts';
import { ask, buildScene, dial, podObject, resetScene, SITE, soon, UNNAMED, use } from './cluster-scene.ts';

const { one, two } = SITE;
const TO_ONE = policy('names', [one.name], { app: 'cart' });
const TO_TWO = policy('names', [two.name], { app: 'cart' });

describe.skipIf(!canUseKernel)('a cluster of two nodes', () => {
  let lab: ClusterLab;

  beforeAll(async () => {
    lab = await buildScene();
  });
  afterAll(() => lab?.remove());
  beforeEach(() => resetScene(lab));

  test('without a policy every pod is open and its questions are answered', async () => {
    for (const pod of lab.pods) {
      expect([await use(pod, one.name), await dial(pod, UNNAMED.v4), await dial(pod, UNNAMED.v6)]).toEqual([
        'connected',
        'connected',
        'connected',
      ]);
    }
  });

  describe('a policy that is created', () => {
    beforeEach(async () => {
      await lab.put(TO_ONE);
      for (const name of ['cart', 'desk']) await soon(() => dial(lab.pod(name), UNNAMED.v4), 'rejected');
    });

    test.each(['cart', 'desk'])('opens the addresses of its names to %s, and nothing else', async (name) => {
      const pod = lab.pod(name);
      expect(await dial(pod, one.v4)).toBe('rejected'); // before its name was looked up
      expect(await use(pod, one.name)).toBe('connected');
      expect(await dial(pod, one.v6)).toBe('rejected');
      expect(await ask(pod, one.name, 'AAAA')).toBe(one.v6);
      expect(await dial(pod, one.v6)).toBe('connected');
      expect(await ask(pod, two.name)).toBe('NXDOMAIN');
      expect([await dial(pod, two.v4), await dial(pod, UNNAMED.v4), await dial(pod, UNNAMED.v6)]).toEqual([
        'rejected',
        'rejected',
        'rejected',
      ]);
    });

    test('leaves pods alone that it does not select: of other labels, and of other namespaces', async () => {
      for (const name of ['mail', 'bank']) {
        expect([await use(lab.pod(name), two.name), await dial(lab.pod(name), UNNAMED.v4)]).toEqual([
          'connected',
          'connected',
        ]);
      }
    });

    test('is enforced on each pod by the agent of its own node alone', async () => {
      expect([await use(lab.pod('cart'), one.name), await use(lab.pod('desk'), one.name)]).toEqual([
        'connected',
        'connected',
      ]);
      await soon(() => grantsOf('cart'), { 'worker-1': [one.v4], 'worker-2': [] });
      await soon(() => grantsOf('desk'), { 'worker-1': [], 'worker-2': [one.v4] });
    });

    test('that then allows another name closes the old one and opens the new one', async () => {
      for (const name of ['cart', 'desk']) expect(await use(lab.pod(name), one.name)).toBe('connected');
      await lab.put(TO_TWO);
      for (const name of ['cart', 'desk']) {
        const pod = lab.pod(name);
        await soon(() => dial(pod, one.v4), 'rejected');
        expect([await ask(pod, one.name), await use(pod, two.name)]).toEqual(['NXDOMAIN', 'connected']);
        expect([await dial(pod, one.v4), await dial(pod, UNNAMED.v4)]).toEqual(['rejected', 'rejected']);
      }
    });

    test('and then deleted leaves its pods open', async () => {
      await lab.delete(TO_ONE);
      for (const name of ['cart', 'desk']) {
        await soon(() => use(lab.pod(name), two.name), 'connected');
        expect(await dial(lab.pod(name), UNNAMED.v4)).toBe('connected');
      }
    });

    test('takes in a pod that gets the labels it selects, and lets go of one that loses them', async () => {
      const mail = lab.pod('mail');
      await lab.put(podObject(lab, 'mail', { labels: { app: 'cart' } }), podObject(lab, 'cart', { labels: {} }));
      await soon(() => dial(mail, UNNAMED.v4), 'rejected');
      expect([await ask(mail, two.name), await use(mail, one.name)]).toEqual(['NXDOMAIN', 'connected']);
      await soon(() => use(lab.pod('cart'), two.name), 'connected');
      expect(await dial(lab.pod('cart'), UNNAMED.v4)).toBe('connected');
      await lab.put(podObject(lab, 'mail'), podObject(lab, 'cart'));
      await soon(() => dial(lab.pod('cart'), UNNAMED.v4), 'rejected');
      await soon(() => use(mail, two.name), 'connected');
      expect(await dial(mail, UNNAMED.v4)).toBe('connected');
      await soon(() => ask(lab.pod('cart'), two.name), 'NXDOMAIN');
    });
  });

  test('a policy of the whole cluster follows the labels of namespaces', async () => {
    const inShop = ['cart', 'mail', 'desk'].map((name) => lab.pod(name));
    await lab.put(clusterPolicy('red', [one.name], { 'k8s:io.cilium.k8s.namespace.labels.team': 'red' }));
    await lab.put(namespace('bank', { team: 'red' }));
    await soon(() => dial(lab.pod('bank'), UNNAMED.v4), 'rejected');
    for (const pod of inShop) expect(await dial(pod, UNNAMED.v4)).toBe('connected');
    await lab.put(namespace('shop', { team: 'red' }), namespace('bank', { team: 'blue' }));
    for (const pod of inShop) {
      await soon(() => dial(pod, UNNAMED.v4), 'rejected');
      expect([await ask(pod, two.name), await use(pod, one.name)]).toEqual(['NXDOMAIN', 'connected']);
    }
    await soon(() => dial(lab.pod('bank'), UNNAMED.v4), 'connected');
  });

  /** What each agent has granted to the pod of this name in this test. */
  function grantsOf(name: string): Promise<object> {
    const uid = podObject(lab, name).metadata.uid;
    const of = (node: 'worker-1' | 'worker-2'): readonly string[] =>
      lab
        .node(node)
        .audit()
        .flatMap(({ event, pod, addresses }) => (event === 'grant' && pod?.uid === uid ? (addresses ?? []) : []));
    return Promise.resolve({ 'worker-1': of('worker-1'), 'worker-2': of('worker-2') });
  }
});
