// The lab's wires: pods on point-to-point links to a node, as most CNIs make them, and the node's link to a small internet.
//
//   pod ─ eth0 ── veth-POD ─┐
//                           node ─ world ── eth0 ─ world (DNS servers, web servers on every address)
//   pod ─ eth0 ── veth-POD ─┘
import { runCommand } from './command.ts';

export interface PodAddress {
  readonly namespace: string;
  /** Host side of its link, inside the node's namespace. */
  readonly interface: string;
  readonly v4: string;
  readonly v6: string;
}

/** What pods are told to ask: the cluster DNS. The world answers there too, so that only namewall can keep a query from it. */
export const CLUSTER_DNS = { v4: '10.96.0.10', v6: 'fd00:96::a' } as const;
/** What the agent asks. */
export const UPSTREAM = { v4: '192.0.2.53', v6: '2001:db8::53' } as const;
/** Cloud metadata: the world holds it, so that only namewall can keep a pod from it. */
export const METADATA_ADDRESS = '169.254.169.254';
/** Addresses of the world that echo UDP on port 443. */
export const UDP_ECHO = { v4: '198.51.100.7', v6: '2001:db8:100::7', port: 443 } as const;
/** nN.load.example.org resolves into these: N counts up from the base. */
export const LOAD = { zone: 'load.example.org', v4: '11.0.0.0', v6: '2001:db8:1000::' } as const;

const NODE = { v4: '192.0.2.1', v6: '2001:db8::1', gatewayV4: '10.0.1.1', gatewayV6: 'fe80::1' } as const;
const WORLD = { v4: '192.0.2.254', v6: '2001:db8::254' } as const;
const POD_RANGE = { v4: '10.0.1.0/24', v6: 'fd00:10:1::/64' } as const;

/** Everything in these ranges is an address of the world: any port that its servers listen on answers there. */
const WORLD_RANGES_V4 = ['198.51.100.0/24', '203.0.113.0/24', `${METADATA_ADDRESS}/32`, `${LOAD.v4}/8`];
const WORLD_RANGES_V6 = ['2001:db8:100::/48', `${LOAD.v6}/48`];

// Duplicate address detection leaves an IPv6 address unusable for a second or two, and here nobody else can hold it.
const QUICK_IPV6 = [
  'net/ipv6/conf/all/disable_ipv6=0',
  'net/ipv6/conf/default/disable_ipv6=0',
  'net/ipv6/conf/default/accept_dad=0',
];
const FORWARDING = ['net/ipv4/ip_forward=1', 'net/ipv6/conf/all/forwarding=1'];

/** Wires empty namespaces together. */
export async function wire(node: string, world: string, pods: readonly PodAddress[]): Promise<void> {
  const others = [world, ...pods.map((pod) => pod.namespace)];
  await Promise.all([
    writeSysctls(node, [...QUICK_IPV6, ...FORWARDING]),
    ...others.map((namespace) => writeSysctls(namespace, QUICK_IPV6)),
  ]);
  await ipBatch(node, nodeCommands(world, pods));
  await Promise.all([ipBatch(world, worldCommands()), ...pods.map((pod) => ipBatch(pod.namespace, podCommands(pod)))]);
}

/** Writes PATH=VALUE below /proc/sys of a namespace. Not with sysctl(8): its package is missing on a bare Debian. */
export async function writeSysctls(namespace: string, settings: readonly string[]): Promise<void> {
  const script = 'for setting; do echo "${setting#*=}" > "/proc/sys/${setting%%=*}" || exit 1; done';
  await runCommand(['ip', 'netns', 'exec', namespace, 'sh', '-c', script, 'sh', ...settings]);
}

async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  await runCommand(['ip', '-netns', namespace, '-batch', '-'], commands.map((command) => `${command}\n`).join(''));
}

function nodeCommands(world: string, pods: readonly PodAddress[]): readonly string[] {
  return [
    'link set lo up',
    // Any index but 2, its peer's: the kernel takes a link whose ends have equal numbers for one that needs no hurry, and its
    // IPv6 begins to work a second later (net/core/link_watch.c, linkwatch_urgent_event).
    `link add world index 9 type veth peer name eth0 netns ${world}`,
    `addr add ${NODE.v4}/24 dev world`,
    `addr add ${NODE.v6}/64 dev world`,
    'link set world up',
    `route add default via ${WORLD.v4}`,
    `route add default via ${WORLD.v6}`,
    ...pods.flatMap((pod) => [
      `link add ${pod.interface} type veth peer name eth0 netns ${pod.namespace}`,
      `addr add ${NODE.gatewayV4}/32 dev ${pod.interface}`,
      `addr add ${NODE.gatewayV6}/64 dev ${pod.interface}`,
      `link set ${pod.interface} up`,
      `route add ${pod.v4}/32 dev ${pod.interface}`,
      `route add ${pod.v6}/128 dev ${pod.interface}`,
    ]),
  ];
}

function podCommands(pod: PodAddress): readonly string[] {
  return [
    'link set lo up',
    `addr add ${pod.v4}/32 dev eth0`,
    `addr add ${pod.v6}/128 dev eth0`,
    'link set eth0 up',
    `route add ${NODE.gatewayV4}/32 dev eth0`,
    `route add default via ${NODE.gatewayV4} dev eth0`,
    `route add default via ${NODE.gatewayV6} dev eth0`,
  ];
}

function worldCommands(): readonly string[] {
  return [
    'link set lo up',
    `addr add ${WORLD.v4}/24 dev eth0`,
    `addr add ${WORLD.v6}/64 dev eth0`,
    `addr add ${UPSTREAM.v4}/24 dev eth0`,
    `addr add ${UPSTREAM.v6}/64 dev eth0`,
    `addr add ${CLUSTER_DNS.v4}/32 dev lo`,
    `addr add ${CLUSTER_DNS.v6}/128 dev lo`,
    `addr add ${UDP_ECHO.v4}/32 dev lo`, // a socket binds to an IPv6 address only where that is one, not a route
    `addr add ${UDP_ECHO.v6}/128 dev lo`,
    'link set eth0 up',
    ...[...WORLD_RANGES_V4, ...WORLD_RANGES_V6].map((range) => `route add local ${range} dev lo`),
    `route add ${POD_RANGE.v4} via ${NODE.v4}`,
    `route add ${POD_RANGE.v6} via ${NODE.v6}`,
  ];
}
