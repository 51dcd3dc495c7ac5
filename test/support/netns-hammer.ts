// A pod that sends to a forbidden address without end and at a known rate, and a far end that notes when each datagram that came through was
// sent: how long a hole was open, told by the packets themselves.
import { LineChild } from '../../src/cli/demo/lines.ts';

export interface HammerTarget {
  readonly kind: 'udp' | 'syn';
  /** IPv4. */
  readonly ip: string;
  readonly port: number;
}

/** What netns-hammer-child.ts serves. Times are CLOCK_MONOTONIC of the machine in milliseconds: the same in every process. */
export interface HammerCalls {
  readonly start: {
    readonly request: { readonly from: string; readonly targets: readonly HammerTarget[]; readonly perMs: number };
    readonly answer: null;
  };
  /** Packets sent to each target. */
  readonly stop: { readonly request: null; readonly answer: { readonly sent: number; readonly ms: number } };
  readonly collect: { readonly request: { readonly ip: string; readonly port: number }; readonly answer: null };
  /** When each datagram that has come was sent. */
  readonly collected: { readonly request: null; readonly answer: readonly number[] };
}

export class Hammer {
  readonly #child: LineChild<HammerCalls>;

  constructor(namespace: string) {
    this.#child = new LineChild(namespace, new URL('./netns-hammer-child.ts', import.meta.url));
  }

  /** `perMs` packets a millisecond to each target, from address `from`, each from another port than the one before. */
  async start(from: string, targets: readonly HammerTarget[], perMs: number): Promise<void> {
    await this.#child.call('start', { from, targets, perMs });
  }

  stop(): Promise<HammerCalls['stop']['answer']> {
    return this.#child.call('stop', null);
  }

  /** For the far side: notes what comes here, and answers it. */
  async collect(ip: string, port: number): Promise<void> {
    await this.#child.call('collect', { ip, port });
  }

  collected(): Promise<readonly number[]> {
    return this.#child.call('collected', null);
  }

  async close(): Promise<void> {
    await this.#child.end();
  }
}
