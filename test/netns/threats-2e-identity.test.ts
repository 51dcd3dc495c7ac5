// Threats.md 2E: who a pod claims to be, and what another pod has. The attacker changes its addresses, MAC and routes as it likes.
import { encode } from 'dns-packet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { Witness } from '../support/attacker.ts';
import { attackedLab, GRANTED, NOT_GRANTED, OTHERS } from '../support/attacker-lab.ts';
import type { AttackedLab } from '../support/attacker-lab.ts';
import { FLAG, ip, PROTOCOL, tcp, udp } from '../support/attacker-packets.ts';
import type { Ends } from '../support/attacker-packets.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const CART = { 4: '10.0.1.7', 6: 'fd00:10:1::7' } as const;
const DESK = { 4: '10.0.1.8', 6: 'fd00:10:1::8' } as const;
const DNS = { 4: CLUSTER_DNS.v4, 6: CLUSTER_DNS.v6 } as const;
const FAMILIES = [4, 6] as const;
const WEB = 443;
const LOOKUPS = 2_000;
const STALL_MS = 200;

let lastPort = 30_000;
const syn = (ends: Ends): Buffer => ip(ends, PROTOCOL.tcp, tcp(ends, { source: ++lastPort, port: WEB }, FLAG.syn));
const question = (ends: Ends, name: string): Buffer => {
  const bytes = encode({ type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name }] });
  return ip(ends, PROTOCOL.udp, udp(ends, { source: ++lastPort, port: 53 }, bytes));
};
const source = (family: 4 | 6, address: string): string => `${family === 4 ? 'ip' : 'ip6'} saddr ${address}`;

