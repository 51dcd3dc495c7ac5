// The table of connections and its events, on a real kernel: a node that translates between a pod and a server.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { FLOWS_CHILD } from './support/flows-child.ts';
import type { FlowsCall } from './support/flows-child.ts';
import { describeKernel, link, Namespace } from './support/namespace.ts';
import { SEND_RAW } from './support/send-raw.ts';
import { TRAFFIC_CHILD } from './support/traffic-child.ts';
import type { TrafficCall } from './support/traffic-child.ts';

const POD = { 4: '10.0.1.7', 6: '2001:db8:1::7' };
const SERVER = { 4: '192.0.2.1', 6: '2001:db8:9::1' };
const SERVICE = { 4: '10.96.0.20', 6: '2001:db8:96::20' };
const PORT = 80;
const SERVER_PORT = 8080;
const UDP_PORT = 4_444;
/** Sends a datagram from each port; arguments: first, last, address, port. */
const DATAGRAMS = `
  const [first, last, address, port] = process.argv.slice(1);
  for (let from = Number(first); from <= Number(last); from++) {
    const socket = require('node:dgram').createSocket('udp4');
    socket.on('error', () => undefined);
    socket.bind(from, () => socket.send('x', Number(port), address, () => socket.close()));
  }`;
const NAT = `
table inet nat {
  chain services {
    type nat hook prerouting priority dstnat
    ip daddr ${SERVICE[4]} tcp dport ${PORT} dnat ip to ${SERVER[4]}:${SERVER_PORT}
    ip6 daddr ${SERVICE[6]} tcp dport ${PORT} dnat ip6 to [${SERVER[6]}]:${SERVER_PORT}
  }
  chain tracked { type filter hook forward priority 0; ct state established accept; }
}`;

interface Events {
  readonly events: number;
  readonly isLossy: boolean;
  readonly seen: readonly { readonly kind: string; readonly destinationPort: number }[];
}

