// Policies of several tiers and dialects, from documents to packets: compiled, put into the kernel as differences, and tried. What the kernel does,
// what judgePacket says, and what is written by hand (support/tier-cases.ts) must be one.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { between } from '../../src/agent/rules.ts';
import { stateOf } from '../../src/agent/state.ts';
import type { State } from '../../src/agent/state.ts';
import { parseAddress } from '../../src/base/ip.ts';
import { applyText } from '../../src/kernel/apply.ts';
import { NEVER_GRANTED, protectedRanges, RangeMatcher } from '../../src/kernel/protected.ts';
import { NO_OBJECTS, ruleset, staleSetsText, withoutStaleSets } from '../../src/kernel/ruleset.ts';
import type { Node, Pod } from '../../src/pods/pod.ts';
import { EMPTY_REGISTRY } from '../../src/pods/registry.ts';
import type { PortClass } from '../../src/policy/compiled.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import { ruleMatches } from '../../src/policy/match.ts';
import { judgePacket } from '../../src/policy/static-match.ts';
import type { StaticPacket } from '../../src/policy/static-match.ts';
import { inputs } from '../unit/agent/inputs.ts';
import { Child } from './support/child.ts';
import { describeKernel, eventually, link, Namespace } from './support/namespace.ts';
import { DENY_ONE_RANGE, TIER_CASES } from './support/tier-cases.ts';
import type { TierCase } from './support/tier-cases.ts';
import { TIER_CHANGES } from './support/tier-changes.ts';
import { TRAFFIC_CHILD } from './support/traffic-child.ts';
import type { TrafficCall } from './support/traffic-child.ts';

const POD = { 4: '10.0.1.7', 6: '2001:db8:1::7' };
const PEER = { 4: '10.0.2.8', 6: '2001:db8:2::8' };
const SERVER = { 4: '192.0.2.1', 6: '2001:db8:9::1' };
const MORE_OF_SERVER = ['192.0.2.9', '198.51.100.1', '203.0.113.1', '203.0.113.9', '2001:db8:a::1'];
/** The last is the node's side of each link. */
const NODE = ['10.9.0.1', '2001:db8:f::1', '169.254.1.1'];
const PORTS = [443, 8443];
const CONNECTED = { outcome: 'connected' };
const PROTECTED = protectedRanges({ protect: [], cidrs: [] });
const NEVER = new RangeMatcher(NEVER_GRANTED);
const CLOSED = new RangeMatcher(PROTECTED);

const PODS: readonly Pod[] = [
  {
    uid: 'a1',
    namespace: 'payments',
    name: 'checkout',
    labels: { app: 'checkout' },
    namespaceLabels: { 'kubernetes.io/metadata.name': 'payments', team: 'money' },
    addresses: Object.values(POD),
    interface: 'to-pod',
  },
  {
    uid: 'a2',
    namespace: 'data',
    name: 'db',
    labels: { app: 'db' },
    namespaceLabels: { 'kubernetes.io/metadata.name': 'data', team: 'data' },
    addresses: Object.values(PEER),
    interface: 'to-peer',
    ports: [{ name: 'web', port: 8443, protocol: 'tcp' }],
  },
];
const NODES: readonly Node[] = [
  { name: 'n1', labels: { zone: 'a' }, addresses: NODE.slice(0, 2), isLocal: true },
  { name: 'n2', labels: { zone: 'b' }, addresses: ['203.0.113.9'], isLocal: false },
];

