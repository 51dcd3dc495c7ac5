// The wires of a cluster of two nodes: a switch that joins the nodes, the world, a second DNS server and the API server, and pods on
// point-to-point links to their node. Addresses and links only; who listens where is cluster-lab.ts's.
//
//   pod ─ eth0 ── veth-POD ─ node1 ─ eth0 ─┐           ┌─ eth0 ─ world   DNS 192.0.2.53 and 10.96.0.10, servers on every address
//   pod ─ eth0 ── veth-POD ─ node2 ─ eth0 ─┼─ switch ──┼─ eth0 ─ spare   DNS 2001:db8::53
//                                          ┘           └─ eth0 ─ api     192.0.2.10
import { runCommand } from '../../../src/cli/demo/command.ts';
import { CLUSTER_DNS, UDP_ECHO, UPSTREAM, writeSysctls, type PodAddress } from '../../../src/cli/demo/topology.ts';

export const NODES = { 'worker-1': 1, 'worker-2': 2 } as const;
export type NodeName = keyof typeof NODES;

export const API_ADDRESS = '192.0.2.10';
/** Two endpoints of the DNS Service, each with an address family of its own, so that a route tells them apart. */
export const ENDPOINTS = { world: UPSTREAM.v4, spare: UPSTREAM.v6 } as const;

const WORLD = { v4: '192.0.2.254', v6: '2001:db8::254' } as const;
const SPARE = { v4: '192.0.2.253', v6: '2001:db8::253' } as const;
const WORLD_RANGES = ['198.51.100.0/24', '203.0.113.0/24', '2001:db8:100::/48'];
const GATEWAY_V6 = 'fe80::1';
// Duplicate address detection leaves an IPv6 address unusable for a second or two, and here nobody else can hold it.
const IPV6_AT_ONCE = ['all/disable_ipv6=0', 'default/disable_ipv6=0', 'default/accept_dad=0'].map(
  (setting) => `net/ipv6/conf/${setting}`,
);
const FORWARDING = ['net/ipv4/ip_forward=1', 'net/ipv6/conf/all/forwarding=1'];
// Above every number that the other end can have: the kernel takes a link whose ends have equal ones for one that needs no hurry.
const FIRST_PORT_INDEX = 100;

export interface Wires {
  /** Namespaces. */
  readonly switch: string;
  readonly world: string;
  readonly spare: string;
  readonly api: string;
  readonly nodes: Readonly<Record<NodeName, string>>;
  readonly pods: readonly { readonly node: NodeName; readonly address: PodAddress }[];
}

export function podRanges(node: NodeName): readonly string[] {
  return [`10.0.${NODES[node]}.0/24`, `fd00:10:${NODES[node]}::/64`];
}

/** `host` is 2 to 254. */
export function podAddresses(node: NodeName, host: number): { readonly v4: string; readonly v6: string } {
  return { v4: `10.0.${NODES[node]}.${host}`, v6: `fd00:10:${NODES[node]}::${host.toString(16)}` };
}

/** Wires empty namespaces together. */
export async function wireCluster(wires: Wires): Promise<void> {
  const nodes = Object.values(wires.nodes);
  const others = [wires.world, wires.spare, wires.api, ...wires.pods.map(({ address }) => address.namespace)];
  await Promise.all([
    ...nodes.map((each) => writeSysctls(each, [...IPV6_AT_ONCE, ...FORWARDING])),
    ...others.map((each) => writeSysctls(each, IPV6_AT_ONCE)),
  ]);
  await ipBatch(wires.switch, switchCommands([...nodes, wires.world, wires.spare, wires.api]));
  await Promise.all([
    ...nodeNames().map((node) => ipBatch(wires.nodes[node], nodeCommands(node, wires))),
    ipBatch(wires.world, [...dnsServerCommands(WORLD), ...localRanges()]),
    ipBatch(wires.spare, dnsServerCommands(SPARE)),
    ipBatch(wires.api, hostCommands({ v4: API_ADDRESS, v6: '2001:db8::10' })),
  ]);
  await Promise.all(
    wires.pods.map(({ node, address }) => ipBatch(address.namespace, podCommands(gatewayV4(node), address))),
  );
}

