// Static rules on the kernel, as a table of packets: what test/support/policies/static.yaml opens and what it does not. Threats.md 2E, E10 to E14.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../src/cli/demo/command.ts';
import { Lab } from '../../src/cli/demo/lab.ts';
import { applyText } from '../../src/kernel/apply.ts';
import { ruleset } from '../../src/kernel/ruleset.ts';
import type { RulesetInput } from '../../src/kernel/ruleset.ts';
import { Namespace } from '../contract/support/namespace.ts';
import { GOLDEN_CASES } from '../golden/cases.ts';
import { Attacker, Witness } from '../support/attacker.ts';
import { mac, NODE_ADDRESSES } from '../support/attacker-lab.ts';
import { FLAG, icmp, ip, ipv4, PROTOCOL, sctpInit, sourceRoute, tcp, udp } from '../support/attacker-packets.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/static.yaml', import.meta.url).pathname;
const PODS = { shop: 'cart', ranges: 'wide', all: 'open' } as const;
type App = keyof typeof PODS;

let lastPort = 40_000;

/** `tcp ADDRESS PORT`, `icmp ADDRESS TYPE`, `NUMBER ADDRESS`. */
function packetOf(from: string, text: string): Buffer {
  const [protocol = '', to = '', number = ''] = text.split(' ');
  const ends = { from, to };
  const ports = { source: ++lastPort, port: Number(number) };
  if (protocol === 'tcp') return ip(ends, PROTOCOL.tcp, tcp(ends, ports, FLAG.syn));
  if (protocol === 'udp') return ip(ends, PROTOCOL.udp, udp(ends, ports));
  if (protocol === 'sctp') return ip(ends, PROTOCOL.sctp, sctpInit(ports));
  if (protocol !== 'icmp') return ip(ends, Number(protocol), Buffer.alloc(32));
  const message = icmp(ends, Number(number), 0, Buffer.alloc(12));
  return ip(ends, to.includes(':') ? PROTOCOL.icmp6 : PROTOCOL.icmp, message);
}

type Row = readonly [why: string, app: App, packet: string, verdict: 'open' | 'closed'];

