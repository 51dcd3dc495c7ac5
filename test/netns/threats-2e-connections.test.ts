// Threats.md 2E: what an attacker makes of connections that exist, of its own and of others: translation, related packets, tuples that
// connection tracking knows.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Attacker } from '../support/attacker.ts';
import { attackedLab, GRANTED, mac, NOT_GRANTED, OTHERS } from '../support/attacker-lab.ts';
import type { AttackedLab } from '../support/attacker-lab.ts';
import { runCommand } from '../../src/cli/demo/command.ts';
import type { LabPod } from '../../src/cli/demo/pod.ts';
import { FLAG, icmp, ip, PROTOCOL, tcp } from '../support/attacker-packets.ts';
import type { Ends } from '../support/attacker-packets.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const CART = { 4: '10.0.1.7', 6: 'fd00:10:1::7' } as const;
const DESK = { 4: '10.0.1.8', 6: 'fd00:10:1::8' } as const;
const SERVICE = { 4: '10.96.0.80', 6: 'fd00:96::80' } as const;
const NODE = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const FAMILIES = [4, 6] as const;
const WEB = 443;
const UNREACHABLE = { 4: 3, 6: 1 } as const;

const segment = (ends: Ends, source: number, port: number, flags: number): Buffer =>
  ip(ends, PROTOCOL.tcp, tcp(ends, { source, port }, flags));
const between = (family: 4 | 6, { from, to }: Ends): string =>
  family === 4 ? `ip saddr ${from} ip daddr ${to}` : `ip6 saddr ${from} ip6 daddr ${to}`;