describeKernel('policies of several tiers', () => {
  let node: Namespace;
  let namespaces: Namespace[];
  let pod: Child<TrafficCall>;
  let server: Child<TrafficCall>;
  let children: Child<TrafficCall>[];
  let objects = NO_OBJECTS;

  beforeAll(async () => {
    const [podSpace, peerSpace, serverSpace] = [
      await Namespace.create('pod'),
      await Namespace.create('peer'),
      await Namespace.create('server'),
    ];
    node = await Namespace.create('node');
    namespaces = [podSpace, peerSpace, serverSpace, node];
    await link(node, 'to-pod', podSpace, POD);
    await link(node, 'to-peer', peerSpace, PEER);
    await link(node, 'to-server', serverSpace, SERVER);
    await node.script(`
      sysctl -qw net.ipv4.ip_forward=1
      sysctl -qw net.ipv6.conf.all.forwarding=1
      ip addr add ${NODE[0]}/32 dev lo
      ip addr add ${NODE[1]}/128 dev lo nodad
    `);
    for (const address of MORE_OF_SERVER) {
      const length = address.includes(':') ? 128 : 32;
      await serverSpace.script(`ip addr add ${address}/${length} dev eth0${length === 128 ? ' nodad' : ''}`);
      await node.script(`ip route add ${address}/${length} dev to-server`);
    }
    const [peer, host] = [
      new Child<TrafficCall>(peerSpace, TRAFFIC_CHILD),
      new Child<TrafficCall>(node, TRAFFIC_CHILD),
    ];
    pod = new Child(podSpace, TRAFFIC_CHILD);
    server = new Child(serverSpace, TRAFFIC_CHILD);
    children = [pod, peer, server, host];
    for (const child of children) {
      for (const port of PORTS) await child.call({ do: 'listen', address: '::', port });
    }
  });
  afterAll(async () => {
    for (const child of children) await child.end();
    for (const namespace of namespaces) await namespace.remove();
  });

  /** Over what is there, as the agent does it; whatever was granted before is gone. */
  const enforce = async ({ compiled }: State): Promise<void> => {
    const next = ruleset({
      mark: 0x100000,
      dnsServers: [],
      whenDown: 'closed',
      verdict: 'reject',
      logGroup: 0,
      interceptedAddresses: [],
      pods: PODS.map(({ uid, addresses, interface: own = '' }, i) => {
        const program = compiled.programs[compiled.programOfPod[i] ?? -1];
        const chain = program === undefined ? {} : { programId: program.id };
        return { addresses, owner: uid, interface: own, ...chain };
      }),
      gateways: [],
      podLinks: ['to-pod', 'to-peer'],
      leftAddresses: [],
      guardedRanges: [],
      classes: compiled.classes,
      destinations: compiled.destinations,
      programs: compiled.programs,
      protectedRanges: PROTECTED,
      queriesPerSecondPerPod: 1_000,
      existing: objects,
    });
    await applyText(next.text, node.run);
    await applyText(staleSetsText(next.objects, compiled.classes), node.run);
    objects = withoutStaleSets(next.objects, compiled.classes);
    const grants = compiled.classes.flatMap(({ id }) => [`grants4_${id}`, `grants6_${id}`]);
    await applyText(grants.map((name) => `flush set inet namewall ${name}\n`).join(''), node.run);
  };
  const grant = async (granted: readonly Granted[]): Promise<void> => {
    const lines = granted.map(({ address, portClass: { id } }) => {
      const family = address.includes(':') ? 6 : 4;
      return `add element inet namewall grants${family}_${id} { ${POD[family]} . ${address} timeout 60s }\n`;
    });
    await applyText(lines.join(''), node.run);
  };
  const wouldDeny = async () => {
    const listing = await node.execute('nft', 'list', 'counter', 'inet', 'namewall', 'would_deny');
    return Number(/packets (\d+)/.exec(listing)?.[1]);
  };
  /** What becomes of one packet. Nobody takes datagrams: the error that comes back says that it arrived. */
  const sent = async ({ protocol, address, port }: Sent): Promise<string> => {
    const before = await wouldDeny();
    const passed =
      protocol === 'tcp'
        ? expect.objectContaining(CONNECTED).asymmetricMatch(await pod.last({ do: 'connect', address, port }))
        : (await pod.last({ do: 'ask', address, port })) === 'ECONNREFUSED';
    if (!passed) return 'refused';
    return (await wouldDeny()) > before ? 'told' : 'connected';
  };

  const become = async (lines: readonly string[]): Promise<string[]> => {
    const found = new Map<string, string>();
    for (const text of lines.map((line) => line.replace(/ → .*/, ''))) found.set(text, await sent(readSent(text)));
    return asTold(lines, (text) => found.get(text) ?? '');
  };

  describe.each([4, 6] as const)('a pod that is denied one range and not isolated keeps over IPv%i', (family) => {
    const received = async () => Number(await server.last({ do: 'bytes received' }));
    const arrives = async (): Promise<boolean> => {
      const before = await received();
      await pod.call({ do: 'send' });
      return eventually(async () => (await received()) === before + 1, 1_000);
    };

    test('what it answers to whoever connects to it, from a range that it may not reach, too', async () => {
      await enforce(stateFor(DENY_ONE_RANGE));
      for (const port of PORTS) {
        const from = { from: SERVER[family] };
        expect(await server.last({ do: 'connect', address: POD[family], port, ...from })).toMatchObject(CONNECTED);
      }
    });

    test('its errors about what others send', async () => {
      await enforce(stateFor(DENY_ONE_RANGE));
      expect(await server.last({ do: 'ask', address: POD[family], port: 9 })).toBe('ECONNREFUSED');
    });

    test('connections that conntrack does not know, when it goes on with them; not those to the range', async () => {
      const open = family === 4 ? '203.0.113.1' : '2001:db8:a::1';
      for (const [address, isOpen] of [
        [open, true],
        [SERVER[family], false],
      ] as const) {
        await node.execute('nft', 'delete', 'table', 'inet', 'namewall').catch(() => ''); // conntrack is off, too
        objects = NO_OBJECTS;
        expect(await pod.last({ do: 'connect', address, port: 443 })).toMatchObject(CONNECTED);
        await enforce(stateFor(DENY_ONE_RANGE));
        expect(await arrives()).toBe(isOpen);
      }
    });
  });

  test.each(TIER_CASES.map((each) => [each.why, each] as const))('%s', async (_why, { documents, names, packets }) => {
    const state = stateFor(documents);
    const granted = grantsOf(state, names);
    await enforce(state);
    await grant(granted);
    expect(await become(packets)).toEqual(packets);
    expect(asTold(packets, (text) => judged(state, granted, text))).toEqual(packets);
  });

  test.each(TIER_CHANGES.map((each) => [each.why, each] as const))(
    'while policy changes: %s',
    async (_why, { before, documents, names, packets }) => {
      const old = stateFor(before);
      const next = stateFor(documents, old.registry);
      const granted = [grantsOf(old, names), grantsOf(next, names)] as const;
      await enforce(old);
      await enforce(between(old, next));
      await grant(granted.flat());
      expect(await become(packets)).toEqual(packets);
      for (const text of packets) {
        const isOpen = text.endsWith('connected');
        const allowing = [judged(old, granted[0], text), judged(next, granted[1], text)].filter(
          (verdict) => verdict !== 'refused',
        );
        if (allowing.length !== 1) expect([text, allowing.length === 2]).toEqual([text, isOpen]);
      }
      await enforce(next);
      await grant(granted[1]);
      expect(await become(packets)).toEqual(asTold(packets, (text) => judged(next, granted[1], text)));
    },
  );
});

