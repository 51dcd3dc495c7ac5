// Connections that outlive `lifetimes.maxConnection`: cut, whatever policy says, so that what was opened under a name does not stay open for ever
// (UDP that never ends, tunnels). Looks at all open connections of selected pods now and then; when each was first seen counts as its beginning.
import { formatAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { Conntrack } from '../kernel/conntrack.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import type { Revocation } from './revocation.ts';
import type { State } from './state.ts';

const LEAST_LOOK_MS = 500;
const MOST_LOOK_MS = 30_000;
/** Looks within one lifetime: a connection may last a tenth longer. */
const LOOKS = 10;

export interface OldConnectionsParts {
  readonly conntrack: Pick<Conntrack, 'flows'>;
  readonly revocation: Pick<Revocation, 'cut'>;
  readonly state: () => State;
  readonly nowMs: () => number;
  readonly log: Logger;
}

export class OldConnections {
  readonly #maxMs: number;
  readonly #parts: OldConnectionsParts;
  #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  /** `maxMs` 0: connections may last as long as they like. */
  constructor(maxMs: number, parts: OldConnectionsParts) {
    this.#maxMs = maxMs;
    this.#parts = parts;
    if (maxMs > 0) this.#again();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#looking;
    clearTimeout(this.#timer);
  }

  #again(): void {
    const waitMs = Math.min(Math.max(this.#maxMs / LOOKS, LEAST_LOOK_MS), MOST_LOOK_MS);
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#again());
    }, waitMs);
  }

  async #look(): Promise<void> {
    const { conntrack, revocation, state, nowMs, log } = this.#parts;
    const current = state();
    const selected = new Set(
      current.registry.pods.flatMap(({ pod }, i) =>
        (current.compiled.programOfPod[i] ?? -1) >= 0 ? pod.addresses : [],
      ),
    );
    const now = nowMs();
    const seen = new Map<string, number>();
    try {
      const flows = conntrack.flows(({ source }) => selected.has(formatAddress(source)));
      const old = flows.filter((flow) => {
        const since = this.#seen.get(keyOf(flow)) ?? now;
        seen.set(keyOf(flow), since); // as many as conntrack.ts lists
        return now - since >= this.#maxMs;
      });
      this.#seen = seen;
      if (old.length > 0) await revocation.cut(old, current, 'older than lifetimes.maxConnection');
    } catch (error) {
      log.error({ error: String(error) }, 'Cannot end connections that last too long: trying again');
    }
  }
}

function keyOf({ id, source, sourcePort, destination, destinationPort, protocol }: Flow): string {
  return [id, formatAddress(source), sourcePort, formatAddress(destination), destinationPort, protocol].join(' ');
}