const ADDRESSES: readonly Row[] = [
  ['E10 a range opens every port', 'shop', 'tcp 198.51.100.3 22', 'open'],
  ['E10 and of IPv6', 'shop', 'tcp 2001:db8:100:1::3 22', 'open'],
  ['E11 and every protocol', 'shop', '253 198.51.100.3', 'open'],
  ['E11 and of IPv6', 'shop', '253 2001:db8:100:1::3', 'open'],
  ['E10 not what is beside it', 'shop', 'tcp 198.51.100.16 22', 'closed'],
  ['E10 nor of IPv6', 'shop', 'tcp 2001:db8:100:3::3 22', 'closed'],
  ['E10 a range with a port', 'shop', 'tcp 203.0.113.9 80', 'open'],
  ['E10 and of IPv6', 'shop', 'tcp 2001:db8:100:2::9 80', 'open'],
  ['E10 no other port', 'shop', 'tcp 203.0.113.9 443', 'closed'],
  ['E10 nor of IPv6', 'shop', 'tcp 2001:db8:100:2::9 443', 'closed'],
  ['E11 no other protocol', 'shop', 'udp 203.0.113.9 80', 'closed'],
  ['E10 not its exception', 'shop', 'tcp 203.0.113.129 80', 'closed'],
  ['E10 nor that of IPv6', 'shop', 'tcp 2001:db8:100:2:8000::9 80', 'closed'],
  ['E10 the world on a port', 'shop', 'udp 203.0.113.200 123', 'open'],
  ['E10 and of IPv6', 'shop', 'udp 2001:db8:100:3::9 123', 'open'],
  ['E14 the world is not the metadata address', 'shop', 'udp 169.254.169.254 123', 'closed'],
  ['E14 a range that lies inside a closed one is meant', 'shop', 'tcp 169.254.169.254 80', 'open'],
  ['E14 with its ports alone', 'shop', 'tcp 169.254.169.254 443', 'closed'],
  ['E11 an ICMP type to anywhere', 'shop', 'icmp 203.0.113.200 8', 'open'],
  ['E11 and of ICMPv6', 'shop', 'icmp 2001:db8:100:3::9 128', 'open'],
  ['E11 no other type', 'shop', 'icmp 203.0.113.200 13', 'closed'],
  ['E11 nor of ICMPv6', 'shop', 'icmp 2001:db8:100:3::9 138', 'closed'],
  ['E11 a port of SCTP', 'shop', 'sctp 203.0.113.200 5000', 'open'],
  ['E11 and of IPv6', 'shop', 'sctp 2001:db8:100:3::9 5000', 'open'],
  ['E11 no other port of SCTP', 'shop', 'sctp 203.0.113.200 5001', 'closed'],
  ['E11 nor that port of TCP', 'shop', 'tcp 203.0.113.200 5000', 'closed'],
  ['E10 a denial inside a range', 'shop', 'tcp 198.51.100.5 22', 'closed'],
  ['E10 and of IPv6', 'shop', 'tcp 2001:db8:100:1::5 22', 'closed'],
  ['E10 a denied port inside a range', 'shop', 'tcp 198.51.100.3 25', 'closed'],
  ['E2 what a name opened', 'shop', 'tcp 11.0.0.65 443', 'open'],
  ['E2 and of IPv6', 'shop', 'tcp 2001:db8:1000::41 443', 'open'],
  ['E2 a denial beats what a name opened', 'shop', 'tcp 11.0.0.66 443', 'closed'],
  ['E2 and of IPv6', 'shop', 'tcp 2001:db8:1000::42 443', 'closed'],
  ['E10 0.0.0.0/0', 'ranges', 'tcp 203.0.113.9 25', 'open'],
  ['E10 ::/0', 'ranges', 'tcp 2001:db8:100:3::9 25', 'open'],
  ['E14 0.0.0.0/0 is not the metadata address', 'ranges', 'tcp 169.254.169.254 80', 'closed'],
  ['E10 everything', 'all', 'tcp 203.0.113.9 25', 'open'],
  ['E10 and of IPv6', 'all', '253 2001:db8:100:3::9', 'open'],
  ['E14 everything is not the metadata address', 'all', 'tcp 169.254.169.254 80', 'closed'],
  ['E15 everything is not a choice of the way', 'all', 'routed 203.0.113.9', 'closed'],
  ...NODE_ADDRESSES.flatMap((address): Row[] => [
    ['E14 the port of the node that a rule opens', 'shop', `tcp ${address} 9100`, 'open'],
    ['E14 no other of its ports', 'shop', `tcp ${address} 10250`, 'closed'],
    ['E14 nor what is open to the world', 'shop', `udp ${address} 123`, 'closed'],
    ['E14 no range is the node', 'ranges', `tcp ${address} 10250`, 'closed'],
  ]),
  ['E14 everything is the node, too', 'all', 'tcp 10.0.1.1 10250', 'open'],
  ['E14 and by IPv6', 'all', 'tcp 2001:db8::1 10250', 'open'],
  ['E14 but by no address that is link-local', 'all', 'tcp fe80::1 10250', 'closed'],
];

