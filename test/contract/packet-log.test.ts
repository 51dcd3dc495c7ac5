// Logged packets on a real kernel: a node that translates, logs and rejects between a pod and a server.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { FLOWS_CHILD } from './support/flows-child.ts';
import type { FlowsCall, Shown } from './support/flows-child.ts';
import { describeKernel, eventually, Namespace } from './support/namespace.ts';
import { SEND_RAW } from './support/send-raw.ts';
import { TRAFFIC_CHILD } from './support/traffic-child.ts';
import type { TrafficCall } from './support/traffic-child.ts';
import type { LoggedPacket } from '../../src/kernel/packet-log.ts';

const POD = { 4: '10.0.1.7', 6: '2001:db8:1::7' };
const SERVER = { 4: '192.0.2.1', 6: '2001:db8:9::1' };
const SERVICE = { 4: '10.96.0.20', 6: '2001:db8:96::20' };
const GROUP = 5310;
const PREFIX = 'no-rule 0123456789ab';
const FORWARD = 2;
const RULES = `
table inet filter {
  chain services {
    type nat hook prerouting priority dstnat
    ip daddr ${SERVICE[4]} tcp dport 80 dnat ip to ${SERVER[4]}:8080
    ip6 daddr ${SERVICE[6]} tcp dport 80 dnat ip6 to [${SERVER[6]}]:8080
  }
  chain egress {
    type filter hook forward priority 0
    iifname "to-pod" log group ${GROUP} prefix "${PREFIX}" drop
  }
}`;

interface Packets {
  readonly packets: number;
  readonly unreadable: number;
  readonly lost: number;
  readonly isLossy: boolean;
  readonly seen: readonly Shown<LoggedPacket>[];
}

