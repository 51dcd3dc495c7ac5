// Who asks, and under which program: the data plane's view of one snapshot. Pod indexes stay the same from snapshot to snapshot
// while the pod lives, so that queries in flight and grants keep their owner; a freed index is reused only for an empty pod.
import { familyOf } from '../../base/ip.ts';
import type { Family } from '../../base/ip.ts';
import { MAX_PODS } from '../../bridge/snapshot.ts';
import type { Snapshot } from '../../bridge/snapshot.ts';

const ADDRESS_WORDS = 4;
export const NO_POD = -1;
/** Indexes: as many as a snapshot has pods, and as many again that are gone and still hold grants. */
export const POD_INDEXES = 2 * MAX_PODS;

export class PodTable {
  /** Id of the pod at each index; 0 is a free index (ids begin at 1). */
  readonly ids = new Uint32Array(POD_INDEXES);
  /** Index into the snapshot's programs, or -1: no policy selects the pod. */
  readonly programs = new Int32Array(POD_INDEXES).fill(-1);
  /** 1 for a pod in audit mode. */
  readonly isAudited = new Uint8Array(POD_INDEXES);
  /** 0 for a pod that is gone and keeps its index because it still holds grants. */
  readonly isPresent = new Uint8Array(POD_INDEXES);
  /** Queries of each pod that wait for an upstream. */
  readonly inFlight = new Int32Array(POD_INDEXES);
  /** The source addresses that grants of each pod are made for, by family. */
  readonly #addresses4: Uint8Array[][] = [];
  readonly #addresses6: Uint8Array[][] = [];
  readonly #indexOfId = new Map<number, number>();
  #slots = new Int32Array(8).fill(NO_POD);
  #keys = new Int32Array(8 * ADDRESS_WORDS);
  #mask = 7;

  /** Index of the pod that owns a 16 byte address, or NO_POD. */
  find(address: Uint8Array, offset: number): number {
    const w0 = word(address, offset);
    const w1 = word(address, offset + 4);
    const w2 = word(address, offset + 8);
    const w3 = word(address, offset + 12);
    for (let at = hash(w0, w1, w2, w3) & this.#mask; ; at = (at + 1) & this.#mask) {
      const pod = this.#slots[at]!;
      if (pod === NO_POD) return NO_POD;
      const k = at * ADDRESS_WORDS;
      const keys = this.#keys;
      if (keys[k + 3] === w3 && keys[k + 2] === w2 && keys[k + 1] === w1 && keys[k] === w0) return pod;
    }
  }

  indexOfId(id: number): number {
    return this.#indexOfId.get(id) ?? NO_POD;
  }

  /** The pod's 16 byte addresses of one family: what may stand as source beside a destination of that family. */
  addresses(pod: number, family: Family): readonly Uint8Array[] {
    return (family === 4 ? this.#addresses4 : this.#addresses6)[pod] ?? [];
  }

  /** The pods that are in this table but not in `snapshot`. */
  missingFrom(snapshot: Snapshot): number[] {
    const present = new Set(snapshot.pods.map((pod) => pod.id));
    return [...this.#indexOfId].filter(([id]) => !present.has(id)).map(([, index]) => index);
  }

  /** Takes over a snapshot. The index of a pod that is gone is free afterwards when `isEmpty` says that nothing is left of it. */
  replace(snapshot: Snapshot, isEmpty: (pod: number) => boolean): void {
    for (const index of this.missingFrom(snapshot)) {
      this.programs[index] = -1;
      this.isAudited[index] = 0;
      this.isPresent[index] = 0;
      if (!isEmpty(index)) continue;
      this.#indexOfId.delete(this.ids[index]!);
      this.ids[index] = 0;
      this.inFlight[index] = 0;
    }
    const addresses = snapshot.pods.reduce((sum, pod) => sum + pod.addresses.length, 0);
    this.#resize(addresses);
    for (const pod of snapshot.pods) {
      const index = this.#indexOfId.get(pod.id) ?? this.#freeIndex();
      this.#indexOfId.set(pod.id, index);
      this.ids[index] = pod.id;
      this.isPresent[index] = 1;
      this.programs[index] = pod.program;
      this.isAudited[index] = pod.isAudited === true ? 1 : 0;
      this.#addresses4[index] = pod.addresses.filter((address) => familyOf(address) === 4);
      this.#addresses6[index] = pod.addresses.filter((address) => familyOf(address) === 6);
      for (const address of pod.addresses) this.#insert(address, index);
    }
  }

  #freeIndex(): number {
    const index = this.ids.indexOf(0);
    if (index < 0) throw new RangeError(`More than ${POD_INDEXES} pods`);
    return index;
  }

  #resize(addresses: number): void {
    let places = 8;
    while (places < addresses * 2) places *= 2;
    this.#mask = places - 1;
    this.#slots = new Int32Array(places).fill(NO_POD);
    this.#keys = new Int32Array(places * ADDRESS_WORDS);
  }

  #insert(address: Uint8Array, pod: number): void {
    const words = [word(address, 0), word(address, 4), word(address, 8), word(address, 12)] as const;
    let at = hash(...words) & this.#mask;
    while (this.#slots[at] !== NO_POD) at = (at + 1) & this.#mask;
    this.#slots[at] = pod;
    this.#keys.set(words, at * ADDRESS_WORDS);
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Addresses of pods are the operator's, not an attacker's: no seed needed. */
function hash(w0: number, w1: number, w2: number, w3: number): number {
  const h = Math.imul(w0 ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35) ^ w3, 0x9e3779b1);
  return h ^ (h >>> 15);
}
