// The lab of attacker-lab.ts with both pods behind one bridge of the node, each known by address, port and MAC.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { runCommand } from '../../src/cli/demo/command.ts';
import { Lab } from '../../src/cli/demo/lab.ts';
import { Attacker, Witness } from './attacker.ts';
import { mac } from './attacker-lab.ts';

const POLICY = new URL('policies/load.yaml', import.meta.url).pathname;
export const CART = { 4: '10.0.1.7', 6: 'fd00:10:1::7', mac: '02:00:00:00:00:07', link: 'fe80::7' } as const;
export const DESK = { 4: '10.0.1.8', 6: 'fd00:10:1::8', mac: '02:00:00:00:00:08', link: 'fe80::8' } as const;
export const GATEWAY = { 4: '10.0.1.1', 6: 'fe80::1', mac: '02:00:00:00:00:01' } as const;

export interface BridgedLab {
  readonly lab: Lab;
  readonly attacker: Attacker;
  /** `desk` by its link, `node` behind its filters. */
  readonly witnesses: Readonly<Record<'desk' | 'world' | 'node', Witness>>;
}

export async function bridgedLab(): Promise<BridgedLab> {
  const shop = { namespace: 'shop', labels: { app: 'shop' } };
  const lab = await Lab.build([
    { name: 'cart', ...shop },
    { name: 'desk', ...shop },
  ]);
  await bridged(lab);
  lab.configure({ policies: [POLICY], lifetimes: { grace: '10m' } });
  const clients = [CART, DESK].map((own, i) => ({
    ...lab.pods[i]?.spec,
    addresses: [own[4], own[6]],
    interface: lab.pods[i]?.address.interface,
    mac: own.mac,
  }));
  writeFileSync(join(lab.folder, 'clients.yaml'), stringify({ clients }));
  await lab.startAgent();
  const [cart, desk] = [lab.pod('cart'), lab.pod('desk')];
  const ends = { own: await mac((argv) => lab.onPod(cart, argv), 'eth0'), gateway: GATEWAY.mac };
  const onWorld = (argv: readonly string[], input?: string): Promise<string> =>
    runCommand(['ip', 'netns', 'exec', lab.worldNamespace, ...argv], input);
  return {
    lab,
    attacker: new Attacker(cart.address.namespace, 'eth0', ends),
    witnesses: {
      desk: new Witness((argv, input) => lab.onPod(desk, argv, input), 'eth0'),
      world: new Witness(onWorld, 'prerouting'),
      node: new Witness((argv, input) => lab.onNode(argv, input), 'input'),
    },
  };
}

/** Puts the links of both pods behind a bridge, which gets the node's addresses of them. */
async function bridged(lab: Lab): Promise<void> {
  const links = lab.pods.map(({ address }) => address.interface);
  const lines = [
    'ip link add br0 type bridge mcast_snooping 0',
    `ip link set br0 address ${GATEWAY.mac}`,
    'ip link set br0 up',
    ...links.flatMap((link) => [
      `ip addr flush dev ${link}`,
      `ip route flush dev ${link}`,
      `ip -6 route flush dev ${link}`,
      `ip link set ${link} master br0`,
    ]),
    `ip addr add ${GATEWAY[4]}/24 dev br0`,
    `ip addr add ${GATEWAY[6]}/64 dev br0`,
    'ip addr add fd00:10:1::1/64 dev br0',
    'sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0',
  ];
  for (const line of lines) await lab.onNode(line.split(' '));
  for (const [i, own] of [CART, DESK].entries()) {
    const pod = lab.pods[i];
    if (pod === undefined) continue;
    for (const line of [
      `ip link set eth0 address ${own.mac}`,
      `ip addr add ${own[4]}/24 dev eth0`,
      'ip route add fd00:10:1::/64 dev eth0',
      `ip addr add ${own.link}/64 dev eth0`,
    ]) {
      await lab.onPod(pod, line.split(' '));
    }
  }
}