describe.skipIf(!canUseKernel)('a pod in the hands of an attacker', () => {
  let attacked: AttackedLab;

  beforeAll(async () => {
    attacked = await attackedLab();
  });
  afterAll(() => attacked.end());

  const onCart = (...argv: string[]): Promise<string> => attacked.lab.onPod(attacked.cart, argv);
  /** How many packets with this source arrive at the far side. */
  const arriving = (family: 4 | 6, from: string, to: string, options = {}): Promise<number> =>
    attacked.world.count(source(family, from), () => attacked.attacker.send([syn({ from, to })], options));

  describe.each(FAMILIES)('IPv%i', (family) => {
    test('E1 a question in the name of another pod is never asked', async () => {
      const { lab, attacker, counter } = attacked;
      const asked = (): Promise<number> => lab.world.asked('load.example.org');
      const before = await asked();
      const spoofed = await counter('spoofed');
      await attacker.send([question({ from: DESK[family], to: DNS[family] }, `n${900 + family}.load.example.org`)]);
      expect(await counter('spoofed')).toBe(spoofed + 1);
      expect(await asked()).toBe(before);
      await attacker.send([question({ from: CART[family], to: DNS[family] }, `n${910 + family}.load.example.org`)]);
      await eventually(async () => expect(await asked()).toBe(before + 1), 2_000);
    });

    test('E2 what another pod has looked up is not open, whether the answer is cached or not', async () => {
      const { cart, desk } = attacked;
      expect(await desk.connect(OTHERS[family], WEB)).toMatchObject({ outcome: 'connected' });
      expect(await cart.connect(OTHERS[family], WEB)).toMatchObject({ outcome: 'rejected' });
      expect(await cart.connect(GRANTED[family], WEB)).toMatchObject({ outcome: 'connected' });
      expect(await desk.connect(GRANTED[family], WEB)).toMatchObject({ outcome: 'rejected' });
    });

    test('E16 a pod that gives itself the address of another sends nothing with it', async () => {
      await onCart('ip', 'addr', 'add', DESK[family], 'dev', 'eth0');
      try {
        const from = { from: DESK[family], timeoutMs: 300 };
        expect(await attacked.cart.connect(OTHERS[family], WEB, from)).toMatchObject({ outcome: 'silent' });
      } finally {
        await onCart('ip', 'addr', 'del', DESK[family], 'dev', 'eth0');
      }
    });

    test('E16 a pod that gives itself the address of nobody sends nothing with it', async () => {
      const spare = family === 4 ? '10.0.1.99' : 'fd00:10:1::99';
      expect(await arriving(family, spare, GRANTED[family])).toBe(0);
    });

    test('E16 another MAC opens nothing and closes nothing', async () => {
      const other = { from: '02:00:00:00:00:99' };
      expect(await arriving(family, CART[family], NOT_GRANTED[family], other)).toBe(0);
      expect(await arriving(family, DESK[family], OTHERS[family], other)).toBe(0);
      expect(await arriving(family, CART[family], GRANTED[family], other)).toBeGreaterThan(0);
    });

    test('E16 a VLAN tag opens nothing', async () => {
      for (const vlan of [0, 1, 7]) {
        expect(await arriving(family, CART[family], NOT_GRANTED[family], { vlan })).toBe(0);
        expect(await arriving(family, DESK[family], OTHERS[family], { vlan })).toBe(0);
      }
    });

    test('E16 a way to another pod that policy does not open is closed', async () => {
      const { lab, desk, attacker } = attacked;
      const atDesk = new Witness((argv, input) => lab.onPod(desk, argv, input), 'prerouting');
      const ends = { from: CART[family], to: DESK[family] };
      expect(await atDesk.count(source(family, CART[family]), () => attacker.send([syn(ends)]))).toBe(0);
    });
  });

  test('E19 A and AAAA asked from one socket at once: never a stall, and no insertion into connection tracking fails', async () => {
    const before = await insertsFailed(attacked);
    const { answered, slowestMs } = await attacked.attacker.askBoth(CLUSTER_DNS.v4, 10_000, LOOKUPS);
    expect(answered).toBe(2 * LOOKUPS);
    expect(slowestMs).toBeLessThan(STALL_MS);
    expect(await insertsFailed(attacked)).toBe(before);
    const tracked = await attacked.lab.onNode(['cat', '/proc/net/nf_conntrack']);
    expect(tracked.split('\n').filter((line) => line.includes(`dst=${CLUSTER_DNS.v4}`))).toEqual([]);
  });

  test('E14 the agent listens on no port but those of the DNS servers that it stands in for', async () => {
    const sockets = (await attacked.lab.onNode(['ss', '-Hlntu'])).trim().split('\n');
    const local = sockets.map((line) => line.trim().split(/ +/)[4]);
    const servers = [`${CLUSTER_DNS.v4}:53`, `[${CLUSTER_DNS.v6}]:53`];
    expect(local.filter((address) => !servers.includes(address ?? ''))).toEqual([]);
  });

  test.each(FAMILIES)('E16 a pod that is down is not replaced by another, IPv%i', async (family) => {
    await attacked.lab.onNode(['ip', 'link', 'set', attacked.desk.address.interface, 'down']);
    expect(await arriving(family, DESK[family], OTHERS[family])).toBe(0);
  });

  test.each(FAMILIES)('E16 nor when its link is gone, IPv%i', async (family) => {
    await attacked.lab.onNode(['ip', 'link', 'delete', attacked.desk.address.interface]).catch(() => undefined);
    await attacked.lab.onNode(['ip', 'route', 'replace', `${DESK[4]}/32`, 'dev', attacked.cart.address.interface]);
    expect(await arriving(family, DESK[family], OTHERS[family])).toBe(0);
  });
});

/** Of all processors (the 11th column, after `entries`, of hexadecimal numbers; linux/Documentation/networking/nf_conntrack-sysctl). */
async function insertsFailed({ lab }: AttackedLab): Promise<number> {
  const [head = '', ...rows] = (await lab.onNode(['cat', '/proc/net/stat/nf_conntrack'])).trim().split('\n');
  const column = head.trim().split(/ +/).indexOf('insert_failed');
  return rows.reduce((sum, row) => sum + Number.parseInt(row.trim().split(/ +/)[column] ?? '', 16), 0);
}
