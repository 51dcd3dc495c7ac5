// The policy and the pods of one moment, as the main thread posts them to the data plane. Replaced as a whole, never changed.
import type { NameRule, Otherwise } from '../policy/compiled.ts';

/** Pods of a snapshot at most. A node runs 250 or so; a plain host may have more clients. */
export const MAX_PODS = 8192;

/** One pod as the data plane knows it. `id` is never reused within a process, so that a late audit record cannot name another pod. */
export interface SnapshotPod {
  readonly id: number;
  /** 16 byte addresses (base/ip.ts). */
  readonly addresses: readonly Uint8Array[];
  /** Index into `programs`, or -1: no policy selects it, so it may ask every name and is granted nothing. */
  readonly program: number;
  /** In audit mode: a name that no rule allows is answered all the same, and said in the audit. Absent: false. */
  readonly isAudited?: boolean;
}

export interface SnapshotProgram {
  readonly id: string;
  /** `rule` and `classes` of each are numbers of this snapshot: `firstRule + rule` is the audit's number (see main thread). */
  readonly names: readonly NameRule[];
  /** What becomes of a question for a name that none of them lets be asked. Absent: it is denied. */
  readonly unlisted?: { readonly udp: Otherwise; readonly tcp: Otherwise };
  /** What may be asked is answered and told: policies that audit would deny it. Absent: it is not. */
  readonly isTold?: { readonly udp: boolean; readonly tcp: boolean };
  /** The rule that would deny what is told, of either; -1: none. */
  readonly toldBy?: { readonly udp: number; readonly tcp: number };
  /** Only policies that audit isolate its pods: an answer that cannot be granted is theirs all the same. Absent: false. */
  readonly isAudited?: boolean;
}

export interface Snapshot {
  /** 1, 2, 3, … within a process. */
  readonly generation: number;
  readonly pods: readonly SnapshotPod[];
  readonly programs: readonly SnapshotProgram[];
  /** Ids of the port classes; class K's elements go into the sets grants4_<id> and grants6_<id>. */
  readonly classIds: readonly string[];
  /** nft text that closes these pods, for the moment in which somebody deletes our table (kernel/shield.ts). */
  readonly shield: string;
}
