// What the data plane is told once, at its start. What changes later comes as a Snapshot, or as other upstream zones.
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

/** Whom a name and everything below it is asked of. The longest zone that a name is in decides. */
export interface UpstreamZone {
  /** Canonical text: `corp.example`, or `.` for every name; labels in ASCII. */
  readonly zone: string;
  /** In order of preference, eight at most. Without any, names of this zone get SERVFAIL at once; never are they asked elsewhere. */
  readonly servers: readonly Endpoint[];
}

/** Names that may be granted addresses of some ranges although `protect` closes them. */
export interface InternalZone {
  /** Canonical text; the name itself and everything below it is meant. */
  readonly zone: string;
  /** CIDRs, none of which touches what is closed everywhere. */
  readonly ranges: readonly string[];
}

export interface DatapathSettings {
  /** Addresses that pods ask, always with their port. */
  readonly listen: readonly Endpoint[];
  /** Bind to addresses that are not ours (tproxy). */
  readonly transparent: boolean;
  /** The first ones. A name that no zone covers gets SERVFAIL. None of the servers may be one of `listen`. */
  readonly upstreams: readonly UpstreamZone[];
  /** Names of these zones are granted nothing and their answers pass unchanged: the cluster's own. Absent: none. */
  readonly clusterZones?: readonly string[];
  readonly denial: Denial;
  readonly lifetimes: Lifetimes;
  readonly table: string;
  readonly strategy: RefreshStrategy;
  /** What is never granted besides the built-in ranges. */
  readonly protect: ExtraRanges;
  /** Absent: none. */
  readonly internalZones?: readonly InternalZone[];
  /** Of one pod. nft drops what is above before it reaches us; absent: no limit of ours. */
  readonly queriesPerSecond?: number;
  /** Of one pod: questions that the cache cannot answer. Absent: no limit. */
  readonly newNamesPerSecond?: number;
  /** Bytes of all cached answers. Absent: 32 MiB. */
  readonly cacheBytes?: number;
  /** What becomes of the address hints in HTTPS and SVCB answers of granted names; `strip`: they are answered NODATA. Absent: `grant`. */
  readonly hints?: 'grant' | 'strip';
  /** Of one answer, shown and granted for a granted name. Absent: 256. More than 1,000 mean so many. */
  readonly maxAddresses?: number;
}
