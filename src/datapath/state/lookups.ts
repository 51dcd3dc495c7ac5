// What each pod recently looked up: names, addresses, and how long they would be granted. It answers the question that a policy change
// asks: which grants still have a reason, and which new ones has the pod earned already (design §6, last sentence)? A ring of bytes per
// pod (lookup-ring.ts): noting costs a copy and no object, and what one pod looks up costs no other pod its memory (I6). Of one name a pod
// keeps so many addresses (name-addresses.ts): what it has given up is in the ring still, and no reason for a grant any more.
import { LookupRing } from './lookup-ring.ts';
import { NameAddresses } from './name-addresses.ts';

/** Of all pods together; a pod has its share of it, within the bounds below. A lookup is about 60 bytes. */
const BYTES = 64 * 1024 * 1024;
const LEAST_BYTES = 8 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;

export interface Lookup {
  /** Folded wire name. */
  readonly name: Uint8Array;
  /** 16 byte addresses, one after the other, those in never-granted ranges left out. */
  readonly addresses: Uint8Array;
  readonly expiryMs: number;
}

/** A lookup in which an address was seen. */
export type Sighting = Pick<Lookup, 'name' | 'expiryMs'>;

export interface Newest {
  readonly nowMs: number;
  readonly sinceMs: number;
  readonly most: number;
}

/** A lookup to be remembered, where it stands in the memory of others. */
export class Noted {
  bytes: Uint8Array = new Uint8Array(0);
  nameAt = 0;
  nameBytes = 0;
  addressesAt = 0;
  addressCount = 0;
  expiryMs = 0;
  /** Of the name alone, with the secret seed. */
  nameHash = 0;
  nowMs = 0;
}

export class Lookups {
  /** What names keep. */
  readonly addresses = new NameAddresses();
  readonly #ofPod = new Map<number, LookupRing>();
  #mostBytes = MOST_BYTES;

  /** How many pods share the memory from now on. */
  share(pods: number): void {
    this.#mostBytes = Math.min(Math.max(Math.floor(BYTES / Math.max(pods, 1)), LEAST_BYTES), MOST_BYTES);
  }

  /** Notes an answer, or that the one noted last for the name lives longer. `hash` is the query's, of name and type. */
  note(pod: number, hash: number, noted: Noted): void {
    let ring = this.#ofPod.get(pod);
    if (ring === undefined) this.#ofPod.set(pod, (ring = new LookupRing()));
    ring.note(hash, noted, this.#mostBytes);
    this.addresses.note(pod, noted);
  }

  /** Until when this answer would be granted, as it was noted; 0 when another one or none was noted last under the hash. */
  expiryMs(pod: number, hash: number, noted: Noted): number {
    return this.#ofPod.get(pod)?.expiryMs(hash, noted) ?? 0;
  }

  /** The pod's lookups that would be granted still, the oldest first; copies. */
  of(pod: number, nowMs: number): Lookup[] {
    return this.#ofPod.get(pod)?.list(nowMs) ?? [];
  }

  /** As `of`, and then also those that ended after `sinceMs`, `most` in all: what has ended gives way first. The ended ones stand first; copies. */
  newest(pod: number, { nowMs, sinceMs, most }: Newest): Lookup[] {
    return this.#ofPod.get(pod)?.newest({ nowMs, sinceMs, most }) ?? [];
  }

  /**
   * The pod's lookups that hold this address, also those that would be granted no longer, the latest first and at most so many; copies.
   * A pod may have made its ring such that some are not found (lookup-ring.ts): the work is bounded, and what is missing allows nothing.
   */
  withAddress(pod: number, address: Uint8Array, most: number): Sighting[] {
    return this.#ofPod.get(pod)?.withAddress(address, most) ?? [];
  }

  /** How many addresses `withAddress` has compared for this pod so far. */
  compared(pod: number): number {
    return this.#ofPod.get(pod)?.compared ?? 0;
  }

  forgetPod(pod: number): void {
    if (this.#ofPod.delete(pod)) this.addresses.forgetPod(pod);
  }
}