describeKernel('connections', () => {
  let node: Namespace;
  let podSpace: Namespace;
  let namespaces: Namespace[];
  let pod: Child<TrafficCall>;
  let server: Child<TrafficCall>;
  let flows: Child<FlowsCall>;

  beforeAll(async () => {
    podSpace = await Namespace.create('pod');
    const serverSpace = await Namespace.create('server');
    node = await Namespace.create('node');
    namespaces = [podSpace, serverSpace, node];
    await link(node, 'to-pod', podSpace, POD);
    await link(node, 'to-server', serverSpace, SERVER);
    await node.script(`
      sysctl -qw net.ipv4.ip_forward=1
      sysctl -qw net.ipv6.conf.all.forwarding=1
      sysctl -qw net.netfilter.nf_conntrack_acct=1
      sysctl -qw net.netfilter.nf_conntrack_timestamp=1
    `);
    await node.run('nft', ['-f', '-'], NAT);
    pod = new Child(podSpace, TRAFFIC_CHILD);
    server = new Child(serverSpace, TRAFFIC_CHILD);
    flows = new Child(node, FLOWS_CHILD);
    await flows.call({ do: 'open' });
    for (const address of Object.values(SERVER)) await server.call({ do: 'listen', address, port: SERVER_PORT });
  });
  afterAll(async () => {
    for (const child of [pod, server, flows]) await child.end();
    for (const namespace of namespaces) await namespace.remove();
  });
  beforeEach(async () => {
    for (const port of [PORT, UDP_PORT]) await flows.call({ do: 'flows', port }, { do: 'delete' });
    await flows.call({ do: 'open' });
  });

  const found = (port = PORT) => flows.last({ do: 'flows', port });
  const connect = (family: 4 | 6) => pod.last({ do: 'connect', address: SERVICE[family], port: PORT });
  /** One connection for each source port from .. to; the datagrams are on their way through the node when it answers. */
  const sendDatagrams = (from: number, to: number) =>
    podSpace.execute(process.execPath, '-e', DATAGRAMS, String(from), String(to), SERVER[4], String(UDP_PORT));
  const readEvents = async (limit?: number): Promise<Events> => {
    const read = await flows.last({ do: 'events', ...(limit === undefined ? {} : { limit }) });
    return read as Events; // what flows-child.ts answers
  };

  test.each([4, 6] as const)(
    'IPv%i: a connection is listed with what was asked for and where it really goes',
    async (family) => {
      const before = Date.now();
      expect(await connect(family)).toMatchObject({ outcome: 'connected' });
      const listed = await found();
      expect(listed).toEqual([
        expect.objectContaining({
          family,
          protocol: 6,
          source: POD[family],
          destination: SERVICE[family],
          destinationPort: PORT,
          replySource: SERVER[family],
          replySourcePort: SERVER_PORT,
          replyDestination: POD[family],
          zone: 0,
          id: expect.any(Number),
          originalPackets: expect.any(Number),
          startedWallMs: expect.any(Number),
        }),
      ]);
      const [flow] = listed as [{ startedWallMs: number; sourcePort: number; replyDestinationPort: number }];
      expect(Math.abs(flow.startedWallMs - before)).toBeLessThan(2_000);
      expect(flow.replyDestinationPort).toBe(flow.sourcePort);
    },
  );

  test.each([4, 6] as const)('IPv%i: what is deleted is gone, and deleting it again is no error', async (family) => {
    await connect(family);
    expect(await found()).toHaveLength(1);
    expect(await flows.call({ do: 'delete' }, { do: 'delete' })).toEqual([1, 0]);
    expect(await found()).toEqual([]);
  });

  // The kernel may keep the later one at the very same place in memory: then its id says no more, and once more is tried.
  test('a later connection of the same tuple is not hit', { retry: 4 }, async () => {
    await sendDatagrams(4_000, 4_000);
    expect(await found(UDP_PORT)).toHaveLength(1);
    expect(await flows.last({ do: 'delete' })).toBe(1);
    // Others first: the id is made of the tuple and of where the kernel keeps the entry, and it would use the same memory again.
    await sendDatagrams(4_001, 4_300);
    await sendDatagrams(4_000, 4_000);
    expect(await flows.last({ do: 'delete' })).toBe(0);
    expect(await found(UDP_PORT)).toHaveLength(301);
    expect(await flows.last({ do: 'delete' })).toBe(301);
  });

  test('an echo request is listed without ports, and deleted', async () => {
    await podSpace.execute(process.execPath, SEND_RAW, SERVER[4], '1', '0800f7ff00000000');
    const echo = { protocol: 1, destination: SERVER[4], sourcePort: 0, destinationPort: 0 };
    expect(await found(0)).toContainEqual(expect.objectContaining(echo));
    expect(await flows.last({ do: 'delete' })).toBeGreaterThan(0);
    expect(await found(0)).toEqual([]);
  });

  test('a connection has one event when it begins and one, with its bytes, when it ends', async () => {
    await connect(4);
    const begun = await readEvents();
    expect(begun.seen).toEqual([expect.objectContaining({ kind: 'new', source: POD[4], destination: SERVICE[4] })]);
    expect(begun.seen[0]).toMatchObject({ replySource: SERVER[4], replySourcePort: SERVER_PORT });
    await flows.call({ do: 'flows', port: PORT }, { do: 'delete' });
    const ended = await readEvents();
    expect(ended).toMatchObject({ events: 1, isLossy: false });
    expect(ended.seen[0]).toMatchObject({ kind: 'destroyed', originalBytes: expect.any(Number) });
    expect(ended.seen[0]).toMatchObject({ endedWallMs: expect.any(Number) });
  });

  test('no more than the limit is read at once, and the rest is there the next time', async () => {
    await sendDatagrams(5_001, 5_010);
    expect((await readEvents(4)).events).toBe(4);
    expect((await readEvents()).events).toBe(6);
  });

  test('events that did not fit are told as loss, once', async () => {
    await flows.call({ do: 'open', eventBytes: 4_096 });
    await sendDatagrams(6_001, 6_200);
    const { events, isLossy } = await readEvents();
    expect(isLossy).toBe(true);
    expect(events).toBeLessThan(200);
    expect(await readEvents()).toMatchObject({ events: 0, isLossy: false });
    await sendDatagrams(6_201, 6_201);
    expect(await readEvents()).toMatchObject({ events: 1, isLossy: false });
  });
});
