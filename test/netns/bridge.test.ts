// Pods behind one bridge of the node, as the default of Docker, libvirt and several CNIs has them: they could reach each other, and answer for
// each other, without a packet that the node routes. Threats.md 2E, E1, E10, E14 and E16 once more.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { arpClaim, ETHER, macBytes } from '../support/attacker.ts';
import type { Attacker, FrameOptions } from '../support/attacker.ts';
import { bridgedLab, CART, DESK, GATEWAY } from '../support/attacker-bridge.ts';
import type { BridgedLab } from '../support/attacker-bridge.ts';
import { GRANTED, NOT_GRANTED, OTHERS } from '../support/attacker-lab.ts';
import { bytesOf, FLAG, icmp, ip, ipv6, PROTOCOL, tcp, udp } from '../support/attacker-packets.ts';
import type { Ends } from '../support/attacker-packets.ts';
import { canUseKernel } from '../support/kernel.ts';

const LINK_LOCAL = 'fe80::6661:6b65';
const FAMILIES = [4, 6] as const;
const EVERYBODY = { 4: 'ff:ff:ff:ff:ff:ff', 6: '33:33:00:00:00:01' } as const;
const ALL_NODES = 'ff02::1';
const WEB = 443;

let lastPort = 50_000;
const syn = (ends: Ends, port = WEB): Buffer =>
  ip(ends, PROTOCOL.tcp, tcp(ends, { source: ++lastPort, port }, FLAG.syn));
const word = (family: 4 | 6): string => (family === 4 ? 'ip' : 'ip6');

interface Attack {
  readonly title: string;
  readonly packet: () => Buffer;
  readonly options?: FrameOptions;
  readonly seen: string;
  /** `desk`: by its link. */
  readonly at: 'desk' | 'world';
}

/** A neighbour discovery message (RFC 4861 §4) with an option that says whose MAC is meant. */
function neighbour(type: number, from: string, target: string): Buffer {
  const ends = { from, to: ALL_NODES };
  const flags = Buffer.from(type === 136 ? [0x20, 0, 0, 0] : [0, 0, 0, 0]);
  const option = Buffer.concat([Buffer.from([type === 136 ? 2 : 1, 1]), macBytes(CART.mac)]);
  return ipv6(ends, PROTOCOL.icmp6, icmp(ends, type, 0, Buffer.concat([flags, bytesOf(target), option])), 255);
}

const TO_ALL = { to: EVERYBODY[6] };
const ATTACKS: readonly Attack[] = [
  ...FAMILIES.flatMap((family): Attack[] => {
    const toDesk = { from: CART[family], to: DESK[family] };
    const seenAtDesk = `${word(family)} saddr ${CART[family]}`;
    return [
      {
        title: `E14 a neighbour on the bridge that policy does not open, IPv${family}`,
        packet: () => syn(toDesk),
        options: { to: DESK.mac },
        seen: `${seenAtDesk} tcp dport ${WEB}`,
        at: 'desk',
      },
      {
        title: `E14 UDP to a neighbour on the bridge, IPv${family}`,
        packet: () => ip(toDesk, PROTOCOL.udp, udp(toDesk, { source: ++lastPort, port: 53 })),
        options: { to: DESK.mac },
        seen: `${seenAtDesk} udp dport 53`,
        at: 'desk',
      },
      {
        title: `E1 the address of the neighbour, IPv${family}`,
        packet: () => syn({ from: DESK[family], to: OTHERS[family] }),
        seen: `${word(family)} saddr ${DESK[family]}`,
        at: 'world',
      },
      {
        title: `E1 address and MAC of the neighbour, IPv${family}`,
        packet: () => syn({ from: DESK[family], to: OTHERS[family] }),
        options: { from: DESK.mac },
        seen: `${word(family)} saddr ${DESK[family]}`,
        at: 'world',
      },
      {
        title: `E16 another MAC, IPv${family}`,
        packet: () => syn({ from: CART[family], to: GRANTED[family] }),
        options: { from: '02:00:00:00:00:99' },
        seen: `${word(family)} saddr ${CART[family]}`,
        at: 'world',
      },
      {
        title: `E16 a frame with a VLAN tag, IPv${family}`,
        packet: () => syn(toDesk),
        options: { to: DESK.mac, vlan: 7 },
        seen: 'vlan id 7',
        at: 'desk',
      },
      {
        title: `E10 an address that nobody looked up, IPv${family}`,
        packet: () => syn({ from: CART[family], to: NOT_GRANTED[family] }),
        seen: `${word(family)} saddr ${CART[family]}`,
        at: 'world',
      },
    ];
  }),
  {
    title: 'E10 TCP between link-local addresses of neighbours',
    packet: () => syn({ from: LINK_LOCAL, to: DESK.link }),
    options: { to: DESK.mac },
    seen: `ip6 saddr ${LINK_LOCAL} meta l4proto tcp`,
    at: 'desk',
  },
  {
    title: 'E10 a router advertisement to the neighbours',
    packet: () => {
      const ends = { from: LINK_LOCAL, to: ALL_NODES };
      return ipv6(ends, PROTOCOL.icmp6, icmp(ends, 134, 0, Buffer.alloc(12)), 255);
    },
    options: TO_ALL,
    seen: 'icmpv6 type nd-router-advert',
    at: 'desk',
  },
  {
    title: 'E10 a redirect to the neighbour',
    packet: () => {
      const ends = { from: GATEWAY[6], to: DESK.link };
      return ipv6(ends, PROTOCOL.icmp6, icmp(ends, 137, 0, Buffer.alloc(36)), 255);
    },
    options: { to: DESK.mac },
    seen: 'icmpv6 type nd-redirect',
    at: 'desk',
  },
  ...([CART.mac, GATEWAY.mac] as const).map((claimed): Attack => ({
    title: `E16 ARP that gives the gateway's address to ${claimed === CART.mac ? 'the attacker' : 'its own MAC'}`,
    packet: () => arpClaim(claimed, GATEWAY[4], DESK[4]),
    options: { to: EVERYBODY[4], etherType: ETHER.arp },
    seen: `arp operation reply arp saddr ip ${GATEWAY[4]}`,
    at: 'desk',
  })),
  {
    title: 'E16 ARP that gives the own address to another MAC',
    packet: () => arpClaim(DESK.mac, CART[4], DESK[4]),
    options: { to: EVERYBODY[4], etherType: ETHER.arp },
    seen: `arp operation reply arp saddr ip ${CART[4]}`,
    at: 'desk',
  },
  ...([LINK_LOCAL, CART[6]] as const).map((from): Attack => ({
    title: `E16 an advertisement of the neighbour's address, from ${from}`,
    packet: () => neighbour(136, from, DESK[6]),
    options: TO_ALL,
    seen: 'icmpv6 type nd-neighbor-advert',
    at: 'desk',
  })),
  {
    title: 'E16 a solicitation in the name of the gateway',
    packet: () => neighbour(135, GATEWAY[6], DESK[6]),
    options: TO_ALL,
    seen: 'icmpv6 type nd-neighbor-solicit',
    at: 'desk',
  },
  {
    title: "E16 an advertisement of the gateway's own address",
    packet: () => neighbour(136, LINK_LOCAL, GATEWAY[6]),
    options: TO_ALL,
    seen: 'icmpv6 type nd-neighbor-advert',
    at: 'desk',
  },
  {
    title: 'E16 a frame that is neither IP nor ARP',
    packet: () => Buffer.alloc(46, 0x41),
    options: { to: DESK.mac, etherType: ETHER.experimental },
    seen: 'ether type 0x88b5',
    at: 'desk',
  },
];

