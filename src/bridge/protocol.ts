// Every message between the threads, each with one direction. Messages to the data plane are followed by a signal on its eventfd, since
// a thread that sits in epoll_wait has no event loop to be woken by.
import type { DatapathSettings, UpstreamZone } from '../datapath/settings.ts';
import type { DigQuestion, Dug } from './dig.ts';
import type { Snapshot } from './snapshot.ts';

/** A grant that the kernel has from before the start. */
export interface InheritedGrant {
  readonly pod: number;
  readonly classIndex: number;
  readonly address: Uint8Array;
  readonly leftMs: number;
}

/** Lookups are kept for so long after the end of what they granted: connections that are open since then have no other reason to stay. */
export const KEPT_AFTER_END_MS = 24 * 60 * 60 * 1_000;

/** What a pod looked up; `pod` is its id. */
export interface KeptLookup {
  readonly pod: number;
  /** Folded wire name. */
  readonly name: Uint8Array;
  /** 16 byte addresses, one after the other. */
  readonly addresses: Uint8Array;
  /** 0 and less: it grants nothing any more, and only says what the pod saw. */
  readonly leftMs: number;
}

/** What outlived the process before. */
export interface Inheritance {
  readonly grants: readonly InheritedGrant[];
  readonly lookups: readonly KeptLookup[];
  /** Ids of pods whose program is another one now: what their lookups earn under it is granted. */
  readonly changed: readonly number[];
}

/** What the data plane's thread is started with. */
export interface DatapathStart {
  readonly settings: DatapathSettings;
  readonly snapshot: Snapshot;
  readonly inheritance: Inheritance;
  readonly controlBuffer: SharedArrayBuffer;
  readonly countersBuffer: SharedArrayBuffer;
  readonly ringBuffer: SharedArrayBuffer;
  /** Of the channel to the committer's thread. */
  readonly commitBuffer: SharedArrayBuffer;
}

/** What did the pod with this id (16 byte address, base/ip.ts) last see resolve to the address? */
export interface RecallQuestion {
  readonly pod: number;
  readonly address: Uint8Array;
}

/** One name that the pod's lookups found there, also one whose grant has ended. */
export interface RecalledName {
  /** Presentation form without the last dot. */
  readonly name: string;
  /** Milliseconds until the grant ends or would end; negative when it has. */
  readonly leftMs: number;
  /** Indexes into the classes of the snapshot adopted last: what the name's addresses open now. Empty: nothing. */
  readonly classes: readonly number[];
  /** Index into the rules of that snapshot's policy: the one that opens it, or only lets it be asked; -1: none. */
  readonly rule: number;
}

/** Main thread → data plane. `prune` follows a snapshot once the kernel's chains have switched to it; `throw` is for the test that an exception there ends the process. */
export type ToDatapath =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'prune' }
  /** These zones, instead of all that were there. */
  | { readonly kind: 'upstreams'; readonly zones: readonly UpstreamZone[] }
  | { readonly kind: 'recall'; readonly questions: readonly RecallQuestion[] }
  /** Which lookups of the pod with this id are to outlive this process? */
  | { readonly kind: 'lookups'; readonly pod: number }
  /** Grants are put into the kernel again, from this place of the table on. */
  | { readonly kind: 'refill'; readonly from: number }
  /** To be asked as a pod asks; whoever wants to know what became of it knows its `token`. */
  | { readonly kind: 'dig'; readonly token: number; readonly question: DigQuestion }
  | { readonly kind: 'throw' };

/** Data plane → main thread. */
export type FromDatapath =
  /** Every socket is open and the first snapshot is in force. `wakeFd` is the eventfd to signal; `unreachable` upstreams were left out. */
  | { readonly kind: 'listening'; readonly wakeFd: number; readonly unreachable: readonly string[] }
  /** The next snapshot or prune was carried out; `isComplete` is false when the kernel refused a change of grants that belongs to it. */
  | { readonly kind: 'done'; readonly isComplete: boolean }
  /** The next message of upstreams was carried out, without those that no route leads to; or it was refused and changed nothing. */
  | { readonly kind: 'upstreams-replaced'; readonly unreachable: readonly string[] }
  | { readonly kind: 'upstreams-refused'; readonly code: string; readonly message: string }
  /** For each question of the next recall the names, the one that was looked up last first. */
  | { readonly kind: 'recalled'; readonly names: readonly (readonly RecalledName[])[] }
  /** Of one pod. */
  | { readonly kind: 'kept-lookups'; readonly lookups: readonly KeptLookup[] }
  /** Where to go on; -1: all of them are there. */
  | { readonly kind: 'refilled'; readonly next: number }
  /** Whenever it is over: not in the order of the answers above. */
  | { readonly kind: 'dug'; readonly token: number; readonly dug: Dug }
  /** Chains, rules or sets of our table changed: whoever knows what we did ourselves has to look. */
  | { readonly kind: 'kernel-touched' }
  /** The table or its sets were deleted by somebody else. */
  | { readonly kind: 'kernel-damage' }
  /** One query ended in an exception and got SERVFAIL. */
  | { readonly kind: 'internal-error'; readonly stack: string }
  /** The loop cannot start or go on. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string; readonly stack: string };
