// What the data plane is told once, at its start. Everything that changes later comes as a Snapshot.
import type { ExtraRanges } from '../kernel/protected.ts';
import type { RefreshStrategy } from '../kernel/set-writer.ts';
import type { Endpoint } from '../sys/sys.ts';

/** How a denied name is answered (design §7). */
export type Denial = 'nxdomain' | 'refused' | 'nodata' | 'drop';

export interface Lifetimes {
  /** Shortest and longest life of a grant before the grace, and the grace itself, milliseconds. */
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  readonly graceMs: number;
}

export interface DatapathSettings {
  /** Addresses that pods ask, always with their port. */
  readonly listen: readonly Endpoint[];
  /** Bind to addresses that are not ours (tproxy). */
  readonly transparent: boolean;
  readonly upstreams: readonly Endpoint[];
  readonly denial: Denial;
  readonly lifetimes: Lifetimes;
  readonly table: string;
  readonly strategy: RefreshStrategy;
  /** What is never granted besides the built-in ranges. */
  readonly protect: ExtraRanges;
}