interface Sent {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

interface Granted {
  readonly address: string;
  /** Index of the class. */
  readonly at: number;
  readonly portClass: PortClass;
}

function stateFor(documents: readonly string[], registry = EMPTY_REGISTRY): State {
  const read = readPolicies(documents.join('---'), 'tiers.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const given = inputs({ pods: PODS, nodes: NODES, dnsServers: [], policies: read.value });
  const state = stateOf(given, registry, { protect: { ranges: [], cidrs: [] } });
  if (!state.ok) throw new Error(JSON.stringify(state.problems));
  return state.value;
}

/** What the data plane would grant the pod. */
function grantsOf({ compiled }: State, names: Required<TierCase>['names'] = {}): Granted[] {
  const { programs, programOfPod, classes } = compiled;
  const rules = programs[programOfPod[0] ?? -1]?.names ?? [];
  return Object.entries(names).flatMap(([name, addresses]) => {
    const opened = rules.filter((rule) => ruleMatches(rule, name.split('.'))).flatMap((rule) => rule.classes);
    return addresses.flatMap((address) =>
      [...new Set(opened)].flatMap((at) => {
        const portClass = classes[at];
        return portClass === undefined ? [] : [{ address, at, portClass }];
      }),
    );
  });
}

function judged({ compiled }: State, granted: readonly Granted[], text: string): string {
  const { protocol, address, port } = readSent(text);
  const packet: StaticPacket = { protocol, port, address: parseAddress(address)!, isHost: NODE.includes(address) };
  const opens = (each: Granted) => each.address === address && covers(each.portClass, packet);
  const isOpen = !packet.isHost && !CLOSED.includes(packet.address, 0);
  const program = compiled.programOfPod[0] ?? -1;
  const { verdict, told } = judgePacket(compiled, program, packet, {
    isGranted: (asked) => isOpen && granted.some((each) => asked.includes(each.at) && opens(each)),
    isNeverGranted: (bytes) => NEVER.includes(bytes, 0),
  });
  const decided = verdict === 'none' ? (compiled.programs[program]?.otherwise ?? 'allow') : verdict;
  if (decided === 'deny') return 'refused';
  return told.length > 0 ? 'told' : 'connected';
}

/** The packets of these lines, each with what becomes of it. */
function asTold(lines: readonly string[], verdict: (text: string) => string): string[] {
  return lines.map((line) => line.replace(/ → .*/, '')).map((text) => `${text} → ${verdict(text)}`);
}

function covers({ ports }: PortClass, { protocol, port }: StaticPacket): boolean {
  if (ports === 'all') return true;
  return ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}

function readSent(text: string): Sent {
  const [protocol, address = '', port] = text.split(' ');
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', address, port: Number(port) };
}
