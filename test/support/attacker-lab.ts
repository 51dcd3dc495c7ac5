// The lab with an attacker in it: `cart`, which was taken over, and `desk`, which was not. Policy opens to both the names of the load zone on TCP
// 443; each has looked up one of them.
import { runCommand } from '../../src/cli/demo/command.ts';
import { Lab } from '../../src/cli/demo/lab.ts';
import type { AgentSettings } from '../../src/cli/demo/lab.ts';
import type { LabPod } from '../../src/cli/demo/pod.ts';
import { Attacker, Witness } from './attacker.ts';
import type { Run } from './attacker.ts';

/** Looked up by the attacker: open to it on TCP 443. */
export const GRANTED = { 4: '11.0.0.1', 6: '2001:db8:1000::1' } as const;
/** Looked up by the other pod alone. */
export const OTHERS = { 4: '11.0.0.2', 6: '2001:db8:1000::2' } as const;
/** Looked up by nobody; answers on the ports of the lab's world. */
export const NOT_GRANTED = { 4: '203.0.113.9', 6: '2001:db8:100::9' } as const;
/** Every address of the node that the lab gives it, seen from a pod. */
export const NODE_ADDRESSES = ['10.0.1.1', '192.0.2.1', '2001:db8::1', 'fe80::1'] as const;

const POLICY = new URL('policies/load.yaml', import.meta.url).pathname;
const LABELS = { namespace: 'shop', labels: { app: 'shop' } };

export interface AttackedLab {
  readonly lab: Lab;
  readonly cart: LabPod;
  readonly desk: LabPod;
  readonly attacker: Attacker;
  /** What arrives at the far side. */
  readonly world: Witness;
  /** What the node itself lets in. */
  readonly node: Witness;
  readonly counter: (name: string) => Promise<number>;
  readonly end: () => Promise<void>;
}

export async function attackedLab(settings: Partial<AgentSettings> = {}): Promise<AttackedLab> {
  const lab = await Lab.build([
    { name: 'cart', ...LABELS },
    { name: 'desk', ...LABELS },
  ]);
  // Sources are not checked by the kernel (V9), and source routes are followed: the filter is all there is.
  await lab.onNode(['sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.all.accept_source_route=1']);
  const overrides = { dns: { newNamesPerSecond: 100_000 } }; // E19 asks as fast as it can
  lab.configure({ policies: [POLICY], lifetimes: { grace: '10m' }, overrides, ...settings });
  await lab.startAgent();
  const cart = lab.pod('cart');
  const desk = lab.pod('desk');
  for (const type of ['A', 'AAAA']) {
    await cart.ask('n1.load.example.org', type);
    await desk.ask('n2.load.example.org', type);
  }
  const attacker = new Attacker(cart.address.namespace, 'eth0', {
    own: await mac((argv) => lab.onPod(cart, argv), 'eth0'),
    gateway: await mac((argv) => lab.onNode(argv), cart.address.interface),
  });
  return {
    lab,
    cart,
    desk,
    attacker,
    world: new Witness(
      (argv, input) => runCommand(['ip', 'netns', 'exec', lab.worldNamespace, ...argv], input),
      'prerouting',
    ),
    node: new Witness((argv, input) => lab.onNode(argv, input), 'input'),
    counter: async (name) => {
      const listing = await lab.onNode(['nft', 'list', 'counter', 'inet', 'namewall', name]);
      return Number(/packets (\d+)/.exec(listing)?.[1]);
    },
    end: async () => {
      await attacker.end();
      await lab.remove();
    },
  };
}

export async function mac(run: Run, link: string): Promise<string> {
  return (await run(['cat', `/sys/class/net/${link}/address`])).trim();
}
