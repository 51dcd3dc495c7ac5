// A cluster of two nodes end to end when something is wrong: the API server is away, an agent ends, a policy cannot be used, the cluster's
// DNS moves. What was in force stays in force, and afterwards what the API server says is.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { canUseKernel } from '../../support/kernel.ts';
import { policy } from '../../support/kubernetes-objects.ts';
import type { LabPod } from '../../../src/cli/demo/pod.ts';
import type { KubernetesObject } from '../api-server.ts';
import type { ClusterLab } from './cluster-lab.ts';
import {
  ask,
  buildScene,
  dial,
  dnsEndpoint,
  RECONNECTED_MS,
  resetScene,
  SITE,
  soon,
  SPARE_ANSWER,
  UNNAMED,
  use,
} from './cluster-scene.ts';
import { ENDPOINTS, type NodeName } from './cluster-wires.ts';

const { one, two } = SITE;
const TO_ONE = policy('names', [one.name], { app: 'cart' });
const TO_TWO = policy('names', [two.name], { app: 'cart' });
/** Whom TO_ONE and TO_TWO select. */
const SELECTED = [
  { node: 'worker-1', pod: 'cart' },
  { node: 'worker-2', pod: 'desk' },
] as const;

describe.skipIf(!canUseKernel)('a cluster of two nodes, when something is wrong', () => {
  let lab: ClusterLab;

  beforeAll(async () => {
    lab = await buildScene();
  });
  afterAll(() => lab?.remove());

  beforeEach(async () => {
    await resetScene(lab);
    await lab.put(TO_ONE);
    for (const { pod } of SELECTED) await soon(() => dial(lab.pod(pod), UNNAMED.v4), 'rejected');
  });

  describe('without the API server', () => {
    afterEach(() => lab.bringApiBack());

    test.each(['refuse', 'silence'] as const)(
      '(%s) the last policy is enforced, and the newest one afterwards',
      async (how) => {
        await lab.takeApiAway(how);
        await lab.put(TO_TWO);
        for (const { pod } of SELECTED) await expectOnlyOne(pod);
        await lab.bringApiBack();
        for (const { pod } of SELECTED) await expectOnlyTwoSoon(pod);
      },
    );

    test.each([
      ['SIGTERM', 'silence'],
      ['SIGKILL', 'refuse'],
    ] as const)(
      'agents that start again after %s (%s) enforce the last state, and the newest one afterwards',
      async (signal, how) => {
        for (const { node, pod } of SELECTED) {
          expect(await use(lab.pod(pod), one.name)).toBe('connected');
          await soon(() => Promise.resolve(lab.node(node).savedState().includes(one.name)), true);
        }
        await lab.takeApiAway(how);
        for (const { node, pod } of SELECTED) {
          await lab.node(node).killAgent(signal);
          await expectKernelAlone(lab.pod(pod));
        }
        await lab.put(TO_TWO);
        await lab.startAgents();
        for (const { pod } of SELECTED) await expectOnlyOne(pod);
        await lab.bringApiBack();
        for (const { pod } of SELECTED) await expectOnlyTwoSoon(pod);
      },
    );
  });

  test('questions go to the new endpoint of the cluster DNS when it moves', async () => {
    expect([await ask(lab.pod('cart'), one.name), await ask(lab.pod('mail'), two.name)]).toEqual([one.v4, two.v4]);
    await lab.put(dnsEndpoint(ENDPOINTS.spare));
    for (const { pod } of SELECTED) {
      await soon(() => ask(lab.pod(pod), one.name), SPARE_ANSWER);
      expect(await dial(lab.pod(pod), SPARE_ANSWER)).toBe('connected');
    }
    await soon(() => ask(lab.pod('mail'), two.name), SPARE_ANSWER);
  });

  describe('a policy that cannot be used', () => {
    test('leaves its last good version in force, and says so', async () => {
      await lab.put(misspelt(TO_TWO));
      for (const { node } of SELECTED) {
        await said(node, 'CiliumNetworkPolicy shop/names', 'its last good version stays in force');
        await said(node, 'CiliumNetworkPolicy shop/names: spec.egress[0].toFQDN', 'toFQDN');
      }
      for (const { pod } of SELECTED) await expectOnlyOne(pod);
      await lab.put(TO_TWO);
      for (const { pod } of SELECTED) await expectOnlyTwoSoon(pod);
    });

    test('closes the pods that it selects when it is new, and no others, until it is mended', async () => {
      const mail = lab.pod('mail');
      const forMail = policy('for-mail', [two.name], { app: 'mail' });
      await lab.put(misspelt(forMail));
      await soon(() => dial(mail, UNNAMED.v4), 'rejected');
      await soon(() => ask(mail, two.name), 'NXDOMAIN');
      await said('worker-1', 'CiliumNetworkPolicy shop/for-mail', 'it allows nothing to the pods it selects');
      await expectOnlyOne('cart');
      await lab.put(forMail);
      await soon(() => use(mail, two.name), 'connected');
      expect(await dial(mail, UNNAMED.v4)).toBe('rejected');
      await said('worker-1', 'CiliumNetworkPolicy shop/for-mail', 'Mended: ');
    });
  });

  /** Resolves when the log of the agent has a line about the place with these words. */
  async function said(node: NodeName, at: string, words: string): Promise<void> {
    const lines = (): readonly string[] => lab.node(node).log().split('\n');
    await soon(
      () => Promise.resolve(lines().some((line) => line.includes(`"at":"${at}"`) && line.includes(words))),
      true,
    );
  }

  /** Nobody answers, and what was granted is open. */
  async function expectKernelAlone(pod: LabPod): Promise<void> {
    expect([await ask(pod, one.name), await dial(pod, one.v4), await dial(pod, UNNAMED.v4)]).toEqual([
      'silent',
      'connected',
      'rejected',
    ]);
  }

  async function expectOnlyOne(name: string): Promise<void> {
    const pod = lab.pod(name);
    expect([await use(pod, one.name), await ask(pod, two.name)]).toEqual(['connected', 'NXDOMAIN']);
    expect([await dial(pod, two.v4), await dial(pod, UNNAMED.v4)]).toEqual(['rejected', 'rejected']);
  }

  async function expectOnlyTwoSoon(name: string): Promise<void> {
    const pod = lab.pod(name);
    await soon(() => use(pod, two.name), 'connected', RECONNECTED_MS);
    expect(await ask(pod, one.name)).toBe('NXDOMAIN');
    await soon(() => dial(pod, one.v4), 'rejected');
  }
});

function misspelt(object: KubernetesObject): KubernetesObject {
  return JSON.parse(JSON.stringify(object).replace('toFQDNs', 'toFQDN')) as KubernetesObject;
}
