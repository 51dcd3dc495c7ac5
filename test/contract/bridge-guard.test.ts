// The table of the bridge family on the kernel, frame by frame. What the pods behind a bridge see of the whole is in netns/bridge.test.ts.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { bridgeGuardText } from '../../src/kernel/bridge-guard.ts';
import type { RulesetPod } from '../../src/kernel/ruleset.ts';
import { arpClaim, Attacker, ETHER, Witness } from '../support/attacker.ts';
import type { FrameOptions } from '../support/attacker.ts';
import { FLAG, ip, PROTOCOL, tcp } from '../support/attacker-packets.ts';
import { describeKernel, Namespace } from './support/namespace.ts';

const MAC = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b', other: '02:00:00:00:00:99' };
const A = { 4: '10.0.1.7', 6: '2001:db8:1::7' } as const;
const SECOND = { 4: '10.0.1.17', 6: '2001:db8:1::17' } as const;
const NOBODY = { 4: '10.0.1.99', 6: '2001:db8:1::99' } as const;
const B = { 4: '10.0.1.8', 6: '2001:db8:1::8' } as const;
const FAMILIES = [4, 6] as const;
const EVERYBODY = 'ff:ff:ff:ff:ff:ff';

const pod = (own: { 4: string; 6: string }, mac?: string): RulesetPod => ({
  addresses: [own[4], own[6]],
  owner: 'a1',
  interface: 'port-a',
  bridge: 'br0',
  ...(mac === undefined ? {} : { mac }),
});

describeKernel('the guard of a bridge', () => {
  let node: Namespace;
  let spaces: Namespace[];
  let sender: Attacker;
  let receiver: Witness;

  beforeAll(async () => {
    node = await Namespace.create('node');
    const [a, b] = [await Namespace.create('a'), await Namespace.create('b')];
    spaces = [node, a, b];
    await node.script(`
      ip link add br0 type bridge mcast_snooping 0
      ip link set br0 up
      ip link add port-a type veth peer name eth0 netns ${a.name}
      ip link add port-b type veth peer name eth0 netns ${b.name}
      ip link set port-a master br0 up
      ip link set port-b master br0 up
    `);
    await a.script(`ip link set eth0 address ${MAC.a} up`);
    await b.script(`ip link set eth0 address ${MAC.b} up`);
    sender = new Attacker(a.name, 'eth0', { own: MAC.a, gateway: MAC.b });
    receiver = new Witness(([, ...args], input) => b.run('nft', args, input), 'eth0');
  });
  afterAll(async () => {
    await sender.end();
    for (const space of spaces) await space.remove();
  });
  beforeEach(() => apply([]));

  const apply = (pods: readonly RulesetPod[]): Promise<unknown> =>
    node.run('nft', ['-f', '-'], bridgeGuardText(pods, []));
  const list = (): Promise<string> => node.execute('nft', '-s', 'list', 'ruleset');

  /** Whether a packet with this source comes out of the other port. */
  const passes = async (from: string, options: FrameOptions = {}): Promise<boolean> => {
    const isIPv6 = from.includes(':');
    const ends = { from, to: isIPv6 ? B[6] : B[4] };
    const syn = ip(ends, PROTOCOL.tcp, tcp(ends, { source: 4_000, port: 443 }, FLAG.syn));
    const seen = `${isIPv6 ? 'ip6' : 'ip'} saddr ${from}`;
    return (await receiver.count(seen, () => sender.send([syn], options))) > 0;
  };

  test('applied twice it is the same, and without a pod behind a bridge it is gone', async () => {
    await apply([pod(A, MAC.a)]);
    const once = await list();
    expect(once).toContain('table bridge namewall');
    await apply([pod(A, MAC.a)]);
    expect(await list()).toBe(once);
    await apply([]);
    expect(await list()).toBe('');
  });

  test.each(FAMILIES)('IPv%i: without the guard every source passes', async (family) => {
    expect([await passes(A[family]), await passes(NOBODY[family], { from: MAC.other })]).toEqual([true, true]);
  });

  test.each(FAMILIES)(
    'IPv%i: the own address from the own MAC passes, neither another address nor another MAC',
    async (family) => {
      await apply([pod(A, MAC.a)]);
      expect({
        own: await passes(A[family]),
        otherAddress: await passes(NOBODY[family]),
        otherMac: await passes(A[family], { from: MAC.other }),
      }).toEqual({ own: true, otherAddress: false, otherMac: false });
    },
  );

  test.each(FAMILIES)('IPv%i: where the MAC is not known, the address alone decides', async (family) => {
    await apply([pod(A)]);
    expect({
      own: await passes(A[family]),
      otherMac: await passes(A[family], { from: MAC.other }),
      otherAddress: await passes(NOBODY[family]),
    }).toEqual({ own: true, otherMac: true, otherAddress: false });
  });

  test.each(FAMILIES)('IPv%i: two pods behind one port have their addresses, and no third', async (family) => {
    await apply([pod(A, MAC.a), pod(SECOND, MAC.other)]);
    expect({
      first: await passes(A[family]),
      second: await passes(SECOND[family], { from: MAC.other }),
      third: await passes(NOBODY[family]),
    }).toEqual({ first: true, second: true, third: false });
  });

  test('a pod of one family alone sends nothing of the other', async () => {
    await apply([{ ...pod(A, MAC.a), addresses: [A[4]] }]);
    expect([await passes(A[4]), await passes(A[6])]).toEqual([true, false]);
  });

  test('a port that no pod has is not touched', async () => {
    await apply([{ ...pod(A, MAC.a), interface: 'port-b' }]);
    expect(await passes(NOBODY[4])).toBe(true);
  });

  test('a duplicate address is still looked for: a probe has no source, and claims nothing', async () => {
    await apply([pod(A, MAC.a)]);
    const probe = Buffer.from(arpClaim(MAC.a, '0.0.0.0', NOBODY[4]));
    probe[7] = 1; // a request
    const sent = (): Promise<void> => sender.send([probe], { to: EVERYBODY, etherType: ETHER.arp });
    expect(await receiver.count('arp operation request', sent)).toBe(1);
    const claims = (): Promise<void> =>
      sender.send([arpClaim(MAC.a, NOBODY[4], B[4])], { to: EVERYBODY, etherType: ETHER.arp });
    expect(await receiver.count('arp operation reply', claims)).toBe(0);
  });
});
