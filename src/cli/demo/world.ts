// The lab's internet as the lab sees it: DNS records that can be changed at any time, and what was asked for.
import { LineChild } from './lines.ts';
import type { Rcode, Records } from './zone.ts';

/** Ports on which every address of the world accepts TCP, answers HTTP GET and echoes everything else. */
export const WORLD_PORTS = [22, 80, 443, 8443] as const;

/** What world-server.ts serves. */
export interface WorldCalls {
  readonly listen: { readonly request: null; readonly answer: null };
  readonly publish: { readonly request: { readonly name: string; readonly records: Records }; readonly answer: null };
  readonly fail: { readonly request: { readonly name: string; readonly rcode: Rcode }; readonly answer: null };
  readonly withdraw: { readonly request: { readonly name: string }; readonly answer: null };
  readonly delay: { readonly request: { readonly milliseconds: number }; readonly answer: null };
  readonly loadTtl: { readonly request: { readonly ttlSeconds: number }; readonly answer: null };
  readonly asked: { readonly request: { readonly name: string }; readonly answer: number };
  readonly outlive: { readonly request: null; readonly answer: null };
}

export class World {
  readonly #child: LineChild<WorldCalls>;

  private constructor(child: LineChild<WorldCalls>) {
    this.#child = child;
  }

  /** Starts the servers in `namespace`; when this resolves they listen. */
  static async start(namespace: string): Promise<World> {
    const world = new World(new LineChild(namespace, new URL('./world-server.ts', import.meta.url)));
    await world.#child.call('listen', null);
    return world;
  }

  async publish(name: string, records: Records): Promise<void> {
    await this.#child.call('publish', { name, records });
  }

  /** Every question for `name` ends with `rcode`, until it is published again. */
  async fail(name: string, rcode: Rcode): Promise<void> {
    await this.#child.call('fail', { name, rcode });
  }

  async withdraw(name: string): Promise<void> {
    await this.#child.call('withdraw', { name });
  }

  /** Every DNS answer from now on leaves this much later. */
  async delay(milliseconds: number): Promise<void> {
    await this.#child.call('delay', { milliseconds });
  }

  /** TTL of the load zone's names from now on; 60 before. */
  async setLoadTtl(ttlSeconds: number): Promise<void> {
    await this.#child.call('loadTtl', { ttlSeconds });
  }

  /** How often `name` was asked, any type; load names are counted together under their zone. */
  asked(name: string): Promise<number> {
    return this.#child.call('asked', { name });
  }

  /** Lets the servers live on when this process ends. */
  async outlive(): Promise<void> {
    await this.#child.call('outlive', null);
    this.#child.release();
  }

  async end(): Promise<void> {
    await this.#child.end();
  }
}
