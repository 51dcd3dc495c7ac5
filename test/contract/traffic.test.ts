import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { applyText, listObjects } from '../../src/kernel/apply.ts';
import { protectedRanges } from '../../src/kernel/protected.ts';
import { ensureRoutes } from '../../src/kernel/routes.ts';
import { ruleset } from '../../src/kernel/ruleset.ts';
import type { RulesetInput } from '../../src/kernel/ruleset.ts';
import { programOf } from '../support/program.ts';
import { Child } from './support/child.ts';
import { describeKernel, eventually, link, Namespace } from './support/namespace.ts';
import { TRAFFIC_CHILD } from './support/traffic-child.ts';
import type { TrafficCall } from './support/traffic-child.ts';

const POD = { 4: '10.0.1.7', 6: '2001:db8:1::7' };
const OTHER = { 4: '10.0.2.8', 6: '2001:db8:2::8' };
const SERVER = { 4: '192.0.2.1', 6: '2001:db8:9::1' };
const DNS = { 4: '10.96.0.10', 6: 'fd00:96::a' };
const ROUTING = { mark: 0x100000, table: 5310, dnsServers: [DNS[4], DNS[6]] };
const WEB = 443;

const RULESET: RulesetInput = {
  mark: ROUTING.mark,
  dnsServers: ROUTING.dnsServers,
  whenDown: 'closed',
  verdict: 'reject',
  logGroup: 0,
  destinations: [],
  interceptedAddresses: [POD[4], POD[6]],
  pods: [{ addresses: [POD[4], POD[6]], owner: 'a1', interface: 'to-pod', programId: '0123456789ab' }],
  gateways: [],
  podLinks: [],
  leftAddresses: [],
  guardedRanges: [],
  classes: [{ id: 'tcp443', ports: [{ protocol: 'tcp', first: WEB, last: WEB }] }],
  programs: [programOf('0123456789ab', [{ classes: [0] }])],
  protectedRanges: protectedRanges({ protect: [], cidrs: [] }),
  queriesPerSecondPerPod: 1_000,
  existing: {
    sets: [],
    maps: [],
    chains: [],
    chainTexts: new Map(),
    elements: new Map(),
    hasBridgeGuard: false,
  },
};

/** OTHER's addresses are in the pod ranges: it is known, and no policy selects it; or it is not known. */
const UNKNOWN: RulesetInput = { ...RULESET, guardedRanges: ['10.0.2.0/24', '2001:db8:2::/64'] };
const KNOWN: RulesetInput = { ...UNKNOWN, pods: [...RULESET.pods, { addresses: [OTHER[4], OTHER[6]], owner: 'a2' }] };