describeKernel('logged packets', () => {
  let node: Namespace;
  let podSpace: Namespace;
  let namespaces: Namespace[];
  let pod: Child<TrafficCall>;
  let reader: Child<FlowsCall>;

  beforeAll(async () => {
    podSpace = await Namespace.create('pod');
    node = await Namespace.create('node');
    namespaces = [podSpace, node];
    await node.script(`
      ip link add to-pod type veth peer name eth0 netns ${podSpace.name}
      ip link set to-pod up
      ip addr add 169.254.1.1/32 dev to-pod
      ip -6 addr add fe80::1/64 dev to-pod nodad
      ip route add ${POD[4]}/32 dev to-pod
      ip -6 route add ${POD[6]}/128 dev to-pod
      ip link add to-server type veth peer name server-end
      ip link set server-end up
      ip link set to-server up
      ip route add default dev to-server
      ip -6 route add default dev to-server
      sysctl -qw net.ipv4.ip_forward=1
      sysctl -qw net.ipv6.conf.all.forwarding=1
    `);
    await podSpace.script(`
      ip link set eth0 up
      ip addr add ${POD[4]}/32 dev eth0
      ip -6 addr add ${POD[6]}/128 dev eth0 nodad
      ip route add 169.254.1.1/32 dev eth0
      ip route add default via 169.254.1.1 src ${POD[4]}
      ip -6 route add default via fe80::1 dev eth0 src ${POD[6]}
    `);
    await node.run('nft', ['-f', '-'], RULES);
    pod = new Child(podSpace, TRAFFIC_CHILD);
  });
  afterAll(async () => {
    await pod.end();
    for (const namespace of namespaces) await namespace.remove();
  });
  beforeEach(() => {
    reader = new Child(node, FLOWS_CHILD);
  });
  afterEach(() => reader.end());

  const open = (bufferBytes?: number) =>
    reader.last({ do: 'open log', group: GROUP, ...(bufferBytes === undefined ? {} : { bufferBytes }) });
  const read = async (limit?: number): Promise<Packets> => {
    const answer = await reader.last({ do: 'packets', ...(limit === undefined ? {} : { limit }) });
    return answer as Packets; // what flows-child.ts answers
  };
  /** The packets to this address, once there is one. */
  const logged = async (destination: string): Promise<Shown<LoggedPacket>[]> => {
    const all: Shown<LoggedPacket>[] = [];
    const to = () => all.filter((packet) => packet.destination === destination);
    await eventually(async () => {
      all.push(...(await read()).seen);
      return to().length > 0;
    });
    return to();
  };
  const sendRaw = (address: string, protocol: number, hex: string) =>
    podSpace.execute(process.execPath, SEND_RAW, address, String(protocol), hex);

  describeFamilies((family) => {
    test(`IPv${family}: a connection that is begun is told with its addresses, ports, interface, prefix and flags`, async () => {
      await open();
      await pod.call({ do: 'connect', address: SERVER[family], port: 443 });
      const [packet] = await logged(SERVER[family]);
      const index = Number(await node.execute('cat', '/sys/class/net/to-pod/ifindex'));
      expect(packet).toMatchObject({
        prefix: PREFIX,
        hook: FORWARD,
        inputInterface: index,
        family,
        protocol: 6,
        source: POD[family],
        destinationPort: 443,
        sourcePort: expect.toSatisfy((port) => Number(port) > 1_023),
        tcpFlags: 2,
        isFragment: false,
      });
      expect(packet).not.toHaveProperty('original', expect.anything());
    });

    test(`IPv${family}: a datagram is told with its ports`, async () => {
      await open();
      await pod.call({ do: 'ask', address: SERVER[family], port: 4_444 });
      expect((await logged(SERVER[family]))[0]).toMatchObject({ protocol: 17, destinationPort: 4_444, hook: FORWARD });
    });

    test(`IPv${family}: what was asked before translation is told where the kernel can, and the real destination always`, async () => {
      const tellsOriginal = await open();
      await pod.call({ do: 'connect', address: SERVICE[family], port: 80 });
      const [packet] = await logged(SERVER[family]);
      expect(packet?.destinationPort).toBe(8080);
      const original = { destination: SERVICE[family], destinationPort: 80 };
      expect(packet?.original).toEqual(tellsOriginal === true ? original : undefined);
    });
  });

  test('an echo request is told by its type', async () => {
    await open();
    await sendRaw(SERVER[6], 58, '8000000000010001');
    expect((await logged(SERVER[6]))[0]).toMatchObject({
      protocol: 58,
      icmpType: 128,
      sourcePort: 0,
      destinationPort: 0,
    });
  });

  test('a protocol without ports, and one cut off before them, are told', async () => {
    await open();
    await sendRaw('192.0.2.47', 47, '00000800');
    await sendRaw('192.0.2.6', 6, '01bb');
    expect((await logged('192.0.2.47'))[0]).toMatchObject({ protocol: 47, destinationPort: 0 });
    expect((await logged('192.0.2.6'))[0]).toMatchObject({ protocol: 6, destinationPort: 0 });
  });

  test('a group that another program has is refused, and says so', async () => {
    expect(await open()).toBeTypeOf('boolean');
    const second = new Child<FlowsCall>(node, FLOWS_CHILD);
    const message = await second.last({ do: 'open log', group: GROUP });
    await second.end();
    expect(message).toMatch(/^Cannot read packet log group 5310: another program has it/);
  });

  test('a group is free again when its reader has ended', async () => {
    await open();
    await reader.end();
    reader = new Child(node, FLOWS_CHILD);
    expect(await open()).toBeTypeOf('boolean');
  });

  test('packets that did not fit are told as loss, and counted', async () => {
    await open(4_096);
    const datagrams = 400;
    await pod.call({ do: 'ask', address: SERVER[4], port: 4_444, times: datagrams });
    const counts = { told: 0, lost: 0, wasLossy: false };
    const count = async () => {
      const { packets, lost, isLossy } = await read();
      counts.told += packets;
      counts.lost += lost;
      counts.wasLossy ||= isLossy;
    };
    await count();
    expect(counts.wasLossy).toBe(true);
    // What is lost at the end shows when the next one comes.
    await pod.call({ do: 'ask', address: SERVER[4], port: 4_444 });
    await eventually(async () => {
      await count();
      return counts.told + counts.lost > datagrams;
    });
    expect(counts.lost).toBeGreaterThan(0);
    expect(counts.told + counts.lost).toBe(datagrams + 1);
  });
});

function describeFamilies(body: (family: 4 | 6) => void): void {
  for (const family of [4, 6] as const) body(family);
}
