// A pod of the lab in the hands of an attacker, and witnesses that count what of its packets gets somewhere. The attacker has CAP_NET_RAW and
// CAP_NET_ADMIN in its own namespace and nothing else.
import { LineChild } from '../../src/cli/demo/lines.ts';
import type { AttackerCalls } from './attacker-child.ts';
import { bytesOf } from './attacker-packets.ts';

export type Run = (argv: readonly string[], input?: string) => Promise<string>;

export interface FrameOptions {
  /** MAC addresses; default: of the link's own ends. */
  readonly to?: string;
  readonly from?: string;
  /** Puts an 802.1Q tag before the packet. */
  readonly vlan?: number;
  /** Default: that of the packet's IP version. */
  readonly etherType?: number;
}

export class Attacker {
  readonly #child: LineChild<AttackerCalls>;
  readonly #interface: string;
  readonly #macs: { readonly own: string; readonly gateway: string };

  /** Takes over `namespace`, whose only way out is `link`. */
  constructor(namespace: string, link: string, macs: { readonly own: string; readonly gateway: string }) {
    this.#child = new LineChild(namespace, new URL('./attacker-child.ts', import.meta.url));
    this.#interface = link;
    this.#macs = macs;
  }

  /** Writes IP packets (or the payload of another EtherType) to the link. */
  async send(packets: readonly Uint8Array[], options: FrameOptions = {}): Promise<void> {
    const frames = packets.map((packet) => this.#frame(packet, options).toString('hex'));
    await this.#child.call('send', { interface: this.#interface, frames });
  }

  askBoth(server: string, first: number, count: number): Promise<AttackerCalls['askBoth']['answer']> {
    return this.#child.call('askBoth', { server, first, count });
  }

  end(): Promise<void> {
    return this.#child.end();
  }

  #frame(packet: Uint8Array, { to, from, vlan, etherType }: FrameOptions): Buffer {
    const version = (packet[0] ?? 0) >> 4;
    const type = etherType ?? (version === 4 ? 0x0800 : 0x86dd);
    const header = [macBytes(to ?? this.#macs.gateway), macBytes(from ?? this.#macs.own)];
    const tag = vlan === undefined ? [] : [twoBytes(0x8100), twoBytes(vlan)];
    return Buffer.concat([...header, ...tag, twoBytes(type), packet]);
  }
}

export const ETHER = { arp: 0x0806, experimental: 0x88b5 };

/** An ARP reply (RFC 826) that says `address` has `mac`. */
export function arpClaim(mac: string, address: string, to: string): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, 2]);
  return Buffer.concat([head, macBytes(mac), bytesOf(address), macBytes('ff:ff:ff:ff:ff:ff'), bytesOf(to)]);
}

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

function twoBytes(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

/** Counts packets behind the filter. */
export class Witness {
  readonly #run: Run;
  readonly #family: string;
  readonly #hook: string;

  /**
   * `prerouting` sees what comes to a namespace, fragments and all; `input` what was let in to the namespace itself, after every filter
   * there; `eth0` every frame that comes by that link, of whatever type.
   */
  constructor(run: Run, where: 'prerouting' | 'input' | 'eth0') {
    this.#run = run;
    this.#family = where === 'eth0' ? 'netdev' : 'inet';
    const hook = {
      prerouting: 'prerouting priority -450',
      input: 'input priority 250',
      eth0: 'ingress device eth0 priority 0',
    };
    this.#hook = `type filter hook ${hook[where]}; policy accept;`;
  }

  /** How many packets that `match` takes are seen while `act` runs. */
  async count(match: string, act: () => Promise<unknown>): Promise<number> {
    const chain = `chain seen {\n${this.#hook}\n${match} counter\n}`;
    await this.#run(['nft', '-f', '-'], `table ${this.#family} witness {\n${chain}\n}\n`);
    try {
      await act();
      const listing = await this.#run(['nft', 'list', 'chain', this.#family, 'witness', 'seen']);
      return Number(/packets (\d+)/.exec(listing)?.[1]);
    } finally {
      await this.#run(['nft', 'delete', 'table', this.#family, 'witness']);
    }
  }
}
