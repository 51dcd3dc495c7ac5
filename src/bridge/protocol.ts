// Every message between the threads, each with one direction. Messages to the data plane are followed by a signal on its eventfd, since
// a thread that sits in epoll_wait has no event loop to be woken by.
import type { DatapathSettings, UpstreamZone } from '../datapath/settings.ts';
import type { Snapshot } from './snapshot.ts';

/** What the data plane's thread is started with. */
export interface DatapathStart {
  readonly settings: DatapathSettings;
  readonly snapshot: Snapshot;
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
}

/** Main thread → data plane. `prune` follows a snapshot once the kernel's chains have switched to it; `throw` is for the test that an exception there ends the process. */
export type ToDatapath =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'prune' }
  /** These zones, instead of all that were there. */
  | { readonly kind: 'upstreams'; readonly zones: readonly UpstreamZone[] }
  | { readonly kind: 'recall'; readonly questions: readonly RecallQuestion[] }
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
  /** The table or its sets were deleted by somebody else. */
  | { readonly kind: 'kernel-damage' }
  /** One query ended in an exception and got SERVFAIL. */
  | { readonly kind: 'internal-error'; readonly stack: string }
  /** The loop cannot start or go on. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string; readonly stack: string };
