// A zone: the servers that are asked for a name and everything below it, and which of them comes first. What is in flight is none of
// its business: a server that was taken from it may still answer.
import type { ServerHealth } from './server-health.ts';
import { NO_SERVER } from './upstream-servers.ts';

const FAILURES_TO_MOVE = 3;

export class Zone {
  /** Folded, in plain wire form. */
  readonly name: Uint8Array;
  /** Places of UpstreamServers, in order of preference; may be empty. */
  readonly #servers: readonly number[];
  readonly #health: ServerHealth;
  #preferred: number;
  #failures = 0;

  /** `before` is the zone that this one replaces: first attempts stay with its server where that is still one of the zone's. */
  constructor(name: Uint8Array, servers: readonly number[], health: ServerHealth, before?: Zone) {
    this.name = name;
    this.#servers = servers;
    this.#health = health;
    const stays = before !== undefined && servers.includes(before.#preferred);
    this.#preferred = stays ? before.#preferred : (servers[0] ?? NO_SERVER);
    if (stays) this.#failures = before.#failures;
  }

  /**
   * The server that first attempts go to: it moves on when one fails several times in a row, and passes by those that are down unless all are.
   * NO_SERVER when the zone has none.
   */
  get preferred(): number {
    const isUsable = this.#preferred === NO_SERVER || !this.#health.isDown(this.#preferred);
    return isUsable ? this.#preferred : this.#nextUp(this.#servers.indexOf(this.#preferred));
  }

  /** The server after `server`, for the next attempt; one that is down only when all are. NO_SERVER when the zone has none. */
  after(server: number): number {
    const at = this.#servers.indexOf(server);
    return at < 0 ? this.preferred : this.#nextUp(at); // less than 0: taken from the zone since it was asked
  }

  /** True when none of its servers answers. */
  get isSilent(): boolean {
    return this.#servers.length > 0 && this.#health.isDown(this.preferred);
  }

  /** An attempt at `server` was not answered, or not usefully. One slow name must not move everybody to a server that may be dead. */
  failed(server: number): void {
    if (server !== this.#preferred || ++this.#failures < FAILURES_TO_MOVE) return;
    this.#preferred = this.after(server);
    this.#failures = 0;
  }

  /** `server` answered. */
  succeeded(server: number): void {
    if (server === this.#preferred) this.#failures = 0;
  }

  #nextUp(at: number): number {
    const count = this.#servers.length;
    for (let step = 1; step <= count; step++) {
      const server = this.#servers[(at + step) % count]!;
      if (!this.#health.isDown(server)) return server;
    }
    return count === 0 ? NO_SERVER : this.#servers[(at + 1) % count]!;
  }
}