describe.skipIf(!canUseKernel)('a static rule', () => {
  let lab: Lab;
  let world: Witness;
  let node: Witness;
  const attackers = new Map<string, Attacker>();

  beforeAll(async () => {
    lab = await Lab.build(Object.entries(PODS).map(([app, name]) => ({ name, namespace: 'shop', labels: { app } })));
    await lab.onNode(['sysctl', '-qw', 'net.ipv4.conf.all.accept_source_route=1']);
    lab.configure({ policies: [POLICY], lifetimes: { grace: '10m' } });
    await lab.startAgent();
    for (const name of ['n65', 'n66']) {
      for (const type of ['A', 'AAAA']) await lab.pod('cart').ask(`${name}.load.example.org`, type);
    }
    for (const pod of lab.pods) {
      const ends = {
        own: await mac((argv) => lab.onPod(pod, argv), 'eth0'),
        gateway: await mac((argv) => lab.onNode(argv), pod.address.interface),
      };
      attackers.set(pod.spec.name, new Attacker(pod.address.namespace, 'eth0', ends));
    }
    world = new Witness((argv, input) => runCommand(inWorld(argv), input), 'prerouting');
    node = new Witness((argv, input) => lab.onNode(argv, input), 'input');
  });
  afterAll(async () => {
    for (const attacker of attackers.values()) await attacker.end();
    await lab.remove();
  });
  const inWorld = (argv: readonly string[]): string[] => ['ip', 'netns', 'exec', lab.worldNamespace, ...argv];

  test.each(ADDRESSES)('%s: %s, %s: %s', async (_why, app, text, verdict) => {
    const { address } = lab.pod(PODS[app]);
    const to = text.split(' ')[1] ?? '';
    const from = to.includes(':') ? address.v6 : address.v4;
    const word = to.includes(':') ? 'ip6' : 'ip';
    const isNode = NODE_ADDRESSES.some((each) => each === to);
    const seen = await (isNode ? node : world).count(`${word} saddr ${from} ${word} daddr ${to}`, async () => {
      await attackers.get(PODS[app])?.send([text.startsWith('routed') ? routed(from, to) : packetOf(from, text)]);
    });
    expect(seen > 0 ? 'open' : 'closed').toBe(verdict);
  });

  test('E15 no choice of the way on a flow that is open already', async () => {
    const { address } = lab.pod('open');
    const ends = { from: address.v4, to: '10.0.1.1' };
    const ports = { source: 9_999, port: 9_999 };
    const attacker = attackers.get('open');
    await attacker?.send([ip(ends, PROTOCOL.udp, udp(ends, ports))]);
    // Whoever the node answers is in a flow of two directions.
    await lab.onNode([process.execPath, '-e', ANSWER, ends.from, String(ports.source)]);
    const detour = ipv4(ends, PROTOCOL.udp, udp(ends, ports), sourceRoute(131, '203.0.113.9'));
    expect(await world.count(`ip saddr ${ends.from}`, async () => attacker?.send([detour]))).toBe(0);
  });

  function routed(from: string, to: string): Buffer {
    const segment = tcp({ from, to }, { source: ++lastPort, port: 443 }, FLAG.syn);
    return ipv4({ from, to }, PROTOCOL.tcp, segment, sourceRoute(131, '203.0.113.10'));
  }
});

const ANSWER = `
  const socket = require('node:dgram').createSocket('udp4');
  const [address, port] = process.argv.slice(1);
  socket.bind(9999, '10.0.1.1', () => socket.send('answer', Number(port), address, () => socket.close()));
`;

describe.skipIf(!canUseKernel)('ten thousand ranges', () => {
  const base = GOLDEN_CASES['static-rules'];
  if (base === undefined) throw new Error('the case static-rules is gone');

  /** Every second /24 of 11.0.0.0/8 and on; `moved` is another instead of the last. */
  const withRanges = (count: number, moved?: string): RulesetInput => {
    const cidrs = Array.from({ length: count }, (_, i) => `${11 + (i >> 15)}.${(i >> 7) & 255}.${(i & 127) * 2}.0/24`);
    const last = moved === undefined ? [] : [moved];
    const destination = { key: 'cidr', cidrs: [...cidrs.slice(0, count - last.length), ...last] };
    return { ...base, destinations: [destination, ...base.destinations.slice(1)] };
  };

  test('E14 one that changes is one element out and one in, in the transaction and in the kernel', async () => {
    const space = await Namespace.create('ranges');
    try {
      const before = ruleset(withRanges(10_000));
      await applyText(before.text, space.run);
      const { text } = ruleset({ ...withRanges(10_000, '198.51.100.0/24'), existing: before.objects });
      const changes = text.split('\n').filter((line) => line !== '');
      expect(changes).toEqual([
        'add table inet namewall',
        expect.stringMatching(/^delete element inet namewall ranges4_\w+ \{ 11\.78\.30\.0\/24 \}$/),
        expect.stringMatching(/^add element inet namewall ranges4_\w+ \{ 198\.51\.100\.0\/24 \}$/),
      ]);
      await applyText(text, space.run);
      const [, set = ''] = /(ranges4_\w+)/.exec(text) ?? [];
      const has = async (address: string): Promise<boolean> =>
        await space.execute('nft', 'get', 'element', 'inet', 'namewall', set, `{ ${address} }`).then(
          () => true,
          () => false,
        );
      expect([await has('198.51.100.1'), await has('11.78.30.1'), await has('11.0.0.1')]).toEqual([true, false, true]);
    } finally {
      await space.remove();
    }
  });

  test('E14 a new connection is asked for the same rules, whatever their number', () => {
    const chains = (count: number): string => ruleset(withRanges(count)).text.replace(/[\s\S]*?\n\tchain /, 'chain ');
    expect(chains(10_000)).toBe(chains(10));
  });
});