describeKernel('traffic through the ruleset', () => {
  let node: Namespace;
  let namespaces: Namespace[];
  let pod: Child<TrafficCall>;
  let other: Child<TrafficCall>;
  let server: Child<TrafficCall>;
  let children: Child<TrafficCall>[];

  beforeAll(async () => {
    const podSpace = await Namespace.create('pod');
    const otherSpace = await Namespace.create('other');
    const serverSpace = await Namespace.create('server');
    node = await Namespace.create('node');
    namespaces = [podSpace, otherSpace, serverSpace, node];
    await link(node, 'to-pod', podSpace, POD);
    await link(node, 'to-other', otherSpace, OTHER);
    await link(node, 'to-server', serverSpace, SERVER);
    await node.script(`
      sysctl -qw net.ipv4.ip_forward=1
      sysctl -qw net.ipv6.conf.all.forwarding=1
      sysctl -qw net.ipv4.conf.all.rp_filter=0
      sysctl -qw net.ipv4.conf.to-other.rp_filter=0
    `);
    // The real DNS server lives where the server does.
    await serverSpace.script(`ip addr add ${DNS[4]}/32 dev eth0\nip addr add ${DNS[6]}/128 dev eth0 nodad`);
    await node.script(`ip route add ${DNS[4]} dev to-server\nip -6 route add ${DNS[6]} dev to-server`);
    // The neighbour can send as the pod, as any pod with CAP_NET_RAW can (V9).
    await otherSpace.script(`ip addr add ${POD[4]}/32 dev lo\nip addr add ${POD[6]}/128 dev lo nodad`);
    pod = new Child(podSpace, TRAFFIC_CHILD);
    other = new Child(otherSpace, TRAFFIC_CHILD);
    server = new Child(serverSpace, TRAFFIC_CHILD);
    children = [pod, other, server];
    for (const address of Object.values(SERVER)) {
      await server.call({ do: 'listen', address, port: WEB }, { do: 'listen', address, port: 8443 });
    }
  });
  afterAll(async () => {
    for (const child of children) await child.end();
    for (const namespace of namespaces) await namespace.remove();
  });
  beforeEach(async () => {
    await node.run('nft', ['-f', '-'], 'add table inet namewall\ndelete table inet namewall\n');
    await apply(RULESET);
  });

  const apply = async (input: RulesetInput) => {
    await applyText(ruleset({ ...input, existing: await listObjects(node.run) }).text, node.run);
  };
  const grant = (family: 4 | 6) =>
    node.run(
      'nft',
      ['-f', '-'],
      `add element inet namewall grants${family}_tcp443 { ${POD[family]} . ${SERVER[family]} timeout 60s }\n`,
    );
  const packets = async (counter: string) => {
    const listing = await node.execute('nft', 'list', 'counter', 'inet', 'namewall', counter);
    return Number(/packets (\d+)/.exec(listing)?.[1]);
  };
  /** Source ports of the queries that connection tracking knows. */
  const trackedQueries = async () => {
    const entries = await node.execute('cat', '/proc/net/nf_conntrack');
    return [...entries.matchAll(/sport=(\d+) dport=53 /g)].map(([, port]) => port);
  };
  describe.each([4, 6] as const)('IPv%i', (family) => {
    const address = SERVER[family];

    test('a granted address and port connects', async () => {
      await grant(family);
      expect(await connecting(pod, family, WEB)).toMatchObject({ outcome: 'connected' });
    });

    test('what is not granted is refused at once: no grant, another port, another protocol', async () => {
      const refused = async (port: number) => {
        const atOnce = { outcome: 'ECONNREFUSED', ms: expect.toSatisfy((ms) => Number(ms) < 500) };
        expect(await connecting(pod, family, port)).toEqual(atOnce);
      };
      await refused(WEB);
      await grant(family);
      await refused(8443);
      const denied = await packets('denied');
      expect(await pod.last({ do: 'ask', address, port: WEB })).not.toBe(1);
      expect(await packets('denied')).toBeGreaterThan(denied);
    });

    test('verdict "drop" answers nothing', async () => {
      await apply({ ...RULESET, verdict: 'drop' });
      expect(await connecting(pod, family, WEB)).toMatchObject({ outcome: 'timeout' });
    });

    test('a protected address is refused although it is granted', async () => {
      await apply({ ...RULESET, protectedRanges: [{ cidr: address, reason: 'node' }] });
      await grant(family);
      expect(await connecting(pod, family, WEB)).toMatchObject({ outcome: 'ECONNREFUSED' });
    });

    test('a pod that no policy selects is not touched', async () => {
      expect(await connecting(other, family, 8443)).toMatchObject({ outcome: 'connected' });
    });

    test('an address of the pod ranges that no known pod has is closed and counted; a known pod that no policy selects is open', async () => {
      await apply(UNKNOWN);
      expect(await connecting(other, family, WEB)).toMatchObject({ outcome: 'timeout' });
      expect(await packets('unknown_pod')).toBeGreaterThan(0);
      await apply(KNOWN);
      expect(await connecting(other, family, WEB)).toMatchObject({ outcome: 'connected' });
    });

    test('a pod that is not known any more loses its connections', async () => {
      await apply(KNOWN);
      expect(await connecting(other, family, WEB)).toMatchObject({ outcome: 'connected' });
      const received = async () => Number(await server.last({ do: 'bytes received' }));
      const before = await received();
      await other.call({ do: 'send' });
      expect(await eventually(async () => (await received()) === before + 1)).toBe(true);
      await apply(UNKNOWN);
      await other.call({ do: 'send' });
      expect(await eventually(async () => (await packets('unknown_pod')) > 0)).toBe(true);
      expect(await received()).toBe(before + 1);
    });

    test('an address of a pod from another interface is dropped', async () => {
      await grant(family);
      const spoofed = { do: 'ask', address, port: WEB, from: POD[family] } as const;
      expect(await other.last(spoofed)).toBe(0);
      expect(await packets('spoofed')).toBe(1);
    });

    test('a foreign address from the interface of a pod is dropped', async () => {
      await apply({
        ...RULESET,
        pods: [{ addresses: ['10.0.1.9', '2001:db8:1::9'], owner: 'a9', interface: 'to-pod' }],
      });
      expect(await connecting(pod, family, WEB)).toMatchObject({ outcome: 'timeout' });
      expect(await packets('spoofed')).toBeGreaterThan(0);
    });

    test('TCP of a connection that nobody saw begin is dropped', async () => {
      await node.run('nft', ['-f', '-'], 'delete table inet namewall\n');
      expect(await connecting(pod, family, WEB)).toMatchObject({ outcome: 'connected' });
      await pod.call({ do: 'send' });
      const received = async () => Number(await server.last({ do: 'bytes received' }));
      const before = await received();
      await apply(RULESET);
      await grant(family);
      await pod.call({ do: 'send' });
      expect(await eventually(async () => (await packets('not_syn')) > 0)).toBe(true);
      expect(await received()).toBeLessThanOrEqual(before + 1); // the byte sent before may have been on its way
    });

    test('an established connection survives the end of its grant and a new ruleset', async () => {
      await grant(family);
      expect(await connecting(pod, family, WEB)).toMatchObject({ outcome: 'connected' });
      await node.execute('nft', 'flush', 'set', 'inet', 'namewall', `grants${family}_tcp443`);
      await apply(RULESET);
      const before = Number(await server.last({ do: 'bytes received' }));
      await pod.call({ do: 'send' });
      expect(await eventually(async () => Number(await server.last({ do: 'bytes received' })) > before)).toBe(true);
    });
  });

  describe.each([4, 6] as const)('DNS over IPv%i', (family) => {
    const address = DNS[family];
    const query = { do: 'ask', address, port: 53 } as const;

    test('closed: while nobody listens queries are dropped and counted, TCP is refused at once', async () => {
      expect(await pod.last(query)).toBe(0);
      expect(await packets('agent_down')).toBe(1);
      expect(await pod.last({ do: 'connect', address, port: 53 })).toMatchObject({ outcome: 'ECONNREFUSED' });
      expect(await packets('tcp_refused')).toBe(1);
    });

    test('bypass: while nobody listens queries go on, and pass the policy; other ports do not', async () => {
      await namespaces[2]
        ?.execute('ip', `-${family}`, 'addr', 'replace', address, 'dev', 'lo', 'nodad')
        .catch(() => undefined);
      await apply({ ...RULESET, whenDown: 'bypass' });
      // The server has the address but nothing on the port: its ICMP error shows that the query arrived.
      expect(await pod.last(query)).toBe('ECONNREFUSED');
      // Refused by us, not by the server: nothing listens there, either.
      expect(await pod.last({ ...query, port: 54 })).not.toBe('ECONNREFUSED');
      expect(await packets('denied')).toBeGreaterThan(0);
    });
  });

  describe('DNS with a socket that listens', () => {
    let listener: Child<TrafficCall>;

    beforeAll(async () => {
      listener = new Child<TrafficCall>(node, TRAFFIC_CHILD);
      await ensureRoutes(ROUTING, node.run);
      await listener.call({ do: 'echo transparently', address: DNS[4] }, { do: 'echo transparently', address: DNS[6] });
    });
    afterAll(() => listener.end());

    test.each([4, 6] as const)(
      'IPv%i: the query of a pod is answered from the address that it asked, untracked',
      async (family) => {
        const before = await trackedQueries();
        expect(await pod.last({ do: 'ask', address: DNS[family], port: 53, times: 5 })).toBe(5);
        expect(await packets('intercepted')).toBe(5);
        expect(await packets('agent_down')).toBe(0);
        expect((await trackedQueries()).filter((port) => !before.includes(port))).toEqual([]);
      },
    );

    test.each([4, 6] as const)(
      'IPv%i: a query of an unknown pod is dropped, to a server on this node, too',
      async (family) => {
        const query = { do: 'ask', address: DNS[family], port: 53 } as const;
        await node.execute('ip', 'addr', 'add', DNS[family], 'dev', 'lo');
        try {
          await apply(KNOWN);
          expect(await other.last(query)).toBe(1);
          await apply(UNKNOWN);
          expect(await other.last(query)).toBe(0);
          expect(await packets('unknown_pod')).toBe(1);
        } finally {
          await node.execute('ip', 'addr', 'del', DNS[family], 'dev', 'lo');
        }
      },
    );

    test.each([4, 6] as const)('IPv%i: queries over the rate never reach the socket', async (family) => {
      await apply({ ...RULESET, queriesPerSecondPerPod: 5 });
      const answered = Number(await pod.last({ do: 'ask', address: DNS[family], port: 53, times: 50 }));
      expect(answered).toBeGreaterThanOrEqual(5);
      expect(answered).toBeLessThan(15);
      expect((await packets('query_limit')) + answered).toBe(50);
    });

    test.each([4, 6] as const)('IPv%i: a query with the address of another pod is dropped', async (family) => {
      expect(await other.last({ do: 'ask', address: DNS[family], port: 53, from: POD[family] })).toBe(0);
      expect(await packets('intercepted')).toBe(0);
      expect(await packets('spoofed')).toBe(1);
    });
  });
});

function connecting(from: Child<TrafficCall>, family: 4 | 6, port: number): Promise<unknown> {
  return from.last({ do: 'connect', address: SERVER[family], port });
}