describe.skipIf(!canUseKernel)('pods behind one bridge', () => {
  let lab: Lab;
  let attacker: Attacker;
  let witnesses: BridgedLab['witnesses'];

  beforeAll(async () => {
    ({ lab, attacker, witnesses } = await bridgedLab());
  });
  afterAll(async () => {
    await attacker.end();
    await lab.remove();
  });

  const arrived = async ({ packet, options, seen, at }: Attack): Promise<number> => {
    // What a forged frame taught the bridge must not keep the next one from its way.
    await lab.onNode(['sh', '-c', 'echo 1 > /sys/class/net/br0/bridge/flush']);
    return witnesses[at].count(seen, () => attacker.send([packet()], options));
  };

  test('E16 the agent itself makes what passes the bridge pass netfilter', async () => {
    const files = ['iptables', 'ip6tables'].map((name) => `/proc/sys/net/bridge/bridge-nf-call-${name}`);
    expect(await lab.onNode(['cat', ...files])).toBe('1\n1\n');
  });

  test.each(FAMILIES)('E2 each has what it looked up itself, IPv%i', async (family) => {
    const [cart, desk] = [lab.pod('cart'), lab.pod('desk')];
    const type = family === 4 ? 'A' : 'AAAA';
    expect(await cart.ask('n1.load.example.org', type)).toMatchObject({ addresses: [GRANTED[family]] });
    expect(await desk.ask('n2.load.example.org', type)).toMatchObject({ addresses: [OTHERS[family]] });
    expect(await cart.connect(GRANTED[family], WEB)).toMatchObject({ outcome: 'connected' });
    expect(await desk.connect(OTHERS[family], WEB)).toMatchObject({ outcome: 'connected' });
    expect(await cart.connect(OTHERS[family], WEB)).toMatchObject({ outcome: 'rejected' });
    expect(await cart.connect(DESK[family], WEB)).toMatchObject({ outcome: 'rejected' });
  });

  test('E10 a lease can still be asked for', async () => {
    const ends = { from: '0.0.0.0', to: '255.255.255.255' };
    const discover = ip(ends, PROTOCOL.udp, udp(ends, { source: 68, port: 67 }, Buffer.alloc(240)));
    const sent = (): Promise<void> => attacker.send([discover], { to: EVERYBODY[4] });
    expect(await witnesses.node.count('udp sport 68 udp dport 67', sent)).toBe(1);
  });

  test('E10 from no address nothing else is sent', async () => {
    const ends = { from: '0.0.0.0', to: '255.255.255.255' };
    const other = ip(ends, PROTOCOL.udp, udp(ends, { source: 68, port: 53 }));
    const sent = (): Promise<void> => attacker.send([other], { to: EVERYBODY[4] });
    expect(await witnesses.desk.count('ip saddr 0.0.0.0', sent)).toBe(0);
  });

  test('E10 neighbours are still found', async () => {
    await lab.onPod(lab.pod('cart'), ['ip', 'neigh', 'flush', 'dev', 'eth0']);
    for (const family of FAMILIES) {
      expect(await lab.pod('cart').connect(GRANTED[family], WEB)).toMatchObject({ outcome: 'connected' });
    }
  });

  test.each(ATTACKS)('$title: does not arrive', async (attack) => {
    expect(await arrived(attack)).toBe(0);
  });

  describe('without namewall', () => {
    beforeAll(async () => {
      await lab.killAgent('SIGKILL');
      for (const family of ['inet', 'bridge']) await lab.onNode(['nft', 'delete', 'table', family, 'namewall']);
    });

    test.each(ATTACKS)('$title: arrives', async (attack) => {
      expect(await arrived(attack)).toBeGreaterThan(0);
    });
  });
});