export function nodeNames(): readonly NodeName[] {
  return ['worker-1', 'worker-2'];
}

function switchCommands(hosts: readonly string[]): readonly string[] {
  return [
    'link add br0 type bridge mcast_snooping 0',
    'link set br0 up',
    ...hosts.flatMap((host, i) => [
      `link add port${i} index ${FIRST_PORT_INDEX + i} type veth peer name eth0 netns ${host}`,
      `link set port${i} master br0`,
      `link set port${i} up`,
    ]),
  ];
}

function hostCommands({ v4, v6 }: { readonly v4: string; readonly v6: string }): readonly string[] {
  return ['link set lo up', `addr add ${v4}/24 dev eth0`, `addr add ${v6}/64 dev eth0`, 'link set eth0 up'];
}

function nodeCommands(node: NodeName, { pods }: Wires): readonly string[] {
  const own = pods.filter((pod) => pod.node === node).map(({ address }) => address);
  return [
    ...hostCommands(nodeAddress(node)),
    `route add default via ${WORLD.v4}`,
    `route add default via ${WORLD.v6}`,
    `route add ${ENDPOINTS.world}/32 via ${WORLD.v4}`,
    `route add ${ENDPOINTS.spare}/128 via ${SPARE.v6}`,
    ...routesToPods(nodeNames().filter((each) => each !== node)),
    ...own.flatMap((pod) => [
      `link add ${pod.interface} type veth peer name eth0 netns ${pod.namespace}`,
      `addr add ${gatewayV4(node)}/32 dev ${pod.interface}`,
      `addr add ${GATEWAY_V6}/64 dev ${pod.interface}`,
      `link set ${pod.interface} up`,
      `route add ${pod.v4}/32 dev ${pod.interface}`,
      `route add ${pod.v6}/128 dev ${pod.interface}`,
    ]),
  ];
}

function podCommands(gateway: string, pod: PodAddress): readonly string[] {
  return [
    'link set lo up',
    `addr add ${pod.v4}/32 dev eth0`,
    `addr add ${pod.v6}/128 dev eth0`,
    'link set eth0 up',
    `route add ${gateway}/32 dev eth0`,
    `route add default via ${gateway} dev eth0`,
    `route add default via ${GATEWAY_V6} dev eth0`,
  ];
}

/** The demo's DNS server binds all of these, wherever it runs; the routes of the nodes say which of two is asked. */
function dnsServerCommands(own: { readonly v4: string; readonly v6: string }): readonly string[] {
  const served = [UPSTREAM.v4, CLUSTER_DNS.v4, UDP_ECHO.v4, UPSTREAM.v6, CLUSTER_DNS.v6, UDP_ECHO.v6];
  return [
    ...hostCommands(own),
    ...served.map((address) => `addr add ${address}/${address.includes(':') ? 128 : 32} dev lo`),
    ...routesToPods(nodeNames()),
  ];
}

function localRanges(): readonly string[] {
  return WORLD_RANGES.map((range) => `route add local ${range} dev lo`);
}

function routesToPods(nodes: readonly NodeName[]): readonly string[] {
  return nodes.flatMap((node) => {
    const { v4, v6 } = nodeAddress(node);
    return podRanges(node).map((range) => `route add ${range} via ${range.includes(':') ? v6 : v4}`);
  });
}

function nodeAddress(node: NodeName): { readonly v4: string; readonly v6: string } {
  return { v4: `192.0.2.${NODES[node]}`, v6: `2001:db8::${NODES[node]}` };
}

function gatewayV4(node: NodeName): string {
  return `10.0.${NODES[node]}.1`;
}

async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  await runCommand(['ip', '-netns', namespace, '-batch', '-'], commands.map((command) => `${command}\n`).join(''));
}
