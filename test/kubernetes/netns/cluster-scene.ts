// What every end-to-end test begins with: the same pods, new ones each time, and no policy; and how a test says what a pod sees.
import { expect, onTestFailed } from 'vitest';
import { CLUSTER_DNS } from '../../../src/cli/demo/topology.ts';
import type { LabPod } from '../../../src/cli/demo/pod.ts';
import { eventually } from '../../support/eventually.ts';
import * as objects from '../../support/kubernetes-objects.ts';
import type { KubernetesObject } from '../api-server.ts';
import { ClusterLab, type PlacedPod } from './cluster-lab.ts';
import { ENDPOINTS, nodeNames, podRanges } from './cluster-wires.ts';

/** Far more than a change needs (about 300 ms), so that a busy machine fails no test. */
export const SOON_MS = 3_000;
/** When the API server was away: it is asked again after waits that have grown, to 16 s within the seconds of a test. */
export const RECONNECTED_MS = 40_000;
const DIAL_MS = 300;

/** cart and desk are of the same application, one on each node. */
const PODS: readonly PlacedPod[] = [
  { name: 'cart', namespace: 'shop', labels: { app: 'cart' }, node: 'worker-1' },
  { name: 'mail', namespace: 'shop', labels: { app: 'mail' }, node: 'worker-1' },
  { name: 'desk', namespace: 'shop', labels: { app: 'cart' }, node: 'worker-2' },
  { name: 'bank', namespace: 'bank', labels: { app: 'cart' }, node: 'worker-2' },
];

/** Names of the world, and where each leads. */
export const SITE = {
  one: { name: 'one.example.org', v4: '198.51.100.1', v6: '2001:db8:100::1' },
  two: { name: 'two.example.org', v4: '198.51.100.2', v6: '2001:db8:100::2' },
} as const;
/** No name leads there. */
export const UNNAMED = { v4: '198.51.100.99', v6: '2001:db8:100::99' } as const;
/** What the second endpoint of the cluster DNS says of every name. */
export const SPARE_ANSWER = '203.0.113.1';

export async function buildScene(): Promise<ClusterLab> {
  const lab = await ClusterLab.build(PODS);
  try {
    for (const { name, v4, v6 } of Object.values(SITE)) {
      await lab.world.publish(name, { A: [v4], AAAA: [v6], ttlSeconds: 1 });
      await lab.spare.publish(name, { A: [SPARE_ANSWER], ttlSeconds: 1 });
    }
    await lab.put(
      ...nodeNames().map((name) => objects.node(podRanges(name), name)),
      objects.service([CLUSTER_DNS.v4, CLUSTER_DNS.v6]),
      ...BASE,
    );
    await lab.startAgents();
    return lab;
  } catch (error) {
    await lab.remove();
    throw error;
  }
}

const BASE = [
  objects.namespace('kube-system'),
  objects.namespace('shop'),
  objects.namespace('bank'),
  dnsEndpoint(ENDPOINTS.world),
];
let round = 0;

/**
 * New pods with the addresses of the last test's, and nothing else of it. First nobody is there, and both agents have seen that; so what a
 * pod gets from then on, it got in this test.
 */
export async function resetScene(lab: ClusterLab): Promise<void> {
  round += 1;
  onTestFailed(
    () =>
      void process.stderr.write(
        nodeNames()
          .map((name) => lab.node(name).lastWords())
          .join('\n'),
      ),
  );
  await lab.deleteAll('Pod', 'CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy');
  await Promise.all(lab.pods.map((pod) => soon(() => dial(pod, UNNAMED.v4), 'silent', RECONNECTED_MS)));
  await lab.put(...BASE, ...PODS.map(({ name }) => podObject(lab, name)));
  await Promise.all(lab.pods.map((pod) => soon(() => dial(pod, UNNAMED.v4), 'connected')));
}

export function dnsEndpoint(address: string): KubernetesObject {
  const endpoint = { addresses: [address], conditions: { ready: true } };
  return { ...objects.slice('kube-dns-1', [endpoint]), addressType: address.includes(':') ? 'IPv6' : 'IPv4' };
}

/** The Pod object of a pod of the lab in this test; `shape` is what is different about it. */
export function podObject(
  lab: ClusterLab,
  name: string,
  shape: objects.PodShape & { readonly as?: string; readonly uid?: string } = {},
): KubernetesObject {
  const { spec, address } = lab.pod(name);
  const { namespace, labels } = spec;
  const node = PODS.find((each) => each.name === name)?.node ?? '';
  const { as = name, uid = `uid-of-${as}`, ...more } = shape;
  const object = objects.pod(as, { namespace, labels, node, ips: [address.v4, address.v6], ...more });
  return { ...object, metadata: { ...object.metadata, uid: `${uid}-${round}` } };
}

/** How a new connection ends. */
export async function dial(pod: LabPod, ip: string): Promise<string> {
  const connected = await pod.connect(ip, 443, { timeoutMs: DIAL_MS });
  if (connected.outcome === 'connected') await pod.close(connected.connection);
  return connected.outcome;
}

/** How a question ends: the first address, the response code without one, or no answer at all. */
export async function ask(pod: LabPod, name: string, type = 'A'): Promise<string> {
  const asked = await pod.ask(name, type, { timeoutMs: DIAL_MS });
  return asked.outcome === 'answered' ? (asked.addresses[0] ?? asked.rcode) : asked.outcome;
}

/** How it ends to look a name up and to connect to what it leads to. */
export async function use(pod: LabPod, name: string): Promise<string> {
  const answer = await ask(pod, name);
  return answer.includes('.') ? dial(pod, answer) : answer;
}

export async function soon(look: () => Promise<unknown>, want: unknown, deadlineMs = SOON_MS): Promise<void> {
  await eventually(async () => expect(await look()).toEqual(want), deadlineMs);
}