describe.skipIf(!canUseKernel).each(FAMILIES)('a pod in the hands of an attacker, IPv%i', (family) => {
  let attacked: AttackedLab;
  let far: Attacker;
  const granted = { from: CART[family], to: GRANTED[family] };
  const denied = { from: CART[family], to: NOT_GRANTED[family] };

  beforeAll(async () => {
    attacked = await attackedLab({ lifetimes: { grace: '1s' } });
    const { lab, cart } = attacked;
    const onWorld = (argv: readonly string[]): Promise<string> =>
      runCommand(['ip', 'netns', 'exec', lab.worldNamespace, ...argv]);
    const ends = { own: await mac(onWorld, 'eth0'), gateway: await mac((argv) => lab.onNode(argv), 'world') };
    far = new Attacker(lab.worldNamespace, 'eth0', ends);
    // The pod's own kernel knows nothing of what is sent by hand, and must not reset it.
    await lab.onPod(cart, ['nft', '-f', '-'], QUIET);
  });
  afterAll(async () => {
    await far.end();
    await attacked.end();
  });
  beforeEach(async () => {
    for (const type of ['A', 'AAAA']) {
      await attacked.cart.ask('n1.load.example.org', type);
      await attacked.desk.ask('n2.load.example.org', type);
    }
  });

  const arriving = (ends: Ends, ...packets: Buffer[]): Promise<number> =>
    attacked.world.count(between(family, ends), () => attacked.attacker.send(packets));

  /** Opens a connection; its number and its port at the pod. */
  async function opened(pod: LabPod, address: string): Promise<{ connection: number; source: number }> {
    const connected = await pod.connect(address, WEB);
    if (connected.outcome !== 'connected') throw new Error(`${address}: ${connected.outcome}`);
    const sockets = await attacked.lab.onPod(pod, ['ss', '-Htn', 'dst', family === 4 ? address : `[${address}]`]);
    return { connection: connected.connection, source: Number(/:(\d+) +\S+:443\b/.exec(sockets)?.[1]) };
  }

  describe('E14 behind the translation of a Service', () => {
    const nat = (where: string, to: string): string =>
      `${where} dnat to ${family === 4 ? to : to.replace(/(.*):(\d+)$/, '[$1]:$2')}`;
    const ipWord = family === 4 ? 'ip' : 'ip6';

    beforeAll(async () => {
      const rules = [
        nat(`${ipWord} daddr ${SERVICE[family]} tcp dport 80`, `${NOT_GRANTED[family]}:80`),
        nat(`${ipWord} daddr ${SERVICE[family]} tcp dport 443`, `${GRANTED[family]}:443`),
        nat(`${ipWord} daddr ${NODE[family]} tcp dport 30080`, `${NOT_GRANTED[family]}:80`),
        nat(`${ipWord} daddr ${NODE[family]} tcp dport 30443`, `${GRANTED[family]}:443`),
      ];
      const chain = `chain c {\ntype nat hook prerouting priority dstnat;\n${rules.join('\n')}\n}`;
      await attacked.lab.onNode(['nft', '-f', '-'], `table ${ipWord} services {\n${chain}\n}\n`);
    });

    test.each([
      ['a ClusterIP of an endpoint that is not granted is closed', SERVICE[family], 80, 'rejected'],
      ['a NodePort of the own node, of an endpoint that is not granted, is closed', NODE[family], 30_080, 'rejected'],
      ['a ClusterIP of an endpoint that is granted is open', SERVICE[family], 443, 'connected'],
      ['a NodePort of an endpoint that is granted is open', NODE[family], 30_443, 'connected'],
      ['a NodePort that nobody translates is closed', NODE[family], 30_999, 'rejected'],
    ])('%s', async (_why, address, port, outcome) => {
      expect(await attacked.cart.connect(address, port)).toMatchObject({ outcome });
    });
  });

  test('E7 a SYN on the tuple of a connection that is open is judged anew', async () => {
    const address = family === 4 ? '203.0.113.77' : '2001:db8:100::77';
    const records = family === 4 ? { A: [address] } : { AAAA: [address] };
    await attacked.lab.world.publish('short.load.example.org', { ...records, ttlSeconds: 1 });
    await attacked.cart.ask('short.load.example.org', family === 4 ? 'A' : 'AAAA');
    const { connection, source } = await opened(attacked.cart, address);
    const ends = { from: CART[family], to: address };
    expect(await arriving(ends, segment(ends, source, WEB, FLAG.syn))).toBeGreaterThan(0);
    await eventually(async () => {
      expect(await attacked.cart.connect(address, WEB)).toMatchObject({ outcome: 'rejected' });
    }, 8_000);
    expect(await attacked.cart.echo(connection)).toMatchObject({ outcome: 'echoed' });
    expect(await arriving(ends, segment(ends, source, WEB, FLAG.syn))).toBe(0);
  });

  test('E7 whoever is connected to may answer, and not begin: no simultaneous open', async () => {
    const inwards = { from: denied.to, to: denied.from };
    await far.send([segment(inwards, 4_433, 5_000, FLAG.syn)]);
    expect(await arriving(denied, segment(denied, 5_000, 4_433, FLAG.syn))).toBe(0);
    expect(await arriving(denied, segment(denied, 5_000, 4_433, FLAG.syn | FLAG.ack))).toBeGreaterThan(0);
    expect(await arriving(denied, segment(denied, 5_000, 4_433, FLAG.syn))).toBe(0);
    expect(await arriving(denied, segment(denied, 5_000, 4_434, FLAG.syn | FLAG.ack))).toBe(0);
  });

  test('E11 an ICMP error about the own connection passes, to the one it is about and to nobody else', async () => {
    const { source } = await opened(attacked.cart, GRANTED[family]);
    const about = segment({ from: granted.to, to: granted.from }, WEB, source, FLAG.ack);
    expect(await arriving(granted, unreachable(granted, about))).toBeGreaterThan(0);
    expect(await arriving(denied, unreachable(denied, about))).toBe(0);
  });

  test('E11 an ICMP error about the connection of another pod does not pass', async () => {
    const { source } = await opened(attacked.desk, OTHERS[family]);
    const about = segment({ from: OTHERS[family], to: DESK[family] }, WEB, source, FLAG.ack);
    const ends = { from: CART[family], to: OTHERS[family] };
    expect(await arriving(ends, unreachable(ends, about))).toBe(0);
  });

  test('E11 a connection that another one led to expect is judged', async () => {
    const { lab, cart } = attacked;
    await lab.onNode(['nft', '-f', '-'], expectation(family));
    try {
      await far.send([segment({ from: denied.to, to: denied.from }, 4_444, 2_121, FLAG.syn)]);
      expect(await lab.onNode(['cat', '/proc/net/nf_conntrack_expect'])).toContain('dport=8443');
      expect(await cart.connect(NOT_GRANTED[family], 8_443)).toMatchObject({ outcome: 'rejected' });
      const seen = await lab.onNode(['nft', 'list', 'chain', 'inet', 'helper', 'c']);
      expect(seen).toMatch(/ct state related counter packets [1-9]/); // so that the rejection was a judgement
    } finally {
      await lab.onNode(['nft', 'delete', 'table', 'inet', 'helper']);
    }
  });

  function unreachable(ends: Ends, about: Buffer): Buffer {
    const rest = Buffer.concat([Buffer.alloc(4), about]);
    return ip(ends, family === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6, icmp(ends, UNREACHABLE[family], 1, rest));
  }
});

const QUIET = `table inet quiet {
  chain c {
    type filter hook output priority 0;
    tcp flags rst drop
  }
}
`;

/** As the helper of a protocol like FTP would: whoever is connected to connects back, to another port. */
function expectation(family: 4 | 6): string {
  return `table inet helper {
    ct expectation e { protocol tcp; dport 8443; timeout 1m; size 12; l3proto ${family === 4 ? 'ip' : 'ip6'}; }
    chain c {
      type filter hook forward priority -10;
      tcp dport 2121 ct expectation set "e"
      tcp dport 8443 ct state related counter
    }
  }
  `;
}
