// Attacks of one packet or two: what is sent, and where it would be seen. Each is sent twice, so that every test is known to be able to fail:
// with namewall it does not arrive, without it does.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attackedLab, GRANTED } from './attacker-lab.ts';
import type { AttackedLab } from './attacker-lab.ts';
import { FLAG, fragment6, ip, ipv4, ipv6, PROTOCOL, tcp, udp } from './attacker-packets.ts';
import type { Ends, Piece } from './attacker-packets.ts';
import { canUseKernel } from './kernel.ts';

export interface Attack {
  /** Begins with the row. */
  readonly title: string;
  readonly packets: () => readonly Buffer[];
  /** What of them is looked for, as an nft match. */
  readonly seen: string;
  /** Where. */
  readonly at: 'world' | 'node';
  /** Settings of the node (/proc/sys) that open this way where namewall is not. */
  readonly sysctl?: string;
}

export const CART = { 4: '10.0.1.7', 6: 'fd00:10:1::7' } as const;
export const DESK = { 4: '10.0.1.8', 6: 'fd00:10:1::8' } as const;
export const FAMILIES = [4, 6] as const;
export const WEB = 443;

let lastPort = 20_000;
/** Each packet from a port of its own: none belongs to what another test left in connection tracking. */
export const freshPort = (): number => ++lastPort;

export const between = (from: string, to: string): string =>
  `ip${from.includes(':') ? '6' : ''} saddr ${from} ip${to.includes(':') ? '6' : ''} daddr ${to}`;
export const tcpTo = (ends: Ends, port: number, flags = FLAG.syn): Buffer =>
  ip(ends, PROTOCOL.tcp, tcp(ends, { source: freshPort(), port }, flags));
export const udpTo = (ends: Ends, port: number): Buffer =>
  ip(ends, PROTOCOL.udp, udp(ends, { source: freshPort(), port }));

/** One attack at the far side. */
export function far(title: string, ends: Ends, packets: (ends: Ends) => readonly Buffer[]): Attack {
  return { title, packets: () => packets(ends), seen: between(ends.from, ends.to), at: 'world' };
}

/** The same in both families. */
export function farBoth(
  title: string,
  to: Record<4 | 6, string>,
  packets: (ends: Ends) => readonly Buffer[],
): Attack[] {
  return FAMILIES.map((family) => far(`${title}, IPv${family}`, { from: CART[family], to: to[family] }, packets));
}

/** A SYN with data in two fragments, the first of so many bytes: of 8, it has the ports alone. */
export function inTwo(ends: Ends, port: number, first: number): Buffer[] {
  const segment = tcp(ends, { source: freshPort(), port }, FLAG.syn, Buffer.alloc(16, 0x41));
  return [
    fragment(ends, segment.subarray(0, first), { id: 7, offset: 0, more: true }),
    fragment(ends, segment.subarray(first), { id: 7, offset: first, more: false }),
  ];
}

export function fragment(ends: Ends, bytes: Uint8Array, piece: Piece): Buffer {
  if (!ends.to.includes(':')) return ipv4(ends, PROTOCOL.tcp, bytes, undefined, piece);
  return ipv6(ends, 44, Buffer.concat([fragment6(PROTOCOL.tcp, piece), bytes]));
}

/** Sends each of them from the attacker's pod, with namewall and without. */
export function describeAttacks(title: string, attacks: readonly Attack[]): void {
  describe.skipIf(!canUseKernel)(title, () => {
    let attacked: AttackedLab;

    beforeAll(async () => {
      attacked = await attackedLab();
    });
    afterAll(() => attacked.end());

    const arrived = async ({ packets, seen, at, sysctl }: Attack): Promise<number> => {
      if (sysctl !== undefined) await attacked.lab.onNode(['sysctl', '-qw', `${sysctl}=1`]);
      return attacked[at].count(seen, () => attacked.attacker.send(packets()));
    };

    test.each(FAMILIES)('IPv%i: what is granted arrives, in one piece and in two', async (family) => {
      const ends = { from: CART[family], to: GRANTED[family] };
      for (const packets of [[tcpTo(ends, WEB)], inTwo(ends, WEB, 24)]) {
        const sent = (): Promise<void> => attacked.attacker.send(packets);
        expect(await attacked.world.count(between(ends.from, ends.to), sent)).toBeGreaterThan(0);
      }
    });

    test.each(attacks)('$title: does not arrive', async (attack) => {
      expect(await arrived(attack)).toBe(0);
    });

    describe('without namewall', () => {
      beforeAll(async () => {
        await attacked.lab.killAgent('SIGKILL');
        await attacked.lab.onNode(['nft', 'delete', 'table', 'inet', 'namewall']);
      });

      test.each(attacks)('$title: arrives', async (attack) => {
        expect(await arrived(attack)).toBeGreaterThan(0);
      });
    });
  });
}
